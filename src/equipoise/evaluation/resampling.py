"""Bootstrap by weights on the sorted order: each unit counts Poisson(1) times, and nothing is
sorted again.

The count of a unit in a replicate is a hash (splitmix64; Steele, Lea & Flood 2014) of the
replicate's seed and the unit's number, so two rankings of the same rows are resampled alike:
differences between them are paired.  Units are rows, or clusters where the log has them.
"""

from __future__ import annotations

from math import exp, factorial

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import critical
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.kernels import njit
from equipoise.evaluation.score_ranking import Metric, ScoreRanking

STRIDE, MIX_1, MIX_2 = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)
# P(count <= 0, 1, ...); what is beyond is below 2^-44
POISSON = np.cumsum([exp(-1) / factorial(count) for count in range(16)])
UNIFORM = 2.0**-53
FEWEST = 20  # units; with n of them a replicate is empty with probability exp(-n)


@njit(cache=True)
def _counted(unit, weight, seed, out):  # type: ignore[no-untyped-def]
    """out (n,) := weight times the Poisson(1) count of each row's unit in the replicate
    ``seed``.
    """
    for p in range(len(unit)):
        x = seed + (np.uint64(unit[p]) + np.uint64(1)) * STRIDE
        x = (x ^ (x >> np.uint64(30))) * MIX_1
        x = (x ^ (x >> np.uint64(27))) * MIX_2
        u = np.float64((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * UNIFORM
        count = 0
        while count < 15 and u > POISSON[count]:
            count += 1
        out[p] = weight[p] * count


def replicate_seeds(draws: int, seed: int) -> NDArray[np.uint64]:
    """The seed of each replicate, (draws,)."""
    if draws < 2:
        raise InputError(
            "draws", "be a whole number >= 2", draws, fix="200 or more give a steady interval"
        )
    return np.random.default_rng(seed).integers(0, 2**64, draws, dtype=np.uint64)


def resample(unit: Ints, weight: Floats, seed: np.uint64) -> Floats:
    """Weights (n,) of one replicate.   unit: (n,) the number of each row's unit, the same in
    whatever order the rows stand.
    """
    out = np.empty(len(unit))
    _counted(unit, weight, seed, out)
    return out


def replicates(metric: Metric, ranking: ScoreRanking, seeds: NDArray[np.uint64]) -> Floats:
    """The metric's value in each replicate, (draws,)."""
    unit = ranking.ranked.order if ranking.group is None else ranking.group
    units = len(unit) if ranking.group is None else len(np.unique(unit))
    if units < FEWEST:
        what, fix = "the units (rows or groups) of a bootstrap", "evaluate on more of them"
        raise InputError(what, f"be at least {FEWEST}", units, fix=fix)
    return np.array(
        [metric.value(ranking.reweighted(resample(unit, ranking.weight, seed))) for seed in seeds]
    )


def percentile_estimate(value: float, draws: Floats, level: float, df: float) -> Estimate:
    """The value with the spread and the percentile interval of its replicates (draws,).

    Replicates of few units vary too little, by df / (df + 1), and their percentiles are those of a
    normal: the ends go out by Student's quantile over the normal one.
    """
    ends = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    reach = float(critical(level, df) / critical(level)) * np.sqrt((df + 1) / df)
    low, high = value + reach * (ends - value)
    return Estimate(value, float(draws.std(ddof=1)), float(low), float(high), df)


def bootstrap(
    metric: Metric, ranking: ScoreRanking, *, draws: int = 200, seed: int = 0, level: float = 0.95
) -> Estimate:
    """A ranking metric with its bootstrap interval.

    It serves metrics without influence values, and checks those that have them.

    Parameters
    ----------
    metric : Metric
        A ranking metric, e.g. `qini_sklift`.
    ranking : ScoreRanking
        Rows ranked by a score.
    draws : int, default 200
        Replicates, >= 2.
    seed : int, default 0
        Of the replicates.
    level : float, default 0.95
        Of the percentile interval.

    Returns
    -------
    Estimate
        The standard error is the replicates' standard deviation.

    Notes
    -----
    Each unit, a row or a cluster, counts Poisson(1) times in a replicate; nothing is sorted again.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, qini, rank_by_score
    >>> rows = evaluation_data([1, 0, 0, 0] * 5, cell=[1, 0, 1, 0] * 5, propensity=[0.5, 0.5])
    >>> estimate = bootstrap(qini, rank_by_score([3, 2, 1, 0] * 5, rows), draws=20)
    >>> estimate.value, estimate.low <= estimate.high
    (0.125, True)
    """
    spread = replicates(metric, ranking, replicate_seeds(draws, seed))
    return percentile_estimate(metric.value(ranking), spread, level, ranking.typical)
