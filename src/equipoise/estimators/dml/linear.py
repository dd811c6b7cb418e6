"""LinearDML: double machine learning of an effect that is linear in the space's encoding and in the features.

The partially linear model (Robinson 1988; Chernozhukov et al. 2018, arXiv:1608.00060), for every metric at once:

    Y - m(x) = (phi(t) - E[phi | x])' Theta z + e,    z = [1, x],    effect of t at x = phi(t)' Theta z

m(x) = E[Y | x] and E[phi | x] are learnt across folds; Theta is least squares of residuals on the Kronecker rows
(phi - E[phi | x]) (x) z.  Its covariance is the HC1 sandwich, or the cluster-robust one when groups are given; orthogonality
lets it ignore the nuisance models' error.

By default both nuisances are ridge regressions solved from one Gram matrix a fold (`gram`), so that the whole fit is three
passes over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError, UnsupportedSpace
from equipoise.core.folds import fold_ids
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, finite_cells, propensities
from equipoise.estimators.crossfit import Nuisance, cross_fit, learn_targets
from equipoise.estimators.dml import gram
from equipoise.estimators.models import Fitted, Table, check_model, predict_all
from equipoise.estimators.sample import Sample

one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")  # several threads may add in another order


def standardise(X: Floats, centre: Floats, scale: Floats) -> Floats:
    """[1, (X - centre) / scale], (n, 1 + d)."""
    z = np.empty((len(X), 1 + X.shape[1]))
    z[:, 0] = 1.0
    np.subtract(X, centre, out=z[:, 1:])
    z[:, 1:] /= scale
    return z


def moments(X: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and standard deviation of each column, (d,) each; a constant column gets deviation 1."""
    mean = np.average(X, axis=0, weights=weight)
    deviation = np.sqrt(np.average(np.square(X - mean), axis=0, weights=weight))
    constant = deviation <= np.abs(mean) * 1e-12  # what rounding leaves of a constant column
    return mean, np.where(constant, 1.0, deviation)


def ridge_residuals(z: Floats, targets: Floats, weight: Floats, fold: Ints, alpha: float) -> Floats:
    """Targets less their ridge prediction by the other folds, (n, r).   z: (n, q); targets: (n, r)."""
    folds, q = int(fold.max()) + 1, z.shape[1]
    grams = gram.fold_grams([z, targets], weight, fold, folds)
    others = grams.sum(axis=0) - grams
    coefficients = np.stack([gram.ridge(other, q, alpha) for other in others])  # (folds, q, r)
    residuals = targets.copy()
    for f in range(folds):
        rows = fold == f
        residuals[rows] -= z[rows] @ coefficients[f]
    return residuals


def model_residuals(model: Any, role: str, table: Table, targets: Floats, weight: Floats | None, fold: Ints, seed: int) -> Floats:
    """Targets less the prediction of models that learnt on the other folds, (n, r).   targets: (n, r)."""
    check_model(model, role, table, classifier=False)
    return targets - cross_fit(model, table, [Nuisance(None, targets)], fold, weight, seed).held[:, 0]


def least_squares(t: Floats, z: Floats, y: Floats, weight: Floats, groups: Ints | None) -> tuple[Floats, Floats]:
    """Theta (p, q, m) and its robust covariance (m, p q, p q) of  y = t' Theta z + e.   t: (n, p); z: (n, q); y: (n, m)."""
    n, p, q, m = len(t), t.shape[1], z.shape[1], y.shape[1]
    bread, rank = gram.pseudo_inverse(gram.kronecker_gram(t, z, weight[:, None])[0])
    if n <= rank:
        raise InputError("the number of rows", f"be more than the {rank} coefficients", n, fix="use fewer modifiers")
    theta = (bread @ gram.kronecker_moment(t, z, y * weight[:, None])).reshape(p, q, m)
    score = weight[:, None] * (y - fitted(t, z, theta))  # (n, m)
    if groups is None:
        meat, correction = gram.kronecker_gram(t, z, np.square(score)), n / (n - rank)
    else:
        clusters = len(np.unique(groups))
        if clusters < 2:
            raise InputError("groups", "be two or more clusters", clusters, fix="leave groups out where rows are independent")
        meat, correction = gram.cluster_meat(t, z, score, groups), clusters / (clusters - 1) * (n - 1) / (n - rank)
    return theta, correction * (bread @ meat @ bread)


def fitted(t: Floats, z: Floats, theta: Floats) -> Floats:
    """t_i' Theta z_i of every metric, (n, m)."""
    p, q, m = theta.shape
    slopes = z @ theta.transpose(1, 0, 2).reshape(q, p * m)
    out: Floats = np.einsum("np,npm->nm", t, slopes.reshape(-1, p, m))
    return out


def effect_errors(a: Floats, z: Floats, covariance: Floats) -> Floats:
    """Standard error of a' Theta z for each unit, candidate and metric, (n, k, m).   a: (k, p); covariance: (m, p q, p q)."""
    k, p, m, q = len(a), a.shape[1], len(covariance), z.shape[1]
    blocks = covariance.reshape(m, p, q, p, q)
    form = np.einsum("kp,mpqrs,kr->kmqs", a, blocks, a, optimize=True)
    rows, columns = np.triu_indices(q)
    packed = form[:, :, rows, columns] * np.where(rows == columns, 1.0, 2.0)  # z' V z by distinct pairs
    out = np.empty((len(z), k * m))
    for part in gram.blocks(len(z)):
        out[part] = gram.pair_products(np.ascontiguousarray(z[part].T)).T @ packed.reshape(k * m, -1).T
    return np.sqrt(np.maximum(out, 0.0)).reshape(-1, k, m)


class LinearDML(EffectEstimator):
    """Double machine learning, linear in the treatment's encoding and in the features; any space, any number of metrics.

    Parameters
    ----------
    outcome : a scikit-learn regressor or `BoostedTrees` for E[Y | x]; None is the ridge regression of the shared Gram matrix.
    treatment_model : the same for E[phi | x].  Where ``fit`` is given propensities and every logged treatment is control or a
        candidate, E[phi | x] is their mean and nothing is learnt; between candidates of a continuum it is learnt all the same.
    space : what can be done to a unit; None for labels 0 and 1.
    modifiers : the features (names or positions) that the effect varies with; None is all of them, () a constant effect.
        Use few where the encoding is long: the cost grows with the square of their product.
    folds : of cross-fitting.   alpha : the penalty of the ridge, on standardised features.   seed : of the folds.

    Attributes
    ----------
    theta_ : (p, q, m), on standardised encoding and features.   covariance_ : (m, p q, p q).
    expectation_ : "propensity" or "learnt", where E[phi | x] came from.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.normal(size=(9000, 1)), rng.integers(2, size=9000)
    >>> y = X[:, 0] + t * (1 + X[:, 0]) + rng.normal(size=9000)
    >>> effects = LinearDML().fit(X, y, treatment=t).effects(np.array([[0.0], [1.0]]))
    >>> effects.values[:, 0, 0].round(1).tolist()
    [1.0, 2.0]
    """

    takes = "a space that encodes its treatments"

    def __init__(
        self,
        outcome: Any = None,
        treatment_model: Any = None,
        *,
        space: Space | None = None,
        modifiers: Sequence[str] | Sequence[int] | None = None,
        folds: int = 5,
        alpha: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.space = space
        self.outcome = outcome
        self.treatment_model = treatment_model
        self.modifiers = modifiers
        self.folds = folds
        self.alpha = alpha
        self.seed = seed

    def outcomes(self, X: Any, candidates: Any = None) -> Floats:
        """The expected level of each metric under each candidate, (n, k, m)."""
        return self.effects(X, candidates).levels()[:, 1:]

    @one_blas_thread  # type: ignore[untyped-decorator]
    def _learn(self, data: Sample) -> None:
        _no_missing(data.X, data.features)
        phi = self.space_.encode(data.treatment)
        cell = _saturated_cells(self.space_, data, phi)
        weight = np.ones(len(data)) if data.weight is None else data.weight / data.weight.mean()
        fold = fold_ids(len(data), self.folds, self.seed, strata=cell, groups=data.groups)
        self.centre_, self.scale_ = moments(data.X, weight)
        self.modifiers_ = _positions(self.modifiers, data.features)
        table, z = Table(data.X, data.features), standardise(data.X, self.centre_, self.scale_)
        t, y = self._residuals(data, table, z, phi, cell, weight, fold)
        self.encoding_scale_ = moments(t, weight)[1]
        effect_features = _columns(z, self.modifiers_)
        self.theta_, self.covariance_ = least_squares(t / self.encoding_scale_, effect_features, y, weight, data.groups)
        control = data.y - fitted(phi / self.encoding_scale_, effect_features, self.theta_)
        self.baseline_ = self._control_level(data, table, z, control, weight)

    def _control_level(self, data: Sample, table: Table, z: Floats, control: Floats, weight: Floats) -> Floats | list[Fitted]:
        """The regression of y - phi' Theta z on x, so of m(x) - E[phi | x]' Theta z: coefficients, or a model a metric."""
        if self.outcome is not None:
            return learn_targets(self.outcome, table, Nuisance(None, control), None, data.weight, self.seed)
        total = gram.fold_grams([z, control], weight, np.zeros(len(z), np.int64), 1)[0]
        return gram.ridge(total, z.shape[1], self.alpha)

    def _residuals(
        self, data: Sample, table: Table, z: Floats, phi: Floats, cell: Ints | None, weight: Floats, fold: Ints
    ) -> tuple[Floats, Floats]:
        """phi - E[phi | x], (n, p), and y - E[y | x], (n, m)."""
        p = phi.shape[1]
        both = ridge_residuals(z, np.hstack([phi, data.y]), weight, fold, self.alpha)
        t, y = both[:, :p], both[:, p:]
        if self.outcome is not None:
            y = model_residuals(self.outcome, "outcome", table, data.y, data.weight, fold, self.seed)
        if cell is not None and data.propensity is not None:
            candidates = self.space_.encode(self.space_.candidates())
            self.expectation_ = "propensity"
            return phi - propensities(data, cell, 1 + len(candidates), fold)[:, 1:] @ candidates, y
        self.expectation_ = "learnt"
        if self.treatment_model is not None:
            t = model_residuals(self.treatment_model, "treatment_model", table, phi, data.weight, fold, self.seed)
        return t, y

    @one_blas_thread  # type: ignore[untyped-decorator]
    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, Floats | None]:
        _no_missing(X, tuple(self.feature_names_in_))
        z = standardise(X, self.centre_, self.scale_)
        a = self.space_.encode(treatment) / self.encoding_scale_
        slopes = np.einsum("kp,pqm->qkm", a, self.theta_).reshape(len(self.modifiers_), -1)
        effect_features = _columns(z, self.modifiers_)
        values = (effect_features @ slopes).reshape(len(X), len(a), -1)
        baseline = predict_all(self.baseline_, X).T if isinstance(self.baseline_, list) else z @ self.baseline_
        return values, baseline, effect_errors(a, effect_features, self.covariance_)


def _no_missing(X: Floats, features: tuple[str, ...]) -> None:
    missing = np.isnan(X)
    if missing.any():
        row, j = (int(i) for i in np.argwhere(missing)[0])
        raise InputError(f"feature {features[j]!r}", "have no missing value here", "NaN", f"row {row}", "fill it, or use trees")


def _positions(modifiers: Sequence[str] | Sequence[int] | None, features: tuple[str, ...]) -> Ints:
    """The columns of [1, x] that the effect varies with, (q,)."""
    if modifiers is None:
        return np.arange(1 + len(features))
    wanted = [features.index(name) if name in features else name for name in modifiers]
    for j in wanted:
        if not isinstance(j, int | np.integer) or not 0 <= j < len(features):
            raise InputError("modifiers", "be features by name or position", repr(j), fix=f"features: {', '.join(features[:20])}")
    return np.unique([0, *(1 + int(j) for j in wanted)]).astype(np.int64)


def _columns(z: Floats, positions: Ints) -> Floats:
    """Some columns, or z itself where that is all of them."""
    return z if len(positions) == z.shape[1] else z[:, positions]


def _saturated_cells(space: Space, data: Sample, phi: Floats) -> Ints | None:
    """The cell of each row where cells say all that the encoding says, else None; refuses treatments that vary too little."""
    table = np.vstack([np.zeros(phi.shape[1]), space.encode(space.candidates())])
    try:
        cell = space.cells(data.treatment)
    except UnsupportedSpace:
        cell = None
    exact = cell is not None and np.array_equal(table[cell], phi)
    if exact and phi.shape[1] >= len(table) - 1:
        return finite_cells(space, data, 2)
    centre, scale = moments(phi, np.ones(len(phi)))
    design = standardise(phi, centre, scale)
    inverse, rank = gram.pseudo_inverse(design.T @ design)
    if rank < design.shape[1]:
        fix = "log more different treatments, or encode them in fewer numbers"
        raise InputError("the treatment", f"vary in all {phi.shape[1]} directions of its encoding", rank - 1, fix=fix)
    leverage = np.einsum("np,pr,nr->n", design, inverse, design)
    if leverage.max() > 1 - 1e-9:
        row = int(np.argmax(leverage))
        raise InputError("a direction of the treatment", "be seen in two or more rows", 1, f"row {row}", "log more of it")
    return cell if exact else None
