"""Do predicted effects mean what they say?  Observed effects by tenths of the prediction, and the
best linear predictor.

The observed effect of a group of units is the mean of their doubly robust scores
(`equipoise.evaluation.data`).  The best linear predictor regresses that score on the prediction
S,

    gain_i = intercept + slope (S_i - mean S) + noise            Chernozhukov, Demirer, Duflo &
    Fernandez-Val, arXiv:1712.04802

with standard errors robust to heteroscedasticity and clusters: the intercept is the average effect;
a slope of 1 says that the predicted differences between units are right, below 1 that they are
exaggerated, 0 that they are noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Ints
from equipoise.core.errors import InputError
from equipoise.evaluation.base import Estimate, around, mean_estimates, std_errors
from equipoise.evaluation.score_ranking import ScoreRanking


@dataclass(frozen=True)
class EffectGroup:
    """Units of about equal predicted effect.  index: 1 has the largest predictions; predicted:
    their mean; rows: how many.
    """

    index: int
    predicted: float
    observed: Estimate
    rows: int


@dataclass(frozen=True)
class LinearPredictor:
    """The best linear predictor of the effect by its prediction; slope is NaN where the prediction
    does not vary.
    """

    intercept: Estimate
    slope: Estimate


def calibration_deciles(
    ranking: ScoreRanking, *, bins: int = 10, level: float = 0.95
) -> list[EffectGroup]:
    """Observed effects among ``bins`` groups of equal weight, from the largest predictions to the
    smallest.

    Units with equal predictions stay together, so groups may differ in size and there may be fewer
    than asked.
    """
    if bins < 1 or bins > len(ranking):
        raise InputError("bins", f"lie in 1..{len(ranking)}", bins)
    group = _bins(ranking, bins)
    return [
        _group(index, np.flatnonzero(group == index), ranking, level) for index in np.unique(group)
    ]


def _bins(ranking: ScoreRanking, bins: int) -> Ints:
    """The bin of each rank, (n,): where the middle of its ties' weight falls."""
    ends = np.flatnonzero(ranking.last) + 1
    above = np.r_[0.0, np.cumsum(ranking.weight)[ends - 1]]
    middle = (above[1:] + above[:-1]) / 2 / above[-1]
    index = np.minimum((middle * bins).astype(np.int64), bins - 1)
    return np.repeat(index, np.diff(np.r_[0, ends]))


def _group(index: int, rows: Ints, ranking: ScoreRanking, level: float) -> EffectGroup:
    weight, gain = ranking.weight[rows], ranking.gain[rows]
    mean = float(weight @ ranking.score[rows] / weight.sum())
    if len(rows) < 2:
        return EffectGroup(
            int(index) + 1, mean, Estimate(float(gain[0]), np.nan, np.nan, np.nan), len(rows)
        )
    group = None if ranking.group is None else ranking.group[rows]
    observed = mean_estimates(gain[:, None], weight=weight, groups=group, level=level)
    return EffectGroup(int(index) + 1, mean, observed[0], len(rows))


def best_linear_predictor(ranking: ScoreRanking, *, level: float = 0.95) -> LinearPredictor:
    """Intercept and slope of the effect on its prediction, the score that ranks."""
    w, gain, s = ranking.weight, ranking.gain, ranking.score
    total = w.sum()
    centred = s - w @ s / total
    spread = w @ centred**2 / total
    tau = float(w @ gain / total)
    if not spread > 0:
        intercept = mean_estimates(gain[:, None], weight=w, groups=ranking.group, level=level)[0]
        return LinearPredictor(intercept, Estimate(np.nan, np.nan, np.nan, np.nan))
    slope = float(w @ (centred * gain) / total / spread)
    residual = gain - tau - slope * centred
    errors = std_errors(
        np.stack([gain - tau, residual * centred / spread], axis=1), w, ranking.group
    )
    found = around(np.array([tau, slope]), errors, level)
    return LinearPredictor(found[0], found[1])
