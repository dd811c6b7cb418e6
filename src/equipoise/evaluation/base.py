"""What an evaluation returns: estimates with intervals; and the registry of ranking metrics.

An estimate that is a weighted mean of independent influence values psi has

    std_error^2 = sum_g (sum_{i in g} w_i psi_i)^2 / (sum w)^2 * G / (G - 1)

with every row a group of its own, or rows of one cluster together; its interval is value +- t
std_error.  What weights and arms change, and Student's degrees of freedom, are one rule for all:
`equipoise.core.effective_size`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import Assignment, critical, effective_units
from equipoise.core.errors import InputError
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


@dataclass(frozen=True)
class Estimate:
    """One number with its standard error and interval.

    Attributes
    ----------
    value : float
        The estimate.
    std_error : float
        Its standard error; NaN where no interval was computed.
    low, high : float
        The ends of the interval; NaN where none was computed.
    df : float, default inf
        Degrees of freedom of the interval's Student quantile; infinite for a normal one.

    Examples
    --------
    >>> estimate = Estimate(1.0, 0.5, 0.02, 1.98)
    >>> estimate.excludes_zero, round(estimate.p_value, 4)
    (True, 0.0455)
    """

    value: float
    std_error: float
    low: float
    high: float
    df: float = field(default=np.inf, repr=False)

    @property
    def interval(self) -> list[float]:
        """[value, low, high], as findings keep it."""
        return [self.value, self.low, self.high]

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0; False where there is no interval."""
        return self.low > 0 or self.high < 0

    @property
    def p_value(self) -> float:
        """Two-sided, of the value being 0; 1 where value and standard error are both 0."""
        return float(_p_values(*map(np.asarray, (self.value, self.std_error, self.df))))


@dataclass(frozen=True)
class Estimates:
    """Numbers of any shape with standard errors and intervals; indexing gives an `Estimate`.

    Attributes
    ----------
    value : array
        The estimates.
    std_error : array
        Their standard errors, in the shape of value.
    low, high : array
        The ends of their intervals, in the shape of value.
    df : array, default inf
        Degrees of freedom of the intervals, in the shape of value.

    Examples
    --------
    >>> estimates = mean_estimates(np.array([[1.0, 4.0], [3.0, 4.0]]))
    >>> estimates.value.tolist(), estimates[0].std_error
    ([2.0, 4.0], 1.0)
    """

    value: Floats
    std_error: Floats
    low: Floats
    high: Floats
    df: Floats = field(default_factory=lambda: np.array(np.inf), repr=False)

    def __getitem__(self, index: int | tuple[int, ...]) -> Estimate:
        parts = (self.value, self.std_error, self.low, self.high)
        df = np.broadcast_to(self.df, self.value.shape)
        return Estimate(*(float(part[index]) for part in (*parts, df)))

    def __len__(self) -> int:
        return len(self.value)

    @cached_property
    def p_value(self) -> Floats:
        """Two-sided, of each value being 0, in the shape of value."""
        return _p_values(self.value, self.std_error, self.df)


def _p_values(value: Floats, std_error: Floats, df: Floats) -> Floats:
    ratio = np.divide(
        np.abs(value), std_error, out=np.where(value == 0, 0.0, np.inf), where=std_error != 0
    )
    student = stdtr(np.where(np.isinf(df), 1.0, df), -ratio)
    return np.asarray(2 * np.where(np.isinf(df), ndtr(-ratio), student))


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


def around(value: Floats, std_error: Floats, df: Floats, *, level: float) -> Estimates:
    """Student's intervals."""
    reach = critical(level, df) * std_error
    return Estimates(value, std_error, value - reach, value + reach, df)


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
