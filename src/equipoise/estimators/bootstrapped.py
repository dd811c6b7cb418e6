"""Bootstrapped: any estimator with a bootstrap standard error, also for units it never saw, because
it keeps its replicates.

`bootstrap_effects` says the same of given units without keeping anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.effects import Effects
from equipoise.core.space import Space
from equipoise.estimators.bootstrap import Rows, exponential_weights, replicate_fits


@renamed_arguments(seed="random_state")
class Bootstrapped(BaseEstimator):  # type: ignore[misc]
    """The effects of ``estimator`` fitted on all rows; their std_error is the standard deviation
    over its replicates.

    Parameters
    ----------
    estimator : any estimator; it is cloned.   replicates : fits with random weights, of units or of
        whole groups.
    random_state : of the weights.
    """

    gives_std_error = True

    def __init__(self, estimator: Any, replicates: int = 20, random_state: int = 0) -> None:
        self.estimator = estimator
        self.replicates = replicates
        self.random_state = random_state

    @property
    def space(self) -> Space | None:
        """The space of the estimator."""
        found: Space | None = self.estimator.space
        return found

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        treatment: Any,
        propensity: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> Self:
        """Learn from all rows, and from every replicate of them; arguments as for the estimator."""
        rows = Rows(X, y, treatment, propensity, sample_weight, groups)
        self.whole_ = rows.fit(self.estimator)
        self.fits_ = list(
            replicate_fits(
                self.estimator, rows, self.replicates, exponential_weights, self.random_state, None
            )
        )
        return self

    def effects(self, X: Any, candidates: Any = None) -> Effects:
        """The effects of every candidate, with std_error."""
        check_is_fitted(self, "whole_")
        whole: Effects = self.whole_.effects(X, candidates)
        first = self.fits_[0].effects(X, candidates).values
        shift, square = np.zeros_like(first), np.zeros_like(first)
        for fitted in self.fits_[1:]:
            step = fitted.effects(X, candidates).values - first
            shift += step
            square += step**2
        count = len(self.fits_)
        variance = (square - shift**2 / count) / (count - 1)
        return replace(whole, std_error=np.sqrt(np.maximum(variance, 0)))
