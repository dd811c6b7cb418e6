"""Features that tell an outcome: copies of it, functions that rise with it, or what is only known
after the treatment.

    tells     r2 of the ranks, or of the cases of a commonest value or of missing ones, with those
              of the outcome is 0.9 or more, in all rows or in those of one arm
    constant  one value in every row of an arm, which chance would give with p < 0.01 / features

A model that sees such a column predicts the outcome by itself, and no new unit has it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.balance import Check, check
from equipoise.core.log import Log

MIN_ROWS = 100  # fewer rows say nothing about a column
MIN_ARM = 20  # rows of an arm below which it is not compared
MIN_EXPECTED = 5.0  # cases of an indicator expected in every arm; Cochran's rule for a chi-square
CHECK_ROWS = 100_000
ALPHA = 0.01  # chance that a sound log loses a feature
TELLS = 0.9  # r2 with an outcome
LEVELS = 12  # of a text column that are compared
Statistic = tuple[str, Floats]  # "ranks" or "cases", and its values (n,)


def leaks(log: Log) -> Check:
    """Does a feature nearly tell an outcome, or is it the same in every row of one arm?"""
    name, rows = "features that tell an outcome", []
    part = log.take(np.arange(0, len(log), max(1, len(log) // CHECK_ROWS)))
    arms = [np.flatnonzero(part.cells == a) for a in range(len(log.cell_names))]
    places = {"all rows": np.arange(len(part))} | dict(zip(log.cell_names, arms, strict=True))
    places = {place: index for place, index in places.items() if len(index) >= MIN_ROWS}
    targets = {place: _outcomes(part, index) for place, index in places.items()}
    for feature in log.roles.features if len(part) >= MIN_ROWS else ():
        for place, index in places.items():
            column = part.table[feature].take(pa.array(index))
            outcome = told_outcome(list(statistics(column)), targets[place])
            if outcome:
                rows.append({"feature": feature, "tells": outcome, "where": place})
                break
        else:
            arm = constant_arm(part.table[feature], part)
            if arm and _beyond_chance(part, feature, arm):
                rows.append({"feature": feature, "tells": f"the arm {arm}", "where": "one value"})
    if not rows:
        return check(name, "ok", "No feature nearly tells an outcome, or is constant in one arm.")
    said = "; ".join(f"{row['feature']} nearly tells {row['tells']}" for row in rows)
    fix = "Leave out what is known only after the treatment; keep what was measured before it."
    return check(name, "warn", f"{said}. {fix}", rows)


def _outcomes(log: Log, index: Ints) -> dict[str, list[Statistic]]:
    """What is compared of every outcome in some rows."""
    place = pa.array(index)
    return {name: list(statistics(log.table[name].take(place))) for name in log.metrics}


def _beyond_chance(log: Log, feature: str, arm: str) -> bool:
    """Whether one value in every row of an arm is more than a value that is common elsewhere: the
    chance that none of the rows with other values is in the arm, these rows drawn from all (Fisher
    1935, the exact test).
    """
    codes, _, _ = codes_of(log.table[feature])
    inside = log.cells == log.cell_names.index(arm)
    others, outside = int((codes != codes[inside][0]).sum()), int((~inside).sum())
    left = np.arange(others)
    chance = float(np.exp(np.log((outside - left) / (len(log) - left)).sum()))
    return int(inside.sum()) >= MIN_ARM and chance < ALPHA / len(log.roles.features)


def codes_of(column: pa.ChunkedArray) -> tuple[Ints, Ints, Bools]:
    """Codes (n,), of numbers in their order; their counts, and where values are missing (n,)."""
    absent = columns.missing(column)
    if columns.is_text(column):
        encoded = columns.labels(column).combine_chunks().dictionary_encode()
        codes = np.asarray(encoded.indices.to_numpy(), np.int64)
        return codes, np.bincount(codes), absent
    values = columns.numbers(column)
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    return codes.reshape(-1), counts, absent


def statistics(column: pa.ChunkedArray) -> Iterator[Statistic]:
    """What is compared of a column: ranks of numbers, cases of its commonest values and missing."""
    codes, counts, absent = codes_of(column)
    if len(counts) < 2:
        return
    if columns.is_numeric(column):
        rank = (np.cumsum(counts) - (counts - 1) / 2)[codes]
        yield "ranks", np.where(absent, rank[~absent].mean() if not absent.all() else 0.0, rank)
    levels = LEVELS if columns.is_text(column) else 1
    for code in np.argsort(-counts, kind="stable")[:levels]:
        yield "cases", (codes == code).astype(np.float64)
    if absent.any():
        yield "cases", absent.astype(np.float64)


def constant_arm(column: pa.ChunkedArray, log: Log) -> str:
    """The first arm in which a column has one value only; empty where there is none."""
    codes, counts, _ = codes_of(column)
    for arm in np.unique(log.cells) if len(counts) > 1 else ():
        if len(np.unique(codes[log.cells == arm])) == 1:
            return str(log.cell_names[arm])
    return ""


def told_outcome(statistics: list[Statistic], targets: dict[str, list[Statistic]]) -> str:
    """The first outcome that one of the statistics nearly tells; empty where there is none."""
    for name, outcome in targets.items():
        pairs = ((a, b) for kind, a in statistics for _, b in outcome if _enough(kind, a))
        if any(_r2(a, b) >= TELLS for a, b in pairs):
            return name
    return ""


def _enough(kind: str, values: Floats) -> bool:
    """Whether cases are enough to tell anything: one may be that of an outcome by chance."""
    return kind != "cases" or min(values.sum(), (1 - values).sum()) >= MIN_EXPECTED


def _r2(a: Floats, b: Floats) -> float:
    """The squared correlation; 0 where one of the two does not vary."""
    a, b = a - a.mean(), b - b.mean()
    spread = float(a @ a) * float(b @ b)
    return float(a @ b) ** 2 / spread if spread > 0 else 0.0
