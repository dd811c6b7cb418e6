"""Partitions: cut by rows alone, all rows once and in order, in one type; what is wrong with files
is told before work begins, and what changes while they are read when it is met.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError, InputError
from equipoise.scale.partitions import Partition, partitions_of


def table(n: int, start: int = 0) -> pa.Table:
    y = np.arange(start, start + n)
    return pa.table({"user": [f"u{i}" for i in y], "y": y, "x": y / 2})


def rows_of(parts: list[Partition], **how) -> pa.Table:
    return pa.Table.from_batches([batch for part in parts for batch in part.batches(**how)])


@pytest.fixture
def folder(tmp_path):
    """Files of 10, 0, 7 and 25 rows, in row groups of 4 at most."""
    start = 0
    for name, n in zip("abcd", (10, 0, 7, 25), strict=True):
        pq.write_table(table(n, start), tmp_path / f"{name}.parquet", row_group_size=4)
        start += n
    return tmp_path


@pytest.mark.parametrize("rows", [1, 4, 9, 10, 12, 41, 42, 10_000])
def test_every_row_once_and_in_order(folder, rows):
    parts = partitions_of(folder, rows)
    assert rows_of(parts).equals(table(42))
    sizes = [part.rows or 0 for part in parts]
    assert [part.number for part in parts] == list(range(len(parts)))
    assert [part.start for part in parts] == [0, *np.cumsum(sizes)[:-1].tolist()]
    assert max(sizes) <= max(rows, 4)
    assert all(a + b > min(rows, 4) for a, b in zip(sizes, sizes[1:], strict=False))


def test_groups_are_never_cut(folder):
    """10 = 4 + 4 + 2, 7 = 4 + 3, 25 = 6 * 4 + 1: runs of at most 9 rows."""
    assert [part.rows for part in partitions_of(folder, 9)] == [8, 9, 8, 8, 9]
    assert len(partitions_of(folder, 9)[1].pieces) == 2
    assert [part.rows for part in partitions_of(folder / "a.parquet", 1)] == [4, 4, 2]


def test_rows_of_text_are_whole_files(folder):
    for name, n in (("a", 3), ("b", 0), ("e", 2)):
        pcsv.write_csv(table(n, 100), folder / f"{name}.csv")
    parts = partitions_of(folder, 100)
    assert [(part.rows, part.start) for part in parts] == [(None, 0), (42, None), (None, None)]
    assert rows_of(parts)["y"].to_pylist() == [100, 101, 102, *range(42), 100, 101]


def test_types_go_together_as_in_a_log_read_whole(tmp_path):
    (tmp_path / "a.csv").write_text("user,x\n01,1\n02,2\n")
    (tmp_path / "b.csv").write_text("user,x\n03,1.5\n")
    parts = partitions_of(tmp_path)
    both = rows_of(parts)
    assert both.to_pydict() == {"user": [1, 2, 3], "x": [1.0, 2.0, 1.5]}
    text = {"user": pa.string()}
    named = partitions_of(tmp_path, types=text)
    assert rows_of(named, types=text)["user"].to_pylist() == ["01", "02", "03"]
    pq.write_table(pa.table({"user": [4], "x": pa.array([1], pa.int8())}), tmp_path / "c.parquet")
    assert rows_of(partitions_of(tmp_path))["x"].to_pylist() == [1.0, 2.0, 1.5, 1.0]


def test_columns_that_nobody_reads_may_differ(folder):
    other = table(3, 42).set_column(2, "x", pa.array(["much"] * 3))
    pq.write_table(other, folder / "e.parquet")
    assert len(rows_of(partitions_of(folder, columns=["user", "y"]), columns=["y"])) == 45
    with pytest.raises(DataError, match="'x' must have one type in all .*double .*string in e"):
        partitions_of(folder)
    pq.write_table(table(3).drop_columns(["y"]), folder / "e.parquet")
    with pytest.raises(DataError, match="have the columns of a.parquet; got no column 'y' at .*e"):
        partitions_of(folder)


def test_nothing_to_read_is_told(tmp_path):
    with pytest.raises(DataError, match="the folder must hold a file that ends"):
        partitions_of(tmp_path)
    pq.write_table(table(0), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("user,y,x\n")
    with pytest.raises(DataError, match="a source of rows must have rows; got none"):
        partitions_of(tmp_path)
    with pytest.raises(InputError, match="the rows of a partition must be a whole number >= 1"):
        partitions_of(tmp_path, rows=0)
    (tmp_path / "a.parquet").write_bytes(b"PAR1, or not")
    with pytest.raises(DataError, match="a file must be whole Parquet"):
        partitions_of(tmp_path)


def test_a_file_that_vanishes_or_changes_is_told(folder):
    parts = partitions_of(folder, 9)
    file = folder / "d.parquet"
    pq.write_table(table(26, 17), file, row_group_size=4)
    with pytest.raises(
        DataError, match="a part of a file must have 9 rows, as when .*got 10 at .*d"
    ):
        rows_of(parts)
    pq.write_table(table(4, 17), file)
    with pytest.raises(DataError, match="a file must be whole Parquet; .* at .*d.parquet"):
        rows_of(parts[3:])
    file.unlink()
    with pytest.raises(DataError, match="a file must exist; got no such file at .*d.parquet"):
        rows_of(parts)


def test_a_column_of_nothing_in_one_file_has_the_others_type(tmp_path):
    (tmp_path / "a.csv").write_text("user,x\na,\nb,\n")
    (tmp_path / "b.csv").write_text("user,x\nc,NA\nd,rare\n")
    assert rows_of(partitions_of(tmp_path))["x"].to_pylist() == [None, None, "NA", "rare"]
