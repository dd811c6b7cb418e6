"""Arms x metrics: how well predicted effects rank units, for every candidate, outcome and ranking
metric in one loop.

One sort of a predicted effect serves all its ranking metrics; the rows were checked once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.errors import InputError
from equipoise.evaluation.base import METRICS, Estimate
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.score_ranking import Metric, rank_by_score


@dataclass(frozen=True)
class TableRow:
    """One candidate, one outcome, one ranking metric."""

    candidate: str
    outcome: str
    metric: str
    estimate: Estimate


def ranking_table(
    effects: Any,
    rows: EvaluationData,
    *,
    metrics: Sequence[str] = ("qini", "autoc"),
    candidates: Sequence[str] | None = None,
    outcomes: Sequence[str] | None = None,
    level: float = 0.95,
) -> list[TableRow]:
    """Every metric of `METRICS` asked for, of every candidate on every outcome.

    effects : predicted, (n, k, m).   candidates, outcomes : names of k and m.
    """
    values = np.asarray(effects, np.float64)
    shape = (len(rows), rows.candidates, rows.y.shape[1])
    if values.shape != shape:
        raise InputError("effects", f"have shape (n, k, m) = {shape}", values.shape)
    arms = [f"candidate {a}" for a in range(shape[1])] if candidates is None else list(candidates)
    names = [f"y{j}" for j in range(shape[2])] if outcomes is None else list(outcomes)
    if (len(arms), len(names)) != shape[1:]:
        raise InputError(
            "names",
            f"be {shape[1]} candidates and {shape[2]} outcomes",
            f"{len(arms)} and {len(names)}",
        )
    judged: list[Metric] = [METRICS.load(name) for name in metrics]
    table = []
    for a, arm in enumerate(arms):
        for j, name in enumerate(names):
            ranking = rank_by_score(values[:, a, j], rows, candidate=a, metric=j)
            table += [
                TableRow(arm, name, metric.name, metric(ranking, level=level)) for metric in judged
            ]
    return table
