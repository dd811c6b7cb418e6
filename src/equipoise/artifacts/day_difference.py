"""What changed between two recorded days, and why.

The units of both days are decided in steps from one day to the other, each step with one thing of
the later day more:

    features   the later day's features, the earlier model and rule
    effects    the later model's effects too
    prices     the later rule too: prices, weights, demands, costs and start
    cadence    what units keep too (and means of features), where the later policy lets them; which
               is the later day

A unit's change is due to the steps at which its choice moved; money adds up over the steps.  The
order is said, since another order may give a step another share.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.artifacts.journal import Day
from equipoise.artifacts.policy import Scorer, read_scorer
from equipoise.core.arrays import Bools, Floats
from equipoise.core.errors import InputError

STEPS = ("features", "effects", "prices")
KEPT = "cadence"


@dataclass(frozen=True)
class DayDifference:
    """What changed from one day to another.

    Attributes
    ----------
    earlier, later : str
        The days.
    units : int
        Of both days.
    arrived, left : int
        Units of one day only.
    changed : int
        Units of both whose choice changed.
    spend : tuple of float
        What the units of both days were expected to cost on each, in money.
    moved : float
        The sum of |cost later - cost earlier| over them, in money.
    transitions : list of dict
        From, to, units, and the money they add, the most units first.
    causes : list of dict
        Each step: units whose choice it moved, and the money it adds; the money sums to what the
        later day costs more.
        A unit that moves and moves back counts at both steps, and not as changed.
    together : dict of str to int
        Changed units by the steps that moved them, as ``features+prices``.

    Examples
    --------
    >>> DayDifference("2026-11-01", "2026-11-02", 9, 0, 0, 0, (1.0, 1.0), 0.0, [], [], {}).changed
    0
    """

    earlier: str
    later: str
    units: int
    arrived: int
    left: int
    changed: int
    spend: tuple[float, float]
    moved: float
    transitions: list[dict[str, Any]]
    causes: list[dict[str, Any]]
    together: dict[str, int]


@dataclass(frozen=True)
class _Decided:
    """What units of both days got.   cell: (n,) names.   cost: (n,), in money."""

    cell: Any
    cost: Floats

    @classmethod
    def of(cls, assignments: pa.Table, rows: Any) -> _Decided:
        part = assignments.select(["chosen", "expected_cost"]).take(pa.array(rows))
        return cls(np.asarray(part["chosen"].to_pylist()), part["expected_cost"].to_numpy())

    def moved(self, other: _Decided) -> Bools:
        """Whose choice differs, (n,)."""
        return np.asarray(self.cell != other.cell)


def explain_days(earlier: Day, later: Day) -> DayDifference:
    """Explain the difference of two days.

    Parameters
    ----------
    earlier, later : Day
        Of one journal, by policies with a column of ids.

    Returns
    -------
    DayDifference
        Who changed, from what to what, for how much, and because of what.

    Raises
    ------
    InputError
        Where units have no ids, or no unit stands in both days.
    """
    first, last = _scorer(earlier), _scorer(later)
    if first.id is None or first.id != last.id:
        fix = "name the log's id in the plan, [log] id, and score without --number-rows"
        got = f"{first.id!r} and {last.id!r}"
        raise InputError("the days", "name their units by one column of ids", got, fix=fix)
    then, now = earlier.assignments(), later.assignments()
    before, after = _common(then[first.id], now[first.id])
    if not len(before):
        what = f"the days {earlier.day} and {later.day}"
        raise InputError(what, "have units in common", "none", fix="compare other days")
    path = [_Decided.of(then, before)]
    table = later.units()
    steps = _steps(first, last)
    names = STEPS if len(steps) == len(STEPS) - 1 else ("features", "the policy")
    if later.memory() is not None:
        steps, names = [*steps, last], (*names, KEPT)
    for step in steps:
        path.append(_Decided.of(_decided(step, table, later.hold), after))
    path.append(_Decided.of(now, after))
    return _difference(earlier.day, later.day, names, path, (len(then), len(now)))


def _scorer(day: Day) -> Scorer:
    scorer = read_scorer(day.policy)
    return scorer.numbered() if day.number_rows else scorer


def _steps(first: Scorer, last: Scorer) -> list[Scorer]:
    """The policies between the two days; where their candidates differ, effects and prices are one
    step.
    """
    rules = first.policy, last.policy
    alike = all(
        getattr(rules[0], name) == getattr(rules[1], name)
        for name in ("candidates", "control", "metrics")
    )
    between = [first]
    if alike:
        between.append(replace(last, policy=first.policy, costs=first.costs, start=first.start))
    return between


def _decided(scorer: Scorer, table: pa.Table, hold: bool) -> pa.Table:
    missing = sorted(set(scorer.units.needed) - set(table.column_names))
    if missing:
        fix = "the earlier policy reads columns that the later day's file does not have"
        raise InputError("the later day", "have the earlier policy's columns", missing, fix=fix)
    return scorer.rebudget(table) if hold else scorer.assign(table)


def _common(then: pa.ChunkedArray, now: pa.ChunkedArray) -> tuple[Any, Any]:
    """The rows of the units of both days, on each of them."""
    where = pc.index_in(pc.cast(now, pa.string()), value_set=pc.cast(then, pa.string()))
    known = np.asarray(where.is_valid())
    return np.asarray(where.drop_null()), np.flatnonzero(known)


def _difference(
    earlier: str, later: str, names: tuple[str, ...], path: list[_Decided], rows: tuple[int, int]
) -> DayDifference:
    first, last = path[0], path[-1]
    changed = first.moved(last)
    moves = np.stack([one.moved(other) for one, other in zip(path, path[1:], strict=False)])
    causes = [
        {"because": name, "units": int(move.sum()), "money": float((to.cost - at.cost).sum())}
        for name, move, at, to in zip(names, moves, path, path[1:], strict=False)
    ]
    patterns = Counter(map(bytes, np.ascontiguousarray(moves[:, changed].T)))
    together = {
        "+".join(name for name, moved in zip(names, pattern, strict=True) if moved): count
        for pattern, count in patterns.most_common()
    }
    pairs = Counter(zip(first.cell[changed].tolist(), last.cell[changed].tolist(), strict=True))
    money = last.cost - first.cost
    transitions = []
    for (start, end), count in pairs.most_common():
        who = (first.cell == start) & (last.cell == end)
        row = {"from": start, "to": end, "units": count, "money": float(money[who].sum())}
        transitions.append(row)
    n = len(changed)
    spend = (float(first.cost.sum()), float(last.cost.sum()))
    moved = float(np.abs(money).sum())
    left, arrived = rows[0] - n, rows[1] - n
    return DayDifference(
        earlier, later, n, arrived, left, int(changed.sum()), spend, moved, transitions, causes,
        together,
    )  # fmt: skip
