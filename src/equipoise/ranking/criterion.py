"""How well scores rank several objectives at once: the mean area under the ROC curve.

    AUC_m = (sum of the ranks of positives - n+ (n+ + 1) / 2) / (n+ n-)

with mid-ranks of ties, among the rows whose label was observed; with groups, within each, and the
mean over groups of both classes weighs each by its rows (GAUC).  What cannot be said is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.neural.rank_kernels import sorted_columns, sorted_groups
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
    m, none = rows.labels.shape[1], np.zeros(len(score), np.int64)
    groups = none if rows.groups is None else rows.groups
    labels = rows.labels.astype(np.uint8)
    if rows.observed is None:
        return _means(score, groups, labels, rows.weight, np.arange(m))
    # ranks are among the rows where an objective was observed
    parts = [
        _means(score, np.where(seen, groups, -1), labels, rows.weight, np.array([j]))
        for j, seen in enumerate(rows.observed.T)
    ]
    return np.concatenate(parts)


def _means(
    score: Floats,
    groups: Ints,
    labels: NDArray[np.uint8],
    weight: Floats | None,
    objectives: Ints,
) -> Floats:
    """The mean over groups of the AUC of some objectives, (m,).   groups: (n,), -1 for a row to
    leave out.
    """
    offsets = np.concatenate([[0], np.cumsum(np.bincount(groups[groups >= 0]))]).astype(np.int64)
    ranked = sorted_groups(score, groups, offsets)
    w = np.ones(len(ranked)) if weight is None else weight[ranked]
    columns = sorted_columns(ranked, score, labels, w, objectives, offsets)
    positive, negative, right = columns[-3:]
    pairs = positive * negative
    size = np.where(pairs > 0, positive + negative, 0.0)
    auc = np.divide(right, pairs, out=np.zeros_like(pairs), where=pairs > 0)
    total = size.sum(axis=1)
    mean: Floats = np.divide(
        (size * auc).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0
    )
    return mean
