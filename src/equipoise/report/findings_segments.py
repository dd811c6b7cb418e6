"""Findings of how effects vary: in groups of people, along features, and by two features
together.
"""

from __future__ import annotations

from typing import Any, TypedDict


class SegmentTest(TypedDict):
    """Whether an effect differs between the segments of a feature; ``adjusted`` among all."""

    feature: str
    metric: str
    candidate: str
    p_value: float
    adjusted: float


class SegmentRow(TypedDict):
    """The average effect of a candidate in one segment.  ``less_others``: the effect less that in
    the feature's other segments, with its p-value, also adjusted among all.
    """

    feature: str
    segment: str
    rows: int
    metric: str
    candidate: str
    effect: list[float]
    shrunk: list[float]
    less_others: list[float]
    p_value: float
    adjusted: float


class SegmentFindings(TypedDict):
    """Effects by segment.  ``named``: by the plan, on all rows; else those features that drive the
    predictions most, by rows that no figure here is made of.
    """

    named: bool
    rows: int
    features: list[str]
    tests: list[SegmentTest]
    segments: list[SegmentRow]


class PartialCurve(TypedDict):
    """The mean predicted effect where a feature is set to each of some values; between ``low`` and
    ``high`` lie eight of ten people's own curves, apart from their heights.
    """

    feature: str
    levels: bool  # whether the values are levels, else numbers
    values: list[Any]
    tenths: list[float]  # deciles of a number
    metric: str
    candidate: str
    effect: list[float]
    low: list[float]
    high: list[float]


class PairRow(TypedDict):
    """How two features move a predicted effect together, beyond what each does alone: by how much,
    H with its standard error, and by how much the effect that held-out people show rises where that
    is 1 higher (``slope``), with its p-value, also adjusted among all.
    """

    features: list[str]
    metric: str
    candidate: str
    size: float
    strength: float
    std_error: float
    slope: list[float]
    p_value: float
    adjusted: float


class PairCurves(TypedDict):
    """The mean predicted effects of one pair: a row of ``effects`` for each value of the first."""

    features: list[str]
    levels: list[bool]
    values: list[list[Any]]
    metric: str
    candidate: str
    effects: list[list[float]]


class VariationFindings(TypedDict):
    """Partial curves and interactions of the strongest drivers; of the model that ships, on people
    whom it never saw.
    """

    curves: list[PartialCurve]
    pairs: list[PairRow]
    together: PairCurves | None  # of the surest pair, where one is sure
