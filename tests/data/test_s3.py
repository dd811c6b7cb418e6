"""Logs, units, assignments and tables behind addresses of S3, in a real object store over HTTP.

The store is OpenStack Swift, in an environment of its own (`make s3`), on this machine alone.
"""

from __future__ import annotations

import pickle

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from fixtures.object_store import SECRET, USER
from pyarrow import fs

import equipoise as eq
from equipoise.artifacts.batch import score_file
from equipoise.core.errors import DataError, EquipoiseError
from equipoise.data.sources import read_source, read_source_batches, table_version
from equipoise.scale.partitions import partitions_of

ROLES = {
    "treatment": "arm",
    "space": eq.Arms(["none", "mail"]),
    "outcomes": {"sale": "binary"},
    "features": ["age"],
}


def day(first: int) -> pa.Table:
    """A day of the log."""
    rows = range(first, first + 60)
    return pa.table(
        {
            "arm": ["none" if i % 2 else "mail" for i in rows],
            "sale": [int(i % 3 == 0) for i in rows],
            "age": list(rows),
        }
    )


@pytest.fixture(scope="module")
def store(object_store):
    """A store that holds two days of a log."""
    url, store = object_store
    store.create_dir("logs")
    for number in (0, 1):
        pq.write_table(day(60 * number), f"logs/days/{number}.parquet", filesystem=store)
    return url, store


@pytest.fixture
def environment(store, monkeypatch):
    """The environment that says where the store is, and with which keys; its file system."""
    settings = {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": SECRET}
    settings |= {"AWS_ENDPOINT_URL": store[0], "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return store[1]


def test_a_folder_and_a_file_are_read(environment):
    log = eq.read_log("s3://logs/days", **ROLES)
    assert log.table["age"].to_pylist() == list(range(120))
    assert len(eq.read_log("s3://logs/days/1.parquet", **ROLES)) == 60


@pytest.mark.parametrize("place", ["s3://logs/nights", "s3://nobody/days"])
def test_what_is_not_there_is_an_error_that_names_the_address(environment, place):
    with pytest.raises(DataError, match="an address must") as error:
        eq.read_log(place, **ROLES)
    assert place in str(error.value)
    assert SECRET not in str(error.value)


def test_patterns_batches_and_names_of_any_letters(environment):
    rows = pa.concat_tables([day(0), day(60)])
    batches = list(read_source_batches("s3://logs/da*/[01].parquet", ["age"], batch_size=50))
    assert pa.Table.from_batches(batches).equals(rows.select(["age"]))
    store = environment
    for number, name in enumerate(("city=São Paulo/é 1.parquet", "city=a&b=c/+.parquet")):
        pq.write_table(day(number), f"logs/keys/{name}", filesystem=store)
    table = read_source("s3://logs/keys", ["age", "city"])
    assert table["city"].unique().to_pylist() == ["São Paulo", "a&b=c"]
    with store.open_output_stream("logs/text/a.csv.gz", compression="gzip") as out:
        pcsv.write_csv(day(0), out)
    assert read_source("s3://logs/text/a.csv.gz").equals(day(0))
    parts = partitions_of("s3://logs/days", rows=60)
    assert [part.rows for part in parts] == [60, 60]
    again = pickle.loads(pickle.dumps(parts[1]))
    assert pa.Table.from_batches(again.batches()).equals(day(60))
    store.delete_file("logs/text/a.csv.gz")
    with pytest.raises(DataError, match="an address must lead"):
        read_source("s3://logs/text/a.csv.gz")


def test_a_version_of_a_delta_table_is_read(environment):
    delta = pytest.importorskip("deltalake")
    options = {"allow_http": "true", "aws_s3_allow_unsafe_rename": "true"}
    delta.write_deltalake("s3://logs/table", day(0), storage_options=options)
    delta.write_deltalake("s3://logs/table", day(60), mode="overwrite", storage_options=options)
    assert read_source("s3://logs/table").equals(day(60))
    assert read_source("s3://logs/table?version=0").equals(day(0))
    assert table_version("s3://logs/table") == "1"


def test_units_are_scored_from_address_to_address(environment, shipped, tmp_path):
    store = environment
    for number in range(3):
        part = shipped.table.slice(200 * number, 200)
        pq.write_table(part, f"logs/units/{number}.parquet", filesystem=store)
    out = "s3://logs/out/assigned.parquet"
    want = shipped.scorer.assign(shipped.table)
    for _ in range(2):  # an earlier one is replaced
        score_file(shipped.folder, "s3://logs/units", out)
        assert pq.read_table("logs/out/assigned.parquet", filesystem=store).equals(want)
    for place, said in {
        "s3://logs/units/0.parquet": "be new, or one of units scored earlier",
        "s3://logs/units": "differ from that of the units",
        "s3://nobody/a.parquet": "an address must be one that can be read",
    }.items():
        with pytest.raises(EquipoiseError, match=said):
            score_file(shipped.folder, "s3://logs/units", place)
    twice = pa.concat_tables([shipped.table, shipped.table.slice(0, 1)])
    pq.write_table(twice, tmp_path / "units.parquet")
    with pytest.raises(EquipoiseError, match="must be unique"):
        score_file(shipped.folder, tmp_path / "units.parquet", "s3://logs/out/new.parquet")
    assert [one.base_name for one in store.get_file_info(fs.FileSelector("logs/out"))] == [
        "assigned.parquet"
    ]
