"""The findings of a job with [ranking], as plain JSON: ``metrics.json`` keeps them, the report
draws them.

An interval is ``[value, low, high]`` at the run's level, low and high NaN where there is none;
AUC, GAUC and NDCG lie in 0..1.
"""

from __future__ import annotations

from typing import Any, TypedDict

from equipoise.report.findings import Check, Interval

KIND = "ranking"
MEAN = "mean"  # the objective's name under which the mean of all stands


class Objective(TypedDict):
    """What rows are ranked for."""

    name: str
    weight: float  # of sum 1
    rate: float  # share of positives among the observed test rows
    positives: int  # in the test rows
    observed: float  # share of the test rows
    coverage: float  # share of the test rows that lie in a group of both classes


class Method(TypedDict):
    """A method that was tried; ``kind``: "single" (best single score), "formula" or "net"."""

    name: str
    kind: str
    validation: float  # weighted mean over objectives of the criterion on the validation rows
    floors: bool  # whether it keeps every floor there


class FloorUse(TypedDict):
    """A floor: the criterion of an objective may lose at most ``lose`` against the fallback."""

    objective: str
    lose: float
    validation: float  # gain over the fallback on the validation rows
    test: Interval  # the same on the test rows


class FrontPoint(TypedDict):
    """A method under one choice of objective weights, on the test rows."""

    method: str
    weights: dict[str, float]  # of sum 1
    values: dict[str, Interval]  # the criterion by objective, and MEAN
    shipped: bool
    efficient: bool  # no other point of the front is as good everywhere and better somewhere


class Gate(TypedDict):
    """What the agnostic part of a net weighs each score by, on average in a segment."""

    column: str
    segment: str
    share: float
    weights: dict[str, float]


class Calibration(TypedDict):
    """How a base score that is named for an objective agrees with it, by tenths of the score."""

    score: str
    objective: str
    predicted: list[float]
    observed: list[Interval]
    rows: list[int]


class Places(TypedDict):
    """What the shipped method changes in the first places of a request, against the fallback."""

    k: int
    requests: int  # of more than k rows each
    same: float  # mean share of rows that both put there
    first: float  # share of requests whose first row is the same
    rates: dict[str, Interval]  # positives of an objective per shown row: shipped less fallback
    shipped: dict[str, float]
    fallback: dict[str, float]


class RankingFindings(TypedDict):
    """All of it."""

    kind: str
    title: str
    level: float
    headline: list[str]
    rows: dict[str, int]  # of each part of the log: base (if any), train, validation, test
    split: str  # how the parts were cut: a sentence
    requests: int  # groups among the test rows
    grouped: str  # the column of the groups, or ""
    objectives: list[Objective]
    scores: list[str]
    probabilities: bool
    profile: list[str]
    criterion: str  # "gauc", or "auc" where there are no groups
    method: str  # the shipped one
    reason: str  # why that one: a sentence
    fallback: str  # the method that gains are over: a formula
    methods: list[Method]
    checks: list[Check]
    measures: dict[str, dict[str, dict[str, Interval]]]  # measure -> method -> objective or MEAN
    gains: dict[str, dict[str, dict[str, Interval]]]  # the same, less the fallback's, paired
    front: list[FrontPoint]
    hypervolume: dict[str, Interval]  # of each method's front
    floors: list[FloorUse]
    gates: list[Gate]
    calibration: list[Calibration]
    places: Places | None
    risks: list[str]
    made: dict[str, Any]
