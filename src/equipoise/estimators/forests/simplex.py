"""The best mix of shares for additive curves, exactly on a grid.

    max sum_k c_k(s_k)    s_k in {0, 1/G, ..., 1},   low_k <= s_k <= high_k,   sum_k s_k = 1

One pass over the shares: best_k(v) = max_u best_{k-1}(v - u) + c_k(u), O(K G^2) per row, whatever
the shape of the curves.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.kernels import njit


def best_mix(curves: Floats, low: Floats | None = None, high: Floats | None = None) -> Floats:
    """The best mix of shares for additive curves, exactly on a grid.

    Parameters
    ----------
    curves : array, (n, K, G + 1)
        The worth of share j / G of each part.
    low : array, (K,) or (n, K), optional
        Lower bounds of the shares, in 0..1; None for 0.
    high : array, (K,) or (n, K), optional
        Upper bounds, in 0..1; None for 1.

    Returns
    -------
    array, (n, K)
        Shares in steps of 1 / G that sum to 1.

    Raises
    ------
    InputError
        No mix on the grid lies within the bounds of a row.

    Examples
    --------
    >>> hill = -(np.linspace(0, 1, 11) - 0.7) ** 2
    >>> best_mix(np.stack([hill, np.zeros(11)])[None]).round(6).tolist()
    [[0.7, 0.3]]
    """
    n, K, points = curves.shape
    G = points - 1
    least = np.broadcast_to(np.zeros(K) if low is None else low, (n, K))
    most = np.broadcast_to(np.ones(K) if high is None else high, (n, K))
    a, b = np.ceil(least * G - 1e-9).astype(np.int64), np.floor(most * G + 1e-9).astype(np.int64)
    bad = (a > b).any(axis=1) | (a.sum(axis=1) > G) | (b.sum(axis=1) < G)
    if bad.any():
        row = int(np.argmax(bad))
        fix = f"widen them; the grid has steps of {1 / G:g}"
        raise InputError(
            "bounds of shares",
            "leave a mix that sums to 1",
            (least[row].tolist(), most[row].tolist()),
            f"row {row}",
            fix,
        )
    mixes: Floats = _mixes(np.ascontiguousarray(curves, np.float64), a, b)
    return mixes


def within_bounds(mix: Floats, low: Floats, high: Floats) -> Floats:
    """The nearest mixes within bounds, (n, K): clip(mix + shift), the shift that makes a row sum to
    1.   low, high: (K,).

    >>> within_bounds(np.array([[0.8, 0.1, 0.1]]), np.zeros(3), np.full(3, 0.5)).round(6).tolist()
    [[0.5, 0.25, 0.25]]
    """
    below, above = np.full(len(mix), -2.0), np.full(len(mix), 2.0)
    for _ in range(60):  # halving [-2, 2] down to rounding
        middle = (below + above) / 2
        short = np.clip(mix + middle[:, None], low, high).sum(axis=1) < 1
        below, above = np.where(short, middle, below), np.where(short, above, middle)
    nearest: Floats = np.clip(mix + above[:, None], low, high)
    return nearest


@njit(cache=True, nogil=True)
def _mixes(curves, low, high):  # type: ignore[no-untyped-def]
    """`best_mix` on whole steps of the grid."""
    n, K, points = curves.shape
    G = points - 1
    out = np.empty((n, K))
    best, took = np.empty((K + 1, points)), np.empty((K + 1, points), np.int64)
    for i in range(n):
        best[0, :] = -np.inf
        best[0, 0] = 0.0
        for k in range(K):
            for v in range(points):
                top, at = -np.inf, 0
                for u in range(low[i, k], min(high[i, k], v) + 1):
                    worth = best[k, v - u] + curves[i, k, u]
                    if worth > top:
                        top, at = worth, u
                best[k + 1, v], took[k + 1, v] = top, at
        v = G
        for k in range(K - 1, -1, -1):
            u = took[k + 1, v]
            out[i, k] = u / G
            v -= u
    return out
