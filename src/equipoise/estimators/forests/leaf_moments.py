"""Kernels of the causal forest: what its trees say together, of new rows and of rows that they did
not draw.

    theta(x) = A^-1 c     from the mean m of moments (`forests.moments`) of the leaves of x
    pull of a tree        A^-1 of its leaf's moments at theta, less those of all: what a little more
                          of the leaf moves theta by
    var theta             of pulls between bags, less what trees of one bag differ by

Rows are asked in blocks and trees outside of them, so that a tree stays near.
"""

from __future__ import annotations

import math

import numpy as np

from equipoise.core.kernels import njit
from equipoise.estimators.forests.levels import in_set
from equipoise.estimators.forests.moments import MISSING, backward, forward, solve

BLOCK = 512  # rows that a tree is asked about at once


@njit(cache=True, nogil=True, error_model="numpy")
def goes_right(b, at, left, sets, v):  # type: ignore[no-untyped-def]
    """1 where a row of bin b goes to the right child of node v, else 0."""
    if at == MISSING:
        return 0 if in_set(sets[v], b) else 1
    return 1 if (b > at) & ~(left & (b == MISSING)) else 0


@njit(cache=True, nogil=True, error_model="numpy")
def losses(X, W, y, inside, feature, at, left, child, means, sets, size, starts, bag, leaves, out):  # type: ignore[no-untyped-def]
    """out (n, leaves) := the squared error of the residual outcome of each row, by trees that did
    not see it, with nodes of fewer than two leaves of so many rows as leaves.

    X: (n, d) bins; inside: (bags, n) whether a bag drew the row; leaves: sizes, falling.
    """
    trees, k, p, sizes = len(starts) - 1, W.shape[1], means.shape[1], len(leaves)
    sums, L, theta = np.empty((BLOCK, sizes, p)), np.zeros((k, k)), np.empty(k)
    for low in range(0, len(X), BLOCK):
        high = min(low + BLOCK, len(X))
        sums[:] = 0.0
        for t in range(trees):
            for i in range(low, high):
                if inside[t // bag, i]:
                    continue
                m, base, j, v = sums[i - low], starts[t], 0, starts[t]
                while True:
                    least = 0 if feature[v] < 0 else size[v]
                    while j < sizes and (feature[v] < 0 or least < 2 * leaves[j]):
                        for c in range(p):
                            m[j, c] += means[v, c]
                        j += 1
                    if j == sizes:
                        break
                    v = base + child[v] + goes_right(X[i, feature[v]], at[v], left[v], sets, v)
        for i in range(low, high):
            for j in range(sizes):
                m = sums[i - low, j]
                m /= max(m[0], 1e-300)
                solve(m, L, theta)
                miss = y[i]
                for a in range(k):
                    miss -= W[i, a] * theta[a]
                out[i, j] = miss * miss


@njit(cache=True, nogil=True, error_model="numpy")
def answer(X, feature, at, left, child, means, sets, starts, bag, theta, var):  # type: ignore[no-untyped-def]
    """theta (n, k) and its variance var (n, k) for rows of bins X (n, d).

    starts: (trees + 1,) of the nodes of each tree; means: (nodes, p); sets: (nodes, 4), of
    levels; bag: trees a little bag.
    """
    trees, (n, k) = len(starts) - 1, theta.shape
    leaf, m, L = np.empty((BLOCK, trees), np.int64), np.empty(means.shape[1]), np.zeros((k, k))
    pull = np.empty((trees, k))
    for low in range(0, n, BLOCK):
        rows = min(BLOCK, n - low)
        for t in range(trees):  # outside, so that a tree stays near
            for r in range(rows):
                v = starts[t]
                while feature[v] >= 0:
                    right = goes_right(X[low + r, feature[v]], at[v], left[v], sets, v)
                    v = starts[t] + child[v] + right
                leaf[r, t] = v
        for r in range(rows):
            m[:] = 0.0
            for v in leaf[r]:
                for c in range(len(m)):
                    m[c] += means[v, c]
            m /= m[0]
            solve(m, L, theta[low + r])
            for t in range(trees):
                influence(means[leaf[r, t]], m, L, theta[low + r], pull[t])
            little_bags(pull, bag, var[low + r])


@njit(cache=True, nogil=True, error_model="numpy")
def influence(one, m, L, theta, out):  # type: ignore[no-untyped-def]
    """out (k,) := A^-1 of a leaf's moments at the forest's theta: how far it pulls.   one: (p,) of
    the leaf; m: (p,) of the forest, L its factor.
    """
    k = len(out)
    for a in range(k):
        out[a] = one[2 + k + a] - m[2 + a] * one[1] - m[1] * (one[2 + a] - m[2 + a])
        for b in range(k):
            hi, lo = max(a, b), min(a, b)
            ww = one[2 + 2 * k + hi * (hi + 1) // 2 + lo]
            cross = ww - m[2 + a] * one[2 + b] - m[2 + b] * one[2 + a] + m[2 + a] * m[2 + b]
            out[a] -= cross * theta[b]
    forward(L, out)
    backward(L, out)


@njit(cache=True, nogil=True, error_model="numpy")
def little_bags(pull, bag, var):  # type: ignore[no-untyped-def]
    """var (k,): the variance of the mean of pulls (trees, k), trees in bags that share a half of
    the data.

    between = V + noise, noise = within / bag: V is the variance over halves of the data, which is
    that over samples; its estimate is the mean of what chi-square leaves of it above 0.  To it
    comes what so many bags leave of their own, between / bags.
    """
    trees, k = pull.shape
    bags = trees // bag
    for a in range(k):
        between, within = 0.0, 0.0
        for g in range(bags):
            mean = 0.0
            for t in range(g * bag, (g + 1) * bag):
                mean += pull[t, a] / bag
            between += mean * mean / bags
            for t in range(g * bag, (g + 1) * bag):
                within += (pull[t, a] - mean) ** 2 / (bags * (bag - 1.0))
        noise = within / bag
        spread = max(between, noise) * np.sqrt(2.0 / bags)
        z = (between - noise) / spread if spread > 0 else 0.0
        kept = between - noise
        if spread > 0:
            below = 0.5 * math.erfc(-z / np.sqrt(2.0))
            kept += spread * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi) / max(below, 1e-300)
        var[a] = kept + between / bags
