"""DR-learner: regress doubly robust scores on x.   Kennedy, arXiv:2004.14497, Algorithm 1, with
cross-fitting.

    score_a = mu_a(x) + 1{cell = a} (y - mu_a(x)) / e_a(x)        mu, e learnt without the row's
    fold
    tau_a(x) = E[score_a - score_0 | x]                           learnt from all rows, whatever
    their treatment

Right in the limit if either the levels mu or the propensity e are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.scores import dr_scores
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, by_cell, propensities
from equipoise.estimators.design import design
from equipoise.estimators.modifiers import columns_of
from equipoise.estimators.training_data import Sample
from equipoise.learners.base_learners import Rows, effect_models, predict_all
from equipoise.learners.crossfit import cell_nuisances, cross_fit, learn_each


@renamed_arguments(outcome="outcome_model", effect="effect_model", folds="cv", seed="random_state")
class DRLearner(EffectEstimator):
    """One effect model per candidate and metric, from doubly robust scores of all rows.

    Parameters
    ----------
    outcome_model : regressor or classifier, optional
        Of the levels; a classifier for 0/1 outcomes; None for boosted trees.
    effect_model : regressor, optional
        Of the scores; None for boosted trees.
    modifiers : sequence of str or int, optional
        The features (names or positions) that the effect varies with; None is all of them.  The
        others are controls: levels and propensity count them, the effect does not.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    cv : int, default 3
        Folds of cross-fitting.
    random_state : int, default 0
        Of the folds, and of base models that are random.

    References
    ----------
    Kennedy, "Towards optimal doubly robust estimation of heterogeneous causal effects",
    arXiv:2004.14497, Algorithm 1.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X, t = np.arange(12.0)[:, None], np.arange(12) % 2
    >>> learner = DRLearner(LinearRegression(), LinearRegression())
    >>> learner.fit(X, X[:, 0] + 3 * t, treatment=t).effects([[2.0]]).values.round(6).tolist()
    [[[3.0]]]
    """

    takes = "finite: Arms, or Dose by its bins"
    uses_propensity = True
    unit_free = True

    def __init__(
        self,
        outcome_model: Any = None,
        effect_model: Any = None,
        *,
        modifiers: Sequence[str] | Sequence[int] | None = None,
        space: Space | None = None,
        cv: int = 3,
        random_state: int = 0,
    ) -> None:
        self.outcome_model = outcome_model
        self.effect_model = effect_model
        self.modifiers = modifiers
        self.space = space
        self.cv = cv
        self.random_state = random_state

    def _learn(self, data: Sample) -> None:
        setup = design(self, data)
        levels = cell_nuisances(data.y, setup.cell, setup.cells)
        fit = cross_fit(
            setup.outcome, setup.table, levels, setup.fold, data.weight, self.random_state
        )
        score = dr_scores(
            data.y,
            setup.cell,
            propensities(data, setup.cell, setup.cells, setup.fold),
            fit.predictions,
        )
        target = (score[:, 1:] - score[:, :1]).reshape(len(data), -1)  # (n, k m)
        # control, a model each fold and metric
        self.levels_ = [of_fold[0] for of_fold in fit.models]
        models = [
            model
            for a in range(1, setup.cells)
            for model in effect_models(setup.effect, data.y, setup.cell, (0, a))
        ]
        self.modifiers_ = setup.modifiers
        self.effects_ = learn_each(
            models,
            Rows(setup.effect_table, None),
            target,
            data.weight,
            self.random_state,
            setup.fold,
        )

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        m, some = len(self.metrics_), columns_of(X, getattr(self, "modifiers_", None))

        def effect(a: int) -> Floats:
            return predict_all(self.effects_[a * m : (a + 1) * m], some).T

        baseline = fold_mean(self.levels_, X)
        return by_cell(self.space_.cells(treatment), effect, baseline.shape), baseline, None


def fold_mean(models: list[list[Any]], X: Floats) -> Floats:
    """The mean over folds of each metric's prediction, (n, m).   models: (folds, m)."""
    levels = predict_all([model for of_fold in models for model in of_fold], X)
    return np.ascontiguousarray(levels.reshape(len(models), -1, len(X)).mean(axis=0).T)
