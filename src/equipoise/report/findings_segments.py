"""Findings of segments: average effects in groups of people, and whether they differ."""

from __future__ import annotations

from typing import TypedDict


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
