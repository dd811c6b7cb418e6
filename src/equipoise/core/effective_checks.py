"""How little stands behind a figure: effective rows and events in each cell, as checks of a log."""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.balance import Check, check
from equipoise.core.effective_size import FEW, Assignment, Units, effective_units
from equipoise.core.log import Log, Outcome


def units_of(log: Log) -> Units:
    """The independent units of each cell."""
    weight, K = np.ones(len(log)) if log.weight is None else log.weight, len(log.cell_names)
    own = np.ones(K)
    if log.propensity is not None and log.varies:
        own = log.propensity[np.arange(len(log)), log.cells]
    got = Assignment(log.cells, own, K, fixed=not log.varies)
    return effective_units(weight, groups=log.groups, assignment=got)


def cases(log: Log, y: Floats, binary: bool, units: Units) -> tuple[Ints, Floats] | None:
    """Rows of each cell off the outcome's usual value, and how many equal ones they are worth among
    independent units, (K,) each, infinite in a cell without rows; None where no value is usual.
    """
    usual = float(np.partition(y, len(y) // 2)[len(y) // 2])  # what more than half have
    event = y != usual
    if event.mean() >= 0.5 and not binary:
        return None
    rows = np.bincount(log.cells, event, len(log.cell_names)).astype(np.int64)
    worth = units.events(np.abs(y - usual))
    if binary:
        other = np.bincount(log.cells, minlength=len(rows)) - rows
        swap = other < rows
        rows = np.where(swap, other, rows)
        worth = np.where(swap, units.events((~event).astype(np.float64)), worth)
    return rows, np.where(units.count > 0, worth, np.inf)


def few_cases(outcome: Outcome, cells: tuple[str, ...], rows: Ints, worth: Floats) -> str:
    """How few cases a metric has, in words."""
    a = int(worth.argmin())
    what = "cases of its rarer value" if outcome.kind == "binary" else "rows off its usual value"
    equal = f" (worth {worth[a]:.0f} equal ones)" if round(worth[a]) < rows[a] else ""
    return f"{outcome.name} has only {rows[a]:,} {what} under {cells[a]}{equal}"


def effective_rows(log: Log) -> Check:
    """How many equal independent units weights, propensities and groups leave in each cell."""
    units, what = units_of(log), "rows" if log.groups is None else "groups"
    counts = np.bincount(log.cells, minlength=len(log.cell_names))
    rows = [
        {"cell": cell, "rows": int(count), "units": int(each), "effective": round(float(size), 1)}
        for cell, count, each, size in zip(
            log.cell_names, counts, units.count, units.size, strict=True
        )
    ]
    few = [
        f"{cell} as {size:.0f}"
        for cell, size in zip(log.cell_names, units.size, strict=True)
        if 0 < size < FEW
    ]
    if few:
        summary = (
            f"Its weights, propensities or groups make a cell count as few equal {what}:"
            f" {', '.join(few)}. Intervals are wider for it, and cannot mend it."
        )
        return check("effective rows", "warn", summary, rows)
    least = units.size[units.size > 0].min()
    summary = f"Every cell is worth at least {least:,.0f} equal {what}."
    return check("effective rows", "ok", summary, rows)
