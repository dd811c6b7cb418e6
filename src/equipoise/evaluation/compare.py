"""Paired comparison of two rankings or two policies on the same rows.

Both are resampled alike, or their influence values taken from each other row by row, so that what
they share cancels.  A winner is named only if the interval of the difference excludes 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate, around
from equipoise.evaluation.off_policy import PolicyValue
from equipoise.evaluation.resampling import (
    percentile_estimate,
    replicate_seeds,
    replicates,
    resample,
)
from equipoise.evaluation.score_ranking import Metric, ScoreRanking


@shown
@dataclass(frozen=True)
class Comparison:
    """Two things measured on the same rows; larger is better.

    Attributes
    ----------
    what : str
        What was measured.
    names : tuple of str
        Of the first and the second.
    values : tuple of float
        Their values.
    difference : Estimate
        First less second, with a paired interval.
    level : float
        Of the interval.

    Examples
    --------
    >>> print(Comparison("qini", ("new", "old"), (0.3, 0.1), Estimate(0.2, 0.05, 0.1, 0.3), 0.95))
    qini: new - old = 0.2 (95% interval 0.1 to 0.3); new wins
    """

    what: str
    names: tuple[str, str]
    values: tuple[float, float]
    difference: Estimate
    level: float

    @property
    def winner(self) -> str | None:
        """The better one's name, or None where the interval of the difference holds 0."""
        if not self.difference.excludes_zero:
            return None
        return self.names[0] if self.difference.value > 0 else self.names[1]

    def __str__(self) -> str:
        value, low, high = self.difference.interval
        measured = (
            f"{self.what}: {self.names[0]} - {self.names[1]} = {value:.4g} ({self.level:.0%}"
            f" interval {low:.4g} to {high:.4g})"
        )
        if self.winner is None:
            return f"{measured}; no winner: the interval holds 0"
        return f"{measured}; {self.winner} wins"


def compare_rankings(
    first: ScoreRanking,
    second: ScoreRanking,
    metric: Metric,
    *,
    names: tuple[str, str] = ("first", "second"),
    draws: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Which of two scores ranks the same rows better, paired.

    Parameters
    ----------
    first, second : ScoreRanking
        Rankings of the same rows, for the same candidate and metric.
    metric : Metric
        A ranking metric, e.g. `qini`.
    names : tuple of str, default ("first", "second")
        What to call them.
    draws : int, default 500
        Bootstrap replicates; 0: the interval is by influence values instead, in one pass, as that
        of the metric itself.
    seed : int, default 0
        Of the replicates.
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    Comparison
        Its winner is None where the interval of the difference holds 0.

    Raises
    ------
    InputError
        Where the rankings are not of the same rows, candidate and metric, or the metric has no
        influence values and there are no draws.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, qini, rank_by_score
    >>> rows = evaluation_data([1, 0, 0, 0] * 5, cell=[1, 0, 1, 0] * 5, propensity=[0.5, 0.5])
    >>> ranking = rank_by_score([3, 2, 1, 0] * 5, rows)
    >>> comparison = compare_rankings(ranking, ranking, qini, draws=10)
    >>> comparison.difference.value, comparison.winner
    (0.0, None)
    """
    if len(first) != len(second) or (first.candidate, first.metric) != (
        second.candidate,
        second.metric,
    ):
        raise InputError(
            "two rankings",
            "be of the same rows, candidate and metric",
            f"{len(first)} and {len(second)} rows",
        )
    if draws == 0:
        return _by_influence(first, second, metric, names, level)
    seeds = replicate_seeds(draws, seed)
    values = metric.value(first), metric.value(second)
    spread = replicates(metric, first, seeds) - replicates(metric, second, seeds)
    difference = percentile_estimate(values[0] - values[1], spread, level, first.typical)
    return Comparison(metric.name, names, values, difference, level)


def _by_influence(
    first: ScoreRanking,
    second: ScoreRanking,
    metric: Metric,
    names: tuple[str, str],
    level: float,
) -> Comparison:
    """The difference whose influence values are the differences of the rows' own."""
    if metric.influence is None:
        fix = "draws=500"
        what = f"the metric {metric.name!r}"
        raise InputError(what, "have influence values where there are no draws", "none", fix=fix)
    values, spread = [], np.zeros(len(first))
    for ranking, sign in ((first, 1.0), (second, -1.0)):
        value, psi = metric.influence(ranking)
        values.append(value)
        spread[ranking.ranked.order] += sign * psi
    error = first.rows.units.errors(spread[:, None])
    difference = around(np.array([values[0] - values[1]]), *error, level=level)[0]
    return Comparison(metric.name, names, (values[0], values[1]), difference, level)


def compare_policies(
    first: PolicyValue,
    second: PolicyValue,
    *,
    metric: int = 0,
    better: float = 1.0,
    names: tuple[str, str] = ("first", "second"),
    draws: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> Comparison:
    """Which of two policies is better on one metric, by a paired bootstrap.

    Parameters
    ----------
    first, second : PolicyValue
        Values on the same rows.
    metric : int, default 0
        Which metric, in 0..m-1.
    better : float, default 1.0
        1 where higher is better, -1 where lower is.
    names : tuple of str, default ("first", "second")
        What to call them.
    draws : int, default 500
        Bootstrap replicates.
    seed : int, default 0
        Of the replicates.
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    Comparison
        Of the values times ``better``; its winner is None where the interval of the difference
        holds 0.

    Raises
    ------
    InputError
        Where the policies were not valued on the same rows and metrics.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, policy_value
    >>> rows = evaluation_data([1, 0, 5, 6] * 5, cell=[0, 0, 1, 1] * 5, propensity=[0.5, 0.5])
    >>> treat, nobody = policy_value([0] * 20, rows), policy_value([-1] * 20, rows)
    >>> comparison = compare_policies(treat, nobody, draws=50)
    >>> comparison.difference.value, comparison.winner
    (5.0, 'first')
    """
    if first.rows.shape != second.rows.shape:
        raise InputError(
            "two policies",
            "be valued on the same rows and metrics",
            f"{first.rows.shape} and {second.rows.shape}",
        )
    pair = better * np.stack([first.rows[:, metric], second.rows[:, metric]], axis=1)
    unit = np.arange(len(pair)) if first.groups is None else first.groups
    spread = np.array(
        [_difference(pair, resample(unit, first.weight, s)) for s in replicate_seeds(draws, seed)]
    )
    values = first.weight @ pair / first.weight.sum()
    df = float(first.minus(second).df[metric])
    estimate = percentile_estimate(float(values[0] - values[1]), spread, level, df)
    return Comparison("policy value", names, (float(values[0]), float(values[1])), estimate, level)


def _difference(pair: Floats, weight: Floats) -> float:
    """Weighted mean of the first column less that of the second.   pair: (n, 2)."""
    means = weight @ pair / weight.sum()
    return float(means[0] - means[1])
