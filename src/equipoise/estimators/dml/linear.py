"""LinearDML: double machine learning of an effect that is linear in the space's encoding and in the
features.

The partially linear model (Robinson 1988; Chernozhukov et al. 2018, arXiv:1608.00060), for every
metric at once:

    Y - m(x) = (phi(t) - E[phi | x])' Theta z + e,    z = [1, x],    effect of t at x = phi(t)'
    Theta z

m(x) = E[Y | x] and E[phi | x] are learnt across folds; Theta is least squares of residuals on the
Kronecker rows (phi - E[phi | x]) (x) z.  Its covariance is the HC1 sandwich, or the cluster-robust
one when groups are given; orthogonality lets it ignore the nuisance models' error.  phi may be
anything a space encodes: arms, a vector of switches with their products, powers and waves of a
dose.

By default both nuisances are ridge regressions solved from one Gram matrix per fold, so that the
whole fit is three passes over the rows (`passes`), which may also come from a file batch by batch
(`LinearDML.fit_batches`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.effective_size import effective_units
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates, around, sum_df
from equipoise.core.folds import fold_ids
from equipoise.core.space import Space
from equipoise.core.user_line import user_level
from equipoise.estimators.base import EffectEstimator, propensities
from equipoise.estimators.dml import form, gram, logged, nuisances, passes, shrunk, sparse
from equipoise.estimators.dml.answers import (
    by_feature,
    effect_errors,
    mean_basis,
    paired_errors,
    row_weights,
    sampling_variance,
    standardise,
)
from equipoise.estimators.dml.batches import Source
from equipoise.estimators.dml.curvature import Curvature, CurvatureWarning, curvature
from equipoise.estimators.dml.form import AUTO
from equipoise.estimators.training_data import Sample
from equipoise.learners.base_learners import Fitted, predict_all
from equipoise.learners.crossfit import Nuisance, learn_targets
from equipoise.learners.tables import Table

# several threads may add in another order
one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")


@renamed_arguments(outcome="outcome_model", folds="cv", seed="random_state")
class LinearDML(EffectEstimator):
    """Double machine learning, linear in the treatment's encoding and in the features.

    It serves any space that encodes its treatments, and any number of metrics.

    Parameters
    ----------
    outcome_model : regressor, optional
        A scikit-learn regressor or `BoostedTrees` for E[Y | x]; None is the ridge regression of the
        shared Gram matrix.
    treatment_model : regressor, optional
        The same for E[phi | x].  Where ``fit`` gets propensities and every logged treatment is
        control or a candidate, E[phi | x] is their mean and nothing is learnt; between candidates
        of a continuum it is learnt all the same.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    modifiers : sequence of str or int, optional
        The features (names or positions) that the effect varies with; None is all of them, () a
        constant effect.  Use few where the encoding is long: the cost grows with the square of
        their product.
    cross_modifiers : sequence of str or int, default ()
        The same for columns of the encoding that are products of switches, which are many: by
        default none, so that an interaction is one number.  They must be among ``modifiers``.
    cv : int, default 5
        Folds of cross-fitting.
    alpha : float, default 1.0
        The penalty of the ridge, on standardised features.
    random_state : int, default 0
        Of the folds and of base models that are random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.
    shrink : {None, "auto", "lasso"}, default None
        None is least squares.  "auto" shrinks average effects and their interactions with x by two
        penalties, chosen for each metric on held-out rows, "no interactions" among them; then the
        encoding may have more columns than the logged treatments tell apart, and no standard
        errors are given, for shrunk effects are biased (`Bootstrapped` tells their spread).
        "lasso" is for many features of which few move the effect (`SparseDML`).
    own : bool, default False
        With "auto": each logged treatment also has a deviation of its own from the encoding's
        form, by a third penalty.
    nuisances : {"ridge", "lasso", "boosted", "auto"}, default "ridge"
        What learns E[Y | x] and E[phi | x] where no model is given: the ridge, a lasso for many
        features, boosted trees, or for each target the ridge or trees, whichever loses less on
        held-out rows.  Trees follow bends that lines miss (see ``curvature_``) and take 20 times as
        long or more.

    Attributes
    ----------
    theta_ : array, (p, q, m)
        Coefficients on standardised encoding and features; 0 where a column does not vary with a
        feature.
    slots_ : array of int, (P, 2)
        The places (p, q) of the coefficients that were learnt.
    covariance_ : array, (m, P, P), or None
        Their covariance; None where they are shrunk.
    df_ : float
        Its degrees of freedom: rows less coefficients, or clusters less 1.
    penalties_ : dict of str to array, (m,), or None
        Where they are shrunk: the penalties of ``"average"`` effects, of their ``"interaction"``
        with x (infinite: none) and of ``"own"`` deviations (infinite: none), by metric; or of
        ``"lasso"``.
    own_treatments_ : array, (s, c), or None
        The logged treatments that have own deviations, as numbers.
    expectation_ : str
        "propensity" or "learnt", where E[phi | x] came from.
    curvature_ : Curvature or None
        Whether treatment and outcome bend together, which the ridges miss: then `CurvatureWarning`
        is given.  None where neither is by a ridge, where propensities are known, and where effects
        are shrunk.

    Notes
    -----
    Y - E[Y | x] = (phi(t) - E[phi | x])' Theta [1, x] + e; the covariance is the HC1
    sandwich, or the cluster-robust one where groups are given.

    Fit refuses missing values; what later units lack is taken for its mean in fit, and `score`
    counts it.

    References
    ----------
    Robinson (1988); Chernozhukov et al. (2018), arXiv:1608.00060.

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
    takes_gaps = False
    unit_free = True
    uses_propensity = True
    covariance_: Floats | None
    debias = True  # of a lasso
    df_: float = np.inf  # as of snapshots of version 0.1.0
    penalties_: dict[str, Floats] | None = None
    own_treatments_: Floats | None = None
    baseline_: Floats | list[Fitted]  # (1 + d, m) of [1, z], or a model a metric

    def __init__(
        self,
        outcome_model: Any = None,
        treatment_model: Any = None,
        *,
        space: Space | None = None,
        modifiers: Sequence[str] | Sequence[int] | None = None,
        cross_modifiers: Sequence[str] | Sequence[int] | None = (),
        cv: int = 5,
        alpha: float = 1.0,
        random_state: int = 0,
        transform: Any = None,
        shrink: str | None = None,
        own: bool = False,
        nuisances: str = "ridge",
    ) -> None:
        self.space = space
        self.outcome_model = outcome_model
        self.treatment_model = treatment_model
        self.modifiers = modifiers
        self.cross_modifiers = cross_modifiers
        self.cv = cv
        self.alpha = alpha
        self.random_state = random_state
        self.transform = transform
        self.shrink = shrink
        self.own = own
        self.nuisances = nuisances

    @property
    def gives_std_error(self) -> bool:  # type: ignore[override]
        """Whether its effects have a std_error: those of least squares do, and debiased ones."""
        return self.shrink is None or (self.shrink == "lasso" and self.debias)

    @property
    def error_method(self) -> str:  # type: ignore[override]
        """How its effects' std_error is made."""
        if self.shrink == "lasso":
            return "debiased lasso, nodewise regressions"
        return "sandwich of the final stage"

    @property
    def curvature_(self) -> Curvature | None:
        """Whether treatment and outcome bend together; None where it was not asked."""
        found = getattr(self, "bend_", None)
        return None if found is None else Curvature(**found)

    @one_blas_thread  # type: ignore[untyped-decorator]
    def fit_batches(
        self,
        batches: Callable[[], Iterable[pa.RecordBatch]],
        *,
        treatment: str | Sequence[str],
        outcomes: str | Sequence[str],
        features: Sequence[str] | None = None,
        weight: str | None = None,
    ) -> Self:
        """Learn from record batches, in three passes, so that size is bounded by disk, not memory.

        A row's fold follows from its number and ``random_state``; otherwise the same as `fit` with
        the built-in ridges, no propensities and no groups.

        Parameters
        ----------
        batches : callable
            A function that starts again at the first batch, e.g. ``lambda:
            read_batches("log.parquet")``.
        treatment : str or sequence of str
            The column of labels, amounts or vectors; or the columns of a vector.
        outcomes : str or sequence of str
            The columns of the metrics.
        features : sequence of str, optional
            Numeric columns without missing values; None takes every other one.
        weight : str, optional
            A column of weights > 0.

        Returns
        -------
        LinearDML
            Itself.

        Raises
        ------
        InputError
            A value is bad; the error names its column, row and batch.
        """
        if self.transform is not None:
            raise InputError("transform", "be None to learn from batches", "one", fix="use fit")
        models = (self.outcome_model, self.treatment_model)
        if models != (None, None) or self.nuisances not in nuisances.LINES:
            must = "be ridges to learn from batches, or lassos"
            raise InputError("the nuisances", must, "a model", fix="use fit")
        source = Source(
            batches, treatment, outcomes, features, weight, self.space, self.cv, self.random_state
        )
        self.space_, self.metrics_ = source.space, source.outcomes
        self.feature_names_in_, self.n_features_in_ = (
            np.asarray(source.features, dtype=object),
            len(source.features),
        )
        self.encoding_ = self.outcome_centre_ = self.outcome_unit_ = None
        form.check_shrink(self.shrink, self.own)
        self.own_treatments_ = None
        if self.own:
            self.own_treatments_ = source.treatments()
            logged.check_few(self.own_treatments_)
        source.encode = self._encode
        sums = passes.first_pass(source.parts, self.cv)
        source.check(sums)
        self.outcome_bounds_ = source.bounds
        self.expectation_ = "learnt"
        support = None
        if self.shrink != AUTO and source.known is not None:
            logged.check_identified(self.space_, source.columns, source.known)
            support = logged.support(sums, len(source.outcomes))
        self._finish(source.parts, sums, source.features, support)
        return self

    def contrast(self, X: Any, base: Any, candidates: Any = None) -> Effects:
        """The effects of candidates against a base treatment instead of control.

        They are (phi(a) - phi(base))' Theta z, and the baseline is the level under ``base``.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.
        base : treatment, or array-like of one per row
            A treatment of the space, or one for each row of X (the treatments of a policy).
        candidates : array-like, (k,) or (k, p), optional
            Treatments of the space; by default its candidates.

        Returns
        -------
        Effects
            Values and std_error (n, k, m), in the metrics' units.

        Raises
        ------
        InputError
            ``base`` is neither one treatment nor one per row.
        """
        values, treatments = self._inputs(X, candidates)
        phi = self._encode(self._base_treatments(base, len(values))) / self.encoding_scale_
        return self._named(treatments, *self._compare(values, treatments, phi))

    def average_effects(
        self,
        X: Any,
        candidates: Any = None,
        *,
        base: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        population: bool = True,
        level: float = 0.95,
    ) -> Estimates:
        """The mean effect of each candidate over rows, with its standard error, interval and
        p-value.

        Parameters
        ----------
        X : array-like, (n, d)
            All units, or those of a segment, with the features of fit.
        candidates : array-like, (k,) or (k, p), default None
            Treatments of the space; None: its candidates.
        base : treatment, or array-like of one per row, default None
            What to compare with (see `contrast`); None: control.
        sample_weight : array, (n,), default None
            Weights > 0 of the rows in the mean.
        groups : array, (n,), default None
            Labels of clusters, which are sampled whole; that fit had them too is needed for its
            own part of the error.
        population : bool, default True
            Whether rows are a sample of those meant, so that the error counts which rows came;
            False means these very rows.
        level : float, default 0.95
            Of the intervals.

        Returns
        -------
        Estimates, (k, m)
            In the metrics' units.

        Raises
        ------
        InputError
            Effects are shrunk and have no covariance; or a population is asked of one unit.

        Notes
        -----
        With c the mean of the rows' Kronecker basis the variance is c' V c, V the sandwich of the
        coefficients, and for a population that of a mean of the rows' effects beside it.  The two
        are uncorrelated, also where the rows are those of fit, where the effect is linear in the
        features.  Means are of the linear form: `effects` also holds metrics of two values within
        their bounds.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> X, t = rng.normal(size=(9000, 1)), rng.integers(2, size=9000)
        >>> y = X[:, 0] + t * (1 + X[:, 0]) + rng.normal(size=9000)
        >>> model = LinearDML().fit(X, y, treatment=t)
        >>> mean = model.average_effects(X[X[:, 0] > 0])[0, 0]
        >>> round(mean.value, 1), mean.excludes_zero
        (1.8, True)
        """
        values, treatments = self._inputs(X, candidates)
        if self.covariance_ is None:
            fix = "fit with shrink=None, or ask Bootstrapped for their spread"
            must = "be of least squares, or debiased"
            raise InputError("a mean with its error", must, "shrink", fix=fix)
        against = self._base_treatments(self.space_.control if base is None else base, len(values))
        a, b = (self._encode(t) / self.encoding_scale_ for t in (treatments, against))
        z = standardise(values, self.centre_, self.scale_)[self.modifiers_]
        weight, codes = row_weights(len(values), sample_weight, groups)
        basis = mean_basis(a, b, z, weight, self.slots_)
        value = basis @ self.theta_[self.slots_[:, 0], self.slots_[:, 1]]
        own = np.einsum("kp,mpq,kq->km", basis, self.covariance_, basis, optimize=True)
        parts = [(own, np.full(own.shape, self.df_))]
        if population:
            rows = self._effects(z, a, b) - value
            parts.append(sampling_variance(rows, effective_units(weight, groups=codes)))
        variance, df = (np.stack(part) for part in zip(*parts, strict=True))
        unit = self.outcome_units
        error = unit.effects(np.sqrt(variance.sum(axis=0)))
        return around(unit.effects(value), error, sum_df(variance, df), level=level)

    def coefficients(self) -> pa.Table:
        """Theta in the units of the encoding and the features, one row per coefficient and metric.

        Returns
        -------
        pyarrow.Table
            Columns ``encoding`` (its column, from 0), ``modifier`` (``"1"`` is the constant),
            ``metric``, ``value``, ``std_error`` (null where they are shrunk).
        """
        self._check_one_fit()
        theta = self.theta_[self.slots_[:, 0], self.slots_[:, 1]]
        standard = self.modifiers_, self.centre_, self.scale_, self.encoding_scale_
        units = form.coefficient_units(self.slots_, *standard)
        error = None
        if self.covariance_ is not None:
            square = np.einsum("ij,mjk,ik->im", units, self.covariance_, units, optimize=True)
            error = self.outcome_units.effects(np.sqrt(square)).ravel()
        names, m = ["1", *self._encoded_names], len(self.metrics_)
        columns = {
            "encoding": np.repeat(self.slots_[:, 0], m),
            "modifier": [names[self.modifiers_[a]] for a in np.repeat(self.slots_[:, 1], m)],
            "metric": list(self.metrics_) * len(theta),
            "value": self.outcome_units.effects(units @ theta).ravel(),
            "std_error": pa.nulls(theta.size, pa.float64()) if error is None else error,
        }
        return pa.table(columns)

    @one_blas_thread  # type: ignore[untyped-decorator]
    def _learn(self, data: Sample) -> None:
        nuisances.no_missing(data.X, data.features)
        form.check_shrink(self.shrink, self.own)
        nuisances.check_nuisances(self.nuisances)
        encoded = self.space_.encode(data.treatment)
        cell, saturated = form.exact_cells(self.space_, data, encoded, self.shrink != AUTO)
        rows, self.own_treatments_ = logged.numbers(self.space_, data.treatment), None
        if self.own:
            self.own_treatments_ = logged.distinct(rows)
            logged.check_few(self.own_treatments_)
        elif self.shrink != AUTO and not saturated:
            known = logged.distinct(rows, most=encoded.shape[1] + 1)
            logged.check_identified(self.space_, encoded.shape[1], known)
        phi = self._encode(data.treatment) if self.own else encoded
        fold = fold_ids(len(data), self.cv, self.random_state, strata=cell, groups=data.groups)
        part = passes.Part(data.X, phi, data.y, fold, data.weight, data.groups)
        sums = passes.first_pass(lambda: [part], self.cv)
        least = self.shrink != AUTO and not saturated
        support = logged.support(sums, len(data.metrics)) if least else None
        table = data.table()
        ridge = None
        on_lines = self.nuisances in nuisances.LINES
        if self.nuisances == "auto" or (on_lines and table.of_folds is not None):
            learn = self._lines(data.features)
            ridge = nuisances.line_residuals(
                part, table, sums, lambda sums: learn(sums).coefficients
            )
        outcome = nuisances.model_of(self.outcome_model, self.nuisances, len(data))
        part = replace(part, t=self._treatment_residuals(data, table, part, cell, ridge))
        if outcome is not None:
            how = (table, data.y, data.weight, fold, self.random_state)
            r = nuisances.model_residuals(outcome, "outcome_model", *how)
            if ridge is not None and self.outcome_model is None:
                r = nuisances.lesser(ridge[:, phi.shape[1] :], r, data.weight)
            part = replace(part, r=r)
        elif ridge is not None:
            part = replace(part, r=ridge[:, phi.shape[1] :])
        self._finish(lambda: [part], sums, data.features, support)
        # the regression of y - phi' Theta z on x, so of m(x) - E[phi | x]' Theta z
        if outcome is not None:
            z = standardise(data.X, self.centre_, self.scale_)[self.modifiers_]
            level = data.y - np.einsum("np,npm->nm", phi / self.encoding_scale_, self._slopes(z))
            target, seed = Nuisance(None, level), self.random_state
            self.baseline_ = learn_targets(outcome, table, target, None, data.weight, seed)

    def _treatment_residuals(
        self,
        data: Sample,
        table: Table,
        part: passes.Part,
        cell: Ints | None,
        ridge: Floats | None,
    ) -> Floats | None:
        """phi - E[phi | x], (n, p), by known propensities or a model, or of each column the lesser
        of a model's and ``ridge`` (n, p + m); None where the ridge serves.
        """
        if cell is not None and data.propensity is not None:
            candidates = self._encode(self.space_.candidates())
            self.expectation_ = "propensity"
            return (
                part.phi
                - propensities(data, cell, 1 + len(candidates), part.fold)[:, 1:] @ candidates
            )
        self.expectation_ = "learnt"
        model = nuisances.model_of(self.treatment_model, self.nuisances, len(data))
        if model is None:
            return None if ridge is None else ridge[:, : part.phi.shape[1]]
        how = (table, part.phi, data.weight, part.fold, self.random_state)
        t = nuisances.model_residuals(model, "treatment_model", *how)
        if ridge is None or self.treatment_model is not None:
            return t
        return nuisances.lesser(ridge[:, : part.phi.shape[1]], t, data.weight)

    def _finish(
        self,
        walk: passes.Walk,
        sums: passes.Sums,
        features: tuple[str, ...],
        support: Floats | None,
    ) -> None:
        """The second and third pass, and everything that is learnt."""
        self.modifiers_ = form.modifier_columns(self.modifiers, features, "modifiers")
        narrow = form.modifier_columns(self.cross_modifiers, features, "cross_modifiers")
        p = sums.grams.shape[1] - len(sums.centre) - 1 - len(self.metrics_)
        layout = form.slots_of(
            self.space_, p, self.modifiers_, np.intersect1d(narrow, self.modifiers_)
        )
        ridges = self._lines(features)(sums)
        self.covariance_ = self.penalties_ = None
        if self.shrink is None:
            normal = passes.second_pass(walk, ridges, layout, support)
            third = passes.third_pass(walk, ridges, layout, normal)
            self.covariance_, control, self.df_ = third
        elif self.shrink == "lasso":
            fit = sparse.learn(walk, ridges, layout, support, self.debias)
            normal, control = self._lasso(fit, layout)
        else:
            parts = shrunk.learn(walk, ridges, layout, *self._switches(p))
            normal, self.penalties_, control = parts
        self.centre_, self.scale_, self.usual_ = sums.centre, sums.scale, sums.centre
        self.encoding_scale_, self.slots_ = normal.scale, layout.slots
        self.theta_ = passes.spread_out(normal.theta, layout.slots, p, layout.q)
        q = 1 + len(sums.centre)
        total = np.hstack([sums.grams.sum(axis=0)[:q, :q], control])
        level = gram.ridge(total, q, self.alpha)
        level[0] += sums.shift[-len(self.metrics_) :]
        self.baseline_ = level
        self.bend_ = None
        if self.shrink != AUTO and self._on_lines():
            slopes = self.theta_ / normal.scale[:, None, None]
            bend = curvature(walk, ridges, slopes, features, self.metrics_)
            self.bend_ = bend.to_plain()
            if bend.bends:
                warnings.warn(bend.advice, CurvatureWarning, stacklevel=user_level())

    def _lines(self, features: tuple[str, ...]) -> Callable[[passes.Sums], passes.Ridges]:
        """What learns the ridges, or lassos, of every fold."""
        modifiers = form.modifier_columns(self.modifiers, features, "modifiers")
        if self.nuisances == "lasso":
            return lambda sums: sparse.learn_lassos(sums, modifiers)
        return lambda sums: passes.learn_ridges(sums, self.alpha, modifiers)

    def _lasso(self, fit: sparse.Sparse, layout: gram.Layout) -> tuple[passes.Normal, Floats]:
        """What is learnt of a lasso: its coefficients, debiased or not, and the level's moments."""
        p = len(fit.normal.scale)
        self.penalties_ = {"lasso": fit.penalty}
        self.lasso_theta_ = passes.spread_out(fit.lasso, layout.slots, p, layout.q)
        if self.debias:
            self.covariance_, self.df_ = fit.covariance, fit.df
        return fit.normal, fit.control

    def _on_lines(self) -> bool:
        """Whether the ridge learns both nuisances, so that what both miss is a bias."""
        models = (self.outcome_model, self.treatment_model)
        lines = models == (None, None) and self.nuisances in nuisances.LINES
        return lines and self.expectation_ == "learnt"

    @one_blas_thread  # type: ignore[untyped-decorator]
    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, Floats | None]:
        return self._compare(X, treatment, np.zeros((1, len(self.encoding_scale_))))

    def _compare(
        self, X: Floats, treatment: NDArray[Any], base: Floats
    ) -> tuple[Floats, Floats, Floats | None]:
        """Values, baseline and standard errors, if any, against ``base`` (1, p) or (n, p), in
        standard units.
        """
        every = standardise(X, self.centre_, self.scale_)
        z = every[self.modifiers_]
        a = self._encode(treatment) / self.encoding_scale_
        baseline = (
            predict_all(self.baseline_, X).T
            if isinstance(self.baseline_, list)
            else every.T @ self.baseline_
        )
        values = self._effects(z, a, base)
        level: Floats | float = 0.0
        if len(base) > 1:
            level = np.einsum("np,npm->nm", base, self._slopes(z))
        elif base.any():
            level = z.T @ by_feature(base, self.theta_)
        error = None
        if self.covariance_ is not None and len(base) == 1:
            error = effect_errors(a - base, z, self.covariance_, self.slots_)
        elif self.covariance_ is not None:
            error = paired_errors(a, base, z, self.covariance_, self.slots_)
        return values, baseline + level, error

    def _effects(self, z: Floats, a: Floats, base: Floats) -> Floats:
        """(a - base)' Theta z, (n, k, m).   z: (q, n); a: (k, p); base: (1, p) or (n, p)."""
        shape = z.shape[1], len(a), len(self.metrics_)
        if len(base) == 1:
            return np.reshape(z.T @ by_feature(a - base, self.theta_), shape)
        slopes = self._slopes(z)
        own = np.einsum("np,npm->nm", base, slopes)
        return np.asarray(np.einsum("kp,npm->nkm", a, slopes, optimize=True) - own[:, None])

    def _encode(self, treatment: NDArray[Any]) -> Floats:
        """The encoding of treatments with own deviations, if any, (n, p)."""
        phi, known = self.space_.encode(treatment), self.own_treatments_
        if known is None:
            return phi
        control = logged.numbers(self.space_, np.asarray([self.space_.control]))
        rows = logged.numbers(self.space_, treatment)
        return np.hstack([phi, logged.deviations(rows, control, known)])

    def _switches(self, p: int) -> tuple[Bools, int]:
        """Which of the p columns of the encoding are 0 or 1, and how many are own deviations."""
        own = 0 if self.own_treatments_ is None else len(self.own_treatments_)
        candidates = self.space_.encode(self.space_.candidates())
        return np.r_[np.isin(candidates, (0, 1)).all(axis=0), np.zeros(own, np.bool_)], own

    def _slopes(self, z: Floats) -> Floats:
        """Theta z, (n, p, m).   z: (q, n)."""
        p, q, m = self.theta_.shape
        return (z.T @ self.theta_.transpose(1, 0, 2).reshape(q, p * m)).reshape(z.shape[1], p, m)

    def _base_treatments(self, base: Any, rows: int) -> NDArray[Any]:
        """The base treatments in canonical form, one or one per row."""
        treatments, single = np.asarray(base), np.ndim(self.space_.control)
        checked = self.space_.check(treatments[None] if treatments.ndim == single else treatments)
        if len(checked) not in (1, rows):
            raise InputError(
                "base", f"be one treatment, or one for each of the {rows} rows", len(checked)
            )
        return checked
