"""Arms x metrics: how well predicted effects rank units, for every candidate, outcome and ranking
metric in one loop.

One sort of a predicted effect serves all its ranking metrics; the rows were checked once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.evaluation.base import METRICS, Estimate
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.score_ranking import Metric, rank_by_score


@shown
@dataclass(frozen=True)
class TableRow:
    """One candidate, one outcome, one ranking metric.

    Attributes
    ----------
    candidate : str
        The candidate that was ranked for.
    outcome : str
        The outcome that it was judged on.
    metric : str
        A name in `METRICS`.
    estimate : Estimate
        The metric's value with its interval.

    Examples
    --------
    >>> TableRow("mens", "visit", "qini", Estimate(0.2, 0.1, 0.0, 0.4)).metric
    'qini'
    """

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
    """How well predicted effects rank units, for every candidate, outcome and ranking metric.

    Parameters
    ----------
    effects : array-like, (n, k, m)
        Predicted effects; only their order counts.
    rows : EvaluationData
        The rows, not those that the effects were learnt from.
    metrics : sequence of str, default ("qini", "autoc")
        Names in `METRICS`.
    candidates, outcomes : sequence of str, default None
        Names of the k candidates and of the m outcomes; None: "candidate 0", ... and "y0", ....
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    list of TableRow
        Ordered by candidate, then outcome, then metric.

    Raises
    ------
    InputError
        Where the effects' shape or the number of names does not fit the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([1, 0, 0, 0], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> effects = np.array([3.0, 2.0, 1.0, 0.0]).reshape(4, 1, 1)
    >>> [(row.metric, row.estimate.value) for row in ranking_table(effects, rows, metrics=["qini"])]
    [('qini', 0.125)]
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
