"""What a ranking job found, as plain JSON: all that its report shows, on the test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.columns import codes, is_text
from equipoise.core.effective_size import critical
from equipoise.core.estimates import Estimate
from equipoise.core.labelled_rows import HIDDEN, POSITIVE, LabelledRows
from equipoise.evaluation import RankingMetrics, front_hypervolumes, pareto_front
from equipoise.pipeline.ranking.log import RankingLog
from equipoise.pipeline.ranking.select import Candidate, Selection, keeps_floors, mean_of
from equipoise.ranking.places import places
from equipoise.report.findings import Interval
from equipoise.report.findings_ranking import (
    MEAN,
    Calibration,
    FloorUse,
    FrontPoint,
    Gate,
    Method,
    Objective,
    Places,
)

TENTHS = 10  # of a score's rows, for its calibration
FIRST = 10  # places of a page
SEGMENTS = 8  # of gates; the rest are one
CHANCE = 0.5  # the AUC of no knowledge: the corner of hypervolumes


def front_names(selection: Selection) -> list[str]:
    """The names of swept settings in the table of metrics; those at the plan's weights are the
    methods themselves.
    """
    return [
        one.method if one in selection.methods else f"{one.method} #{k}"
        for k, one in enumerate(selection.front)
    ]


def objectives_found(
    log: RankingLog, rows: LabelledRows, metrics: RankingMetrics, weights: Floats
) -> list[Objective]:
    """What is ranked for, on the test rows."""
    seen, hits = rows.observed, rows.positives
    return [
        {
            "name": name,
            "weight": float(weights[j]),
            "rate": float(hits[j] / seen[j]) if seen[j] else float("nan"),
            "positives": int(hits[j]),
            "observed": float(seen[j] / len(rows)),
            "coverage": float(metrics.coverage.row_coverage[j]),
        }
        for j, name in enumerate(log.objectives)
    ]


def methods_found(log: RankingLog, selection: Selection) -> list[Method]:
    """What was tried; the shipped one first."""
    fallback, names = selection.fallback.auc, tuple(log.objectives)
    order = sorted(selection.methods, key=lambda one: one.method != selection.shipped.method)
    return [
        {
            "name": one.method,
            "kind": one.ranker.kind,
            "validation": mean_of(one.auc, selection.weights),
            "floors": keeps_floors(log.plan, one.auc, fallback, names),
        }
        for one in order
    ]


def intervals_of(
    metrics: RankingMetrics, measure: str, methods: Sequence[str], gains: bool
) -> dict[str, dict[str, Interval]]:
    """One measure of methods by objective and in the mean, or the gains in it."""
    ask = metrics.gain if gains else metrics.estimate
    return {
        method: {o: _interval(ask(measure, method, o)) for o in (*metrics.objectives, MEAN)}
        for method in methods
    }


def front_found(
    selection: Selection, metrics: RankingMetrics, measure: str, names: Sequence[str]
) -> list[FrontPoint]:
    """Every swept setting on the test rows."""
    labels = metrics.objectives
    values = [
        {o: _interval(metrics.estimate(measure, name, o)) for o in (*labels, MEAN)}
        for name in names
    ]
    points = np.array([[value[o][0] for o in labels] for value in values])
    known = np.isfinite(points).all(axis=0) if len(points) else np.zeros(0, bool)
    efficient = pareto_front(points[:, known]) if known.any() else np.zeros(len(points), bool)
    return [
        {
            "method": one.method,
            "weights": dict(zip(labels, one.weights.tolist(), strict=True)),
            "values": value,
            "shipped": one is selection.shipped,
            "efficient": bool(good),
        }
        for one, value, good in zip(selection.front, values, efficient, strict=True)
    ]


def hypervolumes_found(
    selection: Selection, metrics: RankingMetrics, measure: str, names: Sequence[str]
) -> dict[str, Interval]:
    """The volume that each method's front dominates."""
    fronts: dict[str, list[str]] = {}
    for one, name in zip(selection.front, names, strict=True):
        fronts.setdefault(one.method, []).append(name)
    if not fronts or not np.isfinite(metrics.of(measure).estimates.value[:, :-1]).any():
        return {}
    volumes = front_hypervolumes(metrics, fronts, measure=measure, reference=CHANCE)
    return {name: _interval(volume) for name, volume in volumes.items()}


def floors_found(
    log: RankingLog, selection: Selection, metrics: RankingMetrics, measure: str, shipped: str
) -> list[FloorUse]:
    """Every floor, on validation and on test rows."""
    names = list(log.objectives)
    gain = selection.shipped.auc - selection.fallback.auc
    return [
        {
            "objective": floor.objective,
            "lose": floor.lose,
            "validation": float(gain[names.index(floor.objective)]),
            "test": _interval(metrics.gain(measure, shipped, floor.objective)),
        }
        for floor in log.plan.floors
    ]


def gates_found(test: RankingLog, shipped: Candidate) -> list[Gate]:
    """What the shipped method weighs each score by: of a net by segments of viewers, of a formula
    for everybody; of others nothing is known.
    """
    ranker = shipped.ranker
    scores = [str(name) for name in ranker.feature_names_in_]
    if ranker.kind == "formula":
        total = float(ranker.parameters_.sum()) or 1.0
        weights = dict(zip(scores, (ranker.parameters_ / total).tolist(), strict=True))
        return [{"column": "", "segment": "everybody", "share": 1.0, "weights": weights}]
    if ranker.kind != "net" or not ranker.gate or not len(test):
        return []
    gates = np.broadcast_to(ranker.gates(test.profile), (len(test), len(scores)))
    column = test.plan.segment or _segment(test)
    if column is None:
        mean = dict(zip(scores, gates.mean(axis=0).tolist(), strict=True))
        return [{"column": "", "segment": "everybody", "share": 1.0, "weights": mean}]
    code, labels = codes(test.table[column])
    counts = np.bincount(code, minlength=len(labels))
    order = np.argsort(-counts, kind="stable")
    found = [(labels[k], code == k) for k in order[:SEGMENTS] if counts[k]]
    if len(order) > SEGMENTS:
        found.append((f"{len(order) - SEGMENTS} others", np.isin(code, order[SEGMENTS:])))
    return [
        {
            "column": column,
            "segment": label,
            "share": float(rows.mean()),
            "weights": dict(zip(scores, gates[rows].mean(axis=0).tolist(), strict=True)),
        }
        for label, rows in found
    ]


def calibration_found(
    test: RankingLog, rows: LabelledRows, unit: Ints, level: float
) -> list[Calibration]:
    """Every base score that stands for an objective, by tenths of it, on the test rows."""
    if not test.plan.probabilities:
        return []
    found: list[Calibration] = []
    for j, (name, spec) in enumerate(test.objectives.items()):
        score = spec.score or f"p_{name}"
        seen = rows.state[:, j] != HIDDEN
        if score not in test.scores or not seen.any():
            continue
        p = np.asarray(test.table[score].to_numpy(), np.float64)[seen]
        y, who = (rows.state[seen, j] == POSITIVE).astype(np.float64), unit[seen]
        cuts = np.unique(np.quantile(p, np.arange(1, TENTHS) / TENTHS))
        tenth = np.searchsorted(cuts, p, side="left")
        parts = [tenth == k for k in range(len(cuts) + 1)]
        parts = [part for part in parts if part.any()]
        found.append(
            {
                "score": score,
                "objective": name,
                "predicted": [float(p[part].mean()) for part in parts],
                "observed": [_mean_of_units(y[part], who[part], level) for part in parts],
                "rows": [int(part.sum()) for part in parts],
            }
        )
    return found


def places_found(
    test: RankingLog,
    rows: LabelledRows,
    scores: Mapping[str, Floats],
    pair: tuple[str, str],
    unit: Ints,
    level: float,
) -> Places | None:
    """What the first of two methods changes in the first places of a request, against the
    second; None where no request has more rows than places.
    """
    if test.requests is None:
        return None
    request = test.requests
    size = np.bincount(request)
    usual = int(np.median(size[size > 0]))
    k = FIRST if usual > FIRST else max(usual // 2, 1)
    longer = size[request] > k
    if not longer.any():
        return None
    place = [places(scores[name], request) for name in pair]
    top = [(each <= k) & longer for each in place]
    requests = int((size > k).sum())
    ours, theirs = (_rates(rows, each) for each in top)
    return {
        "k": k,
        "requests": requests,
        "same": float((top[0] & top[1]).sum() / top[0].sum()),
        "first": float(((place[0] == 1) & (place[1] == 1) & longer).sum() / requests),
        "rates": {
            name: _rate_gain(rows.state[:, j], top, unit, level)
            for j, name in enumerate(rows.objectives)
        },
        "shipped": dict(zip(rows.objectives, ours, strict=True)),
        "fallback": dict(zip(rows.objectives, theirs, strict=True)),
    }


def _segment(test: RankingLog) -> str | None:
    """The first profile column of text."""
    return next((name for name in test.plan.profile if is_text(test.table[name])), None)


def _rates(rows: LabelledRows, top: Bools) -> list[float]:
    """Positives of each objective per observed row in the first places."""
    hits = (rows.state[top] == POSITIVE).sum(axis=0)
    seen = (rows.state[top] != HIDDEN).sum(axis=0)
    return [float(h / s) if s else float("nan") for h, s in zip(hits, seen, strict=True)]


def _rate_gain(state: Any, top: Sequence[Bools], unit: Ints, level: float) -> Interval:
    """The difference of two rates of positives, by the spread of units' own shares in it."""
    count = int(unit.max()) + 1
    gain, own = 0.0, np.zeros(count)
    for sign, rows in zip((1.0, -1.0), top, strict=True):
        seen = rows & (state != HIDDEN)
        hits = seen & (state == POSITIVE)
        if not seen.any():
            return [float("nan")] * 3
        rate = hits.sum() / seen.sum()
        gain += sign * rate
        own += (
            sign
            * (np.bincount(unit, hits, count) - rate * np.bincount(unit, seen, count))
            / (seen.sum())
        )
    return _around(float(gain), own, len(np.unique(unit)), level)


def _mean_of_units(y: Floats, unit: Ints, level: float) -> Interval:
    """A mean of rows whose units are drawn."""
    mean = float(y.mean())
    code = np.unique(unit, return_inverse=True)[1]
    own = np.bincount(code, y - mean) / len(y)
    return _around(mean, own, len(own), level)


def _around(value: float, own: Floats, units: int, level: float) -> Interval:
    """An interval by what each unit adds to the error."""
    if units < 2:
        return [value, float("nan"), float("nan")]
    error = float(np.sqrt((own**2).sum() * units / (units - 1)))
    reach = float(critical(level, units - 1.0)) * error
    return [value, value - reach, value + reach]


def _interval(estimate: Estimate) -> Interval:
    return [float(estimate.value), float(estimate.low), float(estimate.high)]
