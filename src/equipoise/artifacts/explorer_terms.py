"""What a page needs of an explorer: what can be moved and how far, the demands as rows, what is
counted by, and answers as plain JSON.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, TypedDict

import numpy as np

from equipoise.allocation import Explorer, Point
from equipoise.artifacts.explorer import ExplorerUnits
from equipoise.core.arrays import Floats
from equipoise.core.errors import InfeasibleError
from equipoise.core.policy import Demand

BEYOND = 1.5  # how far beyond its start a dial of a cost goes at least,
FURTHEST = 4.0  # and at most
STEPS = 200  # of a dial
SHARES = ("cap", "offers")


class Dial(TypedDict):
    """What a person can move.

    kind is "weight" or that of a demand; name is that of the metric or demand; of is the metric or
    candidate that it is about, "" for all; start is None where it is off.
    """

    kind: str
    name: str
    of: str
    low: float
    high: float
    step: float
    start: float | None


def explorer_terms(units: ExplorerUnits, explorer: Explorer) -> dict[str, Any]:
    """What a page needs besides the units themselves.

    Parameters
    ----------
    units : ExplorerUnits
        The units.
    explorer : Explorer
        Of them.

    Returns
    -------
    dict
        As `report.findings_explorer.ExplorerFindings` without its arrays.

    Examples
    --------
    >>> from equipoise.allocation import UnitScores
    >>> from equipoise.core.effects import Effects
    >>> gain = np.array([3.0, 1.0, 2.0])[:, None, None]
    >>> effects = Effects(gain, np.zeros((3, 1)), ("mail",), ("spend",))
    >>> scores = UnitScores(("spend",), gain)
    >>> units = ExplorerUnits(effects, np.ones((3, 1)), scores, {"spend": 1.0})
    >>> terms = explorer_terms(units, units.explorer())
    >>> [dial["name"] for dial in terms["dials"]]
    ['budget', 'floor of spend', 'cap on mail']
    >>> terms["start"]["counts"]
    [0, 3]
    """
    level = float(units.about.get("level", 0.95))
    return {
        "units": len(units),
        "of": units.of or len(units),
        "z": NormalDist().inv_cdf((1 + level) / 2),
        "control": str(units.about.get("control", "control")),
        "candidates": list(units.effects.candidates),
        "metrics": list(units.effects.metrics),
        "scored": list(units.scores.names),
        "weights": units.weights,
        "worth": units.about.get("worth") or dict.fromkeys(units.weights, 1.0),
        "money": units.about.get("money"),
        "cost_weight": units.cost_weight,
        "dials": dials_of(units, explorer),
        "rows": [_row(units, explorer, r) for r in range(len(explorer.demands))],
        "labels": {name: np.unique(label).tolist() for name, label in units.by.items()},
        "columns": list(units.groups),
        "start": _start(units, explorer),
    }


def answer_of(point: Point) -> dict[str, Any]:
    """A point as plain JSON, as pages read it.

    Parameters
    ----------
    point : Point
        Of an explorer.

    Returns
    -------
    dict
        "units", "of", "value", "bound", "gap", "counts", "groups", "values" and "demands".
    """
    return {
        "units": point.units,
        "of": point.of,
        "value": point.value,
        "bound": point.bound,
        "gap": point.gap,
        "counts": point.counts.tolist(),
        "groups": {column: counts.tolist() for column, counts in point.groups.items()},
        "values": {name: list(pair) for name, pair in point.values.items()},
        "demands": [dict(demand) for demand in point.demands],
    }


def dials_of(units: ExplorerUnits, explorer: Explorer) -> list[Dial]:
    """What a person can move, and how far.

    Parameters
    ----------
    units : ExplorerUnits
        The units; effects say how far floors can go.
    explorer : Explorer
        Of these units, or of some of them.

    Returns
    -------
    list of dict
        Weights first, then demands; those of parity are not moved.
    """
    least, most = _reach(units)
    off = units.start()
    costly = units.cost_weight > 0 or bool(units.about.get("money"))
    moved = len(units.weights) > 1 or costly  # one weight alone moves nothing
    dials = _weights(units, least, most) if moved else []
    free = float(units.cost.max(axis=1).mean())
    for demand in explorer.demands:
        if demand.kind == "parity":
            continue
        bound = (demand.sign if demand.metric is not None else 1.0) * demand.bound
        low, high = 0.0, 1.0
        if demand.metric is not None:
            low, high = least[demand.metric], most[demand.metric]
        elif demand.quantity == "cost":
            high = max(BEYOND * bound, min(free, FURTHEST * bound) if bound else free)
        start = None if demand.name in off else bound
        dials.append(_dial(demand.kind, demand.name, _about(demand), low, high, start))
    return dials


def _reach(units: ExplorerUnits) -> tuple[dict[str, float], dict[str, float]]:
    """The least and the most per head that the best choice for each metric alone would make."""
    values = units.effects.values
    if units.eligible is not None:
        values = values * units.eligible[:, :, None]
    low = np.minimum(values.min(axis=1), 0.0).mean(axis=0)
    high = np.maximum(values.max(axis=1), 0.0).mean(axis=0)
    return (
        dict(zip(units.effects.metrics, low.tolist(), strict=True)),
        dict(zip(units.effects.metrics, high.tolist(), strict=True)),
    )


def _weights(units: ExplorerUnits, least: dict[str, float], most: dict[str, float]) -> list[Dial]:
    """A dial of each metric's weight: up to twice its own, or to where its reach counts as much as
    that of the weightiest one.
    """
    signs = units.signs()
    reach = {n: max(most[n] if signs[n] > 0 else -least[n], 1e-300) for n in units.weights}
    whole = max(abs(w) * reach[n] for n, w in units.weights.items())
    dials = []
    for name, weight in units.weights.items():
        end = 2 * abs(weight) if weight else whole / reach[name]
        low, high = sorted((0.0, signs[name] * (end if np.isfinite(end) and end else 1.0)))
        dials.append(_dial("weight", name, name, low, high, weight))
    return dials


def _about(demand: Demand) -> str:
    """The metric or candidate that a demand is about."""
    return demand.metric or demand.candidate or ""


def _dial(kind: str, name: str, of: str, low: float, high: float, start: float | None) -> Dial:
    """A dial whose ends hold its start, in steps of a round number."""
    low, high = (low, high) if start is None else (min(low, start), max(high, start))
    rough = max(high - low, 1e-12) / STEPS
    unit = 10.0 ** np.floor(np.log10(rough))
    step = float(next(f * unit for f in (1, 2, 5, 10) if f * unit >= rough * (1 - 1e-9)))
    low, high = float(np.floor(low / step)) * step, float(np.ceil(high / step)) * step
    if kind in SHARES:
        low, high = 0.0, 1.0
    low, high, step = (float(f"{x:.9g}") for x in (low, high, step))
    ends = {"low": low, "high": high, "step": step, "start": start}
    return {"kind": kind, "name": name, "of": of, **ends}  # type: ignore[typeddict-item]


def _start(units: ExplorerUnits, explorer: Explorer) -> dict[str, Any] | None:
    """What the plan's own settings give, None where these units leave no room for them."""
    try:
        weight = units.cost_weight_of(units.weights)
        return answer_of(explorer.point(units.weights, units.start(), cost_weight=weight))
    except InfeasibleError:
        return None


def _row(units: ExplorerUnits, explorer: Explorer, r: int) -> dict[str, Any]:
    """A demand as a row over the units."""
    demand, rows = explorer.demands[r], explorer.problem.rows
    labels: list[Any] = []
    if demand.column is not None:
        labels = np.unique(units.groups[demand.column]).tolist()
    own, whole = dict(demand.factors), units.of or len(units)
    heads: Floats = rows.heads / len(units) if demand.per_head else rows.heads / whole
    quantity: str | int = demand.quantity
    if demand.metric is not None:
        quantity = units.effects.metrics.index(demand.metric)
    arm = -1 if demand.candidate is None else units.effects.candidates.index(demand.candidate)
    return {
        "name": demand.name,
        "kind": demand.kind,
        "unit": demand.unit,
        "quantity": quantity,
        "sign": demand.sign,
        "turned": demand.sign if demand.metric is not None else 1.0,
        "arm": arm,
        "column": demand.column or "",
        "factors": [own.get(label, demand.other) for label in labels],
        "heads": float(heads[r]),
        "bound": demand.bound,
    }
