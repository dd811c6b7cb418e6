"""Answers that are sums of trees, of one row at a time: what an estimator answers for a table, to
the same bits, without the arrays in between.

    level or effect = (sum of times * ensemble + ...) / divisor + sum of times * ensemble + shift

An ensemble may be asked under several treatments: then their codes stand after the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.kernels import njit
from equipoise.learners.tree_rows import ALL, add_leaves, clear_bits, sorted_nodes
from equipoise.learners.tree_scoring import Forest, Trees, leaf_of_row


class Term(NamedTuple):
    """An ensemble: how often it counts, the columns of X that it sees, (d',), None for all; and the
    row of codes that it is asked under.
    """

    times: float
    trees: Any
    columns: Ints | None = None
    code: int = 0


@dataclass(frozen=True)
class TreeSum:
    """A level or an effect: terms over a divisor, terms after that, and a shift."""

    terms: Sequence[Term]
    divisor: float = 1.0
    after: Sequence[Term] = ()
    shift: float = 0.0


@dataclass(frozen=True)
class TreeSums:
    """Levels under control (m,) and effects (k, m), and the codes (c, p) of treatments that
    ensembles are asked under.
    """

    baseline: Sequence[TreeSum]
    effects: Sequence[Sequence[TreeSum]]
    codes: Floats | None = None


@njit(cache=True, nogil=True)
def _filled(x, usual):  # type: ignore[no-untyped-def]
    """A row (d,) with what is usual in place of what is missing, where there is such a thing."""
    row = np.empty(len(x))
    for j in range(len(x)):
        row[j] = usual[j] if np.isnan(x[j]) and np.isfinite(usual[j]) else x[j]
    return row


@njit(cache=True, nogil=True)
def _answer_by_bits(  # type: ignore[no-untyped-def]
    x, codes, usual, feature_of, threshold, tree, mask, missing_right, tree_of, leaf,
    start, place, times, scale, units, effects, baseline,
):  # fmt: skip
    """`_combine` of the ensembles' answers, by `sorted_nodes`."""
    of_x, row = np.full(len(leaf), ALL), _filled(x, usual)
    clear_bits(row, 0, feature_of, threshold, tree, mask, missing_right, of_x)
    each = np.empty((len(codes), len(tree_of) - 1))
    for c in range(len(codes)):
        bits = of_x.copy()
        clear_bits(codes[c], len(x), feature_of, threshold, tree, mask, missing_right, bits)
        add_leaves(bits, tree_of, leaf, each[c])
    _combine(each, start, place, times, scale, units, effects, baseline)


@njit(cache=True, nogil=True)
def _answer_by_walk(  # type: ignore[no-untyped-def]
    x, codes, usual, tree_of, node_of, leaf_of, nodes, threshold, leaf, first, words,
    start, place, times, scale, units, effects, baseline,
):  # fmt: skip
    """`_combine` of the ensembles' answers, node by node: trees of any size and kind."""
    d, row = len(x), _filled(x, usual)
    both = np.empty((len(codes), d + codes.shape[1]))
    each = np.zeros((len(codes), len(tree_of) - 1))
    for c in range(len(codes)):
        both[c, :d], both[c, d:] = row, codes[c]
        for e in range(len(tree_of) - 1):
            total = 0.0
            for tree in range(tree_of[e], tree_of[e + 1]):
                total += leaf_of_row(
                    both, c, tree, node_of, leaf_of, nodes, threshold, leaf, first, words
                )
            each[c, e] = total
    _combine(each, start, place, times, scale, units, effects, baseline)


@njit(cache=True, nogil=True)
def _combine(each, start, place, times, scale, units, effects, baseline):  # type: ignore[no-untyped-def]
    """effects (k, m) and baseline (m,) of one row, in the metrics' units, from what each ensemble
    answers under each row of codes, (codes, ensembles).

    start (2 outputs + 1,) parts place, (terms, 2), and times, (terms,): of each output the terms
    before and after the division; scale (outputs, 2) has divisor and shift.  units (4, m): unit,
    centre and bounds of each metric.
    """
    m = len(baseline)
    for o in range(len(scale)):
        t = start[2 * o]
        total = times[t] * each[place[t, 0], place[t, 1]]
        for t in range(start[2 * o] + 1, start[2 * o + 1]):
            total += times[t] * each[place[t, 0], place[t, 1]]
        total /= scale[o, 0]
        for t in range(start[2 * o + 1], start[2 * o + 2]):
            total += times[t] * each[place[t, 0], place[t, 1]]
        total += scale[o, 1]
        if o < m:
            baseline[o] = total
        else:
            effects[(o - m) // m, (o - m) % m] = total
    for j in range(m):  # as `level_bounds.within_bounds` has it, and then in the metrics' units
        level, low, high = baseline[j], units[2, j], units[3, j]
        control = min(max(level, low), high)
        for a in range(len(effects)):
            arm = level + effects[a, j]
            mended = min(max(arm, low), high)
            if mended != arm or control != level:
                effects[a, j] = mended - control
            effects[a, j] *= units[0, j]
        baseline[j] = control * units[0, j] + units[1, j]


class RowAnswers:
    """An estimator whose answers are sums of trees, asked about one row.

    Parameters
    ----------
    estimator : a fitted `EffectEstimator`.   sums : what its answers are.
    """

    def __init__(self, estimator: Any, sums: TreeSums) -> None:
        outputs = [*sums.baseline, *(one for of_arm in sums.effects for one in of_arm)]
        parts = [part for one in outputs for part in (one.terms, one.after)]
        terms = [term for part in parts for term in part]
        asked = {(id(term.trees), id(term.columns)): term for term in terms}
        places = {key: e for e, key in enumerate(asked)}
        codes = np.zeros((1, 0)) if sums.codes is None else np.asarray(sums.codes, np.float64)
        models, columns = [t.trees for t in asked.values()], [t.columns for t in asked.values()]
        forest = Forest(models, columns)
        place = [(t.code, places[id(t.trees), id(t.columns)]) for t in terms]
        d, usual = len(estimator._encoded_names), estimator.usual_
        if forest.width > d + codes.shape[1]:
            raise InputError("X", f"have at least {forest.width} features", d)
        nodes = sorted_nodes(models, columns, d + codes.shape[1])
        self._kernel = _answer_by_walk if nodes is None else _answer_by_bits
        units, bounds = estimator.outcome_units, estimator.outcome_bounds_
        m = len(units.unit)
        ends = units.standard(np.array([[-np.inf] * m, [np.inf] * m]) if bounds is None else bounds)
        self.shape = len(sums.effects), m
        self._parts: tuple[Any, ...] = (
            codes,
            np.full(d, np.nan) if usual is None or usual.shape != (d,) else usual,
            *(forest.arrays if nodes is None else nodes),
            np.concatenate([[0], np.cumsum(list(map(len, parts)))]).astype(np.int64),
            np.array(place, np.int64),
            np.array([term.times for term in terms], np.float64),
            np.array([[one.divisor, one.shift] for one in outputs], np.float64),
            np.stack([units.unit, units.centre, *ends]),
        )

    def of_row(self, x: Floats) -> tuple[Floats, Floats]:
        """Effects (k, m) and levels under control (m,) in the metrics' units.   x: (d,)."""
        effects, baseline = np.empty(self.shape), np.empty(self.shape[1])
        self._kernel(x, *self._parts, effects, baseline)
        return effects, baseline


def row_answers(estimator: Any) -> RowAnswers | None:
    """An estimator asked about one row, where its answers are sums of trees; None where they are
    not.
    """
    made_of = getattr(estimator, "_tree_sums", None)
    apart = ("transform_", "encoding_", "open_models_")
    if made_of is None or any(getattr(estimator, name, None) is not None for name in apart):
        return None
    sums = made_of()
    if sums is None:
        return None
    outputs = [*sums.baseline, *(one for of_arm in sums.effects for one in of_arm)]
    trees = [term.trees for one in outputs for term in (*one.terms, *one.after)]
    return RowAnswers(estimator, sums) if all(isinstance(one, Trees) for one in trees) else None


def mean_of_folds(models: Sequence[Sequence[Any]]) -> list[TreeSum]:
    """The mean over folds of each metric's level.   models: (folds, m)."""
    return [
        TreeSum([Term(1.0, trees) for trees in of_metric], float(len(models)))
        for of_metric in zip(*models, strict=True)
    ]


def single(models: Sequence[Any], columns: Ints | None = None) -> list[TreeSum]:
    """Each metric's ensemble as it is.   models: (m,)."""
    return [TreeSum([Term(1.0, trees, columns)]) for trees in models]


def between_codes(models: Sequence[Any], codes: Floats) -> TreeSums:
    """Levels under codes of treatments, control's first, (1 + k, p), and their differences to it.
    models: (m,).
    """
    return TreeSums(
        single(models),
        [
            [TreeSum([Term(1.0, trees, None, a), Term(-1.0, trees)]) for trees in models]
            for a in range(1, len(codes))
        ],
        codes,
    )
