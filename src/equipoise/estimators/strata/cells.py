"""Nuisances of the strata: one model of the joint cells of claim and outcome, and one of the
outcome without an offer.

    q_cy(x) = P(C=c, Y=y | offered, x)    one model of four classes, learnt from the offered rows
    m0(x)   = P(Y=1 | not offered, x)     one binary model, learnt from the others

The cells are modelled jointly, never as P(C) P(Y): claim and outcome are not independent given x,
and the product moves every stratum but the coupon buyers.  Boosted classes share the table's bins
with every other model of the fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import lightgbm
import numpy as np
from scipy.special import softmax
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import has_fit_parameter

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.folds import fold_ids
from equipoise.estimators.base import propensities
from equipoise.estimators.strata.sample import StrataSample
from equipoise.learners.base_learners import MANY, BoostedTrees, Fitted, check_model
from equipoise.learners.crossfit import Nuisance, cross_fit
from equipoise.learners.tables import Rows, Table, threads_for
from equipoise.learners.tree_scoring import Trees, predict_many

CELLS = 4
Gradient = Callable[[Floats], tuple[Floats, Floats]]


class FittedClasses(Protocol):
    """A learnt model of classes."""

    def predict(self, X: Floats, rows: Ints | None = None) -> Floats:
        """The probability of each class, (n, classes), for all rows of X or those named."""


class Softmax:
    """A learnt ensemble of trees for each class.   trees: (classes,);  start: (classes,), added to
    their sums.
    """

    def __init__(self, trees: list[Trees], start: list[float]) -> None:
        self.trees = trees
        self.start = start

    def predict(self, X: Floats, rows: Ints | None = None) -> Floats:
        """softmax(start + sum of the trees), (n, classes)."""
        p: Floats = softmax(np.asarray(self.start) + predict_many(self.trees, X, rows).T, axis=1)
        return p


class ForeignClasses:
    """A learnt scikit-learn classifier of codes 0..classes-1, some of which it may never have
    seen.
    """

    def __init__(self, model: Any, classes: int) -> None:
        self.model = model
        self.classes = classes

    def predict(self, X: Floats, rows: Ints | None = None) -> Floats:
        """The probability of each class, (n, classes); 0 for a class that was never seen."""
        some = X if rows is None else X[rows]
        p = np.zeros((len(some), self.classes))
        p[:, np.asarray(self.model.classes_, np.int64)] = self.model.predict_proba(some)
        return p


def split_classes(text: str, classes: int) -> list[str]:
    """LightGBM's model text as one text a class: tree i belongs to class i mod classes.

    >>> model = "head\\nTree=0\\nTree=1\\nTree=2\\nTree=3\\nend of trees\\n"
    >>> [part.count("Tree=") for part in split_classes(model, 2)]
    [2, 2]
    """
    head, *trees = text.split("\nend of trees")[0].split("\nTree=")
    return ["\nTree=".join([head, *trees[c::classes]]) + "\nend of trees\n" for c in range(classes)]


class BoostedClasses(BoostedTrees):
    """Gradient boosted trees for classes: LightGBM with the multiclass likelihood.

    Parameters
    ----------
    n_estimators : int, default 100
        How many steps of boosting.
    learning_rate : float, default 0.1
        The size of a step, > 0.
    num_leaves : int, default 31
        Leaves of a tree, at least 2.
    max_bin : int, default 127
        How finely it sees a feature, at most 255.
    min_child_samples : int, default 20
        The fewest rows of a leaf.
    reg_lambda : float, default 0.0
        Added to the weight of each leaf, in rows (L2).
    monotone : sequence of str, optional
        For each feature "increasing", "decreasing" or None; None for no constraint at all.
    n_jobs : int, default 0
        Threads; 0 takes all, but one for a small table, where more would wait for each other; the
        numbers do not depend on it.
    min_child_events : float, default 0.0
        Kept for the trees it shares: classes have leaves by rows.
    early_stopping_rounds : int, default 0
        Kept for the trees it shares: classes take as many as ``n_estimators`` says.
    categories : {"ordered", "native"}, default "ordered"
        As of `BoostedTrees`; here columns of text are split by order in any case.

    Examples
    --------
    >>> from equipoise.learners.tables import Table
    >>> X = np.arange(100.0)[:, None]
    >>> rows = Rows(Table(X, ["x"]), None)
    >>> code = (X[:, 0] >= 50).astype(np.int64)
    >>> classes = BoostedClasses(n_estimators=20).learn_classes(rows, code, None, classes=2)
    >>> classes.predict(np.array([[10.0], [90.0]])).round(1).tolist()
    [[0.9, 0.1], [0.1, 0.9]]
    """

    def learn_classes(self, rows: Rows, code: Ints, weight: Floats | None, classes: int) -> Softmax:
        """Learn the class of these rows.

        Parameters
        ----------
        rows : Rows
            Rows of a table.
        code : array of int, (rows,)
            The class of each, in 0..classes-1.
        weight : array, (rows,), or None
            Weights > 0.
        classes : int
            How many.

        Returns
        -------
        Softmax
            The learnt probabilities.
        """
        return Softmax(self._boost(rows, code, weight, classes), [0.0] * classes)

    def climb(self, rows: Rows, gradient: Gradient, start: Floats) -> Softmax:
        """Learn by a gradient of one's own.

        Parameters
        ----------
        rows : Rows
            Rows of a table.
        gradient : callable
            Scores (rows, classes) -> gradient and curvature of the loss, (rows, classes) each.
        start : array, (classes,)
            The scores before the first tree.

        Returns
        -------
        Softmax
            The learnt probabilities.
        """
        blank = np.zeros(len(rows.table.X) if rows.index is None else len(rows.index))
        trees = self._boost(
            rows, blank, None, len(start), lambda scores, _: gradient(scores + start)
        )
        return Softmax(trees, start.tolist())

    def _boost(
        self, rows: Rows, label: Any, weight: Floats | None, classes: int, gradient: Any = None
    ) -> list[Trees]:
        self.check()
        threads = threads_for(self.n_jobs, len(rows.table.X))
        objective = {
            "objective": "multiclass" if gradient is None else "none",
            "num_class": classes,
        }
        settings = self.settings(threads) | objective
        data = rows.binned(self.max_bin, threads)
        data.params = settings
        data.set_label(label)
        data.set_field("weight", weight)
        booster = lightgbm.Booster(settings, data)
        for _ in range(self.n_estimators):
            if booster.update(fobj=gradient):
                break
        return [Trees(part) for part in split_classes(booster.model_to_string(), classes)]


def default_classes(rows: float) -> BoostedClasses:
    """The model of the claim cells, for so many offered rows: leaves as measured on the incentive
    world.
    """
    return BoostedClasses(num_leaves=_leaves(rows))


def default_level(rows: float) -> BoostedTrees:
    """The model of the outcome without an offer, for so many rows of it."""
    return BoostedTrees(num_leaves=_leaves(rows))


def default_missed(trees: int = 50) -> BoostedTrees:
    """The model of what the outcome models missed: little signal beside much noise, so few small
    trees and short steps.
    """
    return BoostedTrees(n_estimators=trees, learning_rate=0.05, num_leaves=4)


def _leaves(rows: float) -> int:
    return 15 if rows >= MANY else 8 if rows >= MANY / 2 else 4


def learn_classes(
    model: Any,
    rows: Rows,
    code: Ints,
    weight: Floats | None = None,
    *,
    classes: int = CELLS,
    seed: int = 0,
) -> FittedClasses:
    """Fit a fresh copy of a model of classes to rows of a table.   code, weight: (rows,)."""
    if hasattr(model, "learn_classes"):
        class_model: FittedClasses = model.learn_classes(rows, code, weight, classes)
        return class_model
    fresh = clone(model)
    if fresh.get_params().get("random_state", seed) is None:
        fresh.set_params(random_state=seed)
    if weight is None:
        return ForeignClasses(fresh.fit(rows.of(rows.table.X), code), classes)
    if not has_fit_parameter(fresh, "sample_weight"):
        raise InputError(
            f"base model {type(model).__name__}",
            "take sample_weight",
            "a fit without it",
            fix="use one that does",
        )
    return ForeignClasses(fresh.fit(rows.of(rows.table.X), code, sample_weight=weight), classes)


def check_classes(model: Any, role: str, table: Table) -> None:
    """Whether a model can tell classes apart, before anything is fitted."""
    if hasattr(model, "learn_classes"):
        return
    if not is_classifier(model):
        raise InputError(
            role,
            "be a classifier",
            repr(model),
            fix="take one of scikit-learn, or None for boosted classes",
        )
    check_model(model, role, table)


@dataclass(frozen=True)
class Nuisances:
    """What was learnt of an experiment's cells.

    Attributes
    ----------
    q, m0 : (n, 4) and (n,), by models that did not see the row.   propensity : (n,), P(offered |
        x).
    cells, levels : the models of each fold.   table, fold : of the fit.
    """

    q: Floats
    m0: Floats
    propensity: Floats
    cells: list[FittedClasses]
    levels: list[Fitted]
    table: Table
    fold: Ints


def folds_of(data: StrataSample, folds: int, seed: int) -> Ints:
    """The fold of each row, (n,): equal within every cell of offer, claim and outcome."""
    return fold_ids(
        len(data), folds, seed, strata=data.cell + CELLS * data.offered, groups=data.rows.groups
    )


def offer_propensity(data: StrataSample, fold: Ints) -> Floats:
    """P(offered | x), (n,): as known, as learnt across folds, or the observed share."""
    return np.ascontiguousarray(propensities(data.rows, data.offered, 2, fold)[:, 1])


def learn_nuisances(
    cells: Any, outcome: Any, data: StrataSample, *, folds: int, seed: int
) -> Nuisances:
    """Learn q and m0 across folds.   cells: a model of classes; outcome: a regressor or classifier;
    None for boosted trees.
    """
    table = Table(data.rows.X, data.rows.features)
    offered = data.offered == 1
    cells = default_classes(float(offered.sum())) if cells is None else cells
    outcome = default_level(float((~offered).sum())) if outcome is None else outcome
    check_classes(cells, "cells", table)
    check_model(outcome, "outcome_model", table)
    fold = folds_of(data, folds, seed)
    code, weight = data.cell, data.rows.weight
    q, models = np.empty((len(data), CELLS)), []
    for f in range(folds):
        rows = Rows(table, np.flatnonzero(offered & (fold != f)))
        part = None if weight is None else rows.of(weight)
        models.append(learn_classes(cells, rows, rows.of(code), part, seed=seed))
        own = np.flatnonzero(fold == f)
        q[own] = models[-1].predict(table.X, own)
    level = cross_fit(outcome, table, [Nuisance(~offered, data.rows.y)], fold, weight, seed)
    levels = [of_fold[0][0] for of_fold in level.models]
    return Nuisances(
        q, level.predictions[:, 0, 0], offer_propensity(data, fold), models, levels, table, fold
    )


def mean_cells(
    cells: Sequence[FittedClasses], levels: Sequence[Fitted], X: Floats
) -> tuple[Floats, Floats]:
    """q (n, 4) and m0 (n,) of new rows: the means over the folds' models."""
    q = np.mean([model.predict(X) for model in cells], axis=0)
    return q, np.mean([model.predict(X) for model in levels], axis=0)
