"""Base scores of our own: models that see the first part of a log score its other parts, once."""

from __future__ import annotations

from typing import Any

from equipoise.core.arrays import Ints
from equipoise.core.progress import Progress, silent
from equipoise.pipeline.plan.ranking import BaseScoresPlan
from equipoise.pipeline.ranking.log import RankingLog
from equipoise.pipeline.ranking.parts import BASE, only
from equipoise.ranking import SCORE_MODELS


def learn_base_scores(
    plan: BaseScoresPlan, log: RankingLog, part: Ints, seed: int, progress: Progress = silent
) -> dict[str, Any]:
    """The models of a plan, learnt on the base part.

    Parameters
    ----------
    plan : BaseScoresPlan
        Which models, of which features.
    log : RankingLog
        All rows.
    part : array of int, (n,)
        The part of each row.
    seed : int
        Of the models.
    progress : callable, optional
        Called before each model.

    Returns
    -------
    dict of str to ScoreModel
        By their names, fitted.
    """
    first, models = log.take(only(part, BASE)), {}
    features = first.table.select(columns_of_models(log))
    for k, name in enumerate(plan.models):
        progress(f"base scores by {name}", k, len(plan.models))
        model = SCORE_MODELS.load(name)(random_state=seed)
        models[name] = model.fit(
            features,
            first.y,
            groups=first.users,
            label_mask=first.observed,
            sample_weight=first.weight,
        )
    return models


def columns_of_models(log: RankingLog) -> list[str]:
    """The columns that models of base scores read."""
    base = log.plan.base
    return list(dict.fromkeys([*log.plan.profile, *(base.features if base else ())]))
