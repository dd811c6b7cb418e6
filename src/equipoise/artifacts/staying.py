"""What of a unit's last strategy stays: a policy's cadence, and units that say too little.

    not up for change    the unit keeps its strategy until its class's day comes
    up for change        features may be means of its last days, and staying has a bonus
    features missing     above a share of missing features nothing is decided: the unit keeps its
                         strategy, else it gets control

What units had comes from a journal of days (`journal`); without one every unit is new.  What is
kept must be open to the unit today, or it is decided anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from equipoise.allocation.cadence import NONE, Cadence
from equipoise.allocation.hashing import uniform
from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError

STREAM = 103  # of the hash that spreads a class over its days
SPREAD = 2**31  # numbers that ids become; a whole many of any usual number of days
UNIT, CHOSEN, SEEN, AGE, MEAN = (
    "unit",
    "chosen",
    "seen",
    "age",
    "mean ",
)  # columns of what is known of units
REASON, UNTIL = "reason", "until"  # columns of assignments
REASONS = (
    "new", "changed", "unchanged", "kept", "no longer open", "features missing: kept",
    "features missing: control", "no room: decided anew",
)  # fmt: skip


@dataclass(frozen=True)
class Staying:
    """When a unit keeps what it has.

    Attributes
    ----------
    column : str or None, default None
        Of the classes of activity.
    days : mapping of str to int, default {}
        Of each class, every how many days a unit is up for change; without any it is every day.
    average_days : int, default 1
        Over how many days features that are numbers are averaged.
    gaps : float or None, default None
        The most of a unit's features that may be missing, in [0, 1); None: all may.

    Examples
    --------
    >>> staying = Staying("activity", {"light": 1, "heavy": 7}, average_days=10)
    >>> staying.by_day, Staying.from_json(staying.to_json()) == staying
    (True, True)
    """

    column: str | None = None
    days: Mapping[str, int] = field(default_factory=dict)
    average_days: int = 1
    gaps: float | None = None

    @property
    def by_day(self) -> bool:
        """Whether a decision hangs on the days before."""
        return bool(self.days) or self.average_days > 1

    @property
    def reasons(self) -> bool:
        """Whether decisions come with reasons."""
        return self.by_day or self.gaps is not None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**vars(self), "days": dict(self.days)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Staying:
        """The inverse of `to_json`."""
        return cls(**plain)

    def cadence(self) -> Cadence:
        """The arithmetic of days."""
        return Cadence(self.days or {"": 1}, self.average_days)


@dataclass(frozen=True)
class Memory:
    """What is known of units before a day.

    Attributes
    ----------
    day : date
        The day that is decided.
    known : pyarrow.Table
        ``unit`` and ``chosen`` in text; ``seen``, the number of the last day with the unit;
        ``age`` and a column ``mean NAME`` of each averaged feature where these are averaged.

    Examples
    --------
    >>> Memory(date(2026, 11, 2), nothing_known(["visits"])).known.column_names
    ['unit', 'chosen', 'seen', 'age', 'mean visits']
    """

    day: date
    known: pa.Table

    @property
    def averaged(self) -> list[str]:
        """The features that have means."""
        means = (name for name in self.known.column_names if name.startswith(MEAN))
        return [name.removeprefix(MEAN) for name in means]

    def places(self, ids: NDArray[Any]) -> Ints:
        """The row of each unit in what is known, (n,), -1 where it is new."""
        found = pc.index_in(pa.array(ids.tolist(), pa.string()), value_set=self.known[UNIT])
        return np.asarray(pc.fill_null(found, -1), np.int64)


def nothing_known(averaged: Sequence[str]) -> pa.Table:
    """What is known before the first day.

    Parameters
    ----------
    averaged : sequence of str
        The features that are averaged.

    Returns
    -------
    pyarrow.Table
        No rows.
    """
    types = {UNIT: pa.string(), CHOSEN: pa.string(), SEEN: pa.int64(), AGE: pa.int64()}
    types |= {MEAN + name: pa.float64() for name in averaged}
    return pa.schema(list(types.items())).empty_table()


def averaged_names(staying: Staying, table: pa.Table, features: Sequence[str]) -> list[str]:
    """The features that are averaged: those that are numbers."""
    if staying.average_days == 1:
        return []
    return [name for name in features if columns.is_numeric(table[name])]


def with_means(staying: Staying, memory: Memory, ids: NDArray[Any], table: pa.Table) -> pa.Table:
    """Put the means of a unit's last days in the place of its features.

    Parameters
    ----------
    staying : Staying
        Over how many days.
    memory : Memory
        The means before.
    ids : array of str, (n,)
        The units.
    table : pyarrow.Table, (n rows)
        Their features of today.

    Returns
    -------
    pyarrow.Table
        The same with means in the columns that memory has.
    """
    names = [name for name in memory.averaged if name in table.column_names]
    if not names:
        return table
    means, _ = _means(staying, memory, memory.places(ids), table, names)
    for j, name in enumerate(names):
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.chunked_array([means[:, j]]))
    return table


def _means(
    staying: Staying, memory: Memory, place: Ints, table: pa.Table, names: Sequence[str]
) -> tuple[Floats, Ints]:
    """Means with today in them, (n, d), and how many days stand behind them, (n,)."""
    today = np.column_stack([columns.numbers(table[name]) for name in names])
    before, age = np.full(today.shape, np.nan), np.zeros(len(today), np.int64)
    seen = place >= 0
    if seen.any():
        known = memory.known.take(pa.array(place[seen]))
        before[seen] = np.column_stack([known[MEAN + name].to_numpy() for name in names])
        age[seen] = known[AGE].to_numpy()
    return staying.cadence().averaged(before, age, today), age + 1


def gapped(staying: Staying, table: pa.Table, features: Sequence[str]) -> Bools:
    """Whether more of a unit's features are missing than may be, (n,).

    Parameters
    ----------
    staying : Staying
        How many may be.
    table : pyarrow.Table, (n rows)
        The units.
    features : sequence of str
        The columns of features.

    Returns
    -------
    array of bool, (n,)
        True where nothing is decided.
    """
    if staying.gaps is None or not features:
        return np.zeros(table.num_rows, np.bool_)
    missing = np.zeros(table.num_rows, np.int64)
    for name in features:
        missing += columns.missing(table[name])
    return np.asarray(missing > staying.gaps * len(features))


@dataclass(frozen=True)
class Past:
    """What units of a table had, and what of it is to stay.

    Attributes
    ----------
    previous : array of int, (n,)
        -2 none, -1 control, a candidate a.
    fixed : array of int, (n,)
        What is not decided today: -1 control, a candidate a; -2 where it is.
    reason : array of int, (n,)
        Places in `REASONS`, of units that are decided what they would be by their past.
    until : array of datetime64[D], (n,)
        When a kept unit is up for change; NaT for others.

    Examples
    --------
    >>> staying, ann = Staying(gaps=0.5), np.array(["ann"])
    >>> first = past_of(staying, None, ann, None, ("5",), None, np.ones(1, bool))
    >>> first.fixed.tolist(), REASONS[first.reason[0]]
    ([-1], 'features missing: control')
    """

    previous: Ints
    fixed: Ints
    reason: Ints
    until: NDArray[np.datetime64]

    def reasons(self, choice: Ints) -> NDArray[np.str_]:
        """Why each unit got what it got, (n,).   choice: (n,) -1 control, a candidate a."""
        reason = self.reason.copy()
        free = self.fixed == NONE
        decided = free & (reason == _code("unchanged"))
        reason[decided & (choice != self.previous)] = _code("changed")
        reason[~free & (choice != self.fixed)] = _code("no room: decided anew")
        return np.asarray(REASONS)[reason]


def past_of(
    staying: Staying,
    memory: Memory | None,
    ids: NDArray[Any],
    activity: NDArray[Any] | None,
    candidates: Sequence[str],
    eligible: Bools | None,
    lacking: Bools,
    control: str = "",
) -> Past:
    """Tell what of units' last strategies stays.

    Parameters
    ----------
    staying : Staying
        When a unit keeps what it has.
    memory : Memory or None
        What is known of units; None: all are new.
    ids : array of str, (n,)
        The units.
    activity : array of str, (n,), or None
        Their classes, where ``staying`` has days.
    candidates : sequence of str, (k,)
        Of the policy; another strategy is one that is no longer there.
    eligible : array of bool, (n, k), or None
        What is open today.
    lacking : array of bool, (n,)
        Whose features are missing; see `gapped`.
    control : str, default ""
        The name of no candidate.

    Returns
    -------
    Past
        Of these units.
    """
    n = len(ids)
    previous = np.full(n, NONE, np.int64)
    if memory is not None:
        place = memory.places(ids)
        cell = {name: a for a, name in enumerate([control, *candidates], -1)}
        names = memory.known[CHOSEN].to_pylist()
        cells = np.array([cell.get(name, NONE) for name in names] + [NONE], np.int64)
        previous = cells[place]
    known = previous > NONE
    open_to = known.copy()
    if eligible is not None:
        there = np.flatnonzero(previous >= 0)
        open_to[there] = eligible[there, previous[there]]
    wait = np.zeros(n, np.int64)
    if staying.days and memory is not None and activity is not None:
        number = (uniform(ids, 0, STREAM) * SPREAD).astype(np.int64)
        today = memory.day.toordinal()
        every = np.append(pc.fill_null(memory.known[SEEN], 0).to_numpy(), today)
        since = np.where(known, every[place], today - 1) + 1  # a day that nobody recorded counts
        wait = staying.cadence().wait(activity, number + since, 0) - (today - since)
    kept = open_to & (wait > 0)
    fixed = np.where(kept | (lacking & open_to), previous, NONE)
    fixed[lacking & ~open_to] = -1
    reason = np.where(known, _code("unchanged"), _code("new"))
    reason[known & ~open_to & (wait > 0)] = _code("no longer open")
    reason[kept] = _code("kept")
    reason[lacking] = _code("features missing: control")
    reason[lacking & open_to] = _code("features missing: kept")
    until = np.full(n, np.datetime64("NaT", "D"))
    if memory is not None:
        until[kept] = np.datetime64(memory.day) + wait[kept]
    return Past(previous, fixed, reason, until)


def _code(reason: str) -> int:
    return REASONS.index(reason)


def known_after(
    staying: Staying, memory: Memory, units: pa.Table, assigned: pa.Table, id: str
) -> pa.Table:
    """What is known of units once a day is decided.

    Parameters
    ----------
    staying : Staying
        Over how many days features are averaged.
    memory : Memory
        What was known before.
    units : pyarrow.Table, (n rows)
        The day's units.
    assigned : pyarrow.Table, (n rows)
        What they got.
    id : str
        The column of ids in both.

    Returns
    -------
    pyarrow.Table
        As ``Memory.known``; units that the day did not have stand as they were.

    Raises
    ------
    InputError
        Where the units of the two tables differ.
    """
    ids = np.asarray(columns.labels(units[id]).to_pylist(), np.str_)
    if columns.labels(assigned[id]).to_pylist() != ids.tolist():
        raise InputError("a day's assignments", "be of its units in their order", "others")
    place = memory.places(ids)
    chosen = assigned[CHOSEN].cast(pa.string())
    if REASON in assigned.column_names:  # where nothing could be decided nothing is in force
        undecided = pc.equal(assigned[REASON], REASONS[_code("features missing: control")])
        chosen = pc.if_else(undecided, pa.scalar(None, pa.string()), chosen)
    fresh = {UNIT: pa.array(ids.tolist(), pa.string()), CHOSEN: chosen}
    names = memory.averaged
    here = [name for name in names if name in units.column_names]
    age = np.ones(len(ids), np.int64)
    means = np.full((len(ids), len(names)), np.nan)
    if here:
        found, age = _means(staying, memory, place, units, here)
        means[:, [names.index(name) for name in here]] = found
    fresh[SEEN] = pa.array(np.full(len(ids), memory.day.toordinal()))
    fresh[AGE] = pa.array(age)
    fresh |= {MEAN + name: pa.array(means[:, j]) for j, name in enumerate(names)}
    absent = np.ones(memory.known.num_rows, np.bool_)
    absent[place[place >= 0]] = False
    table = pa.table(fresh).select(memory.known.column_names)
    return pa.concat_tables([memory.known.filter(pa.array(absent)), table]).combine_chunks()
