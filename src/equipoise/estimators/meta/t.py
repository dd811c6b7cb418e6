"""T-learner: one model of the level under each cell; effects are their differences.

tau_a(x) = mu_a(x) - mu_0(x),   mu_a learnt from the rows of cell a.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, finite_cells
from equipoise.estimators.contributions import Part
from equipoise.estimators.design import cluster_folds
from equipoise.estimators.training_data import Sample
from equipoise.estimators.tree_sums import Term, TreeSum, TreeSums, single
from equipoise.learners.base_learners import check_model, default_outcome, predict_all
from equipoise.learners.crossfit import cell_nuisances, learn_targets


@renamed_arguments(outcome="outcome_model", seed="random_state")
class TLearner(EffectEstimator):
    """One outcome model per cell and metric.

    Parameters
    ----------
    outcome_model : regressor or classifier, optional
        Of the level in a cell; a classifier for 0/1 outcomes; None for boosted trees.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    random_state : int, default 0
        Of base models that are random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X, t = [[0.0], [1.0], [0.0], [1.0]], [0, 0, 1, 1]
    >>> learner = TLearner(LinearRegression()).fit(X, [1.0, 2.0, 4.0, 7.0], treatment=t)
    >>> learner.effects([[2.0]]).values
    array([[[7.]]])
    """

    takes = "finite: Arms, or Dose by its bins"
    unit_free = True

    def __init__(
        self,
        outcome_model: Any = None,
        *,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.outcome_model = outcome_model
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _learn(self, data: Sample) -> None:
        table, cells = data.table(), 1 + len(self.space_.candidates())
        model = (
            default_outcome(len(data) / cells) if self.outcome_model is None else self.outcome_model
        )
        check_model(model, "outcome_model", table)
        cell = finite_cells(self.space_, data, least=2)
        nuisances = cell_nuisances(data.y, cell, cells)
        fold = cluster_folds(data, self.random_state)
        self.levels_ = [
            learn_targets(model, table, nuisance, fold, data.weight, self.random_state)
            for nuisance in nuisances
        ]

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        # control is asked too
        cells, place = np.unique(np.append(self.space_.cells(treatment), 0), return_inverse=True)
        levels = predict_all([model for a in cells for model in self.levels_[a]], X)
        # (n, cells asked, m)
        level = levels.reshape(len(cells), len(self.metrics_), len(X)).transpose(2, 0, 1)
        baseline = level[:, 0]
        return level[:, place[:-1]] - baseline[:, None], np.ascontiguousarray(baseline), None

    def _tree_sums(self) -> TreeSums:
        control = self.levels_[0]
        effects = [
            [
                TreeSum([Term(1.0, one), Term(-1.0, base)])
                for one, base in zip(self.levels_[a], control, strict=True)
            ]
            for a in self.space_.cells(self.space_.candidates())
        ]
        return TreeSums(single(control), effects)

    def _effect_parts(self) -> list[list[list[Part]]]:
        """The trees of a candidate's level and of control's, for each candidate and metric."""
        control = self.levels_[0]
        return [
            [[Part(1.0, one), Part(-1.0, base)] for one, base in zip(cell, control, strict=True)]
            for cell in self.levels_[1:]
        ]
