"""Average effects of every candidate on every metric, with intervals and p-values.

By doubly robust row values (AIPW; Robins, Rotnitzky & Zhao 1994), which without a model of the
levels is the difference of weighted means (Hajek); by `snips` it is that difference in any case.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.evaluation.base import Estimates
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.off_policy import Decisions, Method, dr


@dataclass(frozen=True)
class AverageEffects:
    """Average effects of every candidate on every metric.

    Attributes
    ----------
    control : Estimates, (m,)
        The mean outcome under control.
    effect : Estimates, (k, m)
        The mean change under each candidate, among the rows that it is open to.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> average_effects(rows).effect[0, 0].value
    4.0
    """

    control: Estimates
    effect: Estimates


def average_effects(
    rows: EvaluationData, *, method: Method = dr, level: float = 0.95
) -> AverageEffects:
    """The average effect of each candidate against control on every metric.

    Parameters
    ----------
    rows : EvaluationData
        The rows of the experiment.
    method : callable, default dr
        `dr`, `snips` or `ips`.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    AverageEffects
        The control's means and the candidates' effects.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> effects = average_effects(rows)
    >>> effects.effect.value.tolist(), effects.control.value.tolist()
    ([[4.0]], [1.5])
    """

    def values(part: EvaluationData, a: int) -> Floats:
        return method(Decisions(np.full(len(part), a)), part)

    changes = []
    for a in range(rows.candidates):
        part, _ = rows.judged(a)
        changes.append(part.means(values(part, 1 + a) - values(part, 0), level))
    parts = [np.stack([getattr(one, f.name) for one in changes]) for f in fields(Estimates)]
    return AverageEffects(rows.means(values(rows, 0), level), Estimates(*parts))
