"""The findings of a job with [supply], as plain JSON: ``metrics.json`` keeps them, the report draws
them.

An interval is ``[value, low, high]`` at the run's level, in the metric's unit; shares are of a
user's exposure, 0..1.
"""

from __future__ import annotations

from typing import Any, TypedDict

from equipoise.report.findings import Check, Interval

KIND = "supply"


class Cluster(TypedDict):
    """A cluster of users: its share of them, what is typical of it (feature, its mean in standard
    deviations from all).
    """

    name: str
    share: float
    typical: list[tuple[str, float]]
    today: list[float]
    mix: list[float]
    edge: list[str]  # categories whose share stands at the edge of what was seen or allowed


class GroupMix(TypedDict):
    """What a group of a protected column is shown today, and would be: features never saw the
    column.
    """

    column: str
    group: str
    share: float
    today: list[float]
    mix: list[float]


class Curve(TypedDict):
    """What one category's share does to a metric in a cluster, the others making room in
    proportion.
    """

    cluster: str
    category: str
    metric: str
    shares: list[float]
    effect: list[float]
    low: list[float] | None
    high: list[float] | None


class DemandUse(TypedDict):
    """How far a demand is used: per head, or in the cluster that uses it most; price: of one more
    unit of its bound.
    """

    demand: str
    bound: float
    used: float
    price: float
    binding: bool


class Step(TypedDict):
    """A step of the way: its part, how many rows the weights leave, the gains (none where these are
    too few).
    """

    part: float
    effective: float
    values: dict[str, Interval] | None


class SupplyFindings(TypedDict):
    """All of it."""

    kind: str
    title: str
    level: float
    headline: list[str]
    rows: int
    features: int
    metrics: list[dict[str, str]]
    weights: dict[str, float]
    categories: list[str]
    way: str
    individual: bool  # whether the way finds a mix for each user, not for each cluster
    today: str  # the name, in ``whole`` and ``against``, of showing everybody today's mean mix
    checks: list[Check]
    clusters: list[Cluster]
    audit: list[GroupMix]
    curves: list[Curve]
    demands: list[DemandUse]
    logged: dict[str, float]
    whole: dict[str, dict[str, Interval]]
    against: dict[str, dict[str, Interval]]
    steps: list[Step]
    risks: list[str]
    made: dict[str, Any]
