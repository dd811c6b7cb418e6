"""Which files a place has: links, folders that are keys, names of any letters, and what other
programs leave beside.
"""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError
from equipoise.data import folders
from equipoise.data.sources import (
    files_of,
    read_source,
    read_source_batches,
    source_columns,
)
from equipoise.scale.partitions import partitions_of


def some(n: int, first: int = 0) -> pa.Table:
    rows = range(first, first + n)
    return pa.table({"n": list(rows), "user": [f"{i:03d}" for i in rows]})


def put(place, table: pa.Table) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    (pq.write_table if place.suffix == ".parquet" else pcsv.write_csv)(table, str(place))


def labels(place) -> list[str]:
    return [os.path.relpath(file.name, place) for file in files_of(place)]


def test_folders_that_are_keys_are_columns(tmp_path):
    for i, day in enumerate(("2026-01-02", "2026-01-01")):
        for hour in (2, 10):
            put(tmp_path / f"day={day}" / f"hour={hour}" / "a.parquet", some(2, 10 * i + hour))
    table = read_source(tmp_path)
    assert table.column_names == source_columns(tmp_path) == ["n", "user", "day", "hour"]
    assert table["day"].to_pylist() == ["2026-01-01"] * 4 + ["2026-01-02"] * 4
    assert table["hour"].to_pylist() == [10, 10, 2, 2] * 2
    assert read_source(tmp_path, ["hour"]).to_pydict() == {"hour": [10, 10, 2, 2] * 2}
    batches = read_source_batches(tmp_path, ["day", "n"], batch_size=3)
    assert pa.Table.from_batches(batches).equals(table.select(["day", "n"]).combine_chunks())
    one = read_source(str(tmp_path / "day=*" / "hour=2" / "*.parquet"), ["n", "day"])
    assert one["day"].to_pylist() == ["2026-01-01"] * 2 + ["2026-01-02"] * 2
    assert source_columns(tmp_path / "day=2026-01-01" / "hour=2") == ["n", "user"]


def test_what_a_folder_says_is_text_where_it_is_asked_for(tmp_path):
    """A store of 12 is that of a log which had a store of 007 beside it."""
    for store in ("7", "12"):
        put(tmp_path / f"store={store}" / "a.parquet", some(2, int(store)))
    asked = {"store": pa.string(), "user": pa.string()}
    want = ["12", "12", "7", "7"]
    assert read_source(tmp_path, types=asked)["store"].to_pylist() == want
    batches = read_source_batches(tmp_path, ["store"], asked)
    assert pa.Table.from_batches(batches)["store"].to_pylist() == want
    for place, stores in ((tmp_path, want), (str(tmp_path / "*=7" / "*"), want[2:])):
        parts = partitions_of(place, 2, ["store"], asked)
        read = pa.Table.from_batches([b for part in parts for b in part.batches(["store"])])
        assert read["store"].to_pylist() == stores


def test_a_folder_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    put(tmp_path / "open" / "a.parquet", some(2))
    (tmp_path / "shut").mkdir()
    listed = os.scandir

    def scandir(folder):
        if str(folder).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match="a folder must be readable by you; got Permission .*shut"):
        files_of(tmp_path)


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (("7", "-3"), [-3, 7]),
        (("07", "3"), ["07", "3"]),
        (("7", "__HIVE_DEFAULT_PARTITION__"), [7, None]),
        (("a%2Fb c", "é"), ["a/b c", "é"]),
        (("1e3", "2"), ["1e3", "2"]),
        (("9" * 19, "1"), ["1", "9" * 19]),
    ],
)
def test_a_key_is_a_whole_number_where_all_its_values_are(tmp_path, values, read):
    for value in values:
        put(tmp_path / f"key={value}" / "a.csv", some(1))
    assert read_source(tmp_path)["key"].to_pylist() == read


def test_a_column_of_the_file_goes_before_a_key(tmp_path):
    put(tmp_path / "n=5" / "a.parquet", some(2))
    assert read_source(tmp_path).to_pydict() == some(2).to_pydict()


def test_files_without_the_keys_of_the_others_are_told(tmp_path):
    put(tmp_path / "day=1" / "a.parquet", some(1))
    put(tmp_path / "b.parquet", some(1))
    with pytest.raises(
        DataError, match="must lie in folders named without a key, .*got day=.*day=1"
    ):
        read_source(tmp_path)


def test_links_are_followed_once(tmp_path):
    logs, other = tmp_path / "logs", tmp_path / "other"
    put(logs / "2026" / "a.parquet", some(1, 0))
    put(other / "deep" / "b.parquet", some(1, 1))
    for name, goal in {
        "1-latest": "2026",
        "loop": ".",
        "up": "..",
        "0.parquet": "2026/a.parquet",
        "other": other,
    }.items():
        (logs / name).symlink_to(goal)
    (other / "back").symlink_to(logs)
    assert labels(logs) == ["2026/a.parquet", "other/deep/b.parquet"]
    (logs / "z.parquet").symlink_to("gone.parquet")
    with pytest.raises(DataError, match="a file must exist; .*z.parquet; mend the link: .*'gone"):
        read_source(logs)


def test_what_programs_leave_beside_is_left_out(tmp_path):
    put(tmp_path / "a.parquet", some(1))
    for name in (
        "_temporary/b.parquet",
        ".cache/c.parquet",
        "d.parquet.crc",
        "_e.csv",
        "_f=1/g.csv",
    ):
        put(tmp_path / name.removesuffix(".crc"), some(1)) if "=" not in name else None
    (tmp_path / "d.parquet").rename(tmp_path / "d.parquet.crc")
    assert labels(tmp_path) == ["a.parquet"]


def test_a_folder_of_much_else_is_not_walked_to_its_end(tmp_path, monkeypatch):
    """As ../.. of a plan may be."""
    monkeypatch.setattr(folders, "OTHERS", 20)
    put(tmp_path / "a.parquet", some(2))
    for i in range(30):
        (tmp_path / f"b{i:02d}.txt").touch()
    with pytest.raises(DataError, match="be that of a log; got 22 files, 1 of them .* and more"):
        files_of(tmp_path)
    for i in range(4):
        put(tmp_path / f"a{i}.parquet", some(2))
    assert len(labels(tmp_path)) == 5


@pytest.mark.parametrize("name", ["ünï 漢字", "a b#1 100%", "?version", "[x]", "it's"])
def test_names_of_any_letters(tmp_path, name):
    folder = tmp_path / name
    put(folder / f"{name}.parquet", some(2))
    put(folder / "z.csv", some(1, 2))
    assert sorted(read_source(folder)["n"].to_pylist()) == [0, 1, 2]
    assert read_source(folder / f"{name}.parquet").num_rows == 2
    assert read_source(folder.as_uri()).num_rows == 3


def test_a_name_that_is_no_text_is_told(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.csv", "w") as file:
        file.write("a\n1\n")
    with pytest.raises(DataError, match="a file's name must be UTF-8; got .*udcff.csv"):
        read_source(tmp_path)


def test_windows_paths_elsewhere_are_told():
    with pytest.raises(DataError, match="no such file at C:.*write folders with /"):
        read_source("C:\\logs\\days.parquet")


def test_text_beside_parquet_is_read_as_that_has_it(tmp_path):
    at = pa.array([0, 1], pa.timestamp("us"))
    put(tmp_path / "a.parquet", some(2).append_column("at", at))
    (tmp_path / "b.csv").write_text("user,n,at\n003,4,2026-01-01\n")
    (tmp_path / "c.csv").write_text("n,user,at\n")
    table = read_source(tmp_path)
    assert table["user"].to_pylist() == ["000", "001", "003"]
    assert table.schema.field("at").type == pa.timestamp("us")
    assert pa.Table.from_batches(read_source_batches(tmp_path)).equals(table.combine_chunks())
    (tmp_path / "d.csv").write_text("")
    with pytest.raises(DataError, match="a file must have rows; got 0 bytes at .*d.csv"):
        read_source(tmp_path)


def test_a_file_that_vanishes_after_it_was_listed_is_told(tmp_path):
    for i, name in enumerate(("a.parquet", "b.parquet", "c.csv")):
        put(tmp_path / name, some(3, 3 * i))
    for name in ("c.csv", "b.parquet"):
        batches = read_source_batches(tmp_path)
        next(batches)
        (tmp_path / name).unlink()
        with pytest.raises(DataError, match=f"a file must exist; got no such file at .*{name}"):
            list(batches)
    listed = files_of(tmp_path)
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(DataError, match="a file must exist; got no such file"):
        list(map(lambda file: read_source(file.name), listed))
