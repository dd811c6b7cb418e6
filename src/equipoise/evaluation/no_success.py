"""An upper end where a policy's rows saw no success at all: the rule of three.

Of n independent rows with weights w_i = pi_i / e_i the value of a 0/1 outcome is V = E[w y], at
most w_max P(w > 0, y = 1).  Where no such row was a success, that probability is at most
1 - alpha^(1 / n) but for a chance of alpha (Hanley & Lippman-Hand 1983: 3 / n at 95 %), so

    V <= w_max (1 - alpha^(1 / n)),   alpha = (1 - level) / 2 as in an interval of two sides

Clusters count as rows of their largest size over the mean size.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.estimates import Estimates
from equipoise.evaluation.data import EvaluationData


def with_rule_of_three(
    estimates: Estimates, rows: EvaluationData, ratio: Floats, level: float
) -> Estimates:
    """The estimates (m,), with an upper end for each 0/1 metric of which no row with a weight
    ``ratio`` (n,) above 0 had a success.
    """
    binary = ((rows.y == 0) | (rows.y == 1)).all(axis=0)
    none = binary & (rows.y[ratio > 0] == 0).all(axis=0)
    if not none.any():
        return estimates
    weight = ratio * rows.weight / rows.weight.mean()
    units, size = len(weight), 1.0
    if rows.groups is not None:
        counts = np.bincount(rows.groups)
        units, size = len(counts), float(counts.max() / counts.mean())
    alpha = (1 - level) / 2
    high = min(1.0, float(weight.max()) * size * -float(np.expm1(np.log(alpha) / units)))
    return replace(
        estimates,
        low=np.where(none, 0.0, estimates.low),
        high=np.where(none, high, estimates.high),
    )
