"""Versions of real Delta and Iceberg tables: what was deleted or replaced is not read, earlier
versions are, and what is more than a list of whole files is refused.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import shutil
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError, LogError
from equipoise.data import read_log
from equipoise.data.sources import (
    read_source,
    read_source_batches,
    source_columns,
    table_version,
)
from equipoise.pipeline.plan.log import at_version, open_log
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.run_folder import run_facts
from equipoise.scale.partitions import partitions_of
from equipoise.scale.shards import check_unchanged, fingerprint

LOG = pa.table(
    {
        "day": pa.array([dt.date(2026, 1, 1 + i // 20) for i in range(60)]),
        "shop": [("north", "a b/é", None)[i % 3] for i in range(60)],
        "arm": [i % 2 for i in range(60)],
        "y": [float(i % 5) for i in range(60)],
        "user": [f"{i:03d}" for i in range(60)],
    }
)


def rows(table: pa.Table) -> list[dict]:
    return table.select(LOG.column_names).sort_by("user").to_pylist()


@pytest.fixture(scope="module")
def delta(tmp_path_factory):
    """Versions: 0 the log, 1 without the first user, 2 with a column more, 3 the second day anew,
    4 nothing but ten rows.
    """
    library = pytest.importorskip("deltalake")
    place = tmp_path_factory.mktemp("delta") / "log"
    library.write_deltalake(place, LOG, partition_by=["day", "shop"])
    library.DeltaTable(place).delete("user = '000'")
    more = LOG.slice(0, 1).append_column("age", pa.array([40]))
    library.write_deltalake(place, more, mode="append", schema_mode="merge")
    library.write_deltalake(
        place,
        LOG.slice(20, 20)
        .set_column(3, "y", pa.array([9.0] * 20))
        .append_column("age", pa.nulls(20, pa.int64())),
        mode="overwrite",
        predicate="day = '2026-01-02'",
    )
    library.write_deltalake(place, LOG.slice(0, 10), mode="overwrite", schema_mode="overwrite")
    return place


@pytest.fixture(scope="module")
def iceberg(tmp_path_factory):
    """Versions: the log, without the first user, with ten rows twice."""
    catalogs = pytest.importorskip("pyiceberg.catalog.sql")
    place = tmp_path_factory.mktemp("iceberg")
    catalog = catalogs.SqlCatalog("c", uri=f"sqlite:///{place}/c.db", warehouse=place.as_uri())
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.log", schema=LOG.schema)
    with table.update_spec() as spec:
        spec.add_identity("day")
    table.append(LOG)
    table.delete("user = '000'")
    table.append(LOG.slice(10, 10))
    catalog.engine.dispose()
    return place / "shop" / "log", [one.snapshot_id for one in table.metadata.snapshots]


def test_every_version_of_a_delta_table(delta):
    assert rows(read_source(delta, version=0)) == rows(LOG)
    assert rows(read_source(f"{delta}?version=1")) == rows(LOG.slice(1))
    third = read_source(f"delta://{delta}?version=2")
    assert rows(third) == rows(LOG)
    assert third["age"].null_count == 59
    anew = {row["user"]: row["y"] for row in read_source(delta, version=3).to_pylist()}
    assert {anew[f"{i:03d}"] for i in range(20, 40)} == {9.0}
    assert len(anew) == 60
    assert rows(read_source(delta)) == rows(LOG.slice(0, 10))
    assert table_version(delta) == "4"
    assert read_source(delta.as_uri()).num_rows == 10
    every = pq.ParquetDataset(delta).read()  # what lies in the folder
    assert len(every) > 60


DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
B85 = DIGITS + "!#$%&()*+-;<=>?@^_`{|}~"
Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def marked(place: Path, rows: list[int]) -> None:
    """Mark rows of a Delta table's first file as deleted, as its protocol writes that down."""
    bitmaps = pytest.importorskip("pyroaring")
    actions = (place / "_delta_log" / f"{0:020d}.json").read_text().splitlines()
    add = next(json.loads(line)["add"] for line in actions if '"add"' in line)
    data = struct.pack("<iqi", 1_681_511_377, 1, 0) + bitmaps.BitMap(rows).serialize()
    data += b"\0" * (-len(data) % 4)
    text = base64.b85encode(data).decode().translate(str.maketrans(B85, Z85))
    vector = {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(data)}
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    commit = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {
            "remove": {
                "path": add["path"],
                "dataChange": True,
                "partitionValues": add["partitionValues"],
            }
        },
        {"add": {**add, "deletionVector": {**vector, "cardinality": len(rows)}}},
    ]
    text = "\n".join(map(json.dumps, commit))
    (place / "_delta_log" / f"{1:020d}.json").write_text(text)


def test_what_is_marked_as_deleted_is_another_partition(tmp_path):
    library = pytest.importorskip("deltalake")
    writer = library.WriterProperties(max_row_group_size=32)
    library.write_deltalake(tmp_path / "log", LOG, writer_properties=writer)
    before = partitions_of(tmp_path / "log", rows=32)
    marked(tmp_path / "log", [*range(32)])
    after = partitions_of(tmp_path / "log", rows=32)
    check_unchanged(after, fingerprint(after))
    with pytest.raises(DataError, match="a file must stay as it was while it is read"):
        check_unchanged(after, fingerprint(before))
    batches = [batch for part in after for batch in part.batches(batch_size=16)]
    assert sum(batch.num_rows for batch in batches) == len(LOG) - 32
    assert all(batch.num_rows for batch in batches)


def test_rows_that_are_only_marked_as_deleted_are_not_read(tmp_path):
    library = pytest.importorskip("deltalake")
    place, gone = tmp_path / "a b", [1, 2, 31, 40, *range(64, 96)]
    groups = library.WriterProperties(max_row_group_size=32)
    rows = pa.table({"n": range(150), "shop": ["a b/é"] * 150})
    library.write_deltalake(place, rows, partition_by=["shop"], writer_properties=groups)
    marked(place, gone)
    want = [n for n in range(150) if n not in gone]
    assert read_source(place)["n"].to_pylist() == want
    assert len(read_source(place, version=0)) == 150
    batches = list(read_source_batches(place, batch_size=20))
    assert pa.Table.from_batches(batches)["n"].to_pylist() == want
    parts = partitions_of(place, rows=40)
    assert [part.rows for part in parts] == [29, 31, 32, 22]  # groups of 32
    read = [n for part in parts for batch in part.batches() for n in batch["n"].to_pylist()]
    assert read == want


def test_columns_of_partitions_have_the_types_of_the_table(delta):
    assert source_columns(delta, version=0) == LOG.column_names
    table = read_source(delta, ["user", "shop", "day"], version=0)
    assert table.schema.types == [pa.string(), pa.string(), pa.date32()]
    batches = list(read_source_batches(delta, ["shop"], version=0, batch_size=7))
    assert sum(batch.num_rows for batch in batches) == 60
    assert {batch.schema.field("shop").type for batch in batches} == {pa.string()}
    parts = partitions_of(delta, rows=25, version=1)
    both = pa.Table.from_batches([batch for part in parts for batch in part.batches()])
    assert rows(both) == rows(LOG.slice(1))


def test_every_version_of_an_iceberg_table(iceberg):
    place, (first, *_, last) = iceberg
    assert rows(read_source(place, version=first)) == rows(LOG)
    now = read_source(place)
    assert len(now) == 69
    assert "000" not in now["user"].to_pylist()
    assert now.schema.field("day").type == pa.date32()
    assert table_version(place) == str(last)
    newest = max((place / "metadata").glob("*.metadata.json"))
    assert read_source(newest).num_rows == read_source(f"iceberg://{place}").num_rows == 69


def test_columns_of_another_name_than_in_the_files_are_refused(iceberg, delta, tmp_path):
    shutil.copytree(delta, tmp_path / "log")
    first = tmp_path / "log" / "_delta_log" / f"{0:020d}.json"
    mapped = '"configuration":{"delta.columnMapping.mode":"name"}'
    first.write_text(first.read_text().replace('"configuration":{}', mapped))
    with pytest.raises(DataError, match="a Delta table must name columns as its files"):
        read_source(tmp_path / "log", version=0)
    catalogs = pytest.importorskip("pyiceberg.catalog.sql")
    catalog = catalogs.SqlCatalog("d", uri="sqlite://", warehouse=tmp_path.as_uri())
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.log", schema=LOG.schema)
    table.append(LOG)
    with table.update_schema() as schema:
        schema.rename_column("y", "sales")
    catalog.engine.dispose()
    with pytest.raises(DataError, match="an Iceberg table must name columns .* 'y' of before"):
        read_source(tmp_path / "shop" / "log")


def test_a_plan_records_the_version_that_it_reads(delta):
    roles = {
        "treatment": "arm",
        "outcomes": {"y": "continuous"},
        "features": ["shop"],
        "id": "user",
    }
    plan = make_plan({"log": {"path": "delta://log", **roles}}, base=delta.parent)
    assert at_version(plan).log.version == "4"
    assert run_facts(at_version(plan), {}, "", "")["log_version"] == "4"
    assert len(open_log(plan)) == 10
    earlier = make_plan({"log": {"path": "log", "version": 1, **roles}}, base=delta.parent)
    assert at_version(earlier).log.version == "1"
    assert len(open_log(at_version(earlier))) == 59


@pytest.mark.parametrize(
    ("version", "said"),
    [("99", "a table must have such a version"), ("last", "must be a whole number; got 'last'")],
)
def test_a_version_that_is_not_there_is_told(delta, version, said):
    with pytest.raises(DataError, match=said):
        read_source(delta, version=version)


def test_places_that_cut_through_a_table_are_refused(delta, iceberg, tmp_path):
    table, _ = iceberg
    places = [delta / "day=2026-01-01", delta / "*" / "*" / "*.parquet", delta.parent]
    places += [delta.parent / "*" / "*" / "*" / "*.parquet", next(delta.rglob("*.parquet"))]
    places += [table / "data", table.parent, table / "data" / "*" / "*.parquet"]
    places += [next(table.rglob("*.parquet"))]
    for place in places:
        with pytest.raises(DataError, match="must (not be a part|hold no).*name the table's"):
            read_source(str(place))
    with pytest.raises(DataError, match="a list of places must hold no table"):
        read_source([delta, delta])
    pq.write_table(LOG, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="a place with a version must be a table"):
        read_source(tmp_path, version=3)
    with pytest.raises(LogError, match="a source with a version must be the place of a table"):
        read_log(LOG, treatment="arm", outcomes="y", version=3)
    with pytest.raises(DataError, match="must be that of a Delta table; got one without _delta"):
        read_source(f"delta://{tmp_path}")


def test_a_table_of_which_a_file_is_gone_is_told(delta, tmp_path):
    shutil.copytree(delta, tmp_path / "log")
    for file in (tmp_path / "log").rglob("day=2026-01-03/**/*.parquet"):
        file.unlink()
    assert read_source(tmp_path / "log").num_rows == 10
    with pytest.raises(DataError, match="a file must exist; got no such file at .*day=2026-01-03"):
        read_log(tmp_path / "log", treatment="arm", outcomes="y", version=1)
