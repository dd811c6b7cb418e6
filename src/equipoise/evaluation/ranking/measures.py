"""AUC, GAUC and NDCG of one score for several objectives.

    auc    over all rows, ties one half: the Mann-Whitney statistic, weighted
    gauc   sum_g w_g AUC_g / sum_g w_g over the groups (requests, users) that hold both classes
           (Zhu et al., KDD 2017, optimised cost per click); w_g is a group's rows, 1, or its pairs
    ndcg   mean over the groups that hold a positive of
           sum over places r <= k of label_r / log2(1 + r), over the same of the best order;
           tied rows share their places, as on average over their orders (McSherry & Najork, 2008)

Groups without both classes say nothing of a score; how many have them, and how many rows these
hold, is the coverage that stands beside the value.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.labelled_rows import (
    HIDDEN,
    LabelledRows,
    OneClassWarning,
    States,
    codes_of,
    labelled_rows,
    score_column,
)
from equipoise.core.user_line import user_level
from equipoise.evaluation.ranking.kernels import (
    group_gains,
    group_pairs,
    over,
    ranked_in_groups,
)
from equipoise.evaluation.sorting import RankedScores, sort_scores

GROUP_WEIGHTS = ("size", "uniform", "pairs")


@shown
@dataclass(frozen=True)
class GroupMean:
    """A measure's weighted mean over the groups that say something, and how many do.

    Attributes
    ----------
    value : array, (M,)
        Of each objective; NaN where no group counts.
    groups : array of int, (M,)
        Groups that count.
    coverage : array, (M,)
        Their share of the groups where the objective was observed; 0 where it was in none.
    row_coverage : array, (M,)
        The share of observed rows that these groups hold.

    Examples
    --------
    >>> mean = gauc([1, 0, 0, 0, 0], [0.9, 0.1, 0.5, 0.4, 0.3], ["a", "a", "b", "b", "b"])
    >>> mean.value.tolist(), mean.coverage.tolist(), mean.row_coverage.tolist()
    ([1.0], [0.5], [0.4])
    """

    value: Floats
    groups: Ints
    coverage: Floats
    row_coverage: Floats


@dataclass(frozen=True)
class GroupTable:
    """What each group says of one score.

    Attributes
    ----------
    value : array, (G, M)
        Its measure; NaN where it says nothing.
    mass : array, (G, M)
        What it weighs in the mean.
    """

    value: Floats
    mass: Floats

    @property
    def sums(self) -> tuple[Floats, Floats]:
        """(mass times value, mass) of the groups that count, 0 for the others; both (G, M)."""
        counts = ~np.isnan(self.value)
        return np.where(counts, self.mass * self.value, 0.0), np.where(counts, self.mass, 0.0)


@dataclass(frozen=True)
class RankedRows:
    """Rows sorted once by one score; groups (G) if they were named.

    Attributes
    ----------
    rows : LabelledRows
        As they came.
    ranked : RankedScores
        Their order.
    group : array of int, (n,)
        The code of each row's group.
    groups : int
        How many there are.
    """

    rows: LabelledRows
    ranked: RankedScores
    group: Ints
    groups: int

    @cached_property
    def whole(self) -> tuple[States, Floats, Bools]:
        """State (M, n), weight (n,) and ends of ties (n,) over all rows in ranked order."""
        return (*self._gathered(self.ranked.order), self.ranked.last)

    @cached_property
    def dealt(self) -> tuple[States, Floats, Bools, Ints]:
        """The same in ranked order within each group, and where groups start, (G + 1,)."""
        order, last, start = ranked_in_groups(self.ranked, self.group, self.groups)
        return (*self._gathered(order), last, start)

    def _gathered(self, order: Ints) -> tuple[States, Floats]:
        return np.ascontiguousarray(self.rows.state[order].T), self.rows.weight[order]

    def auc(self) -> Floats:
        """Over all rows, (M,)."""
        right, positive, negative = _pairs(*self.whole, np.array([0, len(self.rows)]))
        value: Floats = over(right, positive * negative)[0]
        return value

    def group_auc(self, weight: str) -> GroupTable:
        """Of each group."""
        right, positive, negative = _pairs(*self.dealt)
        value = over(right, positive * negative)
        return GroupTable(value, _mass(weight, positive, negative))

    def group_ndcg(self, k: int, weight: str) -> GroupTable:
        """Of each group, at its first k places."""
        state, row_weight, last, start = self.dealt
        places = min(k, int(np.diff(start).max()))
        discount = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(places) + 2))])
        value = np.empty((self.groups, len(state)))
        group_gains(state, last, start, discount, value)
        _, positive, negative = _pairs(state, row_weight, last, start)
        return GroupTable(value, _mass(weight, positive, negative))


def _pairs(state: States, weight: Floats, last: Bools, start: Ints) -> tuple[Floats, ...]:
    """Pairs ranked rightly, positives and negatives of every group, each (G, M)."""
    out = np.empty((3, len(start) - 1, len(state)))
    group_pairs(state, weight, last, start, *out)
    return tuple(out)


def _mass(weight: str, positive: Floats, negative: Floats) -> Floats:
    """What groups weigh, (G, M).   positive, negative: the weights of their rows."""
    if weight == "size":
        return positive + negative
    return positive * negative if weight == "pairs" else np.ones_like(positive)


def group_mean(table: GroupTable, rows: LabelledRows, group: Ints) -> GroupMean:
    """The mean of a measure over groups, with its coverage."""
    total, mass = (part.sum(axis=0) for part in table.sums)
    counts, observed = ~np.isnan(table.value), rows.state != HIDDEN
    seen = np.stack(
        [np.bincount(group, column, minlength=len(counts)) for column in observed.T], axis=1
    )
    share = over(counts.sum(axis=0, dtype=np.float64), np.count_nonzero(seen, axis=0))
    row_share = over((seen * counts).sum(axis=0), seen.sum(axis=0))
    return GroupMean(
        over(total, mass),
        np.asarray(counts.sum(axis=0), np.int64),
        np.nan_to_num(share),
        np.nan_to_num(row_share),
    )


def check_group_weight(weight: str) -> None:
    """Refuse what groups cannot weigh.

    Examples
    --------
    >>> check_group_weight("rows")
    Traceback (most recent call last):
    equipoise.core.errors.InputError: weight must be one of size, uniform, pairs; got 'rows'
    """
    if weight not in GROUP_WEIGHTS:
        raise InputError("weight", f"be one of {', '.join(GROUP_WEIGHTS)}", repr(weight))


def check_places(k: Any) -> int:
    """The number of places k as an int, at least 1."""
    if isinstance(k, bool | np.bool_) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError("k", "be a whole number >= 1", repr(k))
    return int(k)


def auc(labels: Any, scores: Any, *, label_mask: Any = None, sample_weight: Any = None) -> Floats:
    """Area under the ROC curve of one score, for every objective; a tie counts one half.

    Parameters
    ----------
    labels : array-like or frame, (n, M) or (n,)
        0 or 1.
    scores : array-like, (n,)
        Of the rows; only their order counts.
    label_mask : array-like of bool, (n, M) or (n,), default None
        Where a label was observed; None: everywhere.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.

    Returns
    -------
    array, (M,)
        NaN for an objective with labels of one class.

    Raises
    ------
    InputError
        Where a label is not 0 or 1, a score is NaN, or lengths differ.

    Warns
    -----
    OneClassWarning
        Where an objective has labels of one class only.

    Examples
    --------
    >>> auc([1, 0, 0, 0, 1], [0.7, 0.2, 0.8, 0.1, 0.9]).round(4).tolist()
    [0.8333]
    """
    rows = labelled_rows(labels, label_mask, sample_weight)
    _say_one_class(rows)
    return ranked_rows(rows, scores, np.zeros(len(rows), np.int64), 1).auc()


def gauc(
    labels: Any,
    scores: Any,
    groups: Any,
    *,
    weight: str = "size",
    label_mask: Any = None,
    sample_weight: Any = None,
) -> GroupMean:
    """AUC within each request or user, averaged over those that hold both classes.

    Parameters
    ----------
    labels : array-like or frame, (n, M) or (n,)
        0 or 1.
    scores : array-like, (n,)
        Of the rows; only their order within a group counts.
    groups : array-like, (n,)
        Ids of requests or users, of any type; a group of one row is left out of the mean.
    weight : {"size", "uniform", "pairs"}, default "size"
        What a group weighs: its observed rows, 1, or its pairs of a positive and a negative.
    label_mask : array-like of bool, (n, M) or (n,), default None
        Where a label was observed; None: everywhere.
    sample_weight : array-like, (n,), default None
        Weights > 0 of rows; None: ones.

    Returns
    -------
    GroupMean
        The value, and the share of groups and of rows that it stands on.

    Raises
    ------
    InputError
        Where a label is not 0 or 1, a score is NaN, a group is missing, or lengths differ.

    Warns
    -----
    OneClassWarning
        Where an objective has labels of one class only.

    Examples
    --------
    >>> mean = gauc([1, 0, 0, 1, 0], [3, 1, 2, 5, 5], ["a", "a", "a", "b", "b"])
    >>> mean.value.tolist(), mean.coverage.tolist()
    ([0.8], [1.0])
    """
    check_group_weight(weight)
    return _grouped(
        labels, scores, groups, label_mask, sample_weight, lambda rows: rows.group_auc(weight)
    )


def ndcg_at_k(
    labels: Any,
    scores: Any,
    groups: Any,
    *,
    k: int = 10,
    weight: str = "uniform",
    label_mask: Any = None,
    sample_weight: Any = None,
) -> GroupMean:
    """Normalised discounted gain of the first k places of each group, averaged over those with a
    positive; tied rows share their places.

    Parameters
    ----------
    labels : array-like or frame, (n, M) or (n,)
        0 or 1.
    scores : array-like, (n,)
        Of the rows; only their order within a group counts.
    groups : array-like, (n,)
        Ids of requests or users, of any type.
    k : int, default 10
        Places, >= 1.
    weight : {"size", "uniform", "pairs"}, default "uniform"
        What a group weighs: its observed rows, 1, or its pairs of a positive and a negative.
    label_mask : array-like of bool, (n, M) or (n,), default None
        Where a label was observed; the others are left out of the list.  None: everywhere.
    sample_weight : array-like, (n,), default None
        Weights > 0 of rows, which count in the weight of their group; None: ones.

    Returns
    -------
    GroupMean
        The value, and the share of groups and of rows that it stands on.

    Raises
    ------
    InputError
        Where a label is not 0 or 1, a score is NaN, a group is missing, or lengths differ.

    Warns
    -----
    OneClassWarning
        Where an objective has labels of one class only.

    Examples
    --------
    >>> ndcg_at_k([1, 0, 0], [1, 2, 0], ["a", "a", "a"]).value.round(4).tolist()
    [0.6309]
    """
    check_group_weight(weight)
    places = check_places(k)
    return _grouped(
        labels,
        scores,
        groups,
        label_mask,
        sample_weight,
        lambda rows: rows.group_ndcg(places, weight),
    )


def _grouped(
    labels: Any,
    scores: Any,
    groups: Any,
    label_mask: Any,
    sample_weight: Any,
    measure: Callable[[RankedRows], GroupTable],
) -> GroupMean:
    rows = labelled_rows(labels, label_mask, sample_weight)
    _say_one_class(rows)
    ranked = ranked_rows(rows, scores, *codes_of(groups, len(rows), "groups"))
    return group_mean(measure(ranked), rows, ranked.group)


def ranked_rows(
    rows: LabelledRows, scores: Any, group: Ints, groups: int, name: str = "scores"
) -> RankedRows:
    """Rows sorted by a score (n,), which an error calls by its name."""
    return RankedRows(rows, sort_scores(score_column(scores, len(rows), name)), group, groups)


def _say_one_class(rows: LabelledRows) -> None:
    for sentence in rows.one_class:
        text = f"{sentence}: no score ranks them better or worse"
        warnings.warn(text, OneClassWarning, stacklevel=user_level())
