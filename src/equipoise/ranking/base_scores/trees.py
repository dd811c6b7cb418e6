"""BoostedScores: a probability for each objective by boosted trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats
from equipoise.ranking.base_scores.base import ScoreModel

PATIENCE = 20  # rounds without a better held-out loss


class BoostedScores(ScoreModel):
    """LightGBM's trees, a model for each objective, stopped by held-out users.

    Parameters
    ----------
    n_estimators : int, default 300
        At most so many trees an objective.
    num_leaves : int, default 31
        Of a tree.
    learning_rate : float, default 0.05
        Of the boosting.
    n_jobs : int, default 1
        Threads; the numbers do not depend on them.
    random_state : int, default 0
        Of the held-out users.

    Attributes
    ----------
    models_ : list of str
        LightGBM's own text of a model, one an objective.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> model = BoostedScores(20).fit(X, (X > 0).astype(int))
    >>> (model.predict([[2.0, -2.0]]) > 0.5).tolist()
    [[True, False]]
    """

    def __init__(
        self,
        n_estimators: int = 300,
        num_leaves: int = 31,
        learning_rate: float = 0.05,
        *,
        n_jobs: int = 1,
        random_state: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.num_leaves = num_leaves
        self.learning_rate = learning_rate
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _learn(
        self, X: Floats, labels: Floats, observed: Bools, weight: Floats, held: Bools
    ) -> None:
        import lightgbm

        settings = {
            "objective": "binary",
            "num_leaves": self.num_leaves,
            "learning_rate": self.learning_rate,
            "num_threads": self.n_jobs,
            "seed": self.random_state,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        self.models_: list[str] = []
        for j in range(labels.shape[1]):
            rows = [np.flatnonzero(observed[:, j] & part) for part in (~held, held)]
            data = [lightgbm.Dataset(X[i], labels[i, j], weight=weight[i]) for i in rows]
            stops = len(np.unique(labels[rows[1], j])) == 2
            booster = lightgbm.train(
                settings,
                data[0],
                self.n_estimators,
                valid_sets=data[1:] if stops else None,
                callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)] if stops else None,
            )
            self.models_.append(booster.model_to_string())  # the best rounds alone

    def _probabilities(self, X: Floats) -> Floats:
        columns = [booster.predict(X, num_threads=self.n_jobs) for booster in self._boosters()]
        return np.column_stack(columns)

    def _boosters(self) -> list[Any]:
        """The models, read once."""
        import lightgbm

        ready = vars(self).get("_ready")
        if ready is None or ready[0] is not self.models_:
            boosters = [lightgbm.Booster(model_str=text) for text in self.models_]
            ready = self._ready = (self.models_, boosters)
        return list(ready[1])
