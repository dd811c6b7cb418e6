"""What an evaluation returns: estimates with intervals; and the registry of ranking metrics.

An estimate that is a weighted mean of independent influence values psi has

    std_error^2 = sum_g (sum_{i in g} w_i psi_i)^2 / (sum w)^2 * G / (G - 1)

with every row a group of its own, or rows of one cluster together; its interval is value +- t
std_error.  What weights and arms change, and Student's degrees of freedom, are one rule for all:
`equipoise.core.effective_size`.
"""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import Assignment, effective_units
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate as Estimate
from equipoise.core.estimates import Estimates as Estimates
from equipoise.core.estimates import around as around
from equipoise.core.registry import Registry

METRICS = Registry(
    "metric",
    {
        "qini": "equipoise.evaluation.uplift:qini",
        "autoc": "equipoise.evaluation.uplift:autoc",
        "auuc": "equipoise.evaluation.uplift:auuc",
        "qini_rate": "equipoise.evaluation.uplift:qini_rate",
        "qini_sklift": "equipoise.evaluation.other_libraries:qini_sklift",
        "auuc_sklift": "equipoise.evaluation.other_libraries:auuc_sklift",
        "qini_causalml": "equipoise.evaluation.other_libraries:qini_causalml",
        "auuc_causalml": "equipoise.evaluation.other_libraries:auuc_causalml",
        "qini_causalml_raw": "equipoise.evaluation.other_libraries:qini_causalml_raw",
        "auuc_causalml_raw": "equipoise.evaluation.other_libraries:auuc_causalml_raw",
    },
)


def mean_estimates(
    rows: Floats,
    *,
    weight: Floats | None = None,
    groups: Ints | None = None,
    assignment: Assignment | None = None,
    level: float = 0.95,
) -> Estimates:
    """Weighted means of row values with Student's intervals.

    Row values of several folds, put together, are pooled into one answer.

    Parameters
    ----------
    rows : array, (n, m)
        Row values, n >= 2.
    weight : array, (n,), default None
        Weights > 0; None: ones.
    groups : array of int, (n,), default None
        Codes of clusters, whose rows are not independent.
    assignment : Assignment, default None
        The arm of each row and its probability, where row values are of an experiment: an arm of
        few rows, clusters or events then widens the interval.  None: all rows are of one kind.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    Estimates
        The means, (m,), in the units of the row values.

    Raises
    ------
    InputError
        Where rows have another shape, or the level is not in (0, 1).

    Notes
    -----
    std_error^2 = sum_g (sum_{i in g} w_i (row_i - mean))^2 / (sum w)^2 * G / (G - 1), where the
    groups g are rows, or clusters; with weights or arms see `equipoise.core.effective_size`, which
    also gives the degrees of freedom.

    Examples
    --------
    >>> estimates = mean_estimates(np.array([[1.0], [3.0]]))
    >>> estimates.value.tolist(), estimates.std_error.tolist()
    ([2.0], [1.0])
    """
    if rows.ndim != 2 or len(rows) < 2:
        raise InputError("rows", "have shape (n, m) with n >= 2", rows.shape)
    w = np.ones(len(rows)) if weight is None else weight
    value = weighted_means(rows, w)
    units = effective_units(w, groups=groups, assignment=assignment)
    return around(value, *units.errors(rows - value), level=level)


def weighted_means(rows: Floats, weight: Floats) -> Floats:
    """Means of row values, (m,), with what the first sum rounded off.   rows: (n, m)."""
    value = weight @ rows / weight.sum()
    exact: Floats = value + weight @ (rows - value) / weight.sum()
    return exact


def student_reach(values: Floats, level: float = 0.95) -> float:
    """t s, Student's quantile times the standard deviation of values (n,), n >= 2; over the root of
    n it is half the interval of their mean.
    """
    return float(stdtrit(len(values) - 1, (1 + level) / 2) * values.std(ddof=1))


def student_interval(values: Floats, level: float = 0.95) -> list[float]:
    """[mean, low, high] of few independent values (n,), n >= 2, by Student's t.

    >>> [round(end, 3) for end in student_interval(np.array([1.0, 2.0, 3.0]))]
    [2.0, -0.484, 4.484]
    """
    mean, half = float(values.mean()), student_reach(values, level) / len(values) ** 0.5
    return [mean, mean - half, mean + half]
