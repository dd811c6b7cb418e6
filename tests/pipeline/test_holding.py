"""Demands met on all units, partition by partition: those of one process where units are few, kept
exactly where they are many, and after a driver that was broken off.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.units import Shipped

from equipoise.artifacts.batch import score_file
from equipoise.core.errors import InputError
from equipoise.pipeline import holding
from equipoise.pipeline.holding import hold_units
from equipoise.scale import dual, unit_partitions
from equipoise.scale.local import LocalExecutor


@pytest.fixture
def units(shipped: Shipped, tmp_path: Path) -> Path:
    pq.write_table(shipped.table, tmp_path / "units.parquet", row_group_size=50)
    return tmp_path / "units.parquet"


def as_one(shipped: Shipped, units: Path) -> tuple[pa.Table, dict[str, Any]]:
    out = units.with_name("one.parquet")
    said = score_file(shipped.folder, units, out, hold=True)
    return pq.read_table(out), said


def by_parts(shipped: Shipped, units: Path, out: str, executor: Any = None, **how: Any) -> Any:
    place = units.with_name(out)
    how = {"rows": 120, **how}
    said = hold_units(shipped.folder, units, place, executor or LocalExecutor(2), **how)
    return pq.read_table(place), said


@pytest.mark.parametrize("out", ["parts.parquet", "parts"])
def test_few_units_get_what_one_process_gives_them(shipped, units, out):
    want, told = as_one(shipped, units)
    got, said = by_parts(shipped, units, out)
    assert got.equals(want)
    assert (said["parts"], said["held"], said["cells"]) == (6, True, told["cells"])
    assert not units.with_name(out + ".parts").exists()


def test_the_budget_holds_over_partitions(shipped, units, monkeypatch):
    """By the dual over partitions, whose worth is that of one process but for the certificates."""
    for name, size in (("SAMPLE", 100), ("MOST", 150), ("REPAIRED", 300)):
        for module in (dual, unit_partitions):
            monkeypatch.setattr(module, name, size, raising=False)
    want, told = as_one(shipped, units)
    got, said = by_parts(shipped, units, "parts.parquet")
    assert said["expected_cost"] <= said["budget"] * (1 + 1e-12)
    assert said["expected_cost"] == pytest.approx(told["expected_cost"], rel=0.01)
    assert got["user"].equals(want["user"])
    same = pa.compute.sum(pa.compute.equal(got["chosen"], want["chosen"])).as_py()
    assert same >= 0.97 * got.num_rows
    one, _ = by_parts(shipped, units, "threads.parquet", LocalExecutor(1))
    assert one.equals(got)


def test_a_driver_that_is_broken_off_goes_on_from_what_was_kept(shipped, units, monkeypatch):
    want, _ = as_one(shipped, units)
    ours, told = holding.Handing.__call__, []

    def breaks(self, *given):
        told.append(1)
        if len(told) == 3:
            raise KeyboardInterrupt
        return ours(self, *given)

    monkeypatch.setattr(holding.Handing, "__call__", breaks)
    with pytest.raises(KeyboardInterrupt):
        by_parts(shipped, units, "parts.parquet", LocalExecutor(1))
    assert not units.with_name("parts.parquet").exists()
    monkeypatch.setattr(holding.Handing, "__call__", ours)

    def scored_again(*given):
        raise AssertionError

    monkeypatch.setattr(holding, "keep_partition", scored_again)
    got, said = by_parts(shipped, units, "parts.parquet", LocalExecutor(1))
    assert got.equals(want)
    assert said["kept"] == 2


def test_an_id_in_two_partitions_is_refused(shipped, units):
    table = pq.read_table(units)
    users = table["user"].to_pylist()
    users[500] = users[7]
    place = table.column_names.index("user")
    twice = table.set_column(place, "user", pa.array(users))
    pq.write_table(twice, units, row_group_size=50)
    with pytest.raises(InputError, match="'user' must be unique"):
        by_parts(shipped, units, "parts.parquet")
    assert not units.with_name("parts.parquet").exists()
