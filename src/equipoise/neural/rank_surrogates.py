"""Losses of pairs, a positive row i against a negative row j of one group, that stand for 1 - AUC.

    linear         s_j - s_i                  O(n), in any order of the rows
    squared_hinge  max(0, 1 - (s_i - s_j))^2  O(n log n): Rust and Hocking (2023), arXiv:2302.11062
    logistic       log(1 + exp(s_j - s_i))    O(n log n), right to about 12 digits

Each is the mean over all pairs of a group, w_i w_j their weight; no pair is sampled.  The logistic
loss of few pairs is summed pair by pair.  That of many goes over a few nodes in place of the rows:
softplus and sigmoid have no singularity nearer than pi to a real number, so that within a box of
width 1 a Chebyshev interpolant of 12 nodes, on either side of the pair, errs by about 1e-13.
"""

from __future__ import annotations

import math

import numpy as np

from equipoise.core.kernels import njit

NODES = 12  # of a box; the error falls by a factor of 12.6 with each
FAR = 40  # boxes apart, where softplus is a line in 64 bits
FEW = 4096  # pairs that are summed one by one
AT = (np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES) + 1) / 2  # nodes within a box
BASIS = np.cos(np.pi * np.outer(np.arange(NODES) + 0.5, np.arange(NODES)) / NODES)  # (node, degree)


@njit(cache=True)
def linear(s, w, y, offsets, positive, negative, pull, column, gradient):  # type: ignore[no-untyped-def]
    """The mean loss of a pair (m, g); and, added to gradient (n, c), or (0, c) for none, in the
    column of each objective, pull_mg d loss_mg / d s.

    s, w: (n,), rows of a group together; y: (n, m) of 0 and 1; offsets: (g + 1,); positive,
    negative, pull: (m, g), weights of both classes and dL / d loss; column: (m,).
    """
    m, groups = positive.shape
    loss = np.zeros((m, groups))
    for j in range(m):
        for g in range(groups):
            if positive[j, g] == 0 or negative[j, g] == 0:
                continue
            up, down = -1 / positive[j, g], 1 / negative[j, g]
            for i in range(offsets[g], offsets[g + 1]):
                share = w[i] * (up if y[i, j] else down)
                loss[j, g] += share * s[i]
                if len(gradient):
                    gradient[i, column[j]] += pull[j, g] * share
    return loss


@njit(cache=True)
def squared_hinge(s, w, y, offsets, positive, negative, pull, column, gradient):  # type: ignore[no-untyped-def]
    """As `linear`; rows of a group from the smallest score to the largest."""
    m, groups = positive.shape
    loss = np.zeros((m, groups))
    for g in range(groups):
        a, b = offsets[g], offsets[g + 1]
        for j in range(m):
            pairs = positive[j, g] * negative[j, g]
            if pairs == 0:
                continue
            one, first, second, reach = 0.0, 0.0, 0.0, a
            for i in range(a, b):  # of positives within reach: sums of w (1 - s)^0, 1, 2
                if y[i, j]:
                    continue
                while reach < b and s[reach] < s[i] + 1:
                    if y[reach, j]:
                        short = 1 - s[reach]
                        one += w[reach]
                        first += w[reach] * short
                        second += w[reach] * short * short
                    reach += 1
                loss[j, g] += w[i] * (s[i] * (one * s[i] + 2 * first) + second) / pairs
                if len(gradient):
                    gradient[i, column[j]] += 2 * pull[j, g] * w[i] * (one * s[i] + first) / pairs
            one, first, reach = 0.0, 0.0, b - 1
            for i in range(b - 1, a - 1, -1) if len(gradient) else range(0):
                if not y[i, j]:
                    continue
                while reach >= a and s[reach] > s[i] - 1:
                    if not y[reach, j]:
                        one += w[reach]
                        first += w[reach] * s[reach]
                    reach -= 1
                slope = one * (1 - s[i]) + first
                gradient[i, column[j]] -= 2 * pull[j, g] * w[i] * slope / pairs
    return loss


@njit(cache=True)
def logistic(s, w, y, offsets, positive, negative, pull, column, gradient):  # type: ignore[no-untyped-def]
    """As `squared_hinge`."""
    m, groups = positive.shape
    loss = np.zeros((m, groups))
    for g in range(groups):
        a, b = offsets[g], offsets[g + 1]
        boxes = _boxes(s[a:b])
        for j in range(m):
            pairs = positive[j, g] * negative[j, g]
            if pairs == 0:
                continue
            hits = y[a:b, j].sum()
            slope = np.zeros(b - a if len(gradient) else 0)
            if hits * (b - a - hits) <= max(FEW, (NODES * (len(boxes) - 1)) ** 2):
                loss[j, g] = _by_pair(s[a:b], w[a:b], y[a:b, j], slope) / pairs
            else:
                loss[j, g] = _by_box(s[a:b], w[a:b], y[a:b, j], boxes, slope) / pairs
            for i in range(len(slope)):
                gradient[a + i, column[j]] += pull[j, g] * slope[i] / pairs
    return loss


@njit(cache=True)
def _by_pair(s, w, y, slope):  # type: ignore[no-untyped-def]
    """The sum over pairs, one by one; slope (n,), or (0,) for none, takes its gradient."""
    total = 0.0
    for i in range(len(s)):
        for j in range(len(s) if y[i] else 0):
            if y[j]:
                continue
            gap, weight = s[j] - s[i], w[i] * w[j]
            small = math.exp(-abs(gap))
            total += weight * (max(gap, 0.0) + math.log1p(small))
            if len(slope):
                pull = weight * (1.0 if gap > 0 else small) / (1 + small)
                slope[i] -= pull
                slope[j] += pull
    return total


@njit(cache=True)
def _boxes(s):  # type: ignore[no-untyped-def]
    """The first row of each box of width 1 that holds a sorted score, and n behind them."""
    first, k = np.empty(len(s) + 1, np.int64), 0
    for i in range(len(s)):
        if k == 0 or math.floor(s[i]) > math.floor(s[first[k - 1]]):
            first[k] = i
            k += 1
    first[k] = len(s)
    return first[: k + 1]


@njit(cache=True)
def _degrees(t, out):  # type: ignore[no-untyped-def]
    """out (NODES,) := the Chebyshev polynomials at a place t of a box, in [0, 1]."""
    x = 2 * t - 1
    out[0], out[1] = 1.0, x
    for d in range(2, NODES):
        out[d] = 2 * x * out[d - 1] - out[d - 2]


@njit(cache=True)
def _onto_nodes(s, w, y, boxes):  # type: ignore[no-untyped-def]
    """Both classes moved to the nodes: weights (2, boxes, NODES), and sums of w and w s (2, 2,
    boxes).
    """
    count = len(boxes) - 1
    moments, plain = np.zeros((2, count, NODES)), np.zeros((2, 2, count))
    here = np.empty(NODES)
    for k in range(count):
        low = math.floor(s[boxes[k]])
        for i in range(boxes[k], boxes[k + 1]):
            _degrees(s[i] - low, here)
            plain[y[i], 0, k] += w[i]
            plain[y[i], 1, k] += w[i] * s[i]
            for d in range(NODES):
                moments[y[i], k, d] += w[i] * here[d]
    weights = np.zeros((2, count, NODES))
    for side in range(2):
        for k in range(count):
            for q in range(NODES):
                for d in range(NODES):
                    part = (2 if d else 1) * moments[side, k, d] * BASIS[q, d]
                    weights[side, k, q] += part / NODES
    return weights, plain


@njit(cache=True)
def _at_nodes(lows, k, weights, plain, out):  # type: ignore[no-untyped-def]
    """out (3, NODES): at the nodes x of box k, over negatives j the sums of softplus(s_j - x) and
    of sigmoid(s_j - x), over positives i that of sigmoid(x - s_i).
    """
    out[:] = 0
    for other in range(len(lows)):
        apart = lows[other] - lows[k]
        for q in range(NODES):
            x = lows[k] + AT[q]
            if apart > FAR:
                out[0, q] += plain[0, 1, other] - x * plain[0, 0, other]
                out[1, q] += plain[0, 0, other]
            elif apart < -FAR:
                out[2, q] += plain[1, 0, other]
            else:
                for r in range(NODES):
                    gap = apart + AT[r] - AT[q]
                    small = math.exp(-abs(gap))
                    above = (1.0 if gap > 0 else small) / (1 + small)
                    out[0, q] += weights[0, other, r] * (max(gap, 0.0) + math.log1p(small))
                    out[1, q] += weights[0, other, r] * above
                    out[2, q] += weights[1, other, r] * (1 - above)


@njit(cache=True)
def _by_box(s, w, y, boxes, slope):  # type: ignore[no-untyped-def]
    """As `_by_pair`, over the nodes of boxes."""
    weights, plain = _onto_nodes(s, w, y, boxes)
    lows = np.floor(s[boxes[:-1]])
    sums, degrees = np.empty((3, NODES)), np.zeros((3, NODES))
    total, here = 0.0, np.empty(NODES)
    for k in range(len(lows)):
        _at_nodes(lows, k, weights, plain, sums)
        degrees[:] = 0
        for q in range(NODES):
            for d in range(NODES):
                for f in range(3):
                    degrees[f, d] += sums[f, q] * BASIS[q, d] * (2 if d else 1) / NODES
        for i in range(boxes[k], boxes[k + 1]):
            _degrees(s[i] - lows[k], here)
            soft, above, below = 0.0, 0.0, 0.0
            for d in range(NODES):
                soft += degrees[0, d] * here[d]
                above += degrees[1, d] * here[d]
                below += degrees[2, d] * here[d]
            if y[i]:
                total += w[i] * soft
            if len(slope):
                slope[i] = -w[i] * above if y[i] else w[i] * below
    return total
