"""R-learner: regress the outcome's residual on the treatment's residual.   Nie & Wager, Biometrika
108 (2021).

For candidate a, on the rows of a and of control:

    r(x) = e_a / (e_a + e_0)           the probability of a among the two
    m(x) = E[y | x, a or control]      cross-fitted
    tau_a = argmin  sum (1{t = a} - r)^2 ((y - m) / (1{t = a} - r) - tau(x))^2

With one candidate these are all rows and the original.  With more, candidates are compared with
control pair by pair: the joint loss over all arms is no weighted regression of one candidate at a
time, and its cross terms would need a solver for all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Bools, Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, by_cell, propensities
from equipoise.estimators.design import Design, design
from equipoise.estimators.modifiers import columns_of
from equipoise.estimators.training_data import Sample
from equipoise.estimators.tree_sums import TreeSums, single
from equipoise.learners.base_learners import Fitted, effect_models, predict_all
from equipoise.learners.crossfit import Nuisance, cross_fit, learn_each, learn_targets
from equipoise.learners.events import WIDEST
from equipoise.learners.tables import Rows


def residual_regression(y: Floats, hit: Bools, r: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """Targets (n, m) and weights (n,) of the R-loss.   y, mean: (n, m); hit: (n,) whether treated;
    r: (n,) its probability.
    """
    residual = hit - r
    return (y - mean) / residual[:, None], residual**2


@renamed_arguments(outcome="outcome_model", effect="effect_model", folds="cv", seed="random_state")
class RLearner(EffectEstimator):
    """One effect model per candidate and metric, from residual-on-residual regression.

    Parameters
    ----------
    outcome_model : regressor or classifier, optional
        Of the mean m and the control level; a classifier for 0/1 outcomes; None for boosted trees.
    effect_model : regressor, optional
        It must take weights; None for boosted trees.
    modifiers : sequence of str or int, optional
        The features (names or positions) that the effect varies with; None is all of them.  The
        others are controls: levels and propensity count them, the effect does not.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    cv : int, default 3
        Folds of cross-fitting.
    random_state : int, default 0
        Of the folds, and of base models that are random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    References
    ----------
    Nie & Wager (2021), "Quasi-oracle estimation of heterogeneous treatment effects",
    Biometrika 108.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.normal(size=(400, 1)), rng.integers(2, size=400)
    >>> learner = RLearner(LinearRegression(), LinearRegression())
    >>> learner.fit(X, X[:, 0] + 3 * t, treatment=t).effects([[0.0]]).values.round(1).tolist()
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
        transform: Any = None,
    ) -> None:
        self.outcome_model = outcome_model
        self.effect_model = effect_model
        self.modifiers = modifiers
        self.space = space
        self.cv = cv
        self.random_state = random_state
        self.transform = transform

    def _learn(self, data: Sample) -> None:
        setup = design(self, data)
        cell, table = setup.cell, setup.table
        parts = [Nuisance((cell == 0) | (cell == a), data.y) for a in range(1, setup.cells)]
        mean = cross_fit(
            setup.outcome, table, parts, setup.fold, data.weight, self.random_state
        ).predictions
        e = propensities(data, cell, setup.cells, setup.fold)
        self.levels_ = learn_targets(
            setup.outcome,
            table,
            Nuisance(cell == 0, data.y),
            setup.fold,
            data.weight,
            self.random_state,
        )
        self.modifiers_ = setup.modifiers
        self.effects_ = [
            self._pair(setup, data, a, e, mean[:, a - 1]) for a in range(1, setup.cells)
        ]

    def _pair(self, setup: Design, data: Sample, a: int, e: Floats, mean: Floats) -> list[Fitted]:
        """The effect models of candidate a, one per metric.   e: (n, K); mean: (n, m)."""
        rows = Rows(setup.effect_table, np.flatnonzero((setup.cell == 0) | (setup.cell == a)))
        r = rows.of(e[:, a] / (e[:, a] + e[:, 0]))
        target, weight = residual_regression(
            rows.of(data.y), rows.of(setup.cell == a), r, rows.of(mean)
        )
        if data.weight is not None:
            weight = weight * rows.of(data.weight)
        models = effect_models(setup.effect, rows.of(data.y), rows.of(setup.cell), (0, a), WIDEST)
        return learn_each(models, rows, target, weight, self.random_state, rows.of(setup.fold))

    def _tree_sums(self) -> TreeSums:
        columns, cells = (
            getattr(self, "modifiers_", None),
            self.space_.cells(self.space_.candidates()),
        )
        effects = [single(self.effects_[a - 1], columns) for a in cells]
        return TreeSums(single(self.levels_), effects)

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        some = columns_of(X, getattr(self, "modifiers_", None))

        def effect(a: int) -> Floats:
            return predict_all(self.effects_[a], some).T

        baseline = np.ascontiguousarray(predict_all(self.levels_, X).T)
        return by_cell(self.space_.cells(treatment), effect, baseline.shape), baseline, None
