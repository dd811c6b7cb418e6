"""EffectEstimator: the base of all estimators.  It checks at the door, names the axes, and leaves
the learning to the subclass.

A subclass stores its arguments in ``__init__`` (``space`` and ``random_state`` among them)
and writes two methods:

    _learn(sample)          learn from a checked `Sample`; what is learnt ends in ``_``
    _answer(X, treatment)   values (n, k, m), baseline (n, m), std_error (n, k, m) or None, for k
    treatments of the space

Where a class says that it is ``unit_free``, both have every metric in standard units
(`learners.outcome_units`), so that an offset or a unit of a metric changes nothing; only here do
they become the metrics' own.

What is learnt is plain: numbers, text, arrays, lists and dicts of these, and models, so that it can
be saved without code.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, UnsupportedSpace
from equipoise.core.folds import check_seed
from equipoise.core.frames import is_narrow, wide_rows
from equipoise.core.scores import ips_scores
from equipoise.core.space import Space, cell_names
from equipoise.estimators.level_bounds import outcome_bounds, within_bounds
from equipoise.estimators.open_parts import effects_of_parts, fit_parts, has_closed
from equipoise.estimators.training_data import Sample, infer_space, require, rows_as_given, sample
from equipoise.estimators.transforms import TransformedColumns
from equipoise.learners.base_learners import foreign, of_amounts
from equipoise.learners.nested_params import NestedParams
from equipoise.learners.outcome_units import OutcomeUnits, blurred, standardised

BLOCK = 16_384  # rows of a narrow array that are made 64 bits at once
ROUTED = {"treatment": True, "propensity": True, "sample_weight": True, "groups": True}


class EffectEstimator(TransformedColumns, NestedParams, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators: it checks the input, names the axes, and leaves the learning to the
    subclass, which writes ``_learn`` and ``_answer`` (see the module's text).

    Examples
    --------
    >>> class Nothing(EffectEstimator):
    ...     def __init__(self, space=None):
    ...         self.space = space
    ...
    ...     def _learn(self, data):
    ...         pass
    ...
    ...     def _answer(self, X, treatment):
    ...         shape = (len(X), len(treatment), len(self.metrics_))
    ...         return np.zeros(shape), np.zeros((shape[0], shape[2])), None
    >>> Nothing().fit([[1.0], [2.0]], [0.0, 1.0], treatment=[0, 1]).predict([[3.0]])
    array([0.])
    """

    __metadata_request__fit = ROUTED
    __metadata_request__score = {name: True for name in ROUTED if name != "groups"}

    space: Space | None
    takes = "any space"  # which spaces it serves, for the error of one that it does not
    gives_std_error = False  # whether its effects have a std_error
    error_method: str = ""  # and how it is made
    takes_gaps = True  # whether it takes features that are missing
    uses_propensity = False  # whether known propensities alone make its effects right
    unit_free = False  # whether it learns from metrics in standard units
    # the standard units of fit, (m,) each; None for the metrics' own, as in version 0.1.0
    outcome_centre_: Floats | None = None
    outcome_unit_: Floats | None = None
    outcome_bounds_: Floats | None = None  # of levels, (2, m); None in version 0.1.0
    # where arms are closed to some rows: the arms of each part of `open_parts`, and its model
    open_arms_: list[Ints] | None = None
    open_models_: list[Any] | None = None

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        treatment: Any = None,
        propensity: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> Self:
        """Learn the effect of every candidate on every metric.

        Parameters
        ----------
        X : frame, array, sparse matrix or list of rows, (n, d)
            Features: numbers, booleans, times, and in a frame also text and categories, which are
            encoded as `FeatureMap` does; missing values where the base models take them.
        y : array or frame, (n,) or (n, m)
            Outcomes, one column per metric; finite.
        treatment : array, (n,), (n, 1) or (n, p), default None
            Labels or amounts of ``space``; must be given.
        propensity : array, (n, K), or model, default None
            Known probabilities of the cells, control first.  None takes the observed shares, which
            is right for a randomised experiment with one share for all; a model such as
            `LearntPropensity` learns them.  0 closes an arm to a row: the arm is learnt from the
            rows that it is open to.
        sample_weight : array, (n,), default None
            Weights > 0.
        groups : array, (n,), default None
            Labels of clusters; folds never tear a cluster apart.

        Returns
        -------
        EffectEstimator
            Itself.

        Raises
        ------
        InputError
            Naming the argument and the row of a value that is not allowed.
        UnsupportedSpace
            Where it cannot learn treatments of this space.
        """
        require("treatment", treatment)
        seed = getattr(self, "random_state", 0)
        check_seed(seed, "random_state")
        self.space_: Space = infer_space(treatment) if self.space is None else self.space
        values, names, raw = self._fit_features(X, y, seed)
        checked = sample(
            values, y, self.space_, treatment, propensity, sample_weight, groups, names=names
        )
        ranks = self._rank_columns if raw is None else ()
        checked = replace(checked, raw=raw, categories=ranks)
        order = checked.order(self.space_)
        self.metrics_, self.outcome_bounds_ = checked.metrics, outcome_bounds(checked.y)
        self.open_arms_ = self.open_models_ = None
        if has_closed(checked.propensity):
            self.open_arms_, self.open_models_ = fit_parts(self, self.space_, checked)
            return self
        if raw is None and is_narrow(X):  # its rows are read again, not held twice as 64 bits
            checked = replace(checked, X=np.empty((len(order), 0)))
            del values
            data = replace(checked.take(order), X=wide_rows(X, order))
        else:
            data = checked.take(order)
        del checked
        try:
            with rows_as_given(order):
                self._learn(self._standardised(data))
        except UnsupportedSpace as error:
            what = f"the space of {type(self).__name__}"
            raise UnsupportedSpace(
                what, f"be {self.takes}", self.space_.describe(), fix=error.fix
            ) from error
        return self

    def effects(self, X: Any, candidates: Any = None) -> Effects:
        """The effect of every candidate against control, for every row of X.

        Parameters
        ----------
        X : frame or array, (n, d)
            The columns of fit; those of a frame in any order.
        candidates : array, (k,) or (k, p), default None
            Treatments of the space; None: those of ``space.candidates()``.

        Returns
        -------
        Effects
            n units, k candidates, m metrics, in each metric's unit.
        """
        check_is_fitted(self, "space_")
        if self.open_arms_ is not None and self.open_models_ is not None:
            space = self.space_
            values = self._as_fitted(X) if self.transform_ is None else self._as_it_came(X)
            asked = space.candidates() if candidates is None else space.check(candidates)
            of_parts = effects_of_parts(self.open_arms_, self.open_models_, values, space, asked)
            parts = of_parts.values, of_parts.baseline
            values, baseline = within_bounds(*parts, self.outcome_bounds_)
            return replace(of_parts, values=values, baseline=baseline)
        if is_narrow(X) and len(X) > BLOCK and self.transform_ is None:
            starts = range(0, len(X), BLOCK)
            return joined([self.effects(X[low : low + BLOCK], candidates) for low in starts])
        values, treatments = self._inputs(X, candidates)
        n = len(values)  # of no rows: none of the answers to one
        effect, baseline, error = self._answer(values if n else one_row(values), treatments)
        effect, baseline, error = effect[:n], baseline[:n], None if error is None else error[:n]
        return self._named(treatments, effect, baseline, error)

    def _named(
        self, treatments: NDArray[Any], effect: Floats, baseline: Floats, error: Floats | None
    ) -> Effects:
        """What `_answer` gives, in the metrics' units, with the names of the axes, and with levels
        of a metric of two values between them.
        """
        units, bounds = self.outcome_units, self.outcome_bounds_
        if bounds is not None:  # in standard units, where an offset takes no digits
            if np.shape(bounds) != (2, len(self.metrics_)):
                must = f"have shape (2, {len(self.metrics_)})"
                raise InputError("the bounds of outcomes", must, np.shape(bounds))
            effect, baseline = within_bounds(effect, baseline, units.standard(bounds))
        return Effects(
            units.effects(effect),
            units.levels(baseline),
            self.space_.names(treatments),
            self.metrics_,
            None if error is None else units.effects(error),
            "" if error is None else self.error_method,
        )

    def _standardised(self, data: Sample) -> Sample:
        """The outcomes in standard units, as far as what learns them may have that: a foreign
        effect model has settings in units.  A foreign outcome model may also ask for counts or
        amounts, and sees the metric itself unless 32 bits blur it; then less an offset.
        """
        self.outcome_centre_ = self.outcome_unit_ = None
        outcome, effect = (getattr(self, f"{role}_model", None) for role in ("outcome", "effect"))
        z, units = standardised(data.y)
        if foreign(outcome):
            far = blurred(data.y, units.unit) & (not of_amounts(outcome))
            if not (self.unit_free and far.any()):
                return data
            z = np.where(far, units.effects(z), data.y)
            units = OutcomeUnits(np.where(far, units.centre, 0.0), np.ones(len(far)))
        elif not self.unit_free:
            return data
        elif foreign(effect):
            z, units = units.effects(z), replace(units, unit=np.ones(len(units.unit)))
        self.outcome_centre_, self.outcome_unit_ = units.centre, units.unit
        return replace(data, y=z, levels=data.y)

    @property
    def outcome_units(self) -> OutcomeUnits:
        """The units that `_learn` had its outcomes in."""
        m = len(self.metrics_)
        if self.outcome_centre_ is None or self.outcome_unit_ is None:
            return OutcomeUnits(np.zeros(m), np.ones(m))
        shapes = np.shape(self.outcome_centre_), np.shape(self.outcome_unit_)
        if shapes != ((m,), (m,)):  # a snapshot whose arrays were exchanged
            raise InputError("the units of outcomes", f"have shape ({m},)", shapes)
        return OutcomeUnits(self.outcome_centre_, self.outcome_unit_)

    def outcomes(self, X: Any, candidates: Any = None) -> Floats:
        """The expected level of every metric under every candidate.

        Parameters
        ----------
        X : frame or array, (n, d)
            The columns of fit.
        candidates : array, (k,) or (k, p), default None
            Treatments of the space; None: those of ``space.candidates()``.

        Returns
        -------
        array, (n, k, m)
            Baseline plus effect, in each metric's unit.
        """
        return self.effects(X, candidates).levels()[:, 1:]

    def predict(self, X: Any) -> Floats:
        """The effects as a plain array, for tools of scikit-learn that call ``predict``.

        Parameters
        ----------
        X : array or frame, (n, d)
            The features of fit.

        Returns
        -------
        array, (n,) for two arms and one metric, else (n, k, m)
            The effect of each candidate against control, in each metric's unit.

        Examples
        --------
        >>> import numpy as np
        >>> from equipoise.estimators import TLearner
        >>> from sklearn.linear_model import LinearRegression
        >>> X, t = np.array([[0.0], [1.0], [0.0], [1.0]]), [0, 0, 1, 1]
        >>> learner = TLearner(LinearRegression()).fit(X, [1.0, 2.0, 3.0, 6.0], treatment=t)
        >>> learner.predict([[2.0]]).round(6)
        array([6.])
        """
        values = self.effects(X).values
        return values[:, 0, 0] if values.shape[1:] == (1, 1) else values

    def score(
        self,
        X: Any,
        y: Any,
        *,
        treatment: Any = None,
        propensity: Any = None,
        sample_weight: Any = None,
    ) -> float:
        """Minus the mean squared distance to unbiased inverse-propensity scores of the effects.

        Higher is better; its expectation is highest for the true effects.  It is noisy: use it on
        many rows, paired.

        Parameters
        ----------
        X : frame or array, (n, d)
            Rows that fit did not see, with the columns of fit.
        y : array or frame, (n,) or (n, m)
            Outcomes.
        treatment : array, (n,) or (n, p), default None
            Labels or amounts of the space; must be given.
        propensity : array, (n, K), default None
            Probabilities of the cells, control first; None takes the observed shares.
        sample_weight : array, (n,), default None
            Weights > 0.

        Returns
        -------
        float
            In variances of each metric, averaged over candidates and metrics.
        """
        require("treatment", treatment)
        values = self._as_fitted(X)
        data = sample(values, y, self.space_, treatment, propensity, sample_weight)
        cell = self.space_.cells(data.treatment)
        cells = 1 + len(self.space_.candidates())
        e = data.propensity
        if not isinstance(e, np.ndarray):
            e = shares(cell, cells, data.weight)
        z, units = standardised(data.y)
        gamma = ips_scores(z - z.mean(axis=0), cell, e)  # (n, K, m)
        effects = self.effects(X).values / units.unit
        miss = (gamma[:, 1:] - gamma[:, :1] - effects) ** 2 / z.var(axis=0)
        if has_closed(e):  # each arm on the rows that it is open to
            weight = (e[:, 1:] > 0) * (1.0 if data.weight is None else data.weight[:, None])
            return -float(np.average(miss.mean(axis=2), axis=0, weights=weight).mean())
        return -float(np.average(miss.mean(axis=(1, 2)), weights=data.weight))

    @abstractmethod
    def _learn(self, data: Sample) -> None:
        """Learn from checked rows."""

    @abstractmethod
    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, Floats | None]:
        """Effects (n, k, m) of k treatments against control, the level under control (n, m), and
        standard errors or None.
        """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.string = tags.input_tags.categorical = True
        tags.input_tags.allow_nan = self.takes_gaps and self._models_take_gaps()
        tags.target_tags.required = tags.target_tags.multi_output = True
        return tags

    def _models_take_gaps(self) -> bool:
        """Whether what sees the features first takes missing values: the transformer, or base
        models.
        """
        if self.transform is not None:
            return bool(get_tags(self.transform).input_tags.allow_nan)
        models = (getattr(self, f"{role}_model", None) for role in ("outcome", "effect"))
        return all(get_tags(model).input_tags.allow_nan for model in models if foreign(model))

    def _inputs(self, X: Any, candidates: Any) -> tuple[Floats, NDArray[Any]]:
        """X as (n, d) in the order of fit, and the treatments asked for in canonical form."""
        self._check_one_fit()
        values = self._as_fitted(X)
        space = self.space_
        return values, space.candidates() if candidates is None else space.check(candidates)

    def _check_one_fit(self) -> None:
        """It is fitted, and by one fit of all rows."""
        check_is_fitted(self, "space_")
        if self.open_models_ is not None:
            what, fix = type(self).__name__, "ask effects(), or fit rows that all arms are open to"
            raise InputError(what, "be of arms that are open to all", "closed arms", fix=fix)


def joined(parts: list[Effects]) -> Effects:
    """The effects of parts of units, one after another."""
    errors = [part.std_error for part in parts if part.std_error is not None]
    return replace(
        parts[0],
        values=np.concatenate([part.values for part in parts]),
        baseline=np.concatenate([part.baseline for part in parts]),
        std_error=np.concatenate(errors) if errors else None,
    )


def one_row(X: Floats) -> Floats:
    """A row of zeros, (1, d), for models that answer no table without rows."""
    return np.zeros((1, X.shape[1]))


def complete(X: Floats, features: tuple[str, ...]) -> None:
    """Refuse missing features, for estimators that cannot use them."""
    if np.isnan(X).any():
        row, j = (int(i) for i in np.argwhere(np.isnan(X))[0])
        fix = "fill it: this estimator takes no missing values"
        raise InputError(
            f"feature {str(features[j])!r}", "have no missing value", "nan", f"row {row}", fix
        )


def shares(cell: Ints, cells: int, weight: Floats | None) -> Floats:
    """The observed share of each cell in every row, (n, K)."""
    count = np.bincount(cell, weight, minlength=cells)
    return np.broadcast_to(count / count.sum(), (len(cell), cells))


def propensities(data: Sample, cell: Ints, cells: int, fold: Ints) -> Floats:
    """The probability of each cell in every row, (n, K): as known, as learnt across folds, or the
    observed shares.
    """
    if data.propensity is None:
        return shares(cell, cells, data.weight)
    if isinstance(data.propensity, np.ndarray):
        return data.propensity
    learn, e = data.propensity.cross_fit, np.empty((len(data), cells))
    if data.of_folds is None:
        return learn(data.X, cell, cells, fold=fold, weight=data.weight)
    for f, X in enumerate(data.of_folds(fold)):  # whose transformer did not see the fold
        e[fold == f] = learn(X, cell, cells, fold=fold, weight=data.weight)[fold == f]
    return e


def by_cell(cell: Ints, effect: Callable[[int], Floats], shape: tuple[int, ...]) -> Floats:
    """The effects (n, k, m) of treatments in cells (k,).   Each candidate is asked once,
    ``effect(a) -> (n, m)``; control: 0.
    """
    values = np.zeros((shape[0], len(cell), shape[1]))
    for a in np.unique(cell[cell > 0]):
        values[:, cell == a] = effect(int(a) - 1)[:, None]
    return values


def finite_cells(space: Space, data: Sample, least: int) -> Ints:
    """The cell of each row, (n,), after checking that every cell has at least ``least`` rows."""
    cell = space.cells(data.treatment)
    names = cell_names(space)
    count = np.bincount(cell, minlength=len(names))
    if count.min() < least:
        a = int(np.argmin(count))
        fix = (
            "drop it from the space, merge it, or use fewer folds"
            if a
            else "it is control: log more of it, or use fewer folds"
        )
        if data.groups is not None:
            fix += "; groups are never torn apart: log it in more groups"
        what = f"the rows of treatment {names[a]!r}"
        raise InputError(what, f"be at least {least}", int(count[a]), fix=fix)
    return cell
