"""Many arms of few rows each: what they share is learnt once, from all rows.

Levels.  With n / K rows an arm, a model of the level of each arm is noise where the arms differ by
little beside what the features tell.  One model of all rows, and a number for each arm:

    mu_a(x) = m(x) + c_a        m from all rows outside a fold; c_a the mean of y - m of the arm's
                                rows there, drawn towards the mean of all arms (`empirical_bayes`)

Scores are right whatever the levels are, where the propensity is known; levels only lower their
noise.

Effects.  The doubly robust score of arm a against control

    mu_a(x) - mu_0(x) + 1{cell = a} (y - mu_a(x)) / e_a - 1{cell = 0} (y - mu_0(x)) / e_0

has all its noise in the rows of a and of control, 2 / K of all.  The others tell where people are,
and a sample of them, each worth as many as it stands for, tells that as well.

Imputed effects.  An X-learner without scores splits an effect into what all arms have in common and
what each adds, so that one model of all treated rows serves every arm:

    rows of control  m(x) - y  ->  c(x)      m from all rows of candidates outside a fold
    rows of a        y - m(x)  ->  d_a(x)
    tau_a(x) = c(x) + d_a(x),   mu_0(x) = m(x) - c(x)

No arm is asked to resemble another: d_a is what m leaves of arm a, however much that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from equipoise.core.arrays import Floats, Ints
from equipoise.learners.base_learners import (
    FEW,
    BoostedTrees,
    Fitted,
    effect_models,
    learn_folds,
    predict_all,
)
from equipoise.learners.crossfit import Nuisance, cross_fit, learn_each
from equipoise.learners.empirical_bayes import pooled
from equipoise.learners.tables import Folds, Rows, Table

MANY_ARMS = 8  # cells from which arms of fewer than `FEW` rows share a model
PROBED = 4  # arms that say whether models of their own predict better
TINY = np.finfo(np.float64).tiny
STOP = 5  # trees without a fall of the loss: large leaves have little to try
LEAF = 20  # rows of either arm in a leaf of an effect
OTHERS = 2_000  # rows at least, and as many as those of the two arms, that tell where people are


def are_many(rows: int, cells: int) -> bool:
    """Whether arms are so many, and so small, that they share what they have in common."""
    return cells >= MANY_ARMS and rows < FEW * cells


@dataclass(frozen=True)
class SharedLevels:
    """Levels of all arms by one model a fold.

    Attributes
    ----------
    predictions : (n, K, m), of every row by models that did not see it.
    models : (folds, m) nested lists of the learnt models, m(x).
    control : (m,), what control adds to them, by rows that they did not see.
    """

    predictions: Floats
    models: list[list[Fitted]]
    control: Floats

    def suffice(self, model: Any, setup: Levels) -> bool:
        """Whether the largest arms' own models predict the rows left out no better than these do,
        over all metrics, each in its variance.
        """
        count = np.bincount(setup.cell)
        arms = np.argsort(-count, kind="stable")[:PROBED]
        nuisances = [Nuisance(setup.cell == a, setup.y) for a in arms]
        own = cross_fit(model, setup.table, nuisances, setup.fold, setup.weight, setup.seed)
        gain = np.zeros(setup.y.shape[1])
        for place, a in enumerate(arms):
            rows = np.flatnonzero(setup.cell == a)
            w = np.ones(len(rows)) if setup.weight is None else setup.weight[rows]
            errors = [
                p[rows, at] - setup.y[rows]
                for p, at in ((self.predictions, a), (own.predictions, place))
            ]
            gain += w @ (errors[0] ** 2 - errors[1] ** 2)
        return bool((gain / np.maximum(setup.y.var(axis=0), TINY)).sum() <= 0)


@dataclass(frozen=True)
class Levels:
    """What levels are learnt from.   y: (n, m); cell in 0..cells-1, fold, weight: (n,)."""

    table: Table
    y: Floats
    cell: Ints
    cells: int
    fold: Ints
    weight: Floats | None
    seed: int

    def weight_of(self, rows: Rows) -> Floats | None:
        """The weights of some rows."""
        return None if self.weight is None else rows.of(self.weight)


def shared_levels(model: Any, setup: Levels) -> SharedLevels:
    """Learn levels across folds, all arms by one model."""
    y, fold, cells = setup.y, setup.fold, setup.cells
    models, each = _without_each_fold(model, setup, Rows(setup.table, None))
    predictions = np.empty((len(y), cells, y.shape[1]))
    unseen = np.empty_like(y)
    w = np.ones(len(y)) if setup.weight is None else setup.weight
    for f, common in enumerate(each):
        inside, left_out = np.flatnonzero(fold != f), fold == f
        offsets = _offsets(y[inside] - common[inside], setup.cell[inside], cells, w[inside])
        predictions[left_out] = common[left_out, None] + offsets
        unseen[left_out] = y[left_out] - common[left_out]
    return SharedLevels(predictions, models, _offsets(unseen, setup.cell, cells, w)[0])


def _without_each_fold(
    model: Any, setup: Levels, rows: Rows
) -> tuple[list[list[Fitted]], list[Floats]]:
    """Models of each metric from some rows without each fold, (folds, m), and what those of a fold
    predict of all rows, (n, m) each.
    """
    tables = setup.table.without_each(setup.fold)
    folds, weight = Folds(rows, rows.of(setup.fold), len(tables), tables), setup.weight_of(rows)
    columns = np.ascontiguousarray(rows.of(setup.y).T)
    learnt = [learn_folds(model, folds, column, weight, setup.seed) for column in columns]
    models = [[of[f] for of in learnt] for f in range(len(tables))]
    return models, [predict_all(of, seen.X).T for of, seen in zip(models, tables, strict=True)]


def _offsets(residual: Floats, cell: Ints, cells: int, weight: Floats) -> Floats:
    """The mean residual of each arm, drawn towards that of all, (K, m).   residual: (n, m)."""
    mass = np.bincount(cell, weight, cells)
    effective = mass**2 / np.bincount(cell, weight**2, cells)
    columns = []
    for r in residual.T:
        mean = np.bincount(cell, weight * r, cells) / mass
        variance = float(weight @ (r - mean[cell]) ** 2 / weight.sum()) / effective
        both = pooled(mean[:, None], variance[:, None, None], [np.array([0])])
        columns.append(both[0][:, 0])
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class SplitEffects:
    """Effects as a part of all arms and one of each, c(x) + d_a(x).

    Attributes
    ----------
    levels : (folds, m) nested lists of models, m(x), of the mean outcome under all candidates.
    common : (m,) models, c(x), of what the mean candidate adds to control.
    own : (k, m) nested lists of models, d_a(x), of what each adds to the mean candidate.
    """

    levels: list[list[Fitted]]
    common: list[Fitted]
    own: list[list[Fitted]]


def split_effects(outcome: Any, effect: Any, setup: Levels, of_effect: Table) -> SplitEffects:
    """Learn the effects of many arms from few rows each.   outcome, effect: models of the mean
    candidate, and of what is left; of_effect: the features that effects vary with.
    """
    treated = Rows(setup.table, np.flatnonzero(setup.cell > 0))
    levels, each = _without_each_fold(outcome, setup, treated)
    mean = np.mean(each, axis=0)  # of control, whom no fold's models saw
    for f, of_fold in enumerate(each):
        unseen = (setup.fold == f) & (setup.cell > 0)
        mean[unseen] = of_fold[unseen]

    def regress(a: int, target: Floats) -> list[Fitted]:
        rows = Rows(of_effect, np.flatnonzero(setup.cell == a))
        models = effect_models(effect, rows.of(setup.y), rows.of(setup.cell), (a,))
        weight, fold = setup.weight_of(rows), rows.of(setup.fold)
        return learn_each(models, rows, rows.of(target), weight, setup.seed, fold)

    if setup.table.of_folds is not None:  # the folds' features are not those of new units
        y, weight, fold = treated.of(setup.y), setup.weight_of(treated), treated.of(setup.fold)
        levels = [learn_each(outcome, treated, y, weight, setup.seed, fold)]
    own = [regress(a, setup.y - mean) for a in range(1, setup.cells)]
    return SplitEffects(levels, regress(0, mean - setup.y), own)


def telling_rows(
    cell: Ints, arms: tuple[int, int], others: Ints, weight: Floats | None
) -> tuple[Ints, Floats]:
    """Rows that tell the effect of one arm against another, sorted, and what each is worth.

    cell: (n,); others: rows in random order, of which those of other arms are taken.

    >>> cell = np.array([0, 1, 2, 2, 2, 2])
    >>> rows, worth = telling_rows(cell, (0, 1), np.arange(6), None)
    >>> rows.tolist(), worth.tolist()
    ([0, 1, 2, 3, 4, 5], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    """
    own = np.isin(cell, arms)
    rest = others[~own[others]]
    sample = rest[: max(OTHERS, int(own.sum()))]
    rows = np.sort(np.r_[np.flatnonzero(own), sample])
    given = np.ones(len(cell)) if weight is None else weight
    worth = given[rows].astype(np.float64)
    if len(sample) < len(rest):
        worth[~own[rows]] *= given[rest].sum() / given[sample].sum()
    return rows, worth


def with_leaves(
    models: list[BoostedTrees], cell: Ints, arms: tuple[int, int]
) -> list[BoostedTrees]:
    """Models whose leaves hold `LEAF` rows of each of the two arms, on average: fewer would be told
    by chance how many people they stand for.   cell: of the telling rows.
    """
    least = int(LEAF * len(cell) / min(np.count_nonzero(cell == a) for a in arms))
    return [
        clone(model).set_params(
            min_child_samples=max(model.min_child_samples, least), early_stopping_rounds=STOP
        )
        for model in models
    ]
