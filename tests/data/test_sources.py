"""Where a log lies: folders, patterns, lists and addresses give the same log as one file."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError, PlanError
from equipoise.data import read_log
from equipoise.data.sources import read_source, read_source_batches
from equipoise.data.stores import located
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.read import make_plan
from equipoise.scale.partitions import partitions_of

ROLES = {"treatment": "arm", "outcomes": "y", "features": ["x"], "id": "user"}


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    columns = {"user": [f"{i:04d}" for i in range(90)], "arm": rng.integers(0, 2, 90)}
    return pa.table(columns | {"x": rng.standard_normal(90), "y": rng.integers(0, 9, 90) / 2})


@pytest.fixture(params=["parquet", "csv"])
def folder(request, rows, tmp_path):
    """Three files of a month, and what other programs leave beside them."""
    month = tmp_path / "month"
    (month / "later").mkdir(parents=True)
    write = pq.write_table if request.param == "parquet" else pcsv.write_csv
    for i, name in enumerate(("a", "b", "later/c")):
        write(rows.slice(30 * i, 30), str(month / f"{name}.{request.param}"))
    (month / "_SUCCESS").write_text("")
    (month / "_notes.csv").write_text("not,a,log")
    (month / "readme.txt").write_text("hello")
    return month


def same(log, rows):
    assert log.table["user"].to_pylist() == rows["user"].to_pylist()
    np.testing.assert_array_equal(log.y[:, 0], rows["y"].to_numpy())


def test_files_of_a_place_are_one_log(folder, rows):
    files = sorted(str(f) for f in folder.rglob("[abc].*"))
    same(read_log(folder, **ROLES), rows)
    same(read_log(str(folder / "**" / "[abc].*"), **ROLES), rows)
    same(read_log(files, **ROLES), rows)
    same(read_log(folder.as_uri(), **ROLES), rows)
    same(
        read_log(
            [files[0], folder.as_uri() + "/b" + files[0][-files[0][::-1].index(".") - 1 :]], **ROLES
        ),
        rows.slice(0, 60),
    )


def test_everything_arrow_is_a_log(rows, folder):
    class Stream:
        def __arrow_c_stream__(self, requested_schema=None):
            return rows.__arrow_c_stream__(requested_schema)

    dataset = ds.dataset(rows)
    for source in (
        dataset,
        dataset.scanner(),
        dataset.scanner().to_reader(),
        rows.to_batches(max_chunksize=20),
        Stream(),
    ):
        same(read_log(source, **ROLES), rows)


def test_a_plan_names_folders_patterns_and_lists(folder, rows):
    log = {"treatment": "arm", "outcomes": ["y"], "features": ["x"], "id": "user"}
    names = [str(f.relative_to(folder.parent)) for f in sorted(folder.rglob("[abc].*"))]
    for path in ("month", "month/**/[abc].*", names, folder.as_uri()):
        plan = make_plan({"log": {"path": path, **log}}, base=folder.parent)
        same(open_log(plan), rows)
    with pytest.raises(PlanError, match="key 'path' must be a file, a folder, a pattern"):
        make_plan({"log": {"path": [3], **log}})


def test_whole_and_decimal_numbers_go_together(rows, tmp_path):
    (tmp_path / "a.csv").write_text("user,arm,x,y\n1,0,1,1\n2,1,2,2\n")
    (tmp_path / "b.csv").write_text("user,arm,x,y\n3,0,1.5,1\n4,1,2.5,2\n")
    log = read_log(tmp_path, **ROLES)
    assert log.table["x"].to_pylist() == [1.0, 2.0, 1.5, 2.5]


def test_types_that_say_the_same_go_together_losing_nothing(rows, tmp_path):
    """A log whose days other programs wrote is that of one file, whole or in batches."""
    seen = pa.array(np.arange(90) * 3_600).cast(pa.timestamp("s", "UTC"))
    cents = pa.array([f"{i / 100 + 2_049:.2f}" for i in range(90)]).cast(pa.decimal128(12, 2))
    rows = rows.append_column("seen", seen).append_column("cents", cents)
    rows = rows.append_column("paid", pa.array(range(90), pa.decimal128(4, 2)))
    new = {
        "user": (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())),
        "seen": (pa.timestamp("us", "Europe/Oslo"), pa.timestamp("ms", "UTC"), seen.type),
        "paid": (pa.int64(), pa.decimal128(4, 2), pa.uint8()),
        "cents": (pa.float64(), cents.type, pa.decimal128(20, 4)),
    }
    for i in range(3):
        part = rows.slice(30 * i, 30)
        if i == 0:  # a program that has floats, the nearest
            part = part.set_column(5, "cents", pa.array([float(c) for c in cents[:30].to_pylist()]))
        kinds = {name: pa.field(name, kinds[i]) for name, kinds in new.items()}
        schema = pa.schema([kinds.get(field.name, field) for field in part.schema])
        pq.write_table(
            part.cast(schema).select(schema.names[:: 1 - 2 * (i % 2)]), tmp_path / f"{i}.parquet"
        )
    said = [float(cent) for cent in cents.to_pylist()]
    want = rows.set_column(5, "cents", pa.array(said))
    got = read_source(tmp_path, rows.column_names)
    streamed = pa.Table.from_batches(read_source_batches(tmp_path, rows.column_names))
    parts = partitions_of(tmp_path, 40, rows.column_names)
    cut = [batch for part in parts for batch in part.batches(rows.column_names)]
    for table in (got, streamed, pa.Table.from_batches(cut)):
        assert table.schema.equals(got.schema)
        assert table.to_pylist() == want.to_pylist()


def test_a_number_too_large_for_the_type_of_all_files_is_told(tmp_path):
    for i, kind in enumerate((pa.int64(), pa.uint64())):
        pq.write_table(pa.table({"x": pa.array([2**63 * i, 1], kind)}), tmp_path / f"{i}.parquet")
    said = "every file must have the types of all; got .*9223372036854775808.* at .*1.parquet"
    with pytest.raises(DataError, match=said):
        read_source(tmp_path)
    with pytest.raises(DataError, match=said):
        list(read_source_batches(tmp_path))


def test_what_does_not_fit_is_told_with_its_file(rows, tmp_path):
    pq.write_table(rows, tmp_path / "a.parquet")
    pq.write_table(rows.drop_columns(["x"]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="have the columns of a.parquet; got no column 'x' at .*b"):
        read_log(tmp_path, **ROLES)
    text = rows.set_column(2, "x", pa.array(["much"] * 90))
    pq.write_table(text, tmp_path / "b.parquet")
    said = "column 'x' must have one type in all files; got double in a.parquet, string in b"
    with pytest.raises(DataError, match=said) as error:
        read_log(tmp_path, **ROLES)
    assert "as text" not in str(error.value)  # Parquet has types of its own


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("empty", "the folder must hold a file that ends in .parquet"),
        ("empty/*.csv", "the pattern must hold a file"),
        ("nowhere.csv", "a file must exist"),
        ("nope://bucket/days", "an address must be one that can be read"),
        ("s3://key:secret@bucket/days", "an address must hold no keys"),
    ],
)
def test_a_place_without_a_log_is_told(tmp_path, place, said):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=said) as error:
        read_log(place if "://" in place else tmp_path / place, **ROLES)
    assert "secret" not in str(error.value)


def test_an_address_of_this_machine_is_its_path(rows, tmp_path):
    odd = tmp_path / "a b#c;é"
    odd.mkdir()
    pq.write_table(rows, odd / "x#1.parquet")
    pq.write_table(rows.slice(0, 10), odd / "x")  # what is before a # is another file
    plain = f"file://{odd}/x#1.parquet"
    for place in (odd.as_uri(), (odd / "x#1.parquet").as_uri(), plain, f"file://localhost{odd}"):
        same(read_log(place, **ROLES), rows)
    assert located(f"file:{odd}")[1] == str(odd)  # as tables may have it
    for place in ("file://data/log.parquet", "file://"):
        with pytest.raises(DataError, match="an address of this machine must begin with file:///"):
            read_log(place, **ROLES)


def test_an_address_without_files_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    for place in ("empty", "nothing"):
        with pytest.raises(DataError, match="hold a file that ends in|a file must exist"):
            read_log((tmp_path / place).as_uri(), **ROLES)


def test_keys_of_text_beside_whole_numbers_are_whole_numbers(tmp_path):
    pq.write_table(pa.table({"user": [1, 2], "zip": ["01", "02"]}), tmp_path / "0.parquet")
    (tmp_path / "1.csv").write_text("user,zip\n3,03\n4,04\n")
    types = {"user": pa.string(), "zip": pa.string()}
    want = {"user": [1, 2, 3, 4], "zip": ["01", "02", "03", "04"]}
    assert read_source(tmp_path, types=types).to_pydict() == want
    batches = list(read_source_batches(tmp_path, types=types))
    assert pa.Table.from_batches(batches).to_pydict() == want
