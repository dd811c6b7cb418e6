"""StrataEstimator: the base of all estimators of the five strata.  It checks at the door, tests
what can be tested, and labels.

A subclass stores its arguments in ``__init__`` (``space``, ``folds`` and ``seed`` among them) and
writes two methods:

    _learn(sample) -> OutOfFold    learn from a checked `StrataSample`; what is learnt ends in ``_``
    _raw(X) -> (n, 5)         individual scores of new rows; they need not be probabilities

The strata rest on A1-A6 (`equipoise.core.strata.ASSUMPTIONS`): `diagnostics` says what the data
have to say against them.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.features import FittedColumns
from equipoise.core.space import Space
from equipoise.core.strata import ASSUMPTIONS, AssumptionWarning, project_simplex
from equipoise.core.strata_tests import latent_calibration, restriction_tests
from equipoise.core.user_line import user_level
from equipoise.estimators.base import one_row
from equipoise.estimators.strata.cells import BoostedClasses
from equipoise.estimators.strata.sample import StrataSample, strata_sample
from equipoise.estimators.training_data import infer_space, require, rows_as_given
from equipoise.learners.nested_params import NestedParams
from equipoise.learners.propensity import overlap

FEWEST = 50  # rows of a bin of the tests
BINS = 10
OUTSIDE = 1e-9  # a probability may round so far beyond 0 or 1


@dataclass(frozen=True)
class OutOfFold:
    """What a subclass knows of the rows of fit, from models that did not see them.

    Attributes
    ----------
    signals : (n, 5), the estimator's signals.   tested : (n, 5), doubly robust ones (often the
        same), for the tests.
    strata : (n, 5), its estimates of the strata, unprojected.   propensity : (n,), P(offered | x).
    """

    signals: Floats
    tested: Floats
    strata: Floats
    propensity: Floats


class StrataEstimator(FittedColumns, NestedParams, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators of strata; see the module's text for what a subclass writes.

    Examples
    --------
    >>> from equipoise.estimators.strata import CFDR
    >>> issubclass(CFDR, StrataEstimator)
    True
    """

    __metadata_request__fit = {
        name: True for name in ("treatment", "claimed", "propensity", "sample_weight", "groups")
    }

    slots = NestedParams.slots | {"cells": BoostedClasses, "model": BoostedClasses}
    space: Space | None
    cv: int
    uses_propensity = True  # whether its scores rest on the propensity
    of_ids = False  # whether the columns of X are ids (a user, an item) and not features

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        treatment: Any = None,
        claimed: Any = None,
        propensity: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> Self:
        """Learn the probability of each stratum.

        Parameters
        ----------
        X : frame, array, sparse matrix or list of rows, (n, d)
            Features: numbers, and in a frame also text and categories, encoded as `FeatureMap`
            does; for estimators of ids, columns of whole numbers.
        y : array-like, (n,)
            The outcome, 0 or 1.
        treatment : array-like, (n,), default None
            Labels of ``space``, two arms: no offer, offer; must be given.
        claimed : array-like, (n,), default None
            0 or 1, and 0 without an offer; must be given.
        propensity : array-like, (n,) or (n, 2), or model, optional
            P(offered), or both arms' probabilities; None takes the observed shares, which is right
            for a randomised experiment with one share for all; a model such as `LearntPropensity`
            learns them.
        sample_weight : array-like, (n,), optional
            Weights > 0.
        groups : array-like, (n,), optional
            Labels of clusters; a cluster is never torn apart by folds.

        Returns
        -------
        StrataEstimator
            Itself.

        Raises
        ------
        InputError
            Naming the argument and the row of a value that is not allowed.
        UnsupportedSpace
            The space has more or fewer than two arms.

        Warns
        -----
        AssumptionWarning
            The data speak against an assumption, or nobody fills a claim cell.
        """
        require("treatment", treatment)
        require("claimed", claimed)
        self.space_: Space = infer_space(treatment) if self.space is None else self.space
        values, names = self._fit_columns(X)
        if self.of_ids and self.encoding_ is not None:
            fix = "number them, as pandas.factorize does"
            raise InputError("ids", "be whole numbers", "text", fix=fix)
        data = strata_sample(
            values,
            y,
            self.space_,
            treatment,
            claimed,
            propensity,
            sample_weight,
            groups,
            least=self.cv,
            names=names,
        )
        order = data.rows.order(self.space_, data.claimed)
        data = data.take(order)
        with rows_as_given(order):
            out_of_fold = self._learn(data)
        self.signals_ = np.empty_like(out_of_fold.signals)
        self.signals_[order] = out_of_fold.signals
        self.diagnostics_ = diagnose(data, out_of_fold)
        for test in self.diagnostics_["restrictions"]:
            if test["violated"]:
                warnings.warn(_violation(test), AssumptionWarning, stacklevel=user_level())
        return self

    def strata(self, X: Any) -> Floats:
        """The probability of each stratum: the scores, projected on the simplex.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.

        Returns
        -------
        array, (n, 5)
            Probabilities, in the order of `equipoise.core.strata.STRATA`.
        """
        return project_simplex(self.scores(X))

    def scores(self, X: Any) -> Floats:
        """The scores of each stratum before projection.

        Below 0 they speak against an assumption, or are noise.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.

        Returns
        -------
        array, (n, 5)
            Scores, in the order of `equipoise.core.strata.STRATA`.
        """
        check_is_fitted(self, "signals_")
        values = self._as_fitted(X)
        return self._raw(values if len(values) else one_row(values))[: len(values)]

    def predict(self, X: Any) -> Floats:
        """The same as `strata`, for tools of scikit-learn.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.

        Returns
        -------
        array, (n, 5)
            Probabilities of the strata.
        """
        return self.strata(X)

    def signals(self) -> Floats:
        """The cross-fitted signals of the rows of fit, in their order.

        Average these for shares and policy values.

        Returns
        -------
        array, (n, 5)
            Signals, in the order of `equipoise.core.strata.STRATA`.
        """
        check_is_fitted(self, "signals_")
        return self.signals_.copy()

    def diagnostics(self) -> dict[str, Any]:
        """What the data say of the assumptions, as plain numbers.

        Returns
        -------
        dict
            ``assumptions``: A1-A6 in words; ``restrictions``: `restriction_tests`, a z per bin;
            ``calibration``: `latent_calibration`; ``overlap``: see
            `equipoise.learners.propensity.overlap`, no offer first; ``share_clipped``: the share of
            rows in which a held-out estimate lies outside 0..1 before projection; ``clipped_by``:
            the mean distance that projection moves them, summed over strata.
        """
        check_is_fitted(self, "diagnostics_")
        report: dict[str, Any] = self.diagnostics_
        return report

    @abstractmethod
    def _learn(self, data: StrataSample) -> OutOfFold:
        """Learn from checked rows."""

    @abstractmethod
    def _raw(self, X: Floats) -> Floats:
        """Scores of the strata for new rows, (n, 5)."""


def diagnose(data: StrataSample, out_of_fold: OutOfFold, bins: int = BINS) -> dict[str, Any]:
    """The plain numbers of `StrataEstimator.diagnostics`."""
    options: dict[str, Any] = {
        "bins": max(1, min(bins, len(data) // FEWEST)),
        "weight": data.rows.weight,
        "groups": data.rows.groups,
    }
    projected = project_simplex(out_of_fold.strata)
    g = out_of_fold.propensity
    return {
        "assumptions": [asdict(assumption) for assumption in ASSUMPTIONS],
        "restrictions": restriction_tests(out_of_fold.strata, out_of_fold.tested, **options),
        "calibration": latent_calibration(projected, out_of_fold.tested, **options),
        "overlap": {
            name: part.tolist()
            for name, part in overlap(np.column_stack([1 - g, g]), data.offered).items()
        },
        "share_clipped": float(
            ((out_of_fold.strata < -OUTSIDE) | (out_of_fold.strata > 1 + OUTSIDE))
            .any(axis=1)
            .mean()
        ),
        "clipped_by": float(np.abs(projected - out_of_fold.strata).sum(axis=1).mean()),
    }


def _violation(test: dict[str, Any]) -> str:
    title = next(one.title for one in ASSUMPTIONS if one.name == test["assumption"])
    return (
        f"{test['assumption']} ({title}) does not hold: {test['restriction']} fails with z ="
        f" {test['least_z']:.1f} in one of {len(test['z'])} bins ({test['meaning']}); strata are"
        " labelled as if it held: look at bounds and sensitivity"
    )
