"""What findings hold of average effects beside their values: whom they can be told of, whether they
last, and what could undo them.
"""

from __future__ import annotations

from typing import TypedDict

Interval = list[float]  # [value, low, high]


class ArmOverlap(TypedDict):
    """The propensities of one arm, among the rows that it is open to.   effective: equal rows that
    its own are worth, weighted by 1 / propensity;  clipped_below: null where propensities are
    known;  clipped: the share of all rows;  got, others: the shares, by bins between ``edges``, of
    the rows that got it and of the others.
    """

    arm: str
    rows: int
    effective: float
    least: float
    clipped_below: float | None
    clipped: float
    edges: list[float]
    got: list[float]
    others: list[float]


class Overlap(TypedDict):
    """How probable each arm was for whom.   kind: "constant" (one number each, and no arms here),
    "known" or "learnt".
    """

    kind: str
    arms: list[ArmOverlap]


class PeriodEffects(TypedDict):
    """The average effect of one candidate on one metric by period, null where a period has too few
    rows.   rows: of the candidate and control;  line: what a straight line changes from the first
    to the last;  p_value: of no change;  adjusted: among those of all candidates and metrics.
    """

    metric: str
    candidate: str
    effects: list[Interval | None]
    rows: list[int]
    line: Interval
    p_value: float
    adjusted: float


class OverTime(TypedDict):
    """Average effects over time.   length: of a period, in words;  starts: when each starts."""

    length: str
    starts: list[str]
    rows: list[PeriodEffects]


class Likened(TypedDict):
    """What an unmeasured cause as strong as a feature would leave of an effect.   outcome,
    treatment: the shares that the feature explains;  left: the effect with the interval that is
    left;  times: how many times as strong one must be to undo it, null where the feature moves one
    side only.
    """

    feature: str
    outcome: float
    treatment: float
    left: Interval
    times: float | None


class Undone(TypedDict):
    """What would undo an effect.   candidate: "" for the gain of the policy;  robustness: the share
    of both sides that an unmeasured cause must explain;  likened: the strongest first.
    """

    metric: str
    candidate: str
    effect: Interval
    robustness: float
    likened: list[Likened]


class Sensitivity(TypedDict):
    """Could an unmeasured cause have made the effects?   why: why nothing is shown, else ""."""

    why: str
    rows: list[Undone]
