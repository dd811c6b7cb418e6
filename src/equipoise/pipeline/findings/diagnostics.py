"""What the experiment says before any policy: average effects, and how well predicted effects order
and describe the rows.

All is measured by doubly robust scores with cross-fitted levels, and every prediction judged here
is out of fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from equipoise.core.arrays import Bools, Floats
from equipoise.core.effects import Effects
from equipoise.core.log import Log
from equipoise.evaluation import (
    METRICS,
    AverageEffects,
    EvaluationData,
    average_effects,
    best_linear_predictor,
    calibration_deciles,
    evaluation_data,
    gain_curve,
    rank_by_score,
)
from equipoise.evaluation import ScoreRanking as Ranked
from equipoise.report.findings import AmongMany, Average, Decile, Ranking, Slope

POINTS = 40  # of a drawn curve
SIGNED = "there are values below 0"  # why a metric has no lift
NEAR_ZERO = "the mean under control is not surely above 0"


def log_evidence(
    log: Log, effects: Effects, propensity: Floats, sign: Floats | float = 1.0
) -> EvaluationData:
    """The rows that every judgement stands on, with the log's outcomes times ``sign`` (m,) as
    metrics.
    """
    levels = effects.levels()[:, :, : len(log.metrics)]
    return evaluation_data(
        log.y * sign,
        cell=log.cells,
        propensity=propensity,
        levels=levels * sign,
        weight=log.weight,
        groups=log.groups,
    )


def averages(log: Log, effects: Effects, propensity: Floats, level: float) -> list[Average]:
    """The average effect of every candidate on every metric."""
    estimates = average_effects(log_evidence(log, effects, propensity), level=level)
    signed = log.y.min(axis=0) < 0
    return average_rows(estimates, (log.metrics, effects.candidates), signed, level)


def average_rows(
    estimates: AverageEffects,
    names: tuple[Sequence[str], Sequence[str]],
    signed: Bools,
    level: float,
) -> list[Average]:
    """Average effects as findings.   names: of metrics and candidates; signed: metrics that have
    values below 0, (m,).
    """
    shrunk, adjusted = estimates.shrunk(level), estimates.adjusted
    return [
        {
            "metric": metric,
            "candidate": candidate,
            "control": estimates.control[j].interval,
            "effect": estimates.effect[a, j].interval,
            "p_value": float(estimates.effect.p_value[a, j]),
            "adjusted": float(adjusted[a, j]),
            "shrunk": shrunk[a, j].interval,
            **_lift(estimates, a, j, signed=bool(signed[j])),
        }
        for j, metric in enumerate(names[0])
        for a, candidate in enumerate(names[1])
    ]


def _lift(estimates: AverageEffects, a: int, j: int, *, signed: bool) -> AmongMany:
    """An average effect as a share of control's mean, or why it has none."""
    if signed:
        return {"no_lift": SIGNED}
    if estimates.lift is None or not np.isfinite(estimates.lift.value[a, j]):
        return {"no_lift": NEAR_ZERO}
    return {"lift": estimates.lift[a, j].interval}


def rankings(
    log: Log,
    effects: Effects,
    propensity: Floats,
    level: float,
    seed: int,
    judged: Effects | None = None,
) -> tuple[list[Ranking], list[Decile], list[Slope]]:
    """Qini, AUTOC and the gain curve, observed effects by tenths of the predicted one, and the
    slope of the effect on its prediction; larger predictions rank first.   judged: whose levels the
    scores are made of, if not the effects'.

    Where lower is better the ranking and its curve are of the fall, so that both start with those
    who gain most.
    """
    curves: list[Ranking] = []
    tenths: list[Decile] = []
    slopes: list[Slope] = []
    for metric, candidate, sign, ranking in _ranked(log, effects, propensity, judged or effects):
        curve = gain_curve(ranking, points=POINTS, level=level, seed=seed)
        curves.append(
            {
                "metric": metric,
                "candidate": candidate,
                "qini": METRICS.load("qini")(ranking, level=level).interval,
                "autoc": METRICS.load("autoc")(ranking, level=level).interval,
                "share": curve.share.tolist(),
                "gain": curve.value.tolist(),
                "gain_low": curve.band_low.tolist(),
                "gain_high": curve.band_high.tolist(),
                "random": curve.random.tolist(),
            }
        )
        slope = best_linear_predictor(ranking, level=level).slope.interval
        slopes.append({"metric": metric, "candidate": candidate, "slope": slope})
        for group in calibration_deciles(ranking, level=level):
            tenths.append(
                {
                    "metric": metric,
                    "candidate": candidate,
                    "decile": group.index,
                    "predicted": sign * group.predicted,
                    "observed": _turned(group.observed.interval, sign),
                    "rows": group.rows,
                }
            )
    return curves, tenths, slopes


def _ranked(
    log: Log, effects: Effects, propensity: Floats, judged: Effects
) -> Iterator[tuple[str, str, float, Ranked]]:
    """(metric, candidate, sign, ranking) of every pair; a metric where lower is better is turned
    round first.
    """
    sign = np.asarray([outcome.sign for outcome in log.roles.outcomes])
    rows = log_evidence(log, judged, propensity, sign)
    for j, metric in enumerate(log.metrics):
        for a, candidate in enumerate(effects.candidates):
            yield (
                metric,
                candidate,
                float(sign[j]),
                rank_by_score(sign[j] * effects.values[:, a, j], rows, candidate=a, metric=j),
            )


def _turned(interval: list[float], sign: float) -> list[float]:
    value, low, high = interval
    return interval if sign > 0 else [-value, -high, -low]
