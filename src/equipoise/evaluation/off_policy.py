"""The value of a policy: what the mean outcome would be if it decided, judged on rows of an
experiment.

pi_ia is the probability with which the policy gives cell a to unit i, e_ia that of the experiment,
c_i the cell that was given.

    ips     mean of pi_ic y_i / e_ic                                                 Horvitz &
    Thompson (1952)
    snips   mean of (pi_ic / e_ic) y_i over mean of pi_ic / e_ic                     Swaminathan &
    Joachims (2015)
    dr      mean of sum_a pi_ia mu_ia + pi_ic (y_i - mu_ic) / e_ic                   Dudik, Langford
    & Li (2011)

Each method gives row values whose weighted mean is the value and whose spread is its influence: the
difference of two policies on the same rows is the mean of the rows' differences, and folds are
pooled by putting their rows together (`mean_estimates`). A policy and its levels must not have been
learnt from the rows that judge it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.effective_size import Assignment
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates
from equipoise.core.weights import SUM_TOLERANCE
from equipoise.evaluation.base import mean_estimates
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.no_success import with_rule_of_three

Method = Callable[["Decisions", EvaluationData], Floats]


@dataclass(frozen=True)
class Decisions:
    """A policy's decisions: its cell for each unit, (n,), and where it draws lots the probabilities
    of the cells, (n, K).
    """

    cell: Ints
    probability: Floats | None = None

    def of_logged(self, cell: Ints) -> Floats:
        """The probability with which the policy gives each row the cell that it was given, (n,)."""
        if self.probability is None:
            return np.asarray(self.cell == cell, np.float64)
        return np.asarray(self.probability[np.arange(len(cell)), cell])

    def mean_level(self, levels: Floats) -> Floats:
        """The expected level under the policy, (n, m).   levels: (n or 1, K, m)."""
        if self.probability is None:
            rows = np.zeros(1, np.int64) if len(levels) == 1 else np.arange(len(levels))
            return np.asarray(levels[rows, self.cell])
        return np.asarray(
            np.einsum(
                "ia,iam->im",
                self.probability,
                np.broadcast_to(levels, (len(self.probability), *levels.shape[1:])),
            )
        )


def dr(policy: Decisions, rows: EvaluationData) -> Floats:
    """Doubly robust row values of a policy.

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
    sum_a pi_ia mu_ia + pi_ic (y_i - mu_ic) / e_ic, with c the logged cell.

    References
    ----------
    Dudik, Langford & Li (2011), Doubly Robust Policy Evaluation and Learning, ICML.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, policy_value
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> policy_value([0, 0, 0, 0], rows, method=dr).rows[:, 0].tolist()
    [5.5, 5.5, 4.5, 6.5]
    """
    level, ratio, miss = dr_parts(policy, rows)
    return rows.zero + (level + ratio[:, None] * miss)


def dr_parts(policy: Decisions, rows: EvaluationData) -> tuple[Floats, Floats, Floats]:
    """The model's level under the policy, (n, m), the weights pi_ic / e_ic, (n,), and what the
    model misses of each row, (n, m); levels less `EvaluationData.zero`.
    """
    ratio = policy.of_logged(rows.cell) / rows.logged_propensity()
    miss = rows.near_y - Decisions(rows.cell).mean_level(rows.near_levels)
    return policy.mean_level(rows.near_levels), ratio, miss


def ips(policy: Decisions, rows: EvaluationData) -> Floats:
    """Inverse-propensity row values of a policy.

    Parameters
    ----------
    policy : Decisions
        Checked decisions, as `policy_value` hands them over.
    rows : EvaluationData
        The rows; their levels are not used.

    Returns
    -------
    array, (n, m)
        Row values pi_ic y_i / e_ic, in the metrics' units.

    Notes
    -----
    The mean of pi_ic / e_ic is 1 only on average, so the value moves, and its interval widens, with
    the zero of the metric; those of `snips` and `dr` do not.

    References
    ----------
    Horvitz & Thompson (1952), JASA 47.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, policy_value
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> policy_value([0, 0, 0, 0], rows, method=ips).rows[:, 0].tolist()
    [0.0, 0.0, 10.0, 12.0]
    """
    ratio = policy.of_logged(rows.cell) / rows.logged_propensity()
    return np.asarray(ratio[:, None] * rows.y)


def snips(policy: Decisions, rows: EvaluationData) -> Floats:
    """Self-normalised inverse-propensity row values of a policy, linearised around their mean.

    Parameters
    ----------
    policy : Decisions
        Checked decisions, as `policy_value` hands them over.
    rows : EvaluationData
        The rows; their levels are not used.

    Returns
    -------
    array, (n, m)
        Row values, in the metrics' units.

    Raises
    ------
    InputError
        Where no row was treated as the policy would treat it.

    References
    ----------
    Swaminathan & Joachims (2015), The Self-Normalized Estimator for Counterfactual Learning,
    NeurIPS.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, policy_value
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> policy_value([0, 0, 0, 0], rows, method=snips).estimates.value.tolist()
    [5.5]
    """
    ratio = policy.of_logged(rows.cell) / rows.logged_propensity()
    return rows.zero + self_normalised(rows, ratio, rows.near_y, "dr")


def self_normalised(rows: EvaluationData, ratio: Floats, y: Floats, other: str) -> Floats:
    """The mean of y by weights over their sum, linearised, (n, m).   ratio: (n,); y: (n, m);
    other: the method to use where no weight is above 0.
    """
    mass = rows.weight @ ratio
    if mass == 0:
        fix = f"use {other}, which needs no row to follow the policy"
        what, must = "the log", "hold a row treated as the policy would treat it"
        raise InputError(what, must, "none", fix=fix)
    value = (rows.weight * ratio) @ y / mass
    scale = (ratio * (rows.weight.sum() / mass))[:, None]
    return np.asarray(value + scale * (y - value))


@shown
@dataclass(frozen=True)
class PolicyValue:
    """The value of one policy on m metrics.

    Attributes
    ----------
    estimates : Estimates, (m,)
        The value per head, in the metrics' units.
    rows : array, (n, m)
        Row values, whose weighted mean is the value.
    weight : array, (n,)
        The rows' weights.
    groups : array (n,) or None
        Codes of clusters.
    level : float
        Of the intervals.
    assignment : Assignment or None, default None
        The arm of each row.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> treat, nobody = policy_value([0] * 4, rows), policy_value([-1] * 4, rows)
    >>> treat.minus(nobody).value.tolist()
    [4.0]
    """

    estimates: Estimates
    rows: Floats
    weight: Floats
    groups: Ints | None
    level: float
    assignment: Assignment | None = None

    def minus(self, other: PolicyValue) -> Estimates:
        """The gain over another policy valued on the same rows, paired.

        Parameters
        ----------
        other : PolicyValue
            The value of the other policy.

        Returns
        -------
        Estimates, (m,)
            This one's value less the other's, per head.

        Raises
        ------
        InputError
            Where the two were not valued on as many rows and metrics.
        """
        if self.rows.shape != other.rows.shape:
            shapes = f"{self.rows.shape} and {other.rows.shape}"
            raise InputError("two policies", "be valued on the same rows and metrics", shapes)
        return mean_estimates(
            self.rows - other.rows,
            weight=self.weight,
            groups=self.groups,
            assignment=self.assignment,
            level=self.level,
        )


def policy_value(
    policy: Any, rows: EvaluationData, *, method: Method = dr, level: float = 0.95
) -> PolicyValue:
    """The mean of every metric if a policy decided.

    Parameters
    ----------
    policy : array-like, (n,) or (n, K)
        Whole numbers, -1 control and a candidate a; or probabilities of the cells.
    rows : EvaluationData
        The rows that judge it, not those it was learnt from.
    method : callable, default dr
        `dr`, `snips` or `ips`.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    PolicyValue
        Per head, in the metrics' units.  Where by `ips` or `snips` no row that follows the policy
        had a success of a 0/1 metric, the upper end is by the rule of three, not 0.

    Raises
    ------
    InputError
        Where the policy has another shape, names no cell, gives a row a cell that is closed to it,
        or its probabilities do not sum to 1.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([3, 0, 0, 1], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> policy_value([0, 0, -1, -1], rows, method=ips).estimates.value.tolist()
    [2.0]
    """
    decided = decisions(policy, len(rows), rows.candidates)
    refuse_closed(decided, rows)
    values = method(decided, rows)
    estimates = rows.means(values, level)
    if inspect.unwrap(method) in (ips, snips):
        ratio = decided.of_logged(rows.cell) / rows.logged_propensity()
        estimates = with_rule_of_three(estimates, rows, ratio, level)
    return PolicyValue(estimates, values, rows.weight, rows.groups, level, rows.assignment)


def refuse_closed(policy: Decisions, rows: EvaluationData) -> None:
    """Nothing is known of a cell where it was closed, so no policy that gives it can be valued."""
    if len(rows.propensity) == 1 or (rows.propensity > 0).all():
        return
    shut = rows.propensity == 0
    if policy.probability is None:
        bad = shut[np.arange(len(rows)), policy.cell]
    else:
        bad = (shut & (policy.probability > 0)).any(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        a = policy.cell[row] if policy.probability is None else int(np.argmax(shut[row]))
        fix = "give such rows another cell, or value the policy on the rows that are open to it"
        raise InputError(
            "a policy", "give each row a cell that is open to it", f"cell {a}", f"row {row}", fix
        )


def decisions(policy: Any, n: int, candidates: int) -> Decisions:
    """Check a policy's decisions on n units among k candidates."""
    array = np.asarray(policy)
    if array.shape == (n,) and array.dtype.kind in "iu":
        choice = array.astype(np.int64)
        good = (choice >= -1) & (choice < candidates)
        if not good.all():
            row = int(np.argmin(good))
            fix = "-1 is control, a is candidate a"
            raise InputError(
                "a choice", f"lie in -1..{candidates - 1}", choice[row], f"row {row}", fix
            )
        return Decisions(choice + 1)
    if array.shape != (n, candidates + 1) or array.dtype.kind not in "fiu":
        must = f"be ({n},) whole numbers or ({n}, {candidates + 1}) probabilities"
        raise InputError("a policy", must, f"{array.dtype} {array.shape}")
    probability = np.asarray(array, np.float64)
    good = (probability >= 0).all(axis=1) & (np.abs(probability.sum(axis=1) - 1) <= SUM_TOLERANCE)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            "a policy's probabilities",
            "be >= 0 and sum to 1",
            probability[row].tolist(),
            f"row {row}",
        )
    return Decisions(probability.argmax(axis=1), probability)
