"""Addresses: what Arrow does not open, fsspec does; keys are refused, packages named."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from equipoise.artifacts.batch import score_file
from equipoise.core.errors import DataError, InputError, MissingExtra
from equipoise.data.files import column_names, read_batches
from equipoise.data.sources import files_of, read_source, read_source_batches
from equipoise.data.stores import joined, located

TABLE = pa.table({"n": range(1000), "user": [f"{i:04d}" for i in range(1000)]})


@pytest.fixture
def memory():
    """A store of fsspec's, of which Arrow knows nothing."""
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.makedirs("/logs/day=1", exist_ok=True)
    arrow = fs.PyFileSystem(fs.FSSpecHandler(store))
    pq.write_table(TABLE, "/logs/day=1/a b.parquet", filesystem=arrow, row_group_size=100)
    with arrow.open_output_stream("/logs/day=2/é.csv.gz", compression="gzip") as out:
        pcsv.write_csv(TABLE.slice(0, 10), out)
    yield arrow
    store.rm("/logs", recursive=True)


def test_what_fsspec_opens_is_read_as_files_are(memory):
    names = ["memory://logs/day=1/a b.parquet", "memory://logs/day=2/é.csv.gz"]
    assert [file.name for file in files_of("memory://logs")] == names
    table = read_source("memory://logs")
    assert table["day"].to_pylist() == [1] * 1000 + [2] * 10
    assert pa.Table.from_batches(read_source_batches("memory://logs")).equals(
        table.combine_chunks()
    )
    assert read_source("memory://logs/**/*.gz", ["n"])["n"].to_pylist() == list(range(10))
    assert column_names(names[0]) == ["n", "user"]
    some = pa.Table.from_batches(read_batches(names[0], ["n"], groups=(2, 4)))
    assert some["n"].to_pylist() == list(range(200, 400))


def test_only_what_is_asked_for_is_read(memory, monkeypatch):
    read = []
    handler = memory.handler.fs
    many = pa.table({name: np.random.default_rng(0).random(50_000) for name in "abcd"})
    pq.write_table(many, "/logs/many.parquet", filesystem=memory, row_group_size=5_000)
    whole = handler.info("/logs/many.parquet")["size"]
    monkeypatch.setattr(
        "equipoise.data.stores.located",
        lambda address: (fs.PyFileSystem(Counting(handler, read)), address.partition(":/")[2]),
    )
    list(read_batches("memory://logs/many.parquet", ["b"], groups=(3, 5)))
    assert 80_000 < sum(read) < whole / 5  # 2 of 10 groups of 1 of 4 columns, and the footer


class Counting(fs.FSSpecHandler):
    """A file system that says how many bytes were asked for."""

    def __init__(self, system, read):
        super().__init__(system)
        self.read = read

    def open_input_file(self, path):
        file = self.fs.open(path, "rb")
        plain = file.read
        file.read = lambda size=-1: (self.read.append(size), plain(size))[1]
        return pa.PythonFile(file, mode="r")


def test_units_are_scored_from_one_store_to_another(memory, shipped, tmp_path):
    pq.write_table(shipped.table, "/logs/units.parquet", filesystem=memory)
    units, out = "memory://logs/units.parquet", "memory://logs/out/assigned.parquet"
    memory.create_dir("/logs/out")
    score_file(shipped.folder, units, out)
    want = shipped.scorer.assign(shipped.table)
    assert pq.read_table("/logs/out/assigned.parquet", filesystem=memory).equals(want)
    score_file(shipped.folder, units, out)  # an earlier one is replaced
    score_file(shipped.folder, units, tmp_path / "assigned.parquet")
    assert pq.read_table(tmp_path / "assigned.parquet").equals(want)
    with pytest.raises(InputError, match="must be new, or one of units scored earlier"):
        score_file(shipped.folder, tmp_path / "assigned.parquet", units)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://key:secret@bucket/days", "a name before @"),
        ("s3://key@bucket/days", "a name before @"),
        ("abfs://box:secret@account.dfs.core.windows.net/days", "a name before @"),
        ("s3://bucket/days?secret_key=secret", "a key after ?"),
        ("abfs://box@account.dfs.core.windows.net/days?sig=secret", "a key after ?"),
    ],
)
def test_keys_in_an_address_are_refused_and_not_shown(address, said):
    with pytest.raises(DataError, match="an address must hold no keys; got " + said[:6]) as error:
        read_source(address)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "kind", "path"),
    [
        ("gs://anonymous@bucket/a b/é.parquet", "gcs", "bucket/a b/é.parquet"),
        ("abfs://box@account.dfs.core.windows.net/a b", "abfs", "box/a b"),
        ("s3://bucket/100%/x?region=eu-west-1", "s3", "bucket/100%/x"),
    ],
)
def test_arrow_opens_what_it_knows_itself(address, kind, path):
    system, inside = located(address)
    assert (system.type_name, inside) == (kind, path)
    assert joined("s3://bucket/a?region=b", "c") == "s3://bucket/a/c?region=b"


def test_the_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(
        MissingExtra, match="memory:// must be opened by fsspec.*pip install fsspec"
    ):
        read_source("memory://logs")


@pytest.mark.parametrize(
    ("address", "said"),
    [("nope://bucket/a", "Protocol not known: nope"), ("memory://nothing/a.csv", "lead to a file")],
)
def test_an_address_that_leads_nowhere_is_told(address, said):
    pytest.importorskip("fsspec")
    with pytest.raises(DataError, match=said) as error:
        read_source(address)
    assert address in str(error.value)
