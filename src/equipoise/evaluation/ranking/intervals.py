"""Intervals over users, and over seeds where a method comes with several.

A replicate draws seeds anew as well as users, the same ones of every method, so that differences
are paired in both.  A mean of S seeds varies by V_u, the variance over users of that mean, and
V_s / S, where V_s is the variance of seeds; as S of S seeds drawn with replacement vary by only
(S - 1) / S of that, their deviations go out by sqrt(S / (S - 1)).  Degrees of freedom of a sum of
independent parts are Welch's, (sum V)^2 / sum(V^2 / df).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.estimates import Estimate, Estimates
from equipoise.evaluation.ranking.kernels import over
from equipoise.evaluation.resampling import percentile_estimate

FEWEST = 2.0  # effective users of the rarer class that an interval needs


@dataclass(frozen=True)
class Draws:
    """Values of methods by seeds, and their replicates over users.

    Attributes
    ----------
    value : array, (K, S, C)
        Of K methods, S seeds, C columns.
    replicates : array, (K, S, B, C)
        The same in B replicates, alike for all methods.
    df : array, (C,)
        Degrees of freedom that users give each column; NaN where they are too few.
    """

    value: Floats
    replicates: Floats
    df: Floats

    def with_mean(self, share: Floats) -> Draws:
        """The same with one column more: the mean over the columns that have a value.   share:
        (C,), what each counts.
        """
        valid = ~np.isnan(self.value).any(axis=(0, 1)) & (share > 0)
        if not valid.any():
            nothing = [
                np.full((*part.shape[:-1], 1), np.nan) for part in (self.value, self.replicates)
            ]
            return self._beside(nothing[0], nothing[1], np.array([np.nan]))
        part = share[valid] / share[valid].sum()
        replicates = (self.replicates[..., valid] @ part)[..., None]
        variance = part**2 * _variance(self.replicates[..., valid], axis=2).mean(axis=(0, 1))
        known = np.maximum(np.nan_to_num(self.df[valid], nan=1.0), 1.0)
        df = welch(variance, known) if np.isfinite(self.df[valid]).any() else np.nan
        value = (self.value[..., valid] @ part)[..., None]
        return self._beside(value, replicates, np.array([df]))

    def _beside(self, value: Floats, replicates: Floats, df: Floats) -> Draws:
        return Draws(
            np.concatenate([self.value, value], axis=-1),
            np.concatenate([self.replicates, replicates], axis=-1),
            np.concatenate([self.df, df]),
        )

    def minus(self, method: int) -> Draws:
        """Less those of one method, paired."""
        one = slice(method, method + 1)
        return Draws(self.value - self.value[one], self.replicates - self.replicates[one], self.df)

    def over_seeds(self, picks: Ints) -> Floats:
        """Replicates of the mean over seeds, (K, B, C).   picks: (B, S), the seeds drawn."""
        seeds = self.value.shape[1]
        mean: Floats = self.replicates.mean(axis=1)
        if seeds == 1:
            return mean
        off = (self.value - self.value.mean(axis=1, keepdims=True)) * (seeds / (seeds - 1)) ** 0.5
        return np.asarray(mean + off[:, picks].mean(axis=2))

    def estimates(self, picks: Ints, level: float) -> Estimates:
        """The mean over seeds with its interval, (K, C)."""
        value, spread = self.value.mean(axis=1), self.over_seeds(picks)
        df = self._df()
        cells = [
            interval(float(value[k, c]), spread[k, :, c], float(df[k, c]), level)
            for k in range(len(value))
            for c in range(value.shape[1])
        ]
        parts = ("value", "std_error", "low", "high", "df")
        return Estimates(
            *(np.array([getattr(e, part) for e in cells]).reshape(value.shape) for part in parts)
        )

    def _df(self) -> Floats:
        """Degrees of freedom of users and seeds together, (K, C)."""
        seeds = self.value.shape[1]
        df = np.broadcast_to(self.df, self.value.shape[::2])
        if seeds == 1:
            return df
        of_users = _variance(self.replicates.mean(axis=1), axis=1)
        of_seeds = self.value.var(axis=1, ddof=1) / seeds
        total = (of_users + of_seeds) ** 2
        parts = of_users**2 / df + of_seeds**2 / (seeds - 1)
        return np.where(parts > 0, over(total, parts), df)


def welch(variance: Floats, df: Floats) -> float:
    """Degrees of freedom of a sum of independent parts (p,).

    >>> welch(np.array([1.0, 1.0]), np.array([5.0, 5.0]))
    10.0
    """
    parts = float((variance**2 / df).sum())
    return float(variance.sum() ** 2 / parts) if parts > 0 else float(df.min())


def _variance(values: Floats, axis: int) -> Floats:
    """The variance of the replicates that have a value; 0 where fewer than two have."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis, keepdims=True)
    mean = np.where(known, values, 0.0).sum(axis=axis, keepdims=True) / np.maximum(count, 1)
    square = np.where(known, values - mean, 0.0) ** 2
    return np.asarray(square.sum(axis=axis) / np.maximum(count.squeeze(axis) - 1, 1))


def interval(value: float, draws: Floats, df: float, level: float) -> Estimate:
    """A value with the percentile interval of the replicates (B,) that have one; NaN ends where
    users are too few.

    >>> interval(0.5, np.array([0.4, 0.6]), df=0.5, level=0.95).low
    nan
    """
    known = draws[~np.isnan(draws)]
    if not df >= FEWEST - 1 or len(known) < 2:
        return Estimate(value, np.nan, np.nan, np.nan, np.nan)
    return percentile_estimate(value, known, level, df)
