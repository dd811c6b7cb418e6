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
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Bools, Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.scores import dr_scores
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, by_cell, propensities
from equipoise.estimators.contributions import Part
from equipoise.estimators.design import Design, design
from equipoise.estimators.modifiers import columns_of
from equipoise.estimators.training_data import Sample
from equipoise.estimators.tree_sums import TreeSums, mean_of_folds, single
from equipoise.learners.base_learners import Fitted, default_outcome, effect_models, predict_all
from equipoise.learners.crossfit import (
    Nuisance,
    cell_nuisances,
    cross_fit,
    learn_each,
    learn_targets,
)
from equipoise.learners.events import WIDEST
from equipoise.learners.many_arms import (
    Levels,
    are_many,
    shared_levels,
    telling_rows,
    with_leaves,
)
from equipoise.learners.tables import Rows


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
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

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
        many = are_many(len(data), setup.cells)
        predictions = self._levels(setup, data, many)
        score = dr_scores(
            data.y,
            setup.cell,
            propensities(data, setup.cell, setup.cells, setup.fold),
            predictions,
        )
        target = score[:, 1:] - score[:, :1]  # (n, k, m)
        self.modifiers_ = setup.modifiers
        learn = _by_telling_rows if many and self.effect_model is None else _by_all_rows
        self.effects_ = learn(setup, data, target, self.random_state)

    def _levels(self, setup: Design, data: Sample, many: bool) -> Floats:
        """Learn the levels of all cells, of every row by models that did not see it, (n, K, m)."""
        seed, self.control_offset_ = self.random_state, None
        known = data.propensity is None or isinstance(data.propensity, np.ndarray)
        if many and known and self.outcome_model is None:
            parts = Levels(
                setup.table, data.y, setup.cell, setup.cells, setup.fold, data.weight, seed
            )
            shared = shared_levels(default_outcome(len(data)), parts)
            if shared.suffice(setup.outcome, parts):
                self.levels_, self.control_offset_ = shared.models, shared.control
                if setup.table.of_folds is not None:  # see below
                    self.levels_ = [_of_all_rows(setup, data, None, seed)]
                return shared.predictions
        nuisances = cell_nuisances(data.y, setup.cell, setup.cells)
        fit = cross_fit(setup.outcome, setup.table, nuisances, setup.fold, data.weight, seed)
        self.levels_ = [of_fold[0] for of_fold in fit.models]  # control, a model each fold, metric
        if setup.table.of_folds is not None:  # the folds' features are not those of new units
            self.levels_ = [_of_all_rows(setup, data, setup.cell == 0, seed)]
        return fit.predictions

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        m, some = len(self.metrics_), columns_of(X, getattr(self, "modifiers_", None))

        cells = self.space_.cells(treatment)
        asked = np.unique(cells[cells > 0]) - 1
        models = [model for a in asked for model in self.effects_[a * m : (a + 1) * m]]
        each = predict_all(models, some) if models else np.empty((0, len(X)))

        def effect(a: int) -> Floats:
            place = int(np.searchsorted(asked, a)) * m
            return each[place : place + m].T

        baseline = fold_mean(self.levels_, X)
        offset: Floats | None = getattr(self, "control_offset_", None)  # 0.2.0 had none
        if offset is not None:
            baseline = baseline + offset
        return by_cell(cells, effect, baseline.shape), baseline, None

    def _tree_sums(self) -> TreeSums:
        m, columns = len(self.metrics_), getattr(self, "modifiers_", None)
        baseline, offset = mean_of_folds(self.levels_), getattr(self, "control_offset_", None)
        if offset is not None:
            shifts = np.broadcast_to(offset, (m,)).tolist()
            baseline = [
                replace(one, shift=shift) for one, shift in zip(baseline, shifts, strict=True)
            ]
        cells = self.space_.cells(self.space_.candidates())
        effects = [single(self.effects_[(a - 1) * m : a * m], columns) for a in cells]
        return TreeSums(baseline, effects)

    def _effect_parts(self) -> list[list[list[Part]]]:
        """The trees of each candidate's effect on each metric."""
        m, columns = len(self.metrics_), getattr(self, "modifiers_", None)
        return [
            [[Part(1.0, model, columns)] for model in self.effects_[first : first + m]]
            for first in range(0, len(self.effects_), m)
        ]


def _of_all_rows(setup: Design, data: Sample, rows: Bools | None, seed: int) -> list[Fitted]:
    """The models of the level, a metric each, from the rows (n,), None for all."""
    model = default_outcome(len(data)) if rows is None else setup.outcome
    nuisance = Nuisance(rows, data.y)
    return learn_targets(model, setup.table, nuisance, setup.fold, data.weight, seed)


def _by_all_rows(setup: Design, data: Sample, target: Floats, seed: int) -> list[Fitted]:
    """The models of effects, candidate by candidate, each from all rows.   target: (n, k, m)."""
    models = [
        model
        for a in range(1, setup.cells)
        for model in effect_models(setup.effect, data.y, setup.cell, (0, a), WIDEST)
    ]
    rows, flat = Rows(setup.effect_table, None), target.reshape(len(data), -1)
    return learn_each(models, rows, flat, data.weight, seed, setup.fold)


def _by_telling_rows(setup: Design, data: Sample, target: Floats, seed: int) -> list[Fitted]:
    """The same, each from the rows of its arm and of control, and a sample of others."""
    others = np.random.default_rng(seed).permutation(len(data))
    models: list[Fitted] = []
    for a in range(1, setup.cells):
        index, worth = telling_rows(setup.cell, (0, a), others, data.weight)
        each = effect_models(setup.effect, data.y[index], setup.cell[index], (0, a))
        models += learn_each(
            with_leaves(each, setup.cell[index], (0, a)),
            Rows(setup.effect_table, index),
            target[index, a - 1],
            worth,
            seed,
            setup.fold[index],
        )
    return models


def fold_mean(models: list[list[Any]], X: Floats) -> Floats:
    """The mean over folds of each metric's prediction, (n, m).   models: (folds, m)."""
    levels = predict_all([model for of_fold in models for model in of_fold], X)
    return np.ascontiguousarray(levels.reshape(len(models), -1, len(X)).mean(axis=0).T)
