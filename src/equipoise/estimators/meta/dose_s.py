"""Dose S-learner: boosted trees on [x, dose], with a response that may be held to rise or fall with
the dose.

    tau(x, d) = mu(x, d) - mu(x, control),   mu monotone in d where asked

Any amount of the interval may be asked, not only those that were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator
from equipoise.estimators.design import cluster_folds
from equipoise.estimators.meta.s import answers
from equipoise.estimators.training_data import Sample
from equipoise.estimators.tree_sums import TreeSums, between_codes
from equipoise.learners.base_learners import MONOTONE, BoostedTrees, default_outcome, learn
from equipoise.learners.tables import Rows, Table


@renamed_arguments(outcome="outcome_model", seed="random_state")
class DoseSLearner(EffectEstimator):
    """Boosted trees on features and dose, one model per metric; the first to try for a dose.

    Parameters
    ----------
    outcome_model : BoostedTrees, optional
        The model of the level; None for the default one.
    monotone : str or sequence of str, optional
        "increasing", "decreasing" or None: how the level moves with the dose; one for all metrics,
        or one per metric.
    space : Space, default None
        A Dose, which must be given.
    random_state : int, default 0
        Kept for the contract; these trees are not random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    Examples
    --------
    >>> from equipoise.treatments import Dose
    >>> rng = np.random.default_rng(0)
    >>> X, dose = rng.normal(size=(500, 1)), rng.integers(3, size=500).astype(float)
    >>> learner = DoseSLearner(monotone="increasing", space=Dose(0, 2))
    >>> effects = learner.fit(X, 2 * dose, treatment=dose).effects([[0.0]], [1.0, 2.0])
    >>> effects.values.round(1).tolist()
    [[[2.0], [4.0]]]
    """

    takes = "an interval of amounts: Dose"
    unit_free = True

    def __init__(
        self,
        outcome_model: BoostedTrees | None = None,
        *,
        monotone: str | Sequence[str | None] | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.outcome_model = outcome_model
        self.monotone = monotone
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _learn(self, data: Sample) -> None:
        dose = self.space_.dose(data.treatment)
        if dose.min() == dose.max():
            raise InputError(
                "the dose", "vary", f"{dose[0]:g} in every row", fix="log at least two amounts"
            )
        model = default_outcome(len(data)) if self.outcome_model is None else self.outcome_model
        if not isinstance(model, BoostedTrees):
            raise InputError(
                "outcome_model",
                "be BoostedTrees or None",
                repr(model),
                fix="SLearner takes any scikit-learn model",
            )
        rows = Rows(
            Table(
                np.column_stack([data.X, dose]),
                (*data.features, "dose"),
                categories=data.categories,
            ),
            None,
        )
        ways, fold = self._ways(len(data.metrics)), cluster_folds(data, self.random_state)
        self.levels_ = []
        for way, target in zip(ways, np.ascontiguousarray(data.y.T), strict=True):
            bent = clone(model).set_params(
                monotone=[None] * data.X.shape[1] + [way] if way else None
            )
            self.levels_.append(learn(bent, rows, target, data.weight, self.random_state, fold))

    def _ways(self, metrics: int) -> list[str | None]:
        ways = (
            [self.monotone] * metrics
            if self.monotone is None or isinstance(self.monotone, str)
            else list(self.monotone)
        )
        if len(ways) != metrics or not set(ways) <= set(MONOTONE):
            raise InputError(
                "monotone",
                "be 'increasing', 'decreasing' or None, one or one per metric",
                self.monotone,
            )
        return ways

    def _tree_sums(self) -> TreeSums:
        return between_codes(self.levels_, self._amounts(self.space_.candidates()))

    def _amounts(self, treatment: NDArray[Any]) -> Floats:
        """Control's amount and those of treatments, (1 + k, 1)."""
        control = self.space_.dose(np.asarray([self.space_.control]))
        return np.append(control, self.space_.dose(treatment))[:, None]

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        level = answers(self.levels_, X, self._amounts(treatment))  # control first
        return level[:, 1:] - level[:, :1], level[:, 0].copy(), None
