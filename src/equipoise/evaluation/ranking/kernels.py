"""Pairs ranked rightly, weighted, with ties one half, from one sort for all objectives, groups and
bootstrap replicates.

Rows stand from the largest score to the smallest; state (M, n) is 1 for a positive, 0 for a
negative, -1 for what was not observed.  With w_i the weight of row i

    pairs = sum over positives i, negatives j of w_i w_j ([s_i > s_j] + [s_i = s_j] / 2)
    AUC   = pairs / (P N),      P, N the weights of positives and negatives

which is the Mann-Whitney statistic.  Groups are runs of rows from start[g] to start[g + 1]; none of
their ties crosses a border.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.kernels import njit
from equipoise.evaluation.sorting import RankedScores


def ranked_in_groups(ranked: RankedScores, group: Ints, groups: int) -> tuple[Ints, Bools, Ints]:
    """The sorted rows dealt out to their groups: order (n,), ends of ties (n,), start
    (groups + 1,).
    """
    start = np.zeros(groups + 1, np.int64)
    np.cumsum(np.bincount(group, minlength=groups), out=start[1:])
    order, last = np.empty_like(ranked.order), np.empty_like(ranked.last)
    _deal(ranked.order, ranked.last, group, start, order, last)
    return order, last, start


@njit(cache=True)
def _deal(ranked, ends, group, start, order, last):  # type: ignore[no-untyped-def]
    """order, last (n,) := each group's rows in ranked order, and whether each ends its ties."""
    place, tie = start[:-1].copy(), 0
    ties = np.empty(len(order), np.int64)
    for p in range(len(ranked)):
        g = group[ranked[p]]
        order[place[g]], ties[place[g]] = ranked[p], tie
        place[g] += 1
        tie += ends[p]
    for g in range(len(start) - 1):
        for q in range(start[g], start[g + 1]):
            last[q] = q + 1 == start[g + 1] or ties[q] != ties[q + 1]


@njit(cache=True)
def group_pairs(state, weight, last, start, pairs, positive, negative):  # type: ignore[no-untyped-def]
    """Fill pairs, positive, negative (G, M) of every group.   weight, last: (n,)."""
    for m in range(len(state)):
        for g in range(len(start) - 1):
            above, below, right, tied, other = 0.0, 0.0, 0.0, 0.0, 0.0
            for p in range(start[g], start[g + 1]):
                if state[m, p] == 1:
                    tied += weight[p]
                elif state[m, p] == 0:
                    other += weight[p]
                if last[p]:
                    right += other * (above + tied / 2)
                    above += tied
                    below += other
                    tied, other = 0.0, 0.0
            pairs[g, m], positive[g, m], negative[g, m] = right, above, below


@njit(cache=True)
def replicate_pairs(state, weight, last, unit, count, auc):  # type: ignore[no-untyped-def]
    """Fill auc (M, R) with the AUC over all rows in R replicates at once; NaN where one holds one
    class.   unit (n,): of each row; count (units, R): how often a unit stands in a replicate.
    """
    size = count.shape[1]
    above, below, right = np.empty(size), np.empty(size), np.empty(size)
    tied, other = np.empty(size), np.empty(size)
    for m in range(len(state)):
        above[:], below[:], right[:], tied[:], other[:] = 0.0, 0.0, 0.0, 0.0, 0.0
        for p in range(len(last)):
            w, u, s = weight[p], unit[p], state[m, p]
            alone = last[p] and (p == 0 or last[p - 1])
            if alone and s == 0:
                for r in range(size):
                    below[r] += w * count[u, r]
                    right[r] += w * count[u, r] * above[r]
            elif alone and s == 1:
                for r in range(size):
                    above[r] += w * count[u, r]
            elif s == 1:
                for r in range(size):
                    tied[r] += w * count[u, r]
            elif s == 0:
                for r in range(size):
                    other[r] += w * count[u, r]
            if last[p] and not alone:
                for r in range(size):
                    right[r] += other[r] * (above[r] + tied[r] / 2)
                    above[r] += tied[r]
                    below[r] += other[r]
                    tied[r], other[r] = 0.0, 0.0
        for r in range(size):
            mass = above[r] * below[r]
            auc[m, r] = right[r] / mass if mass > 0 else np.nan


@njit(cache=True)
def group_gains(state, last, start, discount, value):  # type: ignore[no-untyped-def]
    """Fill value (G, M) with each group's NDCG; NaN where it has no positive.

    discount (k + 1,): sums of the discounts of the first 0..k places.  A tie's places are shared
    by its rows, which is the mean over its orders.
    """
    k = len(discount) - 1
    for m in range(len(state)):
        for g in range(len(start) - 1):
            place, rows, hits, found, gain = 0, 0, 0, 0, 0.0
            for p in range(start[g], start[g + 1]):
                rows += state[m, p] >= 0
                hits += state[m, p] == 1
                if last[p]:
                    if hits > 0:
                        reach = discount[min(place + rows, k)] - discount[min(place, k)]
                        gain += hits / rows * reach
                    place += rows
                    found += hits
                    rows, hits = 0, 0
            value[g, m] = gain / discount[min(found, k)] if found > 0 else np.nan


def over(numerator: Floats, denominator: Floats) -> Floats:
    """A ratio; NaN where the denominator is 0."""
    nothing = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    ratio: Floats = np.divide(numerator, denominator, out=nothing, where=denominator > 0)
    return ratio
