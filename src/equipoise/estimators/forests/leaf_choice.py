"""Which kind of leaf: by the held-out value of small forests' divisions.

    halves       a small forest learns on one, pi is its division of the rows of the other
    value(pi)    mean f(x, pi)  +  sum kappa (y - f(x, t)) / sum kappa
                 kappa = max(0, 1 - |t - pi|^2 / h),  h: as far as NEAR of the rows
    choice       "both", unless a kind alone is worth more by two standard errors of the difference

f are the small forest's curves, y the residual outcome that it never saw: a doubly robust value
with a kernel in place of the density, self-normalised (Kallus & Zhou 2018, AISTATS).  What f gets
wrong near pi the second term takes off.  Where outcomes bend down, the mean of two divisions is
worth at least the mean of what they are, so that rows which cannot tell do little harm.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints

SMALL = 20  # trees that choose
NEAR = 0.2  # of the rows, those whose mixes are nearest to the division
KINDS = ("mdpp", "both", "curve")
EVEN = "both"
SURE = 2.0  # standard errors


def choose_leaf(
    forest: Any,
    X: Floats,
    T: Floats,
    w: Floats,
    y: Floats,
    fold: Ints,
    kinds: tuple[str, ...],
) -> str:
    """The kind of leaf of the largest held-out value, or `EVEN` where it is not surely worth less.

    forest: an `MDP2Forest` with its bins; X (n, d); T (n, K); w, y: (n,); fold: (n,) halves.
    """
    if len(kinds) == 1:
        return kinds[0]
    values = np.empty((len(kinds), len(y)))
    for inside in (fold == 0, fold != 0):
        values[:, ~inside] = held_out(forest, X, T, w, y, inside, kinds)
    share = w / w.sum()
    gap = values - values[kinds.index(EVEN)]
    gain = gap @ share
    error = np.sqrt((gap - gain[:, None]) ** 2 @ share**2)
    gain[gain < SURE * error] = 0.0
    return kinds[int(np.argmax(gain))] if gain.max() > 0 else EVEN


def held_out(
    forest: Any,
    X: Floats,
    T: Floats,
    w: Floats,
    y: Floats,
    inside: Bools,
    kinds: tuple[str, ...],
) -> Floats:
    """What each row outside says of the value of each kind's divisions, (kinds, rows), by a small
    forest of the rows inside.
    """
    small, out = copy.copy(forest), ~inside
    small.n_estimators = min(SMALL, forest.n_estimators)
    small.forests_ = [small._grow(X[inside], T[inside], w[inside], y[inside])]
    curves = small._leaf_means(X[out], 0, small.forests_[0]["curve"])
    values = np.empty((len(kinds), int(out.sum())))
    for row, kind in zip(values, kinds, strict=True):
        small.leaf_ = [kind]
        mix = small._divide(X[out], 0, None, None)
        row[:] = values_of(mix, T[out], y[out], w[out], lambda t: small._level(t, curves))
    return values


def values_of(mix: Floats, T: Floats, y: Floats, w: Floats, level: Any) -> Floats:
    """What each row says of the value of mixes (n, K), (n,), whose weighted mean is the value, by
    rows that got T (n, K); level: mixes (n, K) -> outcome, (n,).

    >>> T, mix = np.array([[0.0], [0.5], [1.0]]), np.full((3, 1), 0.5)
    >>> float(values_of(mix, T, np.array([0.0, 2.0, 0.0]), np.ones(3), lambda t: t[:, 0]).mean())
    2.0
    """
    far = ((T - mix) ** 2).sum(axis=1)
    near = np.maximum(0.0, 1 - far / max(float(np.quantile(far, NEAR)), 1e-12))
    values: Floats = level(mix)
    mass = float(near @ w)
    if mass == 0:
        return values
    miss = y - level(T)
    mean = float((near * w) @ miss) / mass
    values += mean + near * (miss - mean) * (w.sum() / mass)
    return values
