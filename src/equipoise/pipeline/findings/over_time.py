"""Average effects by period, where the log has a time."""

from __future__ import annotations

import math

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.effects import Effects
from equipoise.core.equal_periods import equal_periods
from equipoise.core.log import Log
from equipoise.evaluation import effects_over_time
from equipoise.pipeline.findings.diagnostics import log_evidence
from equipoise.report.findings import Interval, OverTime, PeriodEffects


def over_time(log: Log, effects: Effects, propensity: Floats, level: float) -> OverTime | None:
    """The average effect of every candidate on every metric by period; None where the log has no
    time, or one that tells fewer than three periods with rows enough.
    """
    if log.roles.time is None:
        return None
    periods = equal_periods(log.table[log.roles.time])
    if periods is None:
        return None
    found = effects_over_time(log_evidence(log, effects, propensity), periods.code, level=level)
    if not np.isfinite(found.p_value).any():
        return None
    adjusted = found.adjusted
    rows: list[PeriodEffects] = []
    for j, metric in enumerate(log.metrics):
        for a, candidate in enumerate(effects.candidates):
            each = [found.effect[p, a, j].interval for p in range(len(periods.starts))]
            rows.append(
                {
                    "metric": metric,
                    "candidate": candidate,
                    "effects": [_known(interval) for interval in each],
                    "rows": found.rows[:, a].tolist(),
                    "line": found.line[a, j].interval,
                    "p_value": float(found.p_value[a, j]),
                    "adjusted": float(adjusted[a, j]),
                }
            )
    known = [row for row in rows if math.isfinite(row["p_value"])]
    return {"length": periods.length, "starts": periods.starts, "rows": known}


def _known(interval: Interval) -> Interval | None:
    return interval if all(map(math.isfinite, interval)) else None
