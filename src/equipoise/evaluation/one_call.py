"""Scores in one call: what a practitioner types with outcomes, predicted uplift and treatment.

Each is `evaluation_data`, then `rank_by_score`, then a metric; the numbers are the same.  One
named ``..._score`` returns a float, its sister ``..._estimate`` an `Estimate` with an interval.
Arguments stand in scikit-uplift's order: outcome, uplift, treatment.

Two arms: 0 control, 1 treated.  Without a propensity the experiment is taken to be randomised with
the share treated as the probability of treatment.  For several arms and metrics there is
`ranking_table`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.weights import check_weights
from equipoise.evaluation.average import average_effects
from equipoise.evaluation.data import EvaluationData, evaluation_data
from equipoise.evaluation.off_policy import Method, dr, policy_value
from equipoise.evaluation.score_ranking import Metric, ScoreRanking, rank_by_score
from equipoise.evaluation.uplift import autoc, auuc, qini


def qini_score(
    y: Any, uplift: Any, treatment: Any, *, propensity: Any = None, sample_weight: Any = None
) -> float:
    """Qini coefficient: the area between the gain curve and the straight line.

    Parameters
    ----------
    y : array-like, (n,)
        Outcomes.
    uplift : array-like, (n,)
        Predicted effects; only their order counts.
    treatment : array-like, (n,)
        0 control, 1 treated.
    propensity : float or array-like (n,) or (n, 2), default None
        P(treated); (n, 2) control first.  None: the weighted share of rows treated.
    sample_weight : array-like, (n,), default None
        Weights > 0, as that many equal rows; None: ones.

    Returns
    -------
    float
        Per unit of population, in the outcome's unit; 0 for a random order.

    Notes
    -----
    It is not divided by the area of a perfect order, nor by the average effect: for scikit-uplift's
    ratio call `qini_sklift` on the same ranking.

    Examples
    --------
    >>> qini_score([1, 0, 0, 0], [3, 2, 1, 0], [1, 0, 1, 0])
    0.125
    """
    return _value(qini, y, uplift, treatment, propensity, sample_weight)


def qini_estimate(
    y: Any,
    uplift: Any,
    treatment: Any,
    *,
    propensity: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    level: float = 0.95,
) -> Estimate:
    """`qini_score` with its standard error and interval.

    Parameters
    ----------
    y : array-like, (n,)
        Outcomes.
    uplift : array-like, (n,)
        Predicted effects; only their order counts.
    treatment : array-like, (n,)
        0 control, 1 treated.
    propensity : float or array-like (n,) or (n, 2), default None
        P(treated); (n, 2) control first.  None: the weighted share of rows treated.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.
    groups : array-like, (n,), default None
        Labels of clusters, whose rows are not independent.
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    Estimate
        Per unit of population, in the outcome's unit.

    Examples
    --------
    >>> qini_estimate([1, 0, 0, 0], [3, 2, 1, 0], [1, 0, 1, 0]).value
    0.125
    """
    rows = _rows(y, treatment, propensity, sample_weight, groups)
    return qini(rank_by_score(_column(uplift, "uplift"), rows), level=level)


def autoc_score(
    y: Any, uplift: Any, treatment: Any, *, propensity: Any = None, sample_weight: Any = None
) -> float:
    """Area under the TOC curve (AUTOC), which gives the top of the ranking the most weight.

    Parameters
    ----------
    y : array-like, (n,)
        Outcomes.
    uplift : array-like, (n,)
        Predicted effects; only their order counts.
    treatment : array-like, (n,)
        0 control, 1 treated.
    propensity : float or array-like (n,) or (n, 2), default None
        P(treated); (n, 2) control first.  None: the weighted share of rows treated.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.

    Returns
    -------
    float
        In the outcome's unit; 0 for a random order.

    References
    ----------
    Yadlowsky et al., JASA 2025, arXiv:2111.07966.

    Examples
    --------
    >>> autoc_score([1, 0, 0, 0], [3, 2, 1, 0], [1, 0, 1, 0])
    0.375
    """
    return _value(autoc, y, uplift, treatment, propensity, sample_weight)


def autoc_estimate(
    y: Any,
    uplift: Any,
    treatment: Any,
    *,
    propensity: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    level: float = 0.95,
) -> Estimate:
    """`autoc_score` with its standard error and interval.

    Parameters
    ----------
    y : array-like, (n,)
        Outcomes.
    uplift : array-like, (n,)
        Predicted effects; only their order counts.
    treatment : array-like, (n,)
        0 control, 1 treated.
    propensity : float or array-like (n,) or (n, 2), default None
        P(treated); (n, 2) control first.  None: the weighted share of rows treated.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.
    groups : array-like, (n,), default None
        Labels of clusters, whose rows are not independent.
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    Estimate
        In the outcome's unit.

    Examples
    --------
    >>> autoc_estimate([1, 0, 0, 0], [3, 2, 1, 0], [1, 0, 1, 0]).value
    0.375
    """
    rows = _rows(y, treatment, propensity, sample_weight, groups)
    return autoc(rank_by_score(_column(uplift, "uplift"), rows), level=level)


def auuc_score(
    y: Any, uplift: Any, treatment: Any, *, propensity: Any = None, sample_weight: Any = None
) -> float:
    """Area under the gain curve (AUUC): the Qini coefficient plus half the average effect.

    Parameters
    ----------
    y : array-like, (n,)
        Outcomes.
    uplift : array-like, (n,)
        Predicted effects; only their order counts.
    treatment : array-like, (n,)
        0 control, 1 treated.
    propensity : float or array-like (n,) or (n, 2), default None
        P(treated); (n, 2) control first.  None: the weighted share of rows treated.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.

    Returns
    -------
    float
        Per unit of population, in the outcome's unit; half the average effect for a random order.

    Notes
    -----
    Not normalised: `auuc_sklift` and `auuc_causalml` give the ratios of those libraries.

    Examples
    --------
    >>> auuc_score([1, 0, 0, 0], [3, 2, 1, 0], [1, 0, 1, 0])
    0.375
    """
    return _value(auuc, y, uplift, treatment, propensity, sample_weight)


def uplift_at_k(
    y: Any,
    uplift: Any,
    treatment: Any,
    *,
    k: float = 0.3,
    propensity: Any = None,
    sample_weight: Any = None,
) -> float:
    """The average effect among the share of units with the largest predictions.

    Parameters
    ----------
    y : array-like, (n,)
        Outcomes.
    uplift : array-like, (n,)
        Predicted effects; only their order counts.
    treatment : array-like, (n,)
        0 control, 1 treated.
    k : float, default 0.3
        The share of weight at the top, above 0 and at most 1; units tied at the cut count in part.
    propensity : float or array-like (n,) or (n, 2), default None
        P(treated); (n, 2) control first.  None: the weighted share of rows treated.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.

    Returns
    -------
    float
        Mean outcome of the treated less that of control among the top, in the outcome's unit; with
        a propensity that varies, the means are weighted by its inverse.

    Notes
    -----
    Without ties at the cut, weights and propensity it is scikit-uplift's ``uplift_at_k`` with
    ``strategy="overall"``.

    Examples
    --------
    >>> uplift_at_k([1, 0, 1, 1], [4, 3, 2, 1], [1, 0, 1, 0], k=0.5)
    1.0
    """
    if not 0 < k <= 1:
        raise InputError("k", "be a share, above 0 and at most 1", k, fix="0.3 is the top 30 %")
    rows = _rows(y, treatment, propensity, sample_weight, None)
    weight = _top_weight(rank_by_score(_column(uplift, "uplift"), rows), k)
    top = weight > 0
    fixed = len(rows.propensity) == 1
    best = evaluation_data(
        rows.y[top],
        cell=rows.cell[top],
        propensity=rows.propensity[0] if fixed else rows.propensity[top],
        weight=weight[top],
    )
    means = best.levels[0, :, 0]
    return float(means[1] - means[0])


def ate(
    y: Any,
    treatment: Any,
    *,
    propensity: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    level: float = 0.95,
) -> Estimate:
    """The average treatment effect of an experiment.

    Parameters
    ----------
    y : array-like, (n,)
        Outcomes.
    treatment : array-like, (n,)
        0 control, 1 treated.
    propensity : float or array-like (n,) or (n, 2), default None
        P(treated); (n, 2) control first.  None: the weighted share of rows treated.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.
    groups : array-like, (n,), default None
        Labels of clusters, whose rows are not independent.
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    Estimate
        The difference of weighted means (Hajek), in the outcome's unit.

    Examples
    --------
    >>> ate([1, 2, 5, 6], [0, 0, 1, 1]).value
    4.0
    """
    rows = _rows(y, treatment, propensity, sample_weight, groups)
    return average_effects(rows, level=level).effect[0, 0]


def policy_value_score(
    y: Any,
    policy: Any,
    treatment: Any,
    *,
    propensity: Any = None,
    sample_weight: Any = None,
    method: Method = dr,
) -> float:
    """The mean outcome if a policy decided who is treated.

    Parameters
    ----------
    y : array-like, (n,)
        Outcomes.
    policy : array-like, (n,)
        The probability with which the policy treats each unit; 0 or 1 for a choice.
    treatment : array-like, (n,)
        What each unit got: 0 control, 1 treated.
    propensity : float or array-like (n,) or (n, 2), default None
        P(treated); (n, 2) control first.  None: the weighted share of rows treated.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.
    method : callable, default dr
        `dr`, `snips` or `ips`.

    Returns
    -------
    float
        Per unit, in the outcome's unit.

    Examples
    --------
    >>> from equipoise.evaluation import ips
    >>> policy_value_score([3, 0, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0], method=ips)
    2.0
    """
    rows = _rows(y, treatment, propensity, sample_weight, None)
    return float(policy_value(_two_cells(policy), rows, method=method).estimates.value[0])


def policy_value_estimate(
    y: Any,
    policy: Any,
    treatment: Any,
    *,
    propensity: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    method: Method = dr,
    level: float = 0.95,
) -> Estimate:
    """`policy_value_score` with its standard error and interval.

    Parameters
    ----------
    y : array-like, (n,)
        Outcomes.
    policy : array-like, (n,)
        The probability with which the policy treats each unit; 0 or 1 for a choice.
    treatment : array-like, (n,)
        What each unit got: 0 control, 1 treated.
    propensity : float or array-like (n,) or (n, 2), default None
        P(treated); (n, 2) control first.  None: the weighted share of rows treated.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.
    groups : array-like, (n,), default None
        Labels of clusters, whose rows are not independent.
    method : callable, default dr
        `dr`, `snips` or `ips`.
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    Estimate
        Per unit, in the outcome's unit.

    Examples
    --------
    >>> from equipoise.evaluation import ips
    >>> policy_value_estimate([3, 0, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0], method=ips).value
    2.0
    """
    rows = _rows(y, treatment, propensity, sample_weight, groups)
    return policy_value(_two_cells(policy), rows, method=method, level=level).estimates[0]


def _value(
    metric: Metric, y: Any, uplift: Any, treatment: Any, propensity: Any, sample_weight: Any
) -> float:
    """The number of a ranking metric, without its interval."""
    rows = _rows(y, treatment, propensity, sample_weight, None)
    return metric.value(rank_by_score(_column(uplift, "uplift"), rows))


def _top_weight(ranking: ScoreRanking, k: float) -> Floats:
    """Weights (n,) in the order of the rows, 0 below the top share k of weight."""
    ends = np.flatnonzero(ranking.last) + 1
    reached = np.cumsum(ranking.weight)[ends - 1]
    tied = np.diff(reached, prepend=0.0)
    filled = np.clip((k * reached[-1] - (reached - tied)) / tied, 0, 1)
    weight = np.empty(len(ranking))
    weight[ranking.ranked.order] = ranking.weight * np.repeat(filled, np.diff(ends, prepend=0))
    return weight


def _rows(
    y: Any, treatment: Any, propensity: Any, sample_weight: Any, groups: Any
) -> EvaluationData:
    """Evaluation data of two arms."""
    outcome, treated = _column(y, "y"), _treated(treatment)
    if len(treated) != len(outcome):
        must = f"have one label per row of y ({len(outcome)})"
        raise InputError("treatment", must, len(treated))
    weight = None
    if sample_weight is not None:
        weight = check_weights(_flat(sample_weight), len(outcome))
    labels = None if groups is None else _flat(groups)
    share = np.average(treated, weights=weight) if propensity is None else propensity
    return evaluation_data(
        outcome, cell=treated, propensity=_probabilities(share), weight=weight, groups=labels
    )


def _treated(treatment: Any) -> Any:
    """1 where a unit was treated, else 0, (n,); both must be there."""
    labels = _column(treatment, "treatment")
    good = (labels == 0) | (labels == 1)
    if not good.all():
        row = int(np.argmin(good))
        fix = "for other labels or several arms use evaluation_data and rank_by_score"
        raise InputError("treatment", "be 0 or 1", labels[row], f"row {row}", fix)
    if labels.min() == labels.max():
        raise InputError("treatment", "hold both 0 and 1", f"only {labels[0]:g}")
    return labels.astype(np.int64)


def _probabilities(propensity: Any) -> Floats:
    """(2,) of a number, (n, 2) of P(treated) (n,); anything else as it is."""
    e = np.asarray(propensity, np.float64)
    if e.ndim == 0 or e.ndim == 1:
        return np.stack([1 - e, e], axis=-1)
    return np.column_stack([1 - e, e]) if e.shape[1] == 1 else e


def _two_cells(policy: Any) -> Floats:
    """Probabilities of control and treatment, (n, 2)."""
    treats = _column(policy, "policy")
    return np.column_stack([1 - treats, treats])


def _column(values: Any, name: str) -> Floats:
    """Numbers (n,) of a list, array, series or frame of one column."""
    column = _flat(values)
    if column.ndim != 1 or column.size == 0:
        raise InputError(name, "be one number per row, at least one row", f"shape {column.shape}")
    try:
        return np.asarray(column, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, "be numbers", str(error)) from error


def _flat(values: Any) -> Any:
    """An array; (n, 1) becomes (n,)."""
    array = np.asarray(values)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
