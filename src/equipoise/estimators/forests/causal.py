"""Causal forest: effects from trees that split where the effect differs, with standard errors.

    y - m(x),  1{t = a} - e_a(x)               cross-fitted residuals (Robinson 1988)
    bags of trees, each on half of the groups  honest: one half of these grows a tree, the other
                                               fills its leaves
    split where theta differs most             the moment of residuals on residuals, solved in each
                                               node (`forests.moments`), all arms at once
    theta(x) = A(x)^-1 c(x)                    A, c: the mean over trees of the covariances of W
                                               with W and y in the leaves of x
    var theta(x)                               between bags less what noise within them makes
                                               (little bags), and what so few bags leave

A leaf keeps its mean moments, so that predicting walks down the trees and never looks at rows.

    Athey, Tibshirani & Wager (2019), Generalized random forests, Annals of Statistics 47;
    Wager & Athey (2018), JASA 113; Sexton & Laake (2009) for little bags.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, propensities
from equipoise.estimators.design import design
from equipoise.estimators.forests import leaf_moments, moments
from equipoise.estimators.forests.binning import MISSING, binned, quantiles
from equipoise.estimators.forests.levels import MOST, as_codes
from equipoise.estimators.training_data import Sample
from equipoise.learners.base_learners import default_outcome, predict_all
from equipoise.learners.crossfit import Nuisance, cross_fit, learn_targets

LEAST = 5  # rows of the smallest leaf that is tried
BALANCE = 0.05  # least part of what a node tells that a child keeps
JUDGES = 10_000  # rows that judge the size of leaves
UNREFUTED = 2.0  # standard errors within which a smaller leaf is taken
NODE = ("feature", "at", "left", "child", "means", "sets")


@dataclass(frozen=True)
class Draws:
    """Who is in which tree.

    Attributes
    ----------
    unit : (n,) the cluster of each row.   bags : the clusters of each bag, half of all.
    """

    unit: Ints
    bags: list[Ints]

    def halves(self, bag: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """The rows that grow a tree of a bag, and those that fill its leaves."""
        drawn = rng.permutation(self.bags[bag])
        middle, mark = len(drawn) // 2, np.zeros(int(self.unit.max()) + 1, np.int8)
        mark[drawn[:middle]], mark[drawn[middle:]] = 1, 2
        return np.flatnonzero(mark[self.unit] == 1), np.flatnonzero(mark[self.unit] == 2)

    def inside(self, rows: slice) -> Any:
        """Whether each bag holds rows, (bags, rows)."""
        held = np.zeros((len(self.bags), int(self.unit.max()) + 1), np.bool_)
        for bag, drawn in zip(held, self.bags, strict=True):
            bag[drawn] = True
        return np.ascontiguousarray(held[:, self.unit[rows]])


@renamed_arguments(
    bins="max_bin", outcome="outcome_model", folds="cv", threads="n_jobs", seed="random_state"
)
class CausalForest(EffectEstimator):
    """A forest of effects, for any number of arms and metrics, with standard errors.

    Missing features are sent to the side of each split where they do most good; columns of text
    are split by sets of their levels, and a level that is new goes where most rows do.  Clusters
    given by ``groups`` are drawn whole, so that standard errors are theirs.

    Parameters
    ----------
    n_estimators : int, default 100
        How many trees, a multiple of ``subforest_size``; more make errors and intervals smaller.
    min_samples_leaf : int, optional
        The fewest rows of a leaf, about: a node of twice as many is split.  None takes the smallest
        of 5, 10, 20, ... whose squared error of residual outcomes, by trees that did not draw the
        row, is within two standard errors of the best, or the best itself where even the largest
        is: effects may then be the same for all; by metric.
    max_bin : int, default 254
        Bins of a feature, at most 254.
    max_features : float, default 1.0
        The share of features that a node tries, in (0, 1].
    subforest_size : int, default 4
        Trees of a little bag, at least 2.
    modifiers : sequence of str or int, optional
        The features (names or positions) that the effect varies with; None is all of them.  The
        others are controls: levels and propensity count them, the effect does not.
    outcome_model : regressor or classifier, optional
        Of the mean m and the control level; a classifier for 0/1 outcomes; None for boosted trees.
    cv : int, default 3
        Folds of cross-fitting.
    n_jobs : int, default 1
        Threads over trees, -1 for all; the numbers do not depend on it.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    random_state : int, default 0
        Of the draws, the folds, and of base models that are random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    Attributes
    ----------
    min_samples_leaf_ : array of int, (m,)
        The size of leaves that each metric's forest has.

    Notes
    -----
    Standard errors are those of the forest's own weights: where effects bend more than leaves can
    follow, its bias comes on top.

    References
    ----------
    Athey, Tibshirani & Wager (2019), "Generalized random forests", Annals of Statistics 47.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.uniform(size=(4000, 2)), rng.integers(2, size=4000)
    >>> y = X[:, 1] + 2 * t * (X[:, 0] > 0.5) + 0.5 * rng.normal(size=4000)
    >>> effects = CausalForest(20).fit(X, y, treatment=t).effects([[0.2, 0.5], [0.8, 0.5]])
    >>> effects.values[:, 0, 0].round().tolist()
    [0.0, 2.0]
    >>> effects.std_error.shape
    (2, 1, 1)
    """

    takes = "finite: Arms, or Dose by its bins"
    unit_free = True
    uses_propensity = True
    gives_std_error = True
    error_method = "causal forest, bootstrap of little bags"
    effect_model = None  # the forest itself
    kept_: Bools | None = None  # the columns that it may split by; old snapshots say none

    def __init__(
        self,
        n_estimators: int = 100,
        min_samples_leaf: int | None = None,
        *,
        max_bin: int = 254,
        max_features: float = 1.0,
        subforest_size: int = 4,
        modifiers: Sequence[str] | Sequence[int] | None = None,
        outcome_model: Any = None,
        cv: int = 3,
        n_jobs: int = 1,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_bin = max_bin
        self.max_features = max_features
        self.subforest_size = subforest_size
        self.modifiers = modifiers
        self.outcome_model = outcome_model
        self.cv = cv
        self.n_jobs = n_jobs
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _learn(self, data: Sample) -> None:
        self._check()
        setup = design(self, data)
        table, cell, weight, seed = setup.table, setup.cell, data.weight, self.random_state
        # the mean is learnt from all rows, a level from those of control
        outcome = default_outcome(len(data)) if self.outcome_model is None else setup.outcome
        every, control = Nuisance(None, data.y), Nuisance(cell == 0, data.y)
        mean = cross_fit(outcome, table, [every], setup.fold, weight, seed).predictions[:, 0]
        e = propensities(data, cell, setup.cells, setup.fold)
        self.levels_ = learn_targets(setup.outcome, table, control, weight=weight, seed=seed)
        W = (cell[:, None] == np.arange(1, setup.cells)) - e[:, 1:]
        w = np.ones(len(data)) if weight is None else weight / weight.mean()
        kept = np.ones(data.X.shape[1], np.bool_)
        if setup.modifiers is not None:
            kept[:] = np.isin(np.arange(len(kept)), setup.modifiers)
        self.kept_ = kept
        X, categorical = as_codes(data.X, self.encoding_, kept)
        self.columns_ = in_own_order(X)
        X, self.categorical_ = X[:, self.columns_], categorical[self.columns_]
        self.knots_ = self._knots(X, w, self.categorical_)
        bins = binned(X, self.knots_)
        draws = self._draws(np.arange(len(data)) if data.groups is None else data.groups)
        parts = [
            self._forest(bins, W, np.ascontiguousarray(column), w, draws)
            for column in (data.y - mean).T
        ]
        self.forests_ = [forest for forest, _ in parts]
        self.min_samples_leaf_ = np.asarray([least for _, least in parts])

    def _knots(self, X: Floats, w: Floats, categorical: Bools) -> list[Floats]:
        """The inner edges of each feature's bins; those of a category make a bin of each code."""
        known = ~np.isnan(X)
        return [
            np.arange(min(X[rows, j].max(), MOST - 1))
            if categorical[j]
            else quantiles(X[rows, j], w[rows], self.max_bin)
            for j, rows in enumerate(known.T)
        ]

    def _check(self) -> None:
        least = 1 if self.min_samples_leaf is None else self.min_samples_leaf
        if min(self.n_estimators, least) < 1 or not 0 < self.max_features <= 1:
            raise InputError(
                "n_estimators, min_samples_leaf; max_features",
                "be whole numbers >= 1, and a share in (0, 1]",
                (self.n_estimators, self.min_samples_leaf, self.max_features),
            )
        if not 2 <= self.max_bin < MISSING:
            raise InputError("max_bin", f"lie in 2..{MISSING - 1}", self.max_bin)
        size = self.subforest_size
        if size < 2 or self.n_estimators % size or self.n_estimators < 2 * size:
            raise InputError(
                "n_estimators",
                f"be two or more times subforest_size, {size}, which is at least 2",
                self.n_estimators,
                fix="standard errors compare little bags of as many trees",
            )

    def _draws(self, unit: Ints) -> Draws:
        units, bags = int(unit.max()) + 1, self.n_estimators // self.subforest_size
        rngs = [np.random.default_rng([self.random_state, 0, b]) for b in range(bags)]
        return Draws(unit, [rng.permutation(units)[: max(2, units // 2)] for rng in rngs])

    def _forest(
        self, bins: Any, W: Floats, y: Floats, w: Floats, draws: Draws
    ) -> tuple[dict[str, Any], int]:
        """One forest, its nodes side by side, and the size of its leaves."""
        by_feature = np.ascontiguousarray(bins.T)
        features = max(1, round(self.max_features * len(by_feature)))
        least = LEAST if self.min_samples_leaf is None else self.min_samples_leaf

        def one(t: int) -> tuple[Any, ...]:
            rng = np.random.default_rng([self.random_state, 1, t])
            halves = draws.halves(t // self.subforest_size, rng)
            seed = int(rng.integers(2**31))
            asked = by_feature, W, y, w, *halves, least, BALANCE, features, seed, self.categorical_
            tree: tuple[Any, ...] = moments.grow(*asked)
            return tree

        with ThreadPoolExecutor(self.n_jobs if self.n_jobs > 0 else os.cpu_count()) as pool:
            trees = list(pool.map(one, range(self.n_estimators)))
        if self.min_samples_leaf is None:
            least = self._best_leaf(trees, bins, W, y, w, draws)
            trees = [moments.prune(*(*tree, least)) for tree in trees]
        return side_by_side(trees), least

    def _best_leaf(
        self, trees: list[Any], bins: Any, W: Floats, y: Floats, w: Floats, draws: Draws
    ) -> int:
        """The smallest leaf that rows outside the bags do not refute, which covers where effects
        are steep; where they refute not even the largest, effects may be flat, and it is the leaf
        of the least loss.
        """
        doublings = int(np.log2(max(1, len(draws.bags[0]) / (4 * LEAST))))
        sizes = LEAST * 2 ** np.arange(doublings, -1, -1)
        some = slice(0, JUDGES)  # rows come in an order that is a draw
        squares = np.empty((len(y[some]), len(sizes)))
        forest = side_by_side(trees)
        parts = [forest[name] for name in (*NODE, "size", "starts")]
        rows = np.ascontiguousarray(bins[some]), W[some], y[some]
        asked = *rows, draws.inside(some), *parts, self.subforest_size, sizes, squares
        leaf_moments.losses(*asked)
        weight = w[some] / w[some].sum()
        loss = weight @ squares
        gap = squares - squares[:, [int(np.argmin(loss))]]
        error = np.sqrt(weight**2 @ (gap - weight @ gap) ** 2)
        kept = loss - loss.min() <= UNREFUTED * error
        return int(sizes[int(np.argmin(loss))] if kept[0] else sizes[kept][-1])

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
        given = X
        if self.kept_ is not None:
            X, _ = as_codes(X, self.encoding_, self.kept_)
        bins = binned(X[:, self.columns_], self.knots_)
        cells, k = self.space_.cells(treatment), len(self.space_.candidates())
        values, variances = np.zeros((2, len(X), 1 + k, len(self.forests_)))
        for j, forest in enumerate(self.forests_):
            theta, variance = np.empty((2, len(X), k))
            forest = {"sets": np.zeros((0, 4), np.uint64), **forest}
            parts = (forest[name] for name in (*NODE, "starts"))
            asked = bins, *parts, self.subforest_size, theta, variance
            leaf_moments.answer(*asked)
            values[:, 1:, j], variances[:, 1:, j] = theta, variance
        baseline = np.ascontiguousarray(predict_all(self.levels_, given).T)
        return values[:, cells], baseline, np.sqrt(variances[:, cells])


def side_by_side(trees: list[Any]) -> dict[str, Any]:
    """The nodes of all trees, and where those of each begin, (trees + 1,)."""
    names = (*NODE, "size")[: len(trees[0])]
    forest = {name: np.concatenate([tree[p] for tree in trees]) for p, name in enumerate(names)}
    return forest | {"starts": np.cumsum([0, *(len(tree[0]) for tree in trees)])}


def in_own_order(X: Floats) -> Ints:
    """The columns of X (n, d) in an order of what they hold, (d,), so that a tie of two features
    ends the same way however they come.
    """
    return np.asarray(sorted(range(X.shape[1]), key=lambda j: X[:, j].tobytes()))
