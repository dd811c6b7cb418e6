"""Findings of the explorer: a sample of units on which a page tries other budgets, weights, floors
and caps, without asking anybody.
"""

from __future__ import annotations

from typing import Any, TypedDict


class PackedArray(TypedDict):
    """Numbers as 16 bits: base64 of little-endian int16, row after row; times the scale of its
    column they are the numbers again, and -32768 stands for none.
    """

    scale: list[float]
    data: str


class DialFindings(TypedDict):
    """What a reader can move.   kind: "weight" or that of a demand;  of: the metric or candidate
    that it is about, else "";  start: null where it is off.
    """

    kind: str
    name: str
    of: str
    low: float
    high: float
    step: float
    start: float | None


class RowFindings(TypedDict):
    """A demand as a row: the mean over the units of sign * factor of the unit's label * quantity
    <= bound * heads.   quantity: "cost", "offers" or the place of a metric;  arm: the only
    candidate that counts, -1 for all;  column: that of the labels, "" without one;  turned: -1
    where it was asked as "at least".
    """

    name: str
    kind: str
    unit: str
    quantity: str | int
    sign: float
    turned: float
    arm: int
    column: str
    factors: list[float]
    heads: float
    bound: float


class ExplorerFindings(TypedDict):
    """What a page needs to explore.

    of: how many units the sample was drawn from;  weights: the plan's;  worth: what one of a
    plan's weight is of them, by metric;  money: by which metrics, where one is weighed, a unit of
    cost takes 1 from the worth, null where it always takes cost_weight;  z: half-widths of
    intervals in standard errors;  scored: what is judged, metrics, the net worth and the cost;
    labels: of the columns by which who gets what is counted;  arrays: "weighed" (n, k, m),
    "counted" (the same, where demands count other numbers), "cost" (n, k), "worth" (n, k), what
    neither weights nor costs move, "gains" (n, k, j), "by" and "codes" (n, columns), "weight" and
    "cluster" (n,);  start: what the plan's own settings give on the sample, null where it has no
    room for them.
    """

    units: int
    of: int
    z: float
    control: str
    candidates: list[str]
    metrics: list[str]
    scored: list[str]
    weights: dict[str, float]
    worth: dict[str, float]
    money: list[str] | None
    cost_weight: float
    dials: list[DialFindings]
    rows: list[RowFindings]
    labels: dict[str, list[str]]
    columns: list[str]
    arrays: dict[str, PackedArray]
    start: dict[str, Any] | None
