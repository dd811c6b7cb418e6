"""Which kind of leaf, and how deep: chosen by the held-out value of small forests' divisions.

    halves       a small forest learns on one, pi is its division of the rows of the other
    value(pi)    mean f(x, pi)  +  sum kappa (y - f(x, t)) / sum kappa
                 kappa = max(0, 1 - |t - pi|^2 / h),  h: as far as NEAR of the rows

f are the small forest's curves, y the residual outcome that it never saw: a doubly robust value
with a kernel in place of the density, self-normalised (Kallus & Zhou 2018, AISTATS).  What f gets
wrong near pi the second term takes off.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints

SMALL = 20  # trees that choose
NEAR = 0.2  # of the rows, those whose mixes are nearest to the division
KINDS = ("mdpp", "both", "curve")


def choose_leaf(
    forest: Any,
    X: Floats,
    T: Floats,
    w: Floats,
    y: Floats,
    fold: Ints,
    kinds: tuple[str, ...],
    depths: tuple[int, ...],
) -> tuple[str, int]:
    """The kind of leaf and the depth of the largest held-out value.

    forest: an `MDP2Forest` with its bins; X (n, d); T (n, K); w, y: (n,); fold: (n,) halves.
    """
    worth = {(kind, depth): 0.0 for depth in depths for kind in kinds}
    if len(worth) > 1:
        for depth in depths:
            for inside in (fold == 0, fold != 0):
                for kind, value in held_out(forest, X, T, w, y, inside, kinds, depth).items():
                    worth[kind, depth] += value
    return max(worth, key=lambda way: worth[way])


def held_out(
    forest: Any,
    X: Floats,
    T: Floats,
    w: Floats,
    y: Floats,
    inside: Bools,
    kinds: tuple[str, ...],
    depth: int,
) -> dict[str, float]:
    """The value of each kind's divisions of the rows outside, by a small forest of those inside."""
    small, out = copy.copy(forest), ~inside
    small.n_estimators = min(SMALL, forest.n_estimators)
    small.forests_ = [small._grow(X[inside], T[inside], w[inside], y[inside], depth)]
    curves = small._leaf_means(X[out], 0, small.forests_[0]["curve"])
    values = {}
    for kind in kinds:
        small.leaf_ = [kind]
        mix = small._divide(X[out], 0, None, None)
        values[kind] = value_of(mix, T[out], y[out], w[out], lambda t: small._level(t, curves))
    return values


def value_of(mix: Floats, T: Floats, y: Floats, w: Floats, level: Any) -> float:
    """The value of mixes (n, K) by rows that got T (n, K); level: mixes (n, K) -> outcome, (n,).

    >>> T, mix = np.array([[0.0], [0.5], [1.0]]), np.full((3, 1), 0.5)
    >>> value_of(mix, T, np.array([0.0, 2.0, 0.0]), np.ones(3), lambda t: np.zeros(len(t)))
    2.0
    """
    far = ((T - mix) ** 2).sum(axis=1)
    near = w * np.maximum(0.0, 1 - far / max(float(np.quantile(far, NEAR)), 1e-12))
    value = float(np.average(level(mix), weights=w))
    return value + float(np.average(y - level(T), weights=near)) if near.any() else value
