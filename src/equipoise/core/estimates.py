"""Estimates: numbers with standard errors and Student's intervals, in any shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import ndtr, stdtr

from equipoise.core.arrays import Floats
from equipoise.core.display import shown
from equipoise.core.effective_size import critical


@shown
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


@shown
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
    >>> estimates = around(np.array([2.0, 4.0]), np.array([1.0, 0.5]), level=0.95)
    >>> estimates[0].value, estimates.p_value.round(3).tolist()
    (2.0, [0.046, 0.0])
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


def around(
    value: Floats, std_error: Floats, df: Floats | float = np.inf, *, level: float
) -> Estimates:
    """Student's intervals."""
    reach = critical(level, df) * std_error
    return Estimates(value, std_error, value - reach, value + reach, np.asarray(df))


def sum_df(variances: Floats, df: Floats) -> Floats:
    """Degrees of freedom of a sum of independent variances (Satterthwaite 1946); infinite where
    all are 0.   variances, df: (parts, ...).

    >>> float(sum_df(np.array([1.0, 1.0]), np.array([10.0, 10.0])))
    20.0
    """
    spread = (variances**2 / df).sum(axis=0)
    total = np.asarray(variances.sum(axis=0) ** 2)
    return np.asarray(np.divide(total, spread, out=np.full(total.shape, np.inf), where=spread > 0))
