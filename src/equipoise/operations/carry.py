"""Carry-over: do effects change while a unit keeps its strategy?

In a held design each unit is its own control.  With the change of a unit's mean outcome from the
first window of days to the last,

    c_u = mean(y_u, first) - mean(y_u, last),        H0: E[c_u] is alike under all strategies

day effects and differences between units cancel; what is left is that a strategy works otherwise on
units that are used to it.  The means by strategy are compared jointly,

    Q = sum_s w_s (c_s - c_w)^2 ~ chi2 with S - 1 degrees of freedom,    w_s = U_s / var_s,

and its tail is Welch's, which is that of chi-square in large samples and keeps its size in small
ones.  A flag means that effects of first days do not foretell those of later ones: tell the settled
window only.

    Welch (1951), On the comparison of several mean values, Biometrika 38.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError, LogError
from equipoise.operations.rows import DayRows, codes, day_rows

WEEK = 7
LEAST_UNITS = 5  # of a strategy


@shown
@dataclass(frozen=True)
class CarryOver:
    """Whether effects change while units keep their strategy.

    Attributes
    ----------
    strategy : tuple of str, (S,)
        The strategies.
    change : array, (S, m)
        Mean of the first window less the last, a unit; the base's holds the days' own change.
    std_error : array, (S, m)
        Over units.
    units : array of int, (S,)
        How many units stood in both windows.
    statistic : array, (m,)
        Q of each metric.
    df : int
        S - 1.
    p : array, (m,)
        The chance of so large a Q without carry-over.
    alarm : float
        The share of false flags over all metrics together.

    Examples
    --------
    >>> test = CarryOver(
    ...     ("a", "b"), np.zeros((2, 1)), np.ones((2, 1)), np.array([9, 9]), np.array([0.1]), 1,
    ...     np.array([0.7]), 0.05
    ... )
    >>> test.flagged
    False
    """

    strategy: tuple[str, ...]
    change: Floats
    std_error: Floats
    units: Ints
    statistic: Floats
    df: int
    p: Floats
    alarm: float

    @property
    def flags(self) -> Bools:
        """Which metrics show carry-over, (m,)."""
        flags: Bools = self.p < self.alarm / len(self.p)
        return flags

    @property
    def flagged(self) -> bool:
        """Whether any does."""
        return bool(self.flags.any())


def carry_over(
    strategy: ArrayLike,
    day: ArrayLike,
    y: ArrayLike,
    unit: ArrayLike,
    *,
    window: int = WEEK,
    alarm: float = 0.05,
) -> CarryOver:
    """Test for carry-over in a held design.

    Parameters
    ----------
    strategy : array-like, (n,)
        Of each row, a name or number; a unit has one.
    day : array-like, (n,)
        Whole numbers, or dates.
    y : array-like, (n,) or (n, m)
        Outcomes of the unit on that day.
    unit : array-like, (n,)
        Whose row it is.
    window : int, default 7
        Days of the first and the last window; whole weeks keep weekdays out.
    alarm : float, default 0.05
        The share of false flags, over all metrics together.

    Returns
    -------
    CarryOver
        The test; units that lack one of the windows are left out and not counted.

    Raises
    ------
    LogError
        Where a unit changes its strategy, the windows would overlap, or a strategy has fewer than
        five units in both.

    References
    ----------
    Welch (1951), Biometrika 38.

    Examples
    --------
    >>> unit, day = np.repeat(np.arange(20), 14), np.tile(np.arange(14), 20)
    >>> name = np.where(unit < 10, "a", "b")
    >>> y = np.sin(unit * 7.0 + day * 3) + (name == "b") * (day < 7)  # b works for a week only
    >>> carry_over(name, day, y, unit).flagged
    True
    """
    if not (isinstance(window, Integral) and window >= 1):
        raise InputError("the window", "be a whole number of days >= 1", window)
    if not 0 < alarm < 1:
        raise InputError("the share of false flags", "lie between 0 and 1", alarm)
    rows = day_rows(strategy, day, y)
    owner, names = codes(unit, len(rows.y), "units")
    held = _held_strategy(rows, owner, names)
    first, last = rows.days[0] + window, rows.days[-1] - window
    if last < first - 1:
        got = f"days {rows.days[0]}..{rows.days[-1]}"
        fix = "wait, or take a shorter window"
        raise LogError("the log", f"span two windows of {window} days", got, fix=fix)
    early, late = rows.days[rows.day] < first, rows.days[rows.day] > last
    before, after = _means(rows, owner, early, len(names)), _means(rows, owner, late, len(names))
    both = np.isfinite(before[:, 0]) & np.isfinite(after[:, 0])
    return _compare(rows, held[both], (before - after)[both], alarm)


def _held_strategy(rows: DayRows, unit: Ints, names: list[str]) -> Ints:
    """The one strategy of each unit, (U,)."""
    held = np.zeros(len(names), np.int64)
    held[unit] = rows.strategy
    changed = held[unit] != rows.strategy
    if changed.any():
        u = unit[int(changed.argmax())]
        pair = sorted({rows.names[s] for s in rows.strategy[unit == u]})
        raise LogError(
            "a unit",
            "keep one strategy",
            f"unit {names[u]!r} with {', '.join(pair)}",
            f"row {int(changed.argmax())}",
            "the test needs a held design; where units rotate, carry-over stays unseen",
        )
    return held


def _means(rows: DayRows, unit: Ints, inside: Bools, units: int) -> Floats:
    """The mean outcome of each unit within a window, (U, m); NaN where it has no row."""
    count = np.bincount(unit[inside], minlength=units).astype(np.float64)
    count[count == 0] = np.nan
    sums = [np.bincount(unit[inside], column[inside], minlength=units) for column in rows.y.T]
    means: Floats = np.stack(sums, axis=1) / count[:, None]
    return means


def _compare(rows: DayRows, held: Ints, change: Floats, alarm: float) -> CarryOver:
    """Welch's test of one mean change under all strategies."""
    k = len(rows.names)
    units = np.bincount(held, minlength=k)
    if k < 2 or units.min() < LEAST_UNITS:
        got = f"{rows.names[int(units.argmin())]!r} with {units.min()}"
        what = "each of two strategies or more"
        raise LogError(what, f"have {LEAST_UNITS} units or more in both windows", got)
    sums = np.stack([np.bincount(held, c, minlength=k) for c in change.T], axis=1)
    mean = sums / units[:, None]
    square = np.stack([np.bincount(held, c, minlength=k) for c in (change - mean[held]).T ** 2])
    variance = square.T / (units * (units - 1))[:, None]  # of the mean
    w = 1 / np.maximum(variance, 1e-300)
    total = w.sum(axis=0)
    q = (w * (mean - (w * mean).sum(axis=0) / total) ** 2).sum(axis=0)
    spread = ((1 - w / total) ** 2 / (units - 1)[:, None]).sum(axis=0)
    f = q / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * spread)
    p = fdtrc(k - 1, (k**2 - 1) / (3 * spread), f)
    return CarryOver(rows.names, mean, np.sqrt(variance), units, q, k - 1, np.asarray(p), alarm)
