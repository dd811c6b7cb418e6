"""Average effects of every candidate on every metric, with intervals and p-values.

By doubly robust row values (AIPW; Robins, Rotnitzky & Zhao 1994), which without a model of the
levels is the difference of weighted means (Hajek); by `snips` it is that difference in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.evaluation.base import Estimates, around, mean_estimates
from equipoise.evaluation.evidence import Evidence
from equipoise.evaluation.off_policy import Decisions, Method, dr


@dataclass(frozen=True)
class AverageEffects:
    """control: the mean level under control, (m,).   effect: the mean change under each candidate,
    (k, m).
    """

    control: Estimates
    effect: Estimates


def average_effects(rows: Evidence, *, method: Method = dr, level: float = 0.95) -> AverageEffects:
    """The average effect of each candidate against control on every metric.

    Examples
    --------
    >>> from equipoise.evaluation import observe
    >>> found = average_effects(observe([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5]))
    >>> found.effect.value.tolist(), found.control.value.tolist()
    ([[4.0]], [1.5])
    """

    def values(a: int) -> Floats:
        return method(Decisions(np.full(len(rows), a)), rows)

    control = values(0)
    found = [
        mean_estimates(values(1 + a) - control, weight=rows.weight, groups=rows.groups, level=level)
        for a in range(rows.candidates)
    ]
    effect = around(
        np.stack([one.value for one in found]), np.stack([one.std_error for one in found]), level
    )
    return AverageEffects(
        mean_estimates(control, weight=rows.weight, groups=rows.groups, level=level), effect
    )
