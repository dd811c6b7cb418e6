"""Soft ranks of groups of scores on plain arrays: one sort, one pass of pool adjacent violators.

Rows are sorted by (group, score).  With rho the hard mid-ranks in cumulative weight, the soft ranks
of strength eps are the Euclidean projection of s / eps on the permutahedron of rho (Blondel et al.,
2020, arXiv:2002.08871).  An isotonic regression of s - eps rho pools neighbours into blocks b, and

    t_i = (s_i - mean_b s) / eps + mean_b rho        d t_i / d s_j = (1{i = j} - w_j / W_b) / eps

for i, j in one block, 0 across blocks.  Tied scores always share a block; at eps = 0 blocks are the
ties and t the hard mid-ranks.  Sums are in 64 bits whatever the scores are in.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints

ROW_BITS = np.uint64(32)
ROW_MASK = np.uint64(0xFFFFFFFF)
SIGN = np.uint32(1 << 31)


def score_order(score: NDArray[np.float32] | Floats) -> Ints:
    """Rows from the smallest score to the largest.   score: (n,), 32 or 64 bits, no NaN.

    An order-preserving image of 32 bits and the row number share one integer: sorting integers is
    several times cheaper than an argsort.
    """
    if score.dtype == np.float64:
        return np.argsort(score).astype(np.int64, copy=False)
    key = np.empty(len(score), np.uint64)
    _image(np.ascontiguousarray(score + np.float32(0)).view(np.uint32), key)  # -0.0 ties with 0.0
    key.sort()
    key &= ROW_MASK
    return key.view(np.int64)


@numba.njit(cache=True)
def _image(bits, key):  # type: ignore[no-untyped-def]
    """key (n,) := image of a float32 above, row number below."""
    for i in range(len(bits)):
        b = bits[i]
        rising = ~b if b & SIGN else b | SIGN
        key[i] = (np.uint64(rising) << ROW_BITS) | np.uint64(i)


@numba.njit(cache=True)
def grouped_order(order, group, offsets):  # type: ignore[no-untyped-def]
    """The rows of `order` (n,) group by group, their order within a group kept -> (offsets[-1],).
    group: (n,), that of each row, -1 for a row to leave out; offsets: (g + 1,).
    """
    rows, free = np.empty(offsets[-1], np.int64), offsets[:-1].copy()
    for row in order:
        g = group[row]
        if g >= 0:
            rows[free[g]] = row
            free[g] += 1
    return rows


@numba.njit(cache=True)
def pool_group(s, w, a, b, eps, start, before, total, mean):  # type: ignore[no-untyped-def]
    """Pool the sorted rows a..b-1 of one group -> number of blocks k.   start (k + 1,) and before
    (k + 1,): first row of each block and the weight below it; total, mean: (k,) to work in.
    """
    k, below, i = 0, 0.0, a
    while i < b:
        start[k], before[k], value = i, below, s[i]
        while i < b and s[i] == value:
            below += w[i]
            i += 1
        weight = below - before[k]
        total[k] = value * weight
        mean[k] = value - eps * 0.5 * (below + before[k])
        k += 1
        while eps > 0 and k > 1 and mean[k - 2] >= mean[k - 1]:
            total[k - 2] += total[k - 1]
            weight = below - before[k - 2]
            mean[k - 2] = total[k - 2] / weight - eps * 0.5 * (below + before[k - 2])
            k -= 1
    start[k], before[k] = b, below
    return k


@numba.njit(cache=True)
def block_starts(s, w, offsets, eps):  # type: ignore[no-untyped-def]
    """The first sorted row of every block of every group, and n behind them.   s, w: (n,); offsets:
    (g + 1,); eps: (g,).
    """
    n, most = len(s), np.int64(np.max(np.diff(offsets))) + 1 if len(offsets) > 1 else 1
    starts, blocks = np.empty(n + 1, np.int64), 0
    start, before = np.empty(most, np.int64), np.empty(most)
    total, mean = np.empty(most), np.empty(most)
    for g in range(len(eps)):
        a, b = offsets[g], offsets[g + 1]
        k = pool_group(s, w, a, b, eps[g], start, before, total, mean)
        starts[blocks : blocks + k] = start[:k]
        blocks += k
    starts[blocks] = n
    return starts[: blocks + 1].copy()


@numba.njit(cache=True)
def group_moments(s, w, offsets):  # type: ignore[no-untyped-def]
    """The weight (g,) of each group, and the mean and the standard deviation (g,) of its scores."""
    groups = len(offsets) - 1
    weight, mean, sd = np.zeros(groups), np.zeros(groups), np.zeros(groups)
    for g in range(groups):
        a, b = offsets[g], offsets[g + 1]
        if a == b:
            continue
        for i in range(a, b):
            weight[g] += w[i]
            mean[g] += w[i] * (s[i] - s[a])
        mean[g] = s[a] + mean[g] / weight[g]
        for i in range(a, b):
            sd[g] += w[i] * (s[i] - mean[g]) ** 2
        sd[g] = np.sqrt(sd[g] / weight[g])
    return weight, mean, sd


@numba.njit(cache=True)
def pair_counts(s, w, y, offsets):  # type: ignore[no-untyped-def]
    """Of each group and objective (g, m): the weight of positives, of negatives, and of pairs in
    the right order, ties one half.   s, w: (n,) sorted; y: (n, m) of 0 and 1.
    """
    groups, m = len(offsets) - 1, y.shape[1]
    positive, negative = np.zeros((groups, m)), np.zeros((groups, m))
    right, tied = np.zeros((groups, m)), np.zeros((2, m))
    for g in range(groups):
        i, b = offsets[g], offsets[g + 1]
        while i < b:
            value = s[i]
            tied[:] = 0
            while i < b and s[i] == value:
                for j in range(m):
                    tied[y[i, j], j] += w[i]
                i += 1
            for j in range(m):
                right[g, j] += tied[1, j] * (negative[g, j] + 0.5 * tied[0, j])
                positive[g, j] += tied[1, j]
                negative[g, j] += tied[0, j]
    return positive, negative, right


@numba.njit(cache=True)
def soft_aucs(s, w, y, offsets, eps, positive, negative, slope, column, gradient):  # type: ignore[no-untyped-def]
    """The soft AUC of each group and objective (g, m), NaN without both classes; and, added to
    gradient (n, c), or (0, c) for none, in the column of each objective:

        slope_gm w_i (y_i - mean_b y),    slope = dL / dAUC / (eps W+ W-)

    s, w: (n,) sorted; y: (n, m); eps: (g,); positive, negative, slope: (g, m); column: (m,).
    """
    groups, m = len(offsets) - 1, y.shape[1]
    most = np.int64(np.max(np.diff(offsets))) + 1 if groups else 1
    start, before = np.empty(most, np.int64), np.empty(most)
    total, mean, soft = np.empty(most), np.empty(most), np.zeros((groups, m))
    hits, lean = np.empty(m), np.empty(m)
    for g in range(groups):
        k = pool_group(s, w, offsets[g], offsets[g + 1], eps[g], start, before, total, mean)
        for block in range(k):
            a, b = start[block], start[block + 1]
            weight = before[block + 1] - before[block]
            centre, middle = total[block] / weight, 0.5 * (before[block] + before[block + 1])
            hits[:], lean[:] = 0, 0
            for i in range(a, b):
                for j in range(m):
                    if y[i, j]:
                        hits[j] += w[i]
                        lean[j] += w[i] * (s[i] - centre)
            for j in range(m):
                soft[g, j] += hits[j] * middle
                if eps[g] > 0:
                    soft[g, j] += lean[j] / eps[g]
            if b - a > 1 and len(gradient):
                for i in range(a, b):
                    for j in range(m):
                        pull = slope[g, j] * w[i] * (y[i, j] - hits[j] / weight)
                        gradient[i, column[j]] += pull
        for j in range(m):
            pairs = positive[g, j] * negative[g, j]
            soft[g, j] = (soft[g, j] - 0.5 * positive[g, j] ** 2) / pairs if pairs else np.nan
    return soft
