"""MDP2 forest: how to divide a whole among K parts for each unit, by trees that split where the
best division differs.

    y <- y - m(x), m cross-fitted              without it, who was given what passes for what it did
    w <- w f(t) / f(t | x), where asked        rows as if mixes had been drawn whatever the user
    trees on subsamples; one order of the shares a node; the CUSUM criterion (`forests.kernels`)
    leaves from rows that did not grow the tree (honest); the policy of a unit is the mean of its
    leaves', brought to a sum of 1

Beyond the policy, every leaf has additive curves: the ridge of the outcome on linear splines of the
shares.  Averaged over trees they say the effect of any mix.  With ``leaf="curve"`` a leaf's policy
is the best mix of its own curves, found exactly on a grid within what the leaf has seen, and the
policy of a unit the mean of its leaves'.  (The best mix of the mean of the curves would jump to an
end of the range wherever a mean curve is nearly straight: docs/shares.md.)

    Yu, Liu et al. (2022), KDD, "MDP2 forest".   ``integral="width"``, ``centred=False`` and
    ``residual=False`` give the published criterion, which integrates by width and does not centre;
    what that costs is in docs/shares.md.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError, UnsupportedSpace
from equipoise.core.folds import fold_ids
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, complete
from equipoise.estimators.forests import kernels, ridges
from equipoise.estimators.forests.binning import binned, quantiles
from equipoise.estimators.forests.leaf_choice import KINDS, choose_leaf
from equipoise.estimators.forests.simplex import best_mix, within_bounds
from equipoise.estimators.training_data import Sample
from equipoise.learners.base_learners import learn, plain_outcome, predict_all
from equipoise.learners.crossfit import Nuisance, cross_fit
from equipoise.learners.tables import Rows as TableRows
from equipoise.learners.tables import Table

CRITERIA = {"mdpp": kernels.MDPP, "mdpp_penalised": kernels.PENALISED, "curve_het": kernels.CURVE}
KNOTS = 4  # of the splines of a share
# rows of a leaf that its curves are fitted to: more than a ridge of K KNOTS numbers needs
CURVED = 4_000
GRID = 50  # steps of the best mix
# of the height of a leaf's curves: among mixes worth the same, the one nearest to what was shown
# there
TIE = 1e-6
FOLDS = 2
SHALLOW, SPARE = 7, 2  # the depth of every tree or every other; levels beyond those of even trees
LEAST_ODDS, MOST = 0.01, 10.0  # of a row's balancing weight


@renamed_arguments(
    trees="n_estimators",
    depth="max_depth",
    least="min_samples_leaf",
    bins="max_bin",
    features="max_features",
    threads="n_jobs",
    seed="random_state",
)
class MDP2Forest(EffectEstimator):
    """A forest that divides a whole among K parts for each unit.

    Parameters
    ----------
    n_estimators : int, default 100
        How many trees.
    max_depth : int, optional
        How deep they are; None: 7, and every other one as deep as leaves of that size allow.
    min_samples_leaf : int, default 40
        The fewest rows of a leaf.
    max_bin : int, default 32
        Bins of a feature.
    cuts : int, default 24
        Bins of a share.
    subsample : float, default 0.63
        The share of rows a tree draws without replacement, in (0, 1].
    max_features : float, default 1.0
        The share of features a tree may use, in (0, 1].
    criterion : str, default "mdpp_penalised"
        "mdpp", "mdpp_penalised" (less the criterion's own variance) or "curve_het" (how far the
        curves vary).
    leaf : str, default "auto"
        What divides in a leaf: "mdpp" (the cuts of the criterion), "curve" (the best mix of its
        curves) or "both" (their mean); "auto" takes "both" unless held-out rows are sure that one
        alone is worth more, by metric.
    honest : bool, default False
        Whether half of a tree's rows are kept for its leaves.
    residual : bool, default True
        Whether the cross-fitted mean is taken off y.
    balanced : bool, default False
        Whether rows are weighted by how much likelier their mix is for anybody than for such a
        user: a classifier's odds between rows and rows with permuted mixes, out of fold, clipped.
    integral : str, default "mass"
        "mass", or "width" for the published criterion.
    centred : bool, default True
        Whether the node's mean is taken off in the criterion; False for the published one.
    ridge : float, default 5.0
        The penalty of the curves, in rows.
    n_jobs : int, default 1
        Threads over trees; the numbers do not depend on it.
    space : Space, default None
        Shares, which must be given.
    random_state : int, default 0
        Of subsamples, orders of shares and folds.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    Attributes
    ----------
    leaf_ : list of str, (m,)
        What divides in a leaf, by metric.
    effective_ : float
        How many rows of equal weight the rows count for (Kish 1965); with ``balanced`` fewer than
        there are.

    References
    ----------
    Yu, Liu et al. (2022), "MDP2 forest", KDD; for ``balanced`` Arbour, Dimmery & Sondhi (2021),
    "Permutation weighting", ICML.

    Examples
    --------
    >>> from equipoise.treatments import Shares
    >>> MDP2Forest(leaf="curve", space=Shares(3)).get_params()["criterion"]
    'mdpp_penalised'
    """

    takes = "Shares"
    takes_gaps = False
    unit_free = True
    leaf_: list[str] | None = None  # as version 0.1.0 left it: that of the argument

    def __init__(
        self,
        n_estimators: int = 100,
        max_depth: int | None = None,
        min_samples_leaf: int = 40,
        *,
        max_bin: int = 32,
        cuts: int = 24,
        subsample: float = 0.63,
        max_features: float = 1.0,
        criterion: str = "mdpp_penalised",
        leaf: str = "auto",
        honest: bool = False,
        residual: bool = True,
        balanced: bool = False,
        integral: str = "mass",
        centred: bool = True,
        ridge: float = 5.0,
        n_jobs: int = 1,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_bin = max_bin
        self.cuts = cuts
        self.subsample = subsample
        self.max_features = max_features
        self.criterion = criterion
        self.leaf = leaf
        self.honest = honest
        self.residual = residual
        self.balanced = balanced
        self.integral = integral
        self.centred = centred
        self.ridge = ridge
        self.n_jobs = n_jobs
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def recommend(self, X: Any, *, metric: int = 0, low: Any = None, high: Any = None) -> Floats:
        """The best division for each row.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.
        metric : int, default 0
            Which outcome is to be large.
        low : array-like, (K,), optional
            Lower bounds of the shares; None for those of the space, its movement limit among them.
        high : array-like, (K,), optional
            Upper bounds, likewise.

        Returns
        -------
        array, (n, K)
            Shares >= 0 that sum to 1.
        """
        values, _ = self._inputs(X, None)
        return self._divide(values, metric, low, high)

    def support(self, X: Any, *, metric: int = 0) -> Floats:
        """How far each share reaches in the leaves of rows.

        A recommended share above it is an extrapolation: dividing by the sum can carry the mean of
        the cuts there.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.
        metric : int, default 0
            The outcome whose forest is used.

        Returns
        -------
        array, (n, K)
            The share below which 98 % of a leaf's rows lie, the mean over trees.
        """
        values, _ = self._inputs(X, None)
        return self._leaf_means(values, metric, self.forests_[metric]["limit"])

    def _learn(self, data: Sample) -> None:
        ask = getattr(self.space_, "shares", None)
        if ask is None:
            raise UnsupportedSpace(
                "this estimator's space",
                "be shares of a whole",
                self.space_.describe(),
                fix="use Shares",
            )
        self._check(data)
        data = _in_order(data)
        T = ask(data.treatment)
        if (np.ptp(T, axis=0) == 0).all():
            fix = "log more than one mix"
            raise InputError(
                "the treatments of the rows",
                "vary",
                self.space_.names(data.treatment[:1])[0],
                fix=fix,
            )
        complete(data.X, data.features)
        w = np.ones(len(data)) if data.weight is None else data.weight / data.weight.mean()
        self.knots_ = [quantiles(data.X[:, j], w, self.max_bin) for j in range(data.X.shape[1])]
        self.edges_ = _edges(T, w, self.cuts)
        table, model = data.table(), plain_outcome(len(data))
        fold = fold_ids(len(data), FOLDS, self.random_state, groups=data.groups)
        mean = cross_fit(model, table, [Nuisance(None, data.y)], fold, data.weight).predictions[
            :, 0
        ]
        every = TableRows(table, None)
        self.means_ = [
            learn(model, every, column, data.weight, self.random_state)
            for column in np.ascontiguousarray(data.y.T)
        ]
        y = data.y - mean if self.residual else data.y
        if self.balanced:
            w = w * balance(data, T, model, fold, self.random_state)
            w /= w.mean()
        self.effective_ = float(w.sum() ** 2 / (w @ w))
        kinds = KINDS if self.leaf == "auto" else (self.leaf,)
        columns = np.ascontiguousarray(y.T)
        self.leaf_ = [choose_leaf(self, data.X, T, w, column, fold, kinds) for column in columns]
        self.forests_ = [self._grow(data.X, T, w, column) for column in columns]

    def _check(self, data: Sample) -> None:
        for name, choices in (
            ("criterion", CRITERIA),
            ("leaf", ("auto", *KINDS)),
            ("integral", ("mass", "width")),
        ):
            if getattr(self, name) not in choices:
                raise InputError(name, f"be one of {', '.join(choices)}", repr(getattr(self, name)))
        if min(self.n_estimators, self.max_depth or 1, self.min_samples_leaf) < 1 or not (
            0 < self.subsample <= 1 and 0 < self.max_features <= 1
        ):
            must = "be whole numbers >= 1, and shares in (0, 1]"
            raise InputError(
                "n_estimators, max_depth, min_samples_leaf; subsample, max_features",
                must,
                (self.n_estimators, self.max_depth, self.min_samples_leaf),
            )
        if len(data) < 2 * self.min_samples_leaf:
            raise InputError(
                "the rows",
                f"be at least two leaves of {self.min_samples_leaf}",
                len(data),
                fix="lower min_samples_leaf, or log more",
            )

    def _depths(self, rows: int) -> tuple[int, ...]:
        """The depths that trees take turns with."""
        if self.max_depth is not None:
            return (self.max_depth,)
        leaves = max(1.0, self.subsample * rows / (2 * self.min_samples_leaf))
        deep = SPARE + int(np.ceil(np.log2(leaves)))
        return (SHALLOW, deep) if deep > SHALLOW else (SHALLOW,)

    def _grow(self, X: Floats, T: Floats, w: Floats, y: Floats) -> dict[str, Any]:
        """One forest: its nodes side by side."""
        depths = self._depths(len(X))
        Xb, K = binned(X, self.knots_), T.shape[1]
        q = self.edges_.shape[1] - 1
        bins = np.column_stack(
            [np.searchsorted(self.edges_[k, 1:-1], T[:, k], side="left") for k in range(K)]
        )
        place = (bins + q * np.arange(K)).astype(np.uint16)
        y = y - float(np.average(y, weights=w))
        many = bool((w != 1).any()) or len(y) > kernels.ONES
        spread = float(np.average(y**2, weights=w))
        packed, unit = (np.empty(0, np.int64), 1.0) if many else kernels.pack(y)
        arguments = (Xb, place, T, w, w * y, packed, unit, spread)

        def one(t: int) -> tuple[Any, ...]:
            rng = np.random.default_rng([self.random_state, t])
            return self._tree(rng, depths[t % len(depths)], y, *arguments)

        with ThreadPoolExecutor(self.n_jobs if self.n_jobs > 0 else os.cpu_count()) as pool:
            trees = list(pool.map(one, range(self.n_estimators)))
        parts = [np.concatenate([tree[p] for tree in trees]) for p in range(len(trees[0]))]
        starts = np.concatenate([[0], np.cumsum([len(tree[0]) for tree in trees])]).astype(np.int64)
        return dict(
            zip(("feature", "at", "child", "policy", "limit", "curve"), parts, strict=True)
        ) | {"starts": starts}

    def _tree(
        self,
        rng: np.random.Generator,
        depth: int,
        y: Floats,
        Xb: Any,
        place: Any,
        T: Floats,
        w: Floats,
        wy: Floats,
        packed: Any,
        unit: float,
        spread: float,
    ) -> tuple[Any, ...]:
        n, d = Xb.shape
        subsample = rng.permutation(n)[
            : max(2 * self.min_samples_leaf, int(self.subsample * n))
        ].astype(np.int32)
        cut = len(subsample) // 2 if self.honest else 0
        rows, apart = (
            np.sort(subsample[cut:]),
            np.sort(subsample[:cut] if self.honest else subsample),
        )
        columns = np.sort(rng.permutation(d)[: max(1, round(self.max_features * d))]).astype(
            np.int32
        )
        mass, code = self.integral == "mass", CRITERIA[self.criterion]
        settings = (
            self.max_bin,
            depth,
            self.min_samples_leaf,
            code,
            mass,
            self.centred,
            spread,
            int(rng.integers(2**31)),
        )
        feature, at, child, order = kernels.grow(
            Xb, place, w, wy, packed, unit, rows, columns, self.edges_, *settings
        )
        leaf = kernels.leaf_of(Xb, feature, at, child, apart)
        policy = np.zeros((len(feature), T.shape[1]))
        kernels.policies(
            leaf, apart, place, w, wy, T, order, self.edges_, mass, self.centred, policy
        )
        by_leaf, few = np.argsort(leaf, kind="stable"), (len(feature), self.ridge, CURVED)
        curve, limit = ridges.ridges(
            leaf, by_leaf, apart, T, w, y, *self._parts(), self._control(), *few
        )
        return feature, at, child, policy, limit, curve

    def _parts(self) -> tuple[Floats, Floats]:
        """Where the parts of each share's range begin and how wide they are, (K, KNOTS) each."""
        q = self.edges_.shape[1] - 1
        knots = self.edges_[:, np.linspace(0, q, KNOTS + 1).round().astype(int)]
        return np.ascontiguousarray(knots[:, :-1]), np.maximum(np.diff(knots, axis=1), 1e-9)

    def _basis(self, T: Floats) -> Floats:
        """Linear splines of each share, (n, K KNOTS): how far it reaches into each part of its
        range.
        """
        out = np.empty((len(T), T.shape[1] * KNOTS))
        ridges.splines(np.ascontiguousarray(T, np.float64), *self._parts(), out)
        return out

    def _control(self) -> Floats:
        """The splines of control, (K KNOTS,)."""
        row: Floats = self._basis(np.asarray(self.space_.control, np.float64)[None])[0]
        return row

    def _leaf_means(self, X: Floats, metric: int, values: Floats) -> Floats:
        """The mean over trees of values of nodes, (nodes, c), in the leaves of rows, (n, c)."""
        complete(X, self._encoded_names)
        forest = self.forests_[metric]
        out = np.empty((len(X), values.shape[1]))
        Xb = binned(X, self.knots_)
        kernels.average(
            Xb, forest["feature"], forest["at"], forest["child"], forest["starts"], values, out
        )
        return out

    def _divide(self, X: Floats, metric: int, low: Any, high: Any) -> Floats:
        K = self.edges_.shape[0]
        space: Any = self.space_
        least, cap = (
            np.broadcast_to(own if side is None else side, K)
            for own, side in zip(space.bounds(), (low, high), strict=True)
        )
        kind = self.leaf if self.leaf_ is None else self.leaf_[metric]
        ways = {"mdpp": (self._cuts,), "curve": (self._curves,)}
        mixes = [way(X, metric, least, cap) for way in ways.get(kind, (self._cuts, self._curves))]
        return np.mean(mixes, axis=0) if len(mixes) > 1 else mixes[0]

    def _curves(self, X: Floats, metric: int, least: Floats, cap: Floats) -> Floats:
        """The mean over trees of the best mixes of leaves' curves."""
        return self._leaf_means(X, metric, self._best_of_leaves(self.forests_[metric], least, cap))

    def _cuts(self, X: Floats, metric: int, least: Floats, cap: Floats) -> Floats:
        """The mean over trees of the cuts of leaves, brought to a sum of 1."""
        mix = self._leaf_means(X, metric, self.forests_[metric]["policy"])
        divided: Floats = mix / mix.sum(axis=1, keepdims=True)
        free = (least <= 0).all() and (cap >= 1).all()
        return divided if free else within_bounds(divided, least, cap)

    def _best_of_leaves(self, forest: dict[str, Any], least: Floats, cap: Floats) -> Floats:
        """The best mix of each leaf's curves, (nodes, K), within bounds (K,) and what the leaf has
        seen; 0 for other nodes.
        """
        K = len(cap)
        grid = np.linspace(0, 1, GRID + 1)
        basis = self._basis(np.repeat(grid[:, None], K, axis=1)).reshape(GRID + 1, K, KNOTS)
        mixes: Floats = np.zeros_like(forest["policy"])
        # a tree at a time: the curves of a whole forest are large
        for start, end in pairwise(forest["starts"]):
            leaf = start + np.flatnonzero(forest["feature"][start:end] < 0)
            curves = np.einsum(
                "vkb,gkb->vkg", forest["curve"][leaf, :-1].reshape(-1, K, KNOTS), basis
            )
            height, limit = np.ptp(curves, axis=(1, 2))[:, None, None], forest["limit"][leaf]
            curves -= (
                TIE
                * np.where(height > 0, height, 1.0)
                * (grid - (limit / limit.sum(axis=1, keepdims=True))[:, :, None]) ** 2
            )
            most = np.maximum(np.minimum(limit, cap), least)
            # no mix stays within what was seen: see `support`
            most[most.sum(axis=1) < 1 + K / GRID] = cap
            mixes[leaf] = best_mix(curves, least, most)
        return mixes

    def _level(self, T: Floats, curves: Floats) -> Floats:
        """The outcome of mixes (n, K) by curves (n, K KNOTS + 1), (n,)."""
        level: Floats = np.einsum("nc,nc->n", self._basis(T) - self._control(), curves[:, :-1])
        return level + curves[:, -1]

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        ask: Any = self.space_
        B = self._basis(ask.shares(treatment)) - self._control()  # (k, K KNOTS)
        each = [self._leaf_means(X, j, forest["curve"]) for j, forest in enumerate(self.forests_)]
        curves = np.stack(each, axis=2)  # (n, K KNOTS + 1, m)
        values, baseline = np.einsum("kc,ncm->nkm", B, curves[:, :-1]), curves[:, -1]
        return (
            values,
            baseline + predict_all(self.means_, X).T if self.residual else baseline.copy(),
            None,
        )


def balance(data: Sample, T: Floats, model: Any, fold: Ints, seed: int) -> Floats:
    """f(t) / f(t | x) of each row, (n,), by models of the other folds, within 1 / MOST and MOST."""
    n = len(T)
    permutation = T[np.random.default_rng(seed).permutation(n)]

    def twice(X: Floats) -> Floats:
        return np.vstack([np.hstack([X, T]), np.hstack([X, permutation])])

    def of_folds(fold: Ints) -> list[Floats]:
        return [twice(part.X) for part in data.table().without_each(fold[:n])]

    both = Table(twice(data.X), (), None if data.of_folds is None else of_folds)
    weight = None if data.weight is None else np.tile(data.weight, 2)
    label = Nuisance(None, np.repeat([0.0, 1.0], n)[:, None])
    chance = cross_fit(model, both, [label], np.tile(fold, 2), weight, seed).predictions[:n, 0, 0]
    odds = np.clip(chance, LEAST_ODDS, 1 - LEAST_ODDS)
    ratio: Floats = np.clip(odds / (1 - odds), 1 / MOST, MOST)
    return ratio


def _in_order(data: Sample) -> Sample:
    """The rows by their groups, where given: then their order does not matter."""
    if data.groups is None:
        return data
    return data.take(np.argsort(data.groups, kind="stable"))


def _edges(T: Floats, weight: Floats, cuts: int) -> Floats:
    """Edges of the bins of each share, (K, cuts + 1), from 0 to its largest; bins of a constant
    share are empty but one.
    """
    edges = np.empty((T.shape[1], cuts + 1))
    for k in range(T.shape[1]):
        inner = quantiles(T[:, k], weight, cuts)
        edges[k, 1:-1] = np.r_[inner, np.full(cuts - 1 - len(inner), inner[-1])]
        edges[k, 0], edges[k, -1] = 0.0, T[:, k].max()
    return edges
