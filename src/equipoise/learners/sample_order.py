"""One order of the rows of arrays that does not depend on how they come.

Rows are sorted by their group, by a hash of their features and treatment, and by what they led to,
so that rows in a tie are the same, and then shuffled by a fixed key: a part of them is a sample,
as cross-validation without a shuffle takes for granted.

The hash h_i of row i is made of the columns' values, each counted in steps of its own range, so
that no unit matters.  With q_ij the count of column j, s the finaliser of splitmix64, and sums
modulo 2^64, which no order changes,

    c_j = sum_i s(q_ij ^ s(h_i)),   h_i = sum_j s(q_ij ^ c_j),   from h_i = 0

name each column by what it holds, as Weisfeiler and Leman's refinement does vertices: columns may
stand in any order, and one that repeats another, or does not vary, adds nothing.

    Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.kernels import njit

ROUNDS = 2  # of naming the columns after the first
STEPS, FINEST = 2.0**20, 2.0**52  # of a column's range
OFF = 0.6180339887498949  # steps from a column's least value to the first bound: none is a fraction
HOLE = np.uint64(0x7FF8000000000000)  # the count of a missing value
LAST = np.uint32(0xFFFFFFFF)  # its place among counts of 32 bits


def sample_order(
    X: Floats, treatment: Floats | Ints, groups: Ints | None = None, ties: Sequence[Floats] = ()
) -> Ints:
    """The rows in an order of their own, whatever the order of rows and of columns of X.

    Parameters
    ----------
    X : array, (n, d)
        Features, NaN where missing.
    treatment : array, (n,) or (n, p)
        What each row got, as numbers.
    groups : array of int, (n,), optional
        Codes of clusters.
    ties : sequence of array, (n,), optional
        Columns that order rows whose features and treatment are the same.

    Returns
    -------
    array of int, (n,)
        Row numbers.

    Examples
    --------
    >>> X, t = np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]), np.array([0.0, 1.0, 0.0])
    >>> turned = sample_order(X[::-1, ::-1], t[::-1])
    >>> (X[::-1][turned] == X[sample_order(X, t)]).all()
    np.True_
    """
    columns = np.ascontiguousarray(X, np.float64), np.asarray(treatment, np.float64)
    columns = columns[0], np.ascontiguousarray(columns[1].reshape(len(X), -1))
    hashes = _hashes(*columns, STEPS)
    keys = [hashes] if groups is None else [hashes, groups]
    order = np.argsort(hashes) if groups is None else np.lexsort(keys)
    if (hashes[order[1:]] == hashes[order[:-1]]).any():
        order = np.lexsort([_hashes(*columns, FINEST), *ties[::-1], *keys])
    shuffled: Ints = order[np.random.default_rng(0).permutation(len(order))]
    return shuffled


def _hashes(X: Floats, T: Floats, steps: float) -> Any:
    """A hash of each row, (n,) of uint64, by values to so many steps of a column's range.   X: (n,
    d); T: (n, p).
    """
    n, d = X.shape
    kind: Any = np.uint32 if steps < LAST else np.uint64  # half the memory, and the same hashes
    counts = np.empty((n, d + T.shape[1]), kind)
    _count(X, steps, counts[:, :d])
    _count(T, steps, counts[:, d:])
    salt = np.repeat(np.array([0, HOLE], np.uint64), [d, T.shape[1]])
    names = _names(counts, salt, np.zeros(n, np.uint64))
    used = np.flatnonzero(_different(counts, names))
    for _ in range(ROUNDS):
        if len(np.unique(names[used])) == len(used):
            break
        names = _names(counts, salt, _row_sums(counts, names, used))
    return _row_sums(counts, names, used)


@njit(cache=True, nogil=True)
def _count(X, steps, counts):  # type: ignore[no-untyped-def]
    """Fill in the values of each column in steps of its range.   X, counts: (n, d)."""
    n, d = X.shape
    low, high, scale = np.full(d, np.inf), np.full(d, -np.inf), np.zeros(d)
    hole = LAST if counts.itemsize == 4 else HOLE
    for i in range(n):
        for j in range(d):
            if X[i, j] < low[j]:
                low[j] = X[i, j]
            if X[i, j] > high[j]:
                high[j] = X[i, j]
    for j in range(d):
        if high[j] > low[j]:
            scale[j] = steps / (high[j] - low[j])
    for i in range(n):
        for j in range(d):
            if np.isnan(X[i, j]):
                counts[i, j] = hole
            else:
                counts[i, j] = np.floor((X[i, j] - low[j]) * scale[j] + OFF)


@njit(cache=True, nogil=True)
def _stir(z):  # type: ignore[no-untyped-def]
    """The finaliser of splitmix64."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def _whole(count):  # type: ignore[no-untyped-def]
    """A count as 64 bits."""
    return HOLE if count == LAST else np.uint64(count)


@njit(cache=True, nogil=True)
def _different(counts, names):  # type: ignore[no-untyped-def]
    """Which columns vary and repeat no other before them, (d,)."""
    used = np.ones(len(names), np.bool_)
    for j in range(len(names)):
        first = counts[0, j]
        used[j] = False
        for i in range(len(counts)):
            used[j] |= counts[i, j] != first
        for k in range(j):
            if used[j] and names[k] == names[j]:
                used[j] = False
                for i in range(len(counts)):
                    used[j] |= counts[i, j] != counts[i, k]
    return used


@njit(cache=True, nogil=True)
def _names(counts, salt, rows):  # type: ignore[no-untyped-def]
    """A name of each column, (d,) of uint64."""
    names = salt.copy()
    for i in range(len(counts)):
        key = _stir(rows[i])
        for j in range(len(names)):
            names[j] += _stir(_whole(counts[i, j]) ^ key)
    return names


@njit(cache=True, nogil=True)
def _row_sums(counts, names, used):  # type: ignore[no-untyped-def]
    """A hash of each row by the columns used, (n,) of uint64."""
    rows = np.zeros(len(counts), np.uint64)
    for i in range(len(counts)):
        for j in used:
            rows[i] += _stir(_whole(counts[i, j]) ^ names[j])
    return rows
