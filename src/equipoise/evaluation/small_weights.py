"""Values of a policy by smaller weights: less variance where the log seldom did what the policy
does, for some bias towards the model of levels.

    dm         mean of sum_a pi_ia mu_ia                      the model alone
    sndr       dr with its weights w_i = pi_ic / e_ic over their mean
    SwitchDR   dr with the weights above a threshold put to 0   Wang, Agarwal & Dudik (2017)
    ShrunkDR   dr with w s / (w^2 + s) for w                    Su, Dimakopoulou, Krishnamurthy &
                                                                Dudik (2020)

Each is a method of `policy_value`.  Threshold and strength that are not given are those of the
least estimated squared error on the rows, the variance and the squared distance to `dr`, of a grid
over the weights; intervals take them as known, so they are too narrow where the choice is close,
and none tells the bias of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.off_policy import Decisions, dr_parts, self_normalised

GRID = 20  # thresholds or strengths that are tried


def dm(policy: Decisions, rows: EvaluationData) -> Floats:
    """Row values of a policy by the model of levels alone.

    Parameters
    ----------
    policy : Decisions
        Checked decisions, as `policy_value` hands them over.
    rows : EvaluationData
        The rows; without a model of the levels, the cells' means stand in.

    Returns
    -------
    array, (n, m)
        Row values, whose weighted mean is the value, in the metrics' units.

    Notes
    -----
    sum_a pi_ia mu_ia.  It is as right as the model, and its interval does not know how right.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, policy_value
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> policy_value([0, 0, -1, -1], rows, method=dm).rows[:, 0].tolist()
    [5.5, 5.5, 1.5, 1.5]
    """
    return np.asarray(rows.zero + policy.mean_level(rows.near_levels))


def sndr(policy: Decisions, rows: EvaluationData) -> Floats:
    """Self-normalised doubly robust row values of a policy, linearised around their mean.

    Parameters
    ----------
    policy : Decisions
        Checked decisions, as `policy_value` hands them over.
    rows : EvaluationData
        The rows; without a model of the levels, the cells' means stand in.

    Returns
    -------
    array, (n, m)
        Row values, in the metrics' units.

    Raises
    ------
    InputError
        Where no row was treated as the policy would treat it.

    Notes
    -----
    sum_a pi_ia mu_ia + (w_i / mean of w) (y_i - mu_ic), w_i = pi_ic / e_ic.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, policy_value
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> policy_value([0, 0, 0, 0], rows, method=sndr).estimates.value.tolist()
    [5.5]
    """
    level, ratio, miss = dr_parts(policy, rows)
    return rows.zero + (level + self_normalised(rows, ratio, miss, "dm"))


@shown
@dataclass(frozen=True)
class SwitchDR:
    """Doubly robust values that leave out rows whose weight is above a threshold.

    Attributes
    ----------
    threshold : float or None, default None
        The largest weight pi_ic / e_ic that counts, >= 0; None: chosen on the rows.

    References
    ----------
    Wang, Agarwal & Dudik (2017), Optimal and Adaptive Off-policy Evaluation in Contextual Bandits,
    ICML.

    Examples
    --------
    >>> from equipoise.evaluation import dr, evaluation_data, policy_value
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> one, other = (policy_value([0, 0, -1, -1], rows, method=m) for m in (SwitchDR(1), dm))
    >>> one.rows.tolist() == other.rows.tolist()
    True
    """

    threshold: float | None = None

    def __post_init__(self) -> None:
        _check(self.threshold, "threshold")

    def __call__(self, policy: Decisions, rows: EvaluationData) -> Floats:
        """Row values, (n, m), in the metrics' units."""
        return _chosen(policy, rows, self.threshold, lambda w, most: np.where(w <= most, w, 0.0))


@shown
@dataclass(frozen=True)
class ShrunkDR:
    """Doubly robust values with shrunk weights w s / (w^2 + s).

    Attributes
    ----------
    strength : float or None, default None
        s >= 0: 0 is the model alone, infinity `dr`; None: chosen on the rows.

    References
    ----------
    Su, Dimakopoulou, Krishnamurthy & Dudik (2020), Doubly Robust Off-policy Evaluation with
    Shrinkage, ICML.

    Examples
    --------
    >>> from equipoise.evaluation import dr, evaluation_data, policy_value
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> policy_value([0, 0, 0, 0], rows, method=ShrunkDR(4.0)).estimates.value.tolist()
    [5.5]
    """

    strength: float | None = None

    def __post_init__(self) -> None:
        _check(self.strength, "strength")

    def __call__(self, policy: Decisions, rows: EvaluationData) -> Floats:
        """Row values, (n, m), in the metrics' units."""
        return _chosen(policy, rows, self.strength, _shrunk)


def _shrunk(weight: Floats, strength: float) -> Floats:
    """w s / (w^2 + s), without a product that overflows; s = inf leaves w."""
    return weight / (1 + np.square(weight) / strength) if strength else np.zeros_like(weight)


def _chosen(
    policy: Decisions,
    rows: EvaluationData,
    setting: float | None,
    smaller: Callable[[Floats, float], Floats],
) -> Floats:
    """Row values by weights that a setting makes smaller, metric by metric where it is chosen."""
    level, ratio, miss = dr_parts(policy, rows)
    if setting is not None:
        return np.asarray(rows.zero + level + smaller(ratio, setting)[:, None] * miss)
    positive = ratio[ratio > 0]
    some = np.quantile(positive, np.linspace(0, 1, GRID)) if positive.size else positive
    best, values = np.full(miss.shape[1], np.inf), level + ratio[:, None] * miss
    for one in (np.inf, *some, *np.square(some), 0.0):
        weight = smaller(ratio, float(one))
        error = _squared_error(rows, level, ratio, weight, miss)
        won = error < best
        values[:, won] = level[:, won] + weight[:, None] * miss[:, won]
        best = np.where(won, error, best)
    return np.asarray(rows.zero + values)


def _squared_error(
    rows: EvaluationData, level: Floats, ratio: Floats, weight: Floats, miss: Floats
) -> Floats:
    """The estimated squared error of a mean by smaller weights, (m,)."""
    value = rows.means(level + weight[:, None] * miss, 0.95)
    bias = rows.means((weight - ratio)[:, None] * miss, 0.95).value
    return np.asarray(np.square(value.std_error) + np.square(bias))


def _check(setting: float | None, name: str) -> None:
    if setting is not None and not setting >= 0:
        raise InputError(name, "be a number >= 0, or None", setting)
