"""How well scores rank several objectives at once: the mean area under the ROC curve.

    AUC_m = (sum of the ranks of positives - n+ (n+ + 1) / 2) / (n+ n-)

with mid-ranks of ties, among the rows whose label was observed; with groups, within each, and the
mean over groups of both classes weighs each by its rows (GAUC).  What cannot be said is NaN.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from equipoise.core.arrays import Bools, Floats
from equipoise.ranking.rows import RankingRows


def mean_auc(score: Floats, rows: RankingRows, weight: Floats) -> float:
    """The weighted mean over objectives of their AUC, or GAUC.

    Parameters
    ----------
    score : array, (n,)
        Higher ranks first.
    rows : RankingRows
        Labels; where it has groups, rows are ranked within each.
    weight : array, (M,)
        Of the objectives, >= 0; one of rows of one kind does not count.

    Returns
    -------
    float
        In [0, 1]; NaN where no objective of weight has rows of both kinds.
    """
    auc = objective_auc(score, rows)
    known = ~np.isnan(auc) & (weight > 0)
    return float(np.average(auc[known], weights=weight[known])) if known.any() else np.nan


def objective_auc(score: Floats, rows: RankingRows) -> Floats:
    """The AUC, or GAUC, of every objective.

    Parameters
    ----------
    score : array, (n,)
        Higher ranks first.
    rows : RankingRows
        Labels; where it has groups, rows are ranked within each.

    Returns
    -------
    array, (M,)
        NaN where an objective has no group of both classes.
    """
    groups = rows.groups
    if groups is None:
        order, ends = np.argsort(score, kind="stable"), np.array([len(score)])
    else:
        order = np.lexsort([score, groups])
        ends = np.cumsum(np.bincount(groups))
    observed: Bools = np.ones((1, 1), bool) if rows.observed is None else rows.observed
    weight = np.ones(1) if rows.weight is None else rows.weight
    auc: Floats = _auc(score, order, ends, rows.labels, observed, weight)
    return auc


@njit(cache=True, nogil=True)
def _auc(score, order, ends, labels, observed, weight):  # type: ignore[no-untyped-def]
    """(M,).   order: rows by group, then by score; ends: where each group ends in it; observed and
    weight may be of one row, which then stands for all.
    """
    m = labels.shape[1]
    total, rows = np.zeros(m), np.zeros(m)
    won, below = np.empty(m), np.empty(m)
    plus, minus, size = np.empty(m), np.empty(m), np.empty(m)
    all_observed, all_even = len(observed) == 1, len(weight) == 1
    start = 0
    for end in ends:
        won[:], below[:], size[:] = 0.0, 0.0, 0.0
        positives = np.zeros(m)
        i = start
        while i < end:
            k, level = i, score[order[i]]
            plus[:], minus[:] = 0.0, 0.0
            while k < end and score[order[k]] == level:
                row = order[k]
                w = 1.0 if all_even else weight[row]
                for j in range(m):
                    if all_observed or observed[row, j]:
                        size[j] += w
                        plus[j] += w * labels[row, j]
                        minus[j] += w * (1.0 - labels[row, j])
                k += 1
            for j in range(m):
                won[j] += plus[j] * (below[j] + 0.5 * minus[j])
                below[j] += minus[j]
                positives[j] += plus[j]
            i = k
        for j in range(m):
            if positives[j] > 0 and below[j] > 0:
                total[j] += size[j] * won[j] / (positives[j] * below[j])
                rows[j] += size[j]
        start = end
    out = np.full(m, np.nan)
    for j in range(m):
        if rows[j] > 0:
            out[j] = total[j] / rows[j]
    return out
