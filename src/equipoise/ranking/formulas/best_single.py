"""BestSingleScore: the one base score that ranks all objectives best."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.ranking.base import Ranker
from equipoise.ranking.criterion import mean_auc
from equipoise.ranking.rows import RankingRows


class BestSingleScore(Ranker):
    """The base score of the best mean AUC; what every ensemble has to beat.

    Parameters
    ----------
    objective_weight : mapping or array, (M,), default None
        What each objective counts; None: all alike.
    scores : str, default "probability"
        What base scores are: "probability" or "number".
    random_state : int, default 0
        Not used: nothing is random.

    Attributes
    ----------
    index_ : int
        The score's column in X.

    Examples
    --------
    >>> p = np.array([[0.5, 0.1], [0.4, 0.2], [0.6, 0.3]])
    >>> BestSingleScore().fit(p, [0, 0, 1]).predict(p)
    array([0.5, 0.4, 0.6])
    """

    kind = "single"

    def __init__(
        self, *, objective_weight: Any = None, scores: str = "probability", random_state: int = 0
    ) -> None:
        self.objective_weight = objective_weight
        self.scores = scores
        self.random_state = random_state

    def _learn(self, rows: RankingRows, held: RankingRows | None) -> None:
        judged = rows if held is None else held
        values = np.array([mean_auc(score, judged, self.weight_) for score in judged.scores.T])
        if np.isnan(values).all():
            what, fix = "eval_set", "give rows with labels 0 and labels 1 of an objective"
            raise InputError(what, "have an objective of both kinds", "none", fix=fix)
        self.index_ = int(np.nanargmax(values))

    def _fused(self, scores: Floats, profile: Floats) -> Floats:
        return scores[:, self.index_].copy()
