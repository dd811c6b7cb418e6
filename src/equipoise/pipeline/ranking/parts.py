"""How a log is cut into parts: the rows that models of base scores learn from, those that ensembles
learn from, those that choose among them, and those that test the choice.

By time where the plan names it: a part holds whole requests, and rows of one moment lie in one
part.  Else by a hash of the request, or user, so that the order of rows changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.allocation.hashing import uniform
from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import PlanError
from equipoise.pipeline.plan.ranking import BASE_PART, RankingPlan

BASE, TRAIN, VALIDATION, TEST = range(4)
NAMES = ("base", "train", "validation", "test")
WHERE = "[ranking]"
DAY = 86_400e6  # microseconds


def parts_of(plan: RankingPlan, table: pa.Table, seed: int) -> Ints:
    """The part of each row.

    Parameters
    ----------
    plan : RankingPlan
        Its columns of time, request and user are in the table.
    table : pyarrow.Table, n rows
        The log.
    seed : int
        Of the hash, where there is no time.

    Returns
    -------
    array of int, (n,)
        A place in `NAMES`.

    Raises
    ------
    PlanError
        Where a part has no rows, or a time cannot be compared with the column's.
    """
    clock = _clock(plan, table, seed)
    part = np.full(table.num_rows, TRAIN)
    rest = np.ones(table.num_rows, bool)
    if plan.base is not None:
        share = BASE_PART if plan.base.part is None else plan.base.part
        until = plan.base.until
        last = _shares(clock, [share])[0] if until is None else _moment(plan, table, until)
        rest = clock > last
        part[~rest] = BASE
    later = clock[rest]
    if plan.until:
        cuts = [_moment(plan, table, moment) for moment in plan.until]
    else:
        cuts = _shares(later, [plan.parts[0], plan.parts[0] + plan.parts[1]])
    part[rest] = TRAIN + np.searchsorted(np.array(cuts), later, side="left")
    _check_parts(plan, part)
    return part


def split_sentence(plan: RankingPlan, part: Ints) -> str:
    """How the rows were cut, in words."""
    counts = ", ".join(
        f"{int((part == k).sum()):,} {name}" for k, name in enumerate(NAMES) if (part == k).any()
    )
    if plan.time is not None:
        return f"By {plan.time}, earlier rows first: {counts} rows."
    whole = plan.request or plan.user
    unit = "row by row" if whole is None else f"every {whole} in one part"
    return f"At random, {unit}, as the plan names no time: {counts} rows."


def _clock(plan: RankingPlan, table: pa.Table, seed: int) -> Floats:
    """What the parts are cut by, (n,): numbers of which earlier rows have smaller ones."""
    if plan.time is None:
        name = plan.request or plan.user
        if name is None:
            return uniform(np.arange(table.num_rows), seed)
        codes, labels = columns.codes(table[name])
        return uniform(np.asarray(labels, np.str_), seed)[codes]
    column = table[plan.time]
    absent = columns.missing(column)
    if absent.any():
        row = f"row {int(np.argmax(absent))}"
        raise PlanError(f"time {plan.time!r}", "be known", "nothing", row, "drop the row")
    if columns.is_text(column):
        clock = columns.codes(column)[0].astype(np.float64)
    else:
        clock = columns.numbers(column)
    if plan.request is None:
        return clock
    codes, labels = columns.codes(table[plan.request])  # a request lies where it began
    first = np.full(len(labels), np.inf)
    np.minimum.at(first, codes, clock)
    return np.asarray(first[codes])


def _shares(clock: Floats, shares: Sequence[float]) -> list[float]:
    """The moments at which the rows so far come nearest to each of some rising shares; rows of a
    later part are left for each.
    """
    moments, counts = np.unique(clock, return_counts=True)
    so_far, first = np.cumsum(counts) / max(len(clock), 1), 0
    cuts: list[float] = []
    for k, share in enumerate(shares):
        last = len(moments) - (len(shares) - k)  # one moment at least for each part to come
        if last <= first:
            return [*cuts, *[np.inf] * (len(shares) - k)]
        place = first + int(np.argmin(np.abs(so_far[first:last] - share)))
        cuts.append(float(moments[place]))
        first = place + 1
    return cuts


def _moment(plan: RankingPlan, table: pa.Table, moment: Any) -> float:
    """A time of the plan as a number that the clock is compared with; a day ends at its end."""
    column = table[str(plan.time)]
    if columns.is_text(column):
        labels = columns.codes(column)[1]
        return float(np.searchsorted(np.asarray(labels, np.str_), str(moment), side="right") - 1)
    if not columns.is_time(column):
        if isinstance(moment, float):
            return moment
        raise _incomparable(plan, moment, "a number")
    try:
        value = np.datetime64(str(moment).replace(" ", "T").removesuffix("Z"))
    except ValueError as error:
        raise _incomparable(plan, moment, "a date, such as 2022-04-30") from error
    micros = float(value.astype("M8[us]").astype(np.int64))
    return micros + (DAY - 1 if np.datetime_data(value)[0] == "D" else 0)


def _incomparable(plan: RankingPlan, moment: Any, must: str) -> PlanError:
    return PlanError("key 'until'", f"be {must}, as {plan.time!r} has it", repr(moment), WHERE)


def _check_parts(plan: RankingPlan, part: Ints) -> None:
    wanted: Sequence[int] = range(BASE if plan.base else TRAIN, TEST + 1)
    empty = [NAMES[k] for k in wanted if not (part == k).any()]
    if empty:
        fix = "give other parts, or other times in until"
        if plan.time is not None and not plan.until:
            fix = f"{plan.time!r} has few values: give until, or leave time out"
        raise PlanError(f"the {empty[0]} part", "have rows", "none", WHERE, fix)


def only(part: Ints, which: int) -> Bools:
    """The rows of one part, (n,)."""
    return np.asarray(part == which)


def span(table: pa.Table, time: str) -> str:
    """The first and the last time of some rows, in words."""
    ends = pc.min_max(columns.decoded(table[time]))
    return f"{ends['min'].as_py()} to {ends['max'].as_py()}"
