"""Bootstrapped: any estimator with a bootstrap standard error, also for units it never saw, because
it keeps its replicates.

`bootstrap_effects` says the same of given units without keeping anything.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.effects import Effects
from equipoise.core.space import Space
from equipoise.estimators.bootstrap import (
    Rows,
    exponential_weights,
    replicate_fits,
    with_bootstrap_error,
)


@renamed_arguments(seed="random_state")
class Bootstrapped(BaseEstimator):  # type: ignore[misc]
    """Any estimator with a bootstrap standard error, also for units it never saw.

    Its effects are those of ``estimator`` fitted on all rows; their std_error is the standard
    deviation over the replicates, which are kept.

    Parameters
    ----------
    estimator : estimator
        Any estimator of effects; it is cloned.
    replicates : int, default 20
        Fits with random weights, of units or of whole groups.
    random_state : int, default 0
        Of the weights.

    Examples
    --------
    >>> from equipoise.estimators import TLearner
    >>> from sklearn.linear_model import LinearRegression
    >>> X, t = np.arange(12.0)[:, None], np.arange(12) % 2
    >>> learner = Bootstrapped(TLearner(LinearRegression()), replicates=10)
    >>> effects = learner.fit(X, X[:, 0] + 3 * t, treatment=t).effects([[2.0]])
    >>> effects.values.round(6).item(), effects.std_error.shape
    (3.0, (1, 1, 1))
    """

    gives_std_error = True

    def __init__(self, estimator: Any, replicates: int = 20, random_state: int = 0) -> None:
        self.estimator = estimator
        self.replicates = replicates
        self.random_state = random_state

    @property
    def uses_propensity(self) -> bool:
        """Whether the estimator does."""
        return bool(getattr(self.estimator, "uses_propensity", False))

    @property
    def space(self) -> Space | None:
        """The space of the estimator."""
        space: Space | None = self.estimator.space
        return space

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
        """Learn from all rows, and from every replicate of them.

        Parameters
        ----------
        X : array-like, (n, d)
            Features, as for the estimator.
        y : array-like, (n,) or (n, m)
            Outcomes, one column per metric.
        treatment : array-like, (n,) or (n, p), default None
            What each row got; must be given.
        propensity : array-like, (n, K), or model, optional
            As for the estimator.
        sample_weight : array-like, (n,), optional
            Weights > 0.
        groups : array-like, (n,), optional
            Labels of clusters; whole clusters are drawn.

        Returns
        -------
        Bootstrapped
            Itself.
        """
        rows = Rows(X, y, treatment, propensity, sample_weight, groups)
        self.whole_ = rows.fit(self.estimator)
        self.fits_ = list(
            replicate_fits(
                self.estimator, rows, self.replicates, exponential_weights, self.random_state, None
            )
        )
        return self

    def effects(self, X: Any, candidates: Any = None) -> Effects:
        """The effects of every candidate, with std_error.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.
        candidates : array-like, (k,) or (k, p), optional
            Treatments of the space; by default its candidates.

        Returns
        -------
        Effects
            Values and std_error (n, k, m), in the metrics' units.
        """
        check_is_fitted(self, "whole_")
        whole: Effects = self.whole_.effects(X, candidates)
        first = self.fits_[0].effects(X, candidates).values
        shift, square = np.zeros_like(first), np.zeros_like(first)
        for replicate in self.fits_[1:]:
            step = replicate.effects(X, candidates).values - first
            shift += step
            square += step**2
        count = len(self.fits_)
        variance = (square - shift**2 / count) / (count - 1)
        return with_bootstrap_error(whole, np.maximum(variance, 0), count)
