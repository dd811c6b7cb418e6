"""Decisions and what came of them: the records of one day, or of a part of it, become columns.

A decision is a row where it can be in an estimate: what an operator set, a kill switch, a dry run
or an empty budget decided is none, nor is what was erased, or whose windows are still open.  A
reward is joined where it happened within its metric's window after the decision, each key once;
``add`` adds, ``set`` takes the place of what came before.  What nothing was said of by the end of
the window has the metric's default.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from equipoise.core.columns import MISSING, of_label
from equipoise.core.errors import DataError
from equipoise.serving.log.erasure import EMPTIED
from equipoise.serving.reasons import BY_CODE, REASONS
from equipoise.serving.records import (
    DRY_RUN,
    KILLED,
    NO_BUDGET,
    OVERRIDE,
    Context,
    DecisionRecord,
    ExposureRecord,
    Record,
    RewardRecord,
    SpendRecord,
)

LEFT_OUT = {
    OVERRIDE: "set by an operator",
    KILLED: "under the kill switch",
    NO_BUDGET: "the budget was used up",
    DRY_RUN: "dry runs",
}
KEPT, CADENCE = "kept by the cadence: nothing was drawn", REASONS["cadence"].code
OPEN, ERASED, NOT_SHOWN, TWICE = "window still open", "erased", "not shown", "twice in the log"
MILLIONTH = 1e-6
NOT_SETTLED = 0, None


class Metric(NamedTuple):
    """How a reward is joined.

    Attributes
    ----------
    name : str
        Of the reward.
    window : int
        In nanoseconds after the decision.
    default : float
        What stands for no reward.
    """

    name: str
    window: int
    default: float


Chances = Callable[[Context, DecisionRecord], Mapping[str, float] | None]


@dataclass(frozen=True)
class Joining:
    """How decisions and rewards are joined.

    Attributes
    ----------
    metrics : tuple of Metric
        The outcomes.
    claimed : Metric or None
        The reward that says that an offer was taken.
    shown : bool
        Whether only decisions that were shown are rows.
    until : int
        Decisions whose windows end later are left out, in nanoseconds since 1970.
    erased : mapping of str to int
        When units asked to be forgotten.
    features : tuple of str
        The columns of features and labels.
    cells : tuple of str, default ()
        Control and the candidates, where the probability of each is asked.
    chances : callable, optional
        Gives the probability of each cell to a decision; None where it cannot be known again.
    """

    metrics: tuple[Metric, ...]
    claimed: Metric | None
    shown: bool
    until: int
    erased: Mapping[str, int]
    features: tuple[str, ...]
    cells: tuple[str, ...] = ()
    chances: Chances | None = None

    @property
    def every(self) -> tuple[Metric, ...]:
        """All rewards that are joined, each once."""
        own = self.claimed is not None and self.claimed not in self.metrics
        return (*self.metrics, self.claimed) if own and self.claimed else self.metrics

    @property
    def window(self) -> int:
        """The longest window."""
        return max((metric.window for metric in self.every), default=0)


@dataclass
class Counts:
    """What a compaction counted.

    Attributes
    ----------
    seen : int
        Decisions in the log.
    rows : int
        Of them in the data.
    left_out : Counter of str
        Why the others are not, and how many.
    cells : Counter of str
        Rows by what was served.
    shown : Counter of str
        Of them shown.
    rewards : Counter of str
        Joined, late, given twice, or of a decision that is not there.
    certain : int
        Rows whose probability is 1: no draw was in it.
    held : int
        Rows whose money was reserved and never settled: they cost what was reserved.
    no_cost : int
        Rows of which no cost is known.
    no_chances : int
        Rows of which only the probability of what was served is known, or that control could not
        have got.

    Examples
    --------
    >>> Counts().rows
    0
    """

    seen: int = 0
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    cells: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    rewards: Counter[str] = field(default_factory=Counter)
    certain: int = 0
    held: int = 0
    no_cost: int = 0
    no_chances: int = 0

    def add(self, other: Counts) -> None:
        """Count up by those of another part."""
        for item in fields(self):
            mine, more = getattr(self, item.name), getattr(other, item.name)
            if isinstance(mine, Counter):
                mine.update(more)
            else:
                setattr(self, item.name, mine + more)


def joined(
    records: Iterable[tuple[Context, Record]],
    how: Joining,
    counts: Counts,
    known: Mapping[str, Mapping[str, Any]],
) -> dict[str, list[Any]]:
    """The columns of a part.

    Parameters
    ----------
    records : iterable of (Context, Record)
        All decisions of the part with their contexts, and all that names one of them.
    how : Joining
        Windows and defaults.
    counts : Counts
        Counted up.
    known : mapping of str to mapping
        Features of units, where a decision has none.

    Returns
    -------
    dict of str to list
        One value a row, in the order of time.
    """
    decisions: dict[bytes, tuple[Context, DecisionRecord]] = {}
    rewards: dict[bytes, list[RewardRecord]] = defaultdict(list)
    spent: dict[bytes, tuple[int, int]] = {}  # what a decision came to first, and when
    shown: set[bytes] = set()
    for context, record in records:
        if isinstance(record, DecisionRecord):
            counts.seen += 1
            counts.left_out[TWICE] += record.id in decisions
            decisions.setdefault(record.id, (context, record))
        elif isinstance(record, RewardRecord):
            rewards[record.decision].append(record)
        elif isinstance(record, ExposureRecord):
            shown.add(record.decision)
        elif isinstance(record, SpendRecord):
            said = record.ns, record.spent
            spent[record.decision] = min(spent.get(record.decision, said), said)
    for decision in rewards.keys() - decisions.keys():
        counts.rewards["of no decision"] += len(rewards[decision])
    columns: dict[str, list[Any]] = defaultdict(list)
    for context, one in sorted(decisions.values(), key=lambda pair: (pair[1].ns, pair[1].id)):
        reason = _why_not(one, how, one.id in shown)
        if reason is not None:
            counts.left_out[reason] += 1
            continue
        cell = _cell(context, one.served)
        _facts(columns, context, one, cell)
        _chances(columns, context, one, how, counts)
        _features(columns, one, how.features, known)
        _outcomes(columns, one, rewards.get(one.id, ()), how, counts)
        columns["shown"].append(one.id in shown)
        columns["cost"].append(_cost(one, spent.get(one.id, NOT_SETTLED)[1], counts))
        counts.rows += 1
        counts.cells[cell] += 1
        counts.shown[cell] += one.id in shown
        counts.certain += one.probability >= 1.0
    return columns


def _why_not(one: DecisionRecord, how: Joining, shown: bool) -> str | None:
    """Why a decision is no row."""
    if one.unit == EMPTIED or one.ns <= how.erased.get(one.unit, -1):
        return ERASED
    for flag, words in LEFT_OUT.items():
        if one.flags & flag:
            return words
    if one.reason == CADENCE:
        return KEPT
    if one.ns + how.window > how.until:
        return OPEN
    return NOT_SHOWN if how.shown and not shown else None


def _cell(context: Context, place: int) -> str:
    if not context.cells:
        return "control" if place < 0 else f"candidate {place}"
    if not -1 <= place < len(context.cells) - 1:
        must = f"name one of {len(context.cells) - 1} candidates"
        raise DataError("a decision", must, place, f"context {context.number}")
    return context.cells[place + 1]


def _facts(columns: dict[str, list[Any]], context: Context, one: DecisionRecord, cell: str) -> None:
    columns["decision"].append(one.id.hex())
    columns["unit"].append(one.unit)
    columns["time"].append(one.ns // 1000)
    columns["policy"].append(context.policy)
    columns["snapshot"].append(context.snapshot)
    columns["served"].append(cell)
    columns["probability"].append(one.probability)
    columns["reason"].append(BY_CODE[one.reason].name)
    columns["previous"].append(_cell(context, one.previous) if one.previous >= -1 else None)


def _chances(
    columns: dict[str, list[Any]],
    context: Context,
    one: DecisionRecord,
    how: Joining,
    counts: Counts,
) -> None:
    """The probability of each cell, by the policies that decided."""
    if how.chances is None:
        return
    chances = how.chances(context, one)
    # that of what was served is as it was logged
    known = chances is not None and chances[_cell(context, one.served)] == one.probability
    for cell in how.cells:
        columns[f"p {cell}"].append(chances.get(cell, 0.0) if known and chances else None)
    control = how.cells[0]
    counts.no_chances += not (known and chances and 0.0 < chances.get(control, 0.0) < 1.0)


def _features(
    columns: dict[str, list[Any]],
    one: DecisionRecord,
    names: Sequence[str],
    known: Mapping[str, Mapping[str, Any]],
) -> None:
    features = one.features or known.get(one.unit) or {}
    for name in names:
        value = features[name] if name in features else _of_label(one.labels.get(name))
        columns[f"x {name}"].append(value)


def _of_label(label: str | None) -> str | None:
    """The value that a label is of, in text."""
    return None if label is None or label == MISSING else of_label(label)


def _outcomes(
    columns: dict[str, list[Any]],
    one: DecisionRecord,
    rewards: Sequence[RewardRecord],
    how: Joining,
    counts: Counts,
) -> None:
    rewards = sorted(rewards, key=lambda reward: reward.ns) if len(rewards) > 1 else rewards
    values = {metric.name: _outcome(one, rewards, metric, counts) for metric in how.every}
    for metric in how.metrics:
        columns[f"y {metric.name}"].append(values[metric.name])
    if how.claimed is not None:
        columns["claimed"].append(int(values[how.claimed.name] > 0))


def _outcome(
    one: DecisionRecord, rewards: Sequence[RewardRecord], metric: Metric, counts: Counts
) -> float:
    """The value of a metric for one decision."""
    value, keys = None, set()
    for reward in rewards:
        if reward.name != metric.name:
            continue
        if reward.key and reward.key in keys:
            counts.rewards["given twice"] += 1
            continue
        keys.add(reward.key)
        if reward.late or reward.at > one.ns + metric.window:
            counts.rewards["late"] += 1
            continue
        counts.rewards["joined"] += 1
        value = reward.value if reward.set or value is None else value + reward.value
    return metric.default if value is None else value


def _cost(one: DecisionRecord, spent: int | None, counts: Counts) -> float | None:
    """What a row cost, in money: as settled, else as reserved, else as expected."""
    if spent is not None:
        return spent * MILLIONTH
    if one.amount:
        counts.held += 1
        return one.amount * MILLIONTH
    if one.served < 0:
        return 0.0
    if one.cost:
        cost = float(np.frombuffer(one.cost, "<f8")[one.served])
        if math.isfinite(cost):
            return cost
    counts.no_cost += 1
    return None
