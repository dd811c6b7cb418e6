"""The choices in force: the assignments of an earlier run, matched to the rows of a log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from equipoise.artifacts.assignments import FACTS
from equipoise.core import columns
from equipoise.core.arrays import Ints
from equipoise.core.errors import PlanError
from equipoise.core.log import Log
from equipoise.core.space import current_names
from equipoise.data import read_table

NONE = -2  # a unit that had no choice


def previous_choice(path: Path, log: Log) -> Ints:
    """The choice in force of each unit, (n,): -1 control, a candidate a, -2 none; matched by the
    log's id, else by row number.
    """
    name = columns.free_name(log.roles.id or "row", FACTS)
    table = read_table(path, types=dict.fromkeys((name, "chosen"), pa.string()))
    missing = [column for column in (name, "chosen") if column not in table.column_names]
    if missing:
        fix = f"columns: {', '.join(table.column_names)}"
        raise PlanError(
            "assignments to keep", f"have a column {missing[0]!r}", "none", str(path), fix
        )
    cells = {
        name: log.cell_names.index(cell) - 1 for name, cell in current_names(log.space).items()
    }
    labels = columns.text(table["chosen"]).to_pylist()
    strange = next((label for label in labels if label not in cells), None)
    if strange is not None:
        names = ", ".join(log.cell_names)
        raise PlanError(
            "assignments to keep",
            f"be of {names}",
            repr(strange),
            f"{path}, row {labels.index(strange)}",
        )
    units = columns.text(table[name]).to_pylist()
    before = dict(zip(units, (cells[label] for label in labels), strict=True))
    if len(before) < len(units):
        must, got = f"have each {name!r} once", f"{len(units) - len(before):,} repeated"
        raise PlanError("assignments to keep", must, got, str(path))
    mine = (
        columns.text(log.table[log.roles.id]).to_pylist()
        if log.roles.id
        else [str(row) for row in range(len(log))]
    )
    return np.fromiter((before.get(unit, NONE) for unit in mine), np.int64, len(log))
