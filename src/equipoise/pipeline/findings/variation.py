"""How effects vary: by segment, along the features that drive them, and by two of these together.

Curves and interactions are of the model that ships, on rows that it never saw.  A model of trees
joins features by chance too; so what it predicts of a pair beyond the sum of the two is held
against the outcomes of these rows: with s_i the doubly robust score of a row, b_i what is predicted
beyond in its cell, and dummies of the values of both features,

    s_i = value_j(i) + value_k(i) + slope b_i + noise

the slope is 1 where it is there as predicted and 0 where it is chance (Frisch & Waugh 1933 gives
it; its error counts weights and clusters).  P-values of all pairs, candidates and metrics are
adjusted for being so many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.estimates import Estimate, around
from equipoise.estimators import Interaction, interactions, partial_effects
from equipoise.evaluation import EvaluationData, holm
from equipoise.pipeline.findings.diagnostics import log_evidence
from equipoise.pipeline.findings.segments import (
    held_drivers,
    leaders,
    most_given,
    segment_findings,
)
from equipoise.pipeline.study.cross_fit import SHIPPED
from equipoise.pipeline.study.study import Study
from equipoise.report.findings_segments import PairCurves, PairRow, PartialCurve, VariationFindings

CURVES, PAIRED = 3, 4  # features that have curves, and whose pairs are asked about
FEW = 3  # numbers that are told as levels are
SURE = 0.05  # a p-value among all below which a pair is told
LEAST_MOVE = 1e-9  # of the spread of the scores, below which nothing is predicted beyond the sum


def variation_findings(study: Study, policy: Floats, judged: Effects) -> Mapping[str, Any]:
    """The keys "segments" and "variation" of the findings, where there is something to tell.

    policy: (n, K); judged: whose levels the scores are made of.
    """
    evidence = log_evidence(study.log, judged, study.design.propensity)
    lead = held_drivers(study)
    found: dict[str, Any] = dict(segment_findings(study, policy, evidence, lead))
    features = leaders(lead, study.task.weights, PAIRED)
    if not features:
        return found
    held = study.fold == SHIPPED
    arms, metrics = most_given(policy[held]), _weighed(study)
    rows = evidence.take(held)
    units = study.log.table.take(pa.array(np.flatnonzero(held)))
    seed = study.plan.run.seed
    pairs = interactions(study.model, units, features, seed=seed) if len(features) > 1 else []
    table, surest = _pairs(pairs, rows, units, arms, metrics, study)
    variation: VariationFindings = {
        "curves": _curves(study, units, features[:CURVES], arms, metrics),
        "pairs": table,
        "together": surest,
    }
    return {**found, "variation": variation}


def _weighed(study: Study) -> list[str]:
    """The metrics that the policy weighs, or all."""
    some = [name for name in study.log.metrics if study.task.weights.get(name)]
    return some or list(study.log.metrics)


def _curves(
    study: Study, units: pa.Table, features: Sequence[str], arms: Ints, metrics: Sequence[str]
) -> list[PartialCurve]:
    curves: list[PartialCurve] = []
    for feature in features:
        partial = partial_effects(study.model, units, feature, seed=study.plan.run.seed)
        values, levels = _values(partial.values, units[feature])
        for metric in metrics:
            j = partial.metrics.index(metric)
            curves += [
                {
                    "feature": feature,
                    "levels": levels,
                    "values": values,
                    "tenths": [] if levels else list(partial.tenths),
                    "metric": metric,
                    "candidate": study.effects.candidates[a],
                    "effect": partial.effects[:, a, j].tolist(),
                    "low": partial.low[:, a, j].tolist(),
                    "high": partial.high[:, a, j].tolist(),
                }
                for a in arms
            ]
    return curves


def _values(values: Sequence[float | str], column: pa.ChunkedArray) -> tuple[list[Any], bool]:
    """The values as they are told, and whether they are levels: times are dates in words, and so
    few numbers are levels.
    """
    if not columns.is_time(column):
        levels = isinstance(values[0], str) or len(values) <= FEW
        return [f"{v:g}" if isinstance(v, float) and levels else v for v in values], levels
    return [str(np.datetime64(int(value), "us"))[:16] for value in values], True


def _pairs(
    pairs: Sequence[Interaction],
    rows: EvaluationData,
    units: pa.Table,
    arms: Ints,
    metrics: Sequence[str],
    study: Study,
) -> tuple[list[PairRow], PairCurves | None]:
    """Every pair, the surest first, and the curves of the first where it is sure."""
    level, names = study.plan.report.level, study.log.metrics
    asked: list[tuple[Interaction, int, int, Estimate]] = []
    for pair in pairs:
        cells = [grid.codes(units[grid.feature]) for grid in pair.grids]
        for metric in metrics:
            for a in arms.tolist():
                beyond = pair.beyond[:, :, a, pair.metrics.index(metric)]
                slope = slope_beyond(rows, (a, names.index(metric)), cells, beyond, level)
                asked.append((pair, a, names.index(metric), slope))
    p_values = [slope.p_value for *_, slope in asked]
    adjusted = holm(p_values)
    order = sorted(
        range(len(asked)), key=lambda i: (adjusted[i], np.nan_to_num(p_values[i], nan=2))
    )
    table = [
        _pair_row(*asked[i], float(adjusted[i]), names, study.effects.candidates) for i in order
    ]
    if not table or not is_sure(table[0]):
        return table, None
    pair, a, j, _ = asked[order[0]]
    told = [_values(grid.values, units[grid.feature]) for grid in pair.grids]
    return table, {
        "features": list(pair.features),
        "levels": [levels for _, levels in told],
        "values": [values for values, _ in told],
        "metric": names[j],
        "candidate": study.effects.candidates[a],
        "effects": pair.effects[:, :, a, pair.metrics.index(names[j])].tolist(),
    }


def is_sure(row: PairRow) -> bool:
    """Whether held-out rows surely show what is predicted beyond the sum."""
    return row["adjusted"] <= SURE and row["slope"][0] > 0


def _pair_row(
    pair: Interaction,
    a: int,
    j: int,
    slope: Estimate,
    adjusted: float,
    metrics: Sequence[str],
    candidates: Sequence[str],
) -> PairRow:
    own = pair.metrics.index(metrics[j])
    return {
        "features": list(pair.features),
        "metric": metrics[j],
        "candidate": candidates[a],
        "size": float(pair.size[a, own]),
        "strength": float(pair.strength[a, own]),
        "std_error": float(pair.std_error[a, own]),
        "slope": slope.interval,
        "p_value": slope.p_value,
        "adjusted": adjusted,
    }


def slope_beyond(
    rows: EvaluationData,
    effect: tuple[int, int],
    cells: Sequence[Ints],
    beyond: Floats,
    level: float = 0.95,
) -> Estimate:
    """By how much the effect that rows show rises where what is predicted beyond the sum of two
    features is 1 higher; NaN where nothing is predicted.

    effect: candidate and metric; cells: the value of each row in both features, (n,), -1 where it
    has none; beyond: (g, h).
    """
    part, open_to = rows.judged(effect[0])
    one, two = (code[open_to] for code in cells)
    known = (one >= 0) & (two >= 0)
    unknown = Estimate(*[np.nan] * 5)
    if known.sum() < 2 or len(np.unique(part.cell[known])) < 2:
        return unknown
    score = part.gain(*effect)
    predicted = np.where(known, beyond[np.maximum(one, 0), np.maximum(two, 0)], 0.0)
    g, h = beyond.shape
    dummies = np.concatenate([np.eye(g)[one], np.eye(h)[two]], axis=1) * known[:, None]
    root = np.sqrt(part.weight * known)[:, None]
    both = np.column_stack([predicted, score])
    fitted = dummies @ np.linalg.lstsq(dummies * root, both * root, rcond=1e-10)[0]
    left, y = ((both - fitted) * known[:, None]).T
    spread = float(part.weight @ left**2)
    if spread <= LEAST_MOVE**2 * float(part.weight @ y**2):
        return unknown
    value = float(part.weight @ (left * y)) / spread
    influence = left * (y - value * left) * part.weight.sum() / spread
    error, df = part.units.errors(influence[:, None])
    return around(np.array([value]), error, df, level=level)[0]
