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
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate, around
from equipoise.evaluation.base import mean_estimates
from equipoise.evaluation.score_ranking import ScoreRanking


@shown
@dataclass(frozen=True)
class EffectGroup:
    """Units of about equal predicted effect.

    Attributes
    ----------
    index : int
        1 has the largest predictions.
    predicted : float
        The mean prediction, in the outcome's unit.
    observed : Estimate
        The doubly robust effect among them, in the outcome's unit.
    rows : int
        How many there are.

    Examples
    --------
    >>> EffectGroup(1, 0.3, Estimate(0.25, 0.1, 0.05, 0.45), 500).rows
    500
    """

    index: int
    predicted: float
    observed: Estimate
    rows: int


@shown
@dataclass(frozen=True)
class LinearPredictor:
    """The best linear predictor of the effect by its prediction.

    Attributes
    ----------
    intercept : Estimate
        The average effect, in the outcome's unit.
    slope : Estimate
        1 where predicted differences between units are right, below 1 where they are exaggerated;
        NaN where the prediction does not vary.

    Examples
    --------
    >>> LinearPredictor(Estimate(0.2, 0.1, 0, 0.4), Estimate(0.9, 0.2, 0.5, 1.3)).slope.value
    0.9
    """

    intercept: Estimate
    slope: Estimate


def calibration_deciles(
    ranking: ScoreRanking, *, bins: int = 10, level: float = 0.95
) -> list[EffectGroup]:
    """Observed effects among groups of equal weight, from the largest predictions to the smallest.

    Parameters
    ----------
    ranking : ScoreRanking
        Rows ranked by a predicted effect, which must not have been learnt from them.
    bins : int, default 10
        How many groups.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    list of EffectGroup
        Units with equal predictions stay together, so groups may differ in size and be fewer than
        ``bins``.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, rank_by_score
    >>> rows = evaluation_data([3, 1, 1, 1], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> groups = calibration_deciles(rank_by_score([2.0, 2.0, 0.0, 0.0], rows), bins=2)
    >>> [(group.predicted, group.observed.value) for group in groups]
    [(2.0, 2.0), (0.0, 0.0)]
    """
    if bins < 1 or bins > len(ranking):
        raise InputError("bins", f"lie in 1..{len(ranking)}", bins)
    group = rank_bins(ranking, bins)
    return [
        _group(index, np.flatnonzero(group == index), ranking, level) for index in np.unique(group)
    ]


def rank_bins(ranking: ScoreRanking, bins: int) -> Ints:
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
    got = ranking.columns.assignment.take(rows)
    observed = mean_estimates(
        gain[:, None], weight=weight, groups=group, assignment=got, level=level
    )
    return EffectGroup(int(index) + 1, mean, observed[0], len(rows))


def best_linear_predictor(ranking: ScoreRanking, *, level: float = 0.95) -> LinearPredictor:
    """Intercept and slope of the effect on its prediction, the score that ranks.

    Parameters
    ----------
    ranking : ScoreRanking
        Rows ranked by a predicted effect, which must not have been learnt from them.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    LinearPredictor
        With standard errors robust to heteroscedasticity and clusters.

    Notes
    -----
    gain_i = intercept + slope (S_i - mean S) + noise, by weighted least squares; gain_i is the
    doubly robust score, S_i the prediction.

    References
    ----------
    Chernozhukov, Demirer, Duflo & Fernandez-Val, arXiv:1712.04802.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, rank_by_score
    >>> rows = evaluation_data([3, 1, 1, 1], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> predictor = best_linear_predictor(rank_by_score([2.0, 2.0, 0.0, 0.0], rows))
    >>> predictor.intercept.value, predictor.slope.value
    (1.0, 1.0)
    """
    w, gain, s = ranking.weight, ranking.gain, ranking.score
    total = w.sum()
    centred = s - w @ s / total
    spread = w @ centred**2 / total
    tau = float(w @ gain / total)
    if not spread > 0:
        error = ranking.units.errors(gain[:, None] - tau)
        intercept = around(np.array([tau]), *error, level=level)[0]
        return LinearPredictor(intercept, Estimate(np.nan, np.nan, np.nan, np.nan))
    slope = float(w @ (centred * gain) / total / spread)
    residual = gain - tau - slope * centred
    influence = np.stack([gain - tau, residual * centred / spread], axis=1)
    estimates = around(np.array([tau, slope]), *ranking.units.errors(influence), level=level)
    return LinearPredictor(estimates[0], estimates[1])
