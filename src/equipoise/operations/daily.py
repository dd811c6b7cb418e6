"""Effects of strategies day by day: the mean of a strategy less that of the base, the same day.

    effect_sd = mean(y | s, d) - mean(y | base, d),      se^2 = var_sd / n_sd + var_bd / n_bd

A day on which one of the two has fewer than two rows, or no outcome varies, has none: NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.operations.rows import DayRows


@dataclass(frozen=True)
class DailyEffects:
    """Effects by day.

    Attributes
    ----------
    strategy : tuple of str, (k,)
        All but the base.
    effect, std_error : array, (D, k, m)
        In the outcomes' units; NaN where a day has none.

    Examples
    --------
    >>> DailyEffects(("b",), np.zeros((2, 1, 1)), np.ones((2, 1, 1))).effect.shape
    (2, 1, 1)
    """

    strategy: tuple[str, ...]
    effect: Floats
    std_error: Floats


def daily_effects(rows: DayRows, base: str) -> DailyEffects:
    """Effects of all strategies by day.

    Parameters
    ----------
    rows : DayRows
        Of `day_rows`.
    base : str
        The strategy that effects are told against.

    Returns
    -------
    DailyEffects
        One a day, strategy and metric.

    Raises
    ------
    LogError
        Where the base is no strategy of the log.

    Examples
    --------
    >>> from equipoise.operations.rows import day_rows
    >>> rows = day_rows(["a", "a", "b", "b"], [1, 1, 1, 1], [1.0, 2.0, 3.0, 5.0])
    >>> daily_effects(rows, "a").effect.ravel().tolist()
    [2.5]
    """
    origin = rows.place(base)
    count = rows.cells().T  # (D, S)
    known = count >= 2
    n = np.where(known, count, 2.0)
    means, variances = [], []
    for column in (rows.y - rows.y.mean(axis=0)).T:
        mean = rows.cells(column).T / n
        square = rows.cells(column**2).T / n
        means.append(np.where(known, mean, np.nan))
        variances.append(np.maximum(square - mean**2, 0.0) / (n - 1))
    mean, variance = np.stack(means, axis=2), np.stack(variances, axis=2)  # (D, S, m)
    others = np.delete(np.arange(len(rows.names)), origin)
    effect = mean[:, others] - mean[:, origin, None]
    error = np.sqrt(variance[:, others] + variance[:, origin, None])
    varies = error > 1e-12 * np.abs(rows.y).max(axis=0, initial=1e-300)
    effect = np.where(varies, effect, np.nan)
    error = np.where(np.isfinite(effect), error, np.nan)
    return DailyEffects(tuple(rows.names[s] for s in others), effect, error)
