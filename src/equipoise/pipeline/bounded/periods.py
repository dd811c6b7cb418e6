"""Periods of a log of any size: where those of the sample begin says which period a row is of."""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.log import Log


def period_starts(log: Log) -> Floats:
    """The first time of each period of a log, (P,); () where it has no periods."""
    if log.periods is None or log.roles.time is None:
        return np.zeros(0)
    times = np.nan_to_num(log.numbers(log.roles.time), nan=np.inf)
    first = np.full(int(log.periods.max()) + 1, np.inf)
    np.minimum.at(first, log.periods, times)
    return first


def periods_by(rows: Log, starts: Floats) -> Ints:
    """The period of each row, (n,), by where periods begin; a missing time is of the last."""
    times = np.nan_to_num(rows.numbers(str(rows.roles.time)), nan=np.inf)
    return np.maximum(np.searchsorted(starts, times, side="right") - 1, 0).astype(np.int64)
