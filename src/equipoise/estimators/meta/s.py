"""S-learner: one model of the level on [x, encoded treatment]; effects are differences between its
answers.

    tau_a(x) = mu(x, encode(a)) - mu(x, 0),   encode(control) = 0

It serves every space that encodes its treatments, and shrinks weak effects towards zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator
from equipoise.estimators.design import cluster_folds
from equipoise.estimators.training_data import Sample
from equipoise.estimators.tree_sums import TreeSums, between_codes
from equipoise.learners.base_learners import Fitted, check_model, default_outcome, predict_all
from equipoise.learners.crossfit import learn_each
from equipoise.learners.tables import Rows, Table


def answers(models: list[Fitted], X: Floats, codes: Floats) -> Floats:
    """The level of every unit under every treatment, (n, k, m).   codes: (k, p), one row a
    treatment.
    """
    levels = np.empty((len(X), len(codes), len(models)))
    both = np.hstack([X, np.empty((len(X), codes.shape[1]))])
    for a, code in enumerate(codes):
        both[:, X.shape[1] :] = code
        levels[:, a] = predict_all(models, both).T
    return levels


def check_encoding(space: Space, codes: Floats) -> None:
    """Whether the treatments seen tell the directions of the encoding apart.   codes: (n, p)."""
    design = np.column_stack([np.ones(len(codes)), codes])
    spread = np.linalg.matrix_rank(design.T @ design)
    support = int(np.count_nonzero(codes, axis=0).min())
    if spread < design.shape[1] or support < 2:
        missing = [
            name
            for name, rows in zip(space.names(space.candidates()), _rows(space, codes), strict=True)
            if rows < 2
        ]
        what = f"the rows of treatment {missing[0]!r}" if missing else "the treatments seen"
        fix = (
            "drop it from the space, or log it"
            if missing
            else "log control and at least one other treatment"
        )
        raise InputError(what, "be at least 2 and differ from the others", "too few", fix=fix)


def _rows(space: Space, codes: Floats) -> list[int]:
    return [int((codes == one).all(axis=1).sum()) for one in space.encode(space.candidates())]


@renamed_arguments(outcome="outcome_model", seed="random_state")
class SLearner(EffectEstimator):
    """One outcome model per metric, for all treatments.

    Parameters
    ----------
    outcome_model : regressor or classifier, optional
        Of the level; a classifier for 0/1 outcomes; None for boosted trees.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    random_state : int, default 0
        Of base models that are random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X, t = np.arange(12.0)[:, None], np.arange(12) % 2
    >>> learner = SLearner(LinearRegression()).fit(X, X[:, 0] + 3 * t, treatment=t)
    >>> learner.effects([[2.0]]).values.round(6).tolist()
    [[[3.0]]]
    """

    takes = "one that encodes its treatments as numbers"
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
        model = default_outcome(len(data)) if self.outcome_model is None else self.outcome_model
        codes = self.space_.encode(data.treatment)
        check_encoding(self.space_, codes)
        table = Table(
            np.hstack([data.X, codes]),
            (*data.features, *(f"treatment {j}" for j in range(codes.shape[1]))),
            categories=data.categories,
        )
        check_model(model, "outcome_model", table)
        self.levels_ = learn_each(
            model,
            Rows(table, None),
            data.y,
            data.weight,
            self.random_state,
            cluster_folds(data, self.random_state),
        )

    def _tree_sums(self) -> TreeSums:
        codes = self.space_.encode(self.space_.candidates())
        return between_codes(self.levels_, np.vstack([np.zeros((1, codes.shape[1])), codes]))

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        codes = self.space_.encode(treatment)
        # control first
        level = answers(self.levels_, X, np.vstack([np.zeros((1, codes.shape[1])), codes]))
        return level[:, 1:] - level[:, :1], level[:, 0].copy(), None
