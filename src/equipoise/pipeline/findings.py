"""Findings: all that a run found, as plain JSON.  `run` makes them, ``metrics.json`` keeps them, the report draws them.

An interval is ``[value, low, high]`` at the run's confidence level; every amount is in its metric's unit.
"""

from __future__ import annotations

import math
from typing import Any, TypedDict

from equipoise.core.checks import Check as Check

Interval = list[float]  # [value, low, high]


class Arm(TypedDict):
    """How many rows one cell (control or a candidate) has."""

    name: str
    rows: int
    share: float
    expected: float | None


class Experiment(TypedDict):
    """Is the experiment sound?"""

    rows: int
    features: int
    space: str
    arms: list[Arm]
    checks: list[Check]
    balance: list[dict[str, Any]]  # {"feature", "candidate", "smd"}


class Average(TypedDict):
    """The average effect of one candidate on one metric."""

    metric: str
    candidate: str
    control: Interval
    effect: Interval
    p_value: float


class Ranking(TypedDict):
    """How well the predicted effects order units: one candidate, one metric; curves per head over the share treated."""

    metric: str
    candidate: str
    qini: Interval
    autoc: Interval
    share: list[float]
    gain: list[float]
    gain_low: list[float]
    gain_high: list[float]
    random: list[float]


class Decile(TypedDict):
    """Observed effect among the units of one tenth of predicted effect (1 = largest)."""

    metric: str
    candidate: str
    decile: int
    predicted: float
    observed: Interval
    rows: int


class Driver(TypedDict):
    """How much a feature moves the predicted effect (share of the explained variation)."""

    metric: str
    candidate: str
    feature: str
    importance: float


class BudgetPoint(TypedDict):
    """What one budget buys.  budget and spend are per head; values maps a metric to its gain over control per head;
    price is the gain in the objective that one more unit of spend would buy there."""

    budget: float
    spend: Interval
    treated: float
    values: dict[str, Interval]
    price: float


class TradeOff(TypedDict):
    """What one choice of metric weights buys."""

    weights: dict[str, float]
    values: dict[str, Interval]
    chosen: bool


class Rival(TypedDict):
    """The value of one policy: the chosen one (always the first), nobody, everybody under one arm, random at equal spend.
    Gains over control per head; spend per head."""

    policy: str
    values: dict[str, Interval]
    spend: Interval
    treated: float
    against_chosen: dict[str, Interval]  # chosen minus this one, paired; empty for the chosen one


class Row(TypedDict):
    """One demand on the policy, per head: used must be at most (or at least) bound; price is the gain in the objective that
    one more unit of it would buy."""

    name: str
    rule: str  # "at most" or "at least"
    bound: float
    used: float
    price: float
    binding: bool


class GroupShare(TypedDict):
    """Who gets what, by a protected column."""

    column: str
    group: str
    rows: int
    shares: dict[str, float]  # control and candidates, sum to 1
    spend: float
    values: dict[str, Interval]


class Chosen(TypedDict):
    """The policy.  gap is the certificate: the share of the best possible objective that may be missing (0 = proven best).
    carried is the spend per head of units that did not set the prices, its interval for one new population as large as a
    fold; null without a budget."""

    shares: dict[str, float]
    weights: dict[str, float]
    demands: list[Row]
    gap: float
    carried: Interval | None
    groups: list[GroupShare]
    profile: list[dict[str, Any]]  # {"feature", "treated", "untreated", "smd"}


class Findings(TypedDict):
    """Everything."""

    title: str
    currency: str  # unit of spend, e.g. "USD"; "" when offers are counted
    level: float  # confidence level of every interval, e.g. 0.95
    metrics: list[dict[str, str]]  # {"name", "unit", "kind", "better"} as in `core.log.Outcome`
    candidates: list[str]
    control: str
    headline: list[str]  # plain sentences for a manager
    experiment: Experiment
    averages: list[Average]
    rankings: list[Ranking]
    deciles: list[Decile]
    drivers: list[Driver]
    budget: list[BudgetPoint]
    tradeoff: list[TradeOff]
    policy: Chosen
    rivals: list[Rival]
    risks: list[str]  # plain sentences, the worst first
    made: dict[str, Any]  # version, seed, estimator, folds, rows, seconds, plan (text), snapshot, command, python, packages


def plain(thing: Any) -> Any:
    """The same with numbers that JSON has: NaN and infinities become null."""
    if isinstance(thing, dict):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [plain(value) for value in thing]
    return None if isinstance(thing, float) and not math.isfinite(thing) else thing
