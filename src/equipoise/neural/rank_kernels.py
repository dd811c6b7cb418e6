"""Soft ranks of groups of scores on plain arrays: one sort, one pass of pool adjacent violators.

Rows are sorted by (group, score).  With rho the hard mid-ranks in cumulative weight, the soft ranks
of strength eps are the Euclidean projection of s / eps on the permutahedron of rho (Blondel et al.,
2020, arXiv:2002.08871).  An isotonic regression of s - eps rho pools neighbours into blocks b, and

    t_i = (s_i - mean_b s) / eps + mean_b rho        d t_i / d s_j = (1{i = j} - w_j / W_b) / eps

for i, j in one block, 0 across blocks.  Tied scores always share a block; at eps = 0 blocks are the
ties and t the hard mid-ranks.  Sums are in 64 bits whatever the scores are in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.kernels import njit

ROW_BITS = np.uint64(32)
ROW_MASK = np.uint64(0xFFFFFFFF)
SIGN = np.uint32(1 << 31)
PADDING = 2  # a matrix of groups may hold so many times the rows


def score_order(score: NDArray[np.float32] | Floats) -> Ints:
    """Rows from the smallest score to the largest.   score: (n,), 32 or 64 bits, no NaN.

    An order-preserving image of 32 bits and the row number share one integer: sorting integers is
    several times cheaper than an argsort.
    """
    if score.dtype == np.float64:
        return np.argsort(score).astype(np.int64, copy=False)
    key = np.empty(len(score), np.uint64)
    _keys(_bits(score), key)
    key.sort()
    key &= ROW_MASK
    return key.view(np.int64)


def sorted_groups(score: NDArray[np.float32] | Floats, group: Ints, offsets: Ints) -> Ints:
    """The rows by group, then from the smallest score to the largest.   score: (n,); group: (n,)
    of each row, -1 for a row to leave out, or (0,) where groups stand one after another; offsets:
    (g + 1,).

    Groups of about one size are the rows of a matrix, each sorted by itself.
    """
    most = int(np.diff(offsets).max(initial=0))
    if score.dtype == np.float64 or most * (len(offsets) - 1) > PADDING * len(score):
        if not len(group):
            group = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        return np.asarray(grouped_order(score_order(score), group, offsets))
    shape = (len(offsets) - 1, most)
    full = shape[0] * most == offsets[-1]
    key = np.empty(shape, np.uint64) if full else np.full(shape, ~np.uint64(0))
    _group_keys(_bits(score), group, offsets, key)
    key.sort(axis=1)
    return np.asarray(_unpacked(key, offsets))


def _bits(score: NDArray[Any]) -> NDArray[np.uint32]:
    """The bits of floats of 32 bits; -0.0 has those of 0.0, with which it ties."""
    return np.ascontiguousarray(score + np.float32(0)).view(np.uint32)


@njit(cache=True)
def _image(bits, row):  # type: ignore[no-untyped-def]
    """An image that rises with a float32 above, its row number below."""
    rising = ~bits if bits & SIGN else bits | SIGN
    return (np.uint64(rising) << ROW_BITS) | np.uint64(row)


@njit(cache=True)
def _keys(bits, key):  # type: ignore[no-untyped-def]
    """key (n,) := the images."""
    for i in range(len(bits)):
        key[i] = _image(bits[i], i)


@njit(cache=True)
def _group_keys(bits, group, offsets, key):  # type: ignore[no-untyped-def]
    """key (g, most) := the images of each group's rows, in any order."""
    if len(group) == 0:
        for g in range(len(key)):
            for i in range(offsets[g], offsets[g + 1]):
                key[g, i - offsets[g]] = _image(bits[i], i)
        return
    free = np.zeros(len(key), np.int64)
    for i in range(len(bits)):
        g = group[i]
        if g >= 0:
            key[g, free[g]] = _image(bits[i], i)
            free[g] += 1


@njit(cache=True)
def _unpacked(key, offsets):  # type: ignore[no-untyped-def]
    """The rows of sorted keys (g, most), less the padding."""
    rows = np.empty(offsets[-1], np.int64)
    for g in range(len(key)):
        for i in range(offsets[g + 1] - offsets[g]):
            rows[offsets[g] + i] = np.int64(key[g, i] & ROW_MASK)
    return rows


@njit(cache=True)
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


@njit(cache=True)
def pool_group(s, w, a, b, eps, start, before, level):  # type: ignore[no-untyped-def]
    """Pool the sorted rows a..b-1 of one group, eps > 0 -> number of blocks k.   start (k + 1,) and
    before (k + 1,): first row of each block and the weight below it; level: (k,), its sum of
    w (s - eps rho).
    """
    k, below, half = 0, 0.0, 0.5 * eps
    for i in range(a, b):
        first, under, weight = i, below, w[i]
        below += weight
        height = weight * (s[i] - half * (below + under))
        while k > 0 and level[k - 1] * weight >= height * (under - before[k - 1]):
            k -= 1
            first, under = start[k], before[k]
            height += level[k]
            weight = below - under
        start[k], before[k], level[k] = first, under, height
        k += 1
    start[k], before[k] = b, below
    return k


@njit(cache=True)
def block_starts(s, w, offsets, eps):  # type: ignore[no-untyped-def]
    """The first sorted row of every block of every group, and n behind them; at eps 0 blocks are
    ties.   s, w: (n,); offsets: (g + 1,); eps: (g,).
    """
    n, most = len(s), np.int64(np.max(np.diff(offsets))) + 1 if len(offsets) > 1 else 1
    starts, blocks = np.empty(n + 1, np.int64), 0
    start, before, level = np.empty(most, np.int64), np.empty(most), np.empty(most)
    for g in range(len(eps)):
        a, b, k = offsets[g], offsets[g + 1], 0
        if eps[g] > 0:
            k = pool_group(s, w, a, b, eps[g], start, before, level)
        else:
            for i in range(a, b):
                if i == a or s[i] != s[i - 1]:
                    start[k] = i
                    k += 1
        starts[blocks : blocks + k] = start[:k]
        blocks += k
    starts[blocks] = n
    return starts[: blocks + 1].copy()


@njit(cache=True)
def sorted_columns(rows, score, label, w, objectives, offsets):  # type: ignore[no-untyped-def]
    """Scores (n,) in 64 bits, less the mean of their group, and labels (n, m), by sorted row; of
    each group the weight and the standard deviation (g,); of each objective and group (m, g) the
    weight of positives, of negatives, and of pairs in the right order, ties one half.

    rows, w: (n,) sorted; score: (N,); label: (N, M) of 0 and 1; objectives: (m,) of the M.
    """
    groups, m = len(offsets) - 1, len(objectives)
    s, y = np.empty(len(rows)), np.empty((len(rows), m), np.uint8)
    size, sd = np.zeros(groups), np.zeros(groups)
    positive, negative, right = np.zeros((m, groups)), np.zeros((m, groups)), np.zeros((m, groups))
    for g in range(groups):
        a, b = offsets[g], offsets[g + 1]
        for i in range(a, b):
            s[i] = score[rows[i]]
        for j in range(m):  # a loop over j within that over i is eight times slower
            for i in range(a, b):
                y[i, j] = label[rows[i], objectives[j]]
            positive[j, g], negative[j, g], right[j, g] = _pairs(s, w, y, a, b, j)
        if a < b:
            size[g], sd[g] = _centred(s, w, a, b)
    return s, y, size, sd, positive, negative, right


@njit(cache=True)
def _centred(s, w, a, b):  # type: ignore[no-untyped-def]
    """Take from the scores a..b-1 their mean -> their weight and standard deviation."""
    total, lean, square, first = 0.0, 0.0, 0.0, s[a]
    for i in range(a, b):
        total += w[i]
        lean += w[i] * (s[i] - first)
    mean = first + lean / total
    for i in range(a, b):
        s[i] -= mean
        square += w[i] * s[i] * s[i]
    return total, np.sqrt(square / total)


@njit(cache=True)
def _pairs(s, w, y, a, b, j):  # type: ignore[no-untyped-def]
    """The weight of positives among the sorted rows a..b-1, of negatives, and of pairs in the right
    order.
    """
    hits, below, tied_hits, tied, right = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(a, b):
        if i > a and s[i] != s[i - 1]:
            right += tied_hits * (below + 0.5 * tied)
            hits += tied_hits
            below += tied
            tied_hits, tied = 0.0, 0.0
        hit = w[i] * y[i, j]
        tied_hits += hit
        tied += w[i] - hit
    return hits + tied_hits, below + tied, right + tied_hits * (below + 0.5 * tied)


@njit(cache=True)
def soft_aucs(s, w, y, offsets, eps, positive, negative, slope, column, gradient):  # type: ignore[no-untyped-def]
    """The soft AUC of each objective and group (m, g), NaN without both classes or at eps 0; and,
    added to gradient (n, c), or (0, c) for none, in the column of each objective:

        slope_mg w_i (y_i - mean_b y),    slope = dL / dAUC / (eps W+ W-)

    s, w: (n,) sorted; y: (n, m); eps: (g,); positive, negative, slope: (m, g); column: (m,).
    """
    groups, m = len(offsets) - 1, y.shape[1]
    most = np.int64(np.max(np.diff(offsets))) + 1 if groups else 1
    start, before, level = np.empty(most, np.int64), np.empty(most), np.empty(most)
    soft = np.full((m, groups), np.nan)
    for g in range(groups):
        if eps[g] == 0:
            continue
        k = pool_group(s, w, offsets[g], offsets[g + 1], eps[g], start, before, level)
        for j in range(m):
            pairs, total = positive[j, g] * negative[j, g], 0.0
            c, pull = column[j], slope[j, g]
            if pairs == 0:
                continue
            for block in range(k):
                a, b, hits = start[block], start[block + 1], 0.0
                for i in range(a, b):
                    hits += w[i] * y[i, j]
                weight, middle = (
                    before[block + 1] - before[block],
                    before[block + 1] + before[block],
                )
                total += 0.5 * hits * middle
                if hits == 0 or hits == weight:  # all of one class: no lean, no gradient
                    continue
                rate, centre = hits / weight, level[block] / weight + 0.5 * eps[g] * middle
                lean = 0.0
                for i in range(a, b):
                    lean += w[i] * y[i, j] * (s[i] - centre)
                total += lean / eps[g]
                for i in range(a, b if len(gradient) else a):
                    gradient[i, c] += pull * w[i] * (y[i, j] - rate)
            soft[j, g] = (total - 0.5 * positive[j, g] ** 2) / pairs
    return soft


@njit(cache=True)
def scatter(rows, s, w, slope, along, unit, gradient):  # type: ignore[no-untyped-def]
    """gradient (N, c), at rows (n,) += (slope (n, c) - w s along (c,)) / unit."""
    rate = 1 / unit
    for c in range(len(along)):
        lean = along[c]
        for i in range(len(rows)):
            gradient[rows[i], c] += (slope[i, c] - w[i] * s[i] * lean) * rate
