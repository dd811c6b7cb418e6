"""Do the arms' shares change with time?

    chi2 = sum_p d_p' V_p^-1 d_p,   d_pa = N_pa - E_pa,   E_pa = sum_{i in p} e_ia,
    V_p = sum_{i in p} (diag(e_i) - e_i e_i')

over periods p of about as many rows each, df = P (K - 1) where the log knows e.  Else e is the
observed share, and this is Pearson's chi-square of periods and arms, df = (P - 1) (K - 1).  Arms of
whom fewer than 5 rows are expected in a period count as one.  p < 0.001 and a share that is off by
0.01 or more in some period warns.  Shares that move by 0.05 where arms cannot be compared within
periods fail: what is taken for shares was none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import chdtrc

from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.balance import Check, check
from equipoise.core.log import Log
from equipoise.core.periods import even_periods

SURE = 0.001  # p-value
LARGE = 0.01  # of a share's difference in a period
MOVED = 0.05  # the same where nothing mends it
PERIODS = 20  # that the test is for, at most
ROWS = 40  # of a period, at least
EXPECTED = 5  # rows of an arm in a period, below which it counts with other rare ones
RARE = "the rarer arms"
NAME = "arm shares over time"


def shares_over_time(log: Log, units: Ints) -> list[Check]:
    """The check of a log with a time, or with features that are times; none for any other.

    Parameters
    ----------
    log : Log
        The experiment log.
    units : array of int
        The rows that were assigned one by one.

    Returns
    -------
    list of dict
        The check, or nothing.
    """
    time = log.roles.time
    if time is not None:
        return [_of_the_role(log, time, units)]
    features = [name for name in log.roles.features if _is_time(log.table[name])]
    if not features:
        return []
    drifts = [name for name in features if _drifts(_table(log, name, units))]
    if not drifts:
        return [check(NAME, "ok", f"The arms' shares do not change with {', '.join(features)}.")]
    summary = (
        f"The arms' shares change with {', '.join(drifts)}: if that is when a row was decided on,"
        " say so (time), and arms are compared within periods."
    )
    return [check(NAME, "warn", summary, _rows(log, _table(log, drifts[0], units)))]


def _of_the_role(log: Log, time: str, units: Ints) -> Check:
    if not columns.is_numeric(log.table[time]):
        summary = f"{time} is text, so nothing can be said of arms over time: store times as times."
        return check(NAME, "warn", summary)
    table = _table(log, time, units)
    if not _drifts(table):
        return check(NAME, "ok", f"The arms' shares do not change with {time} beyond chance.")
    known = log.roles.propensity or log.roles.design not in (None, "shares")
    if known:
        told = "which the probabilities of the log do not say: give those of each row"
    elif log.periods is not None:
        told = "so arms are compared within periods"
    elif not log.roles.periods:
        told = "and periods are switched off: a comparison of arms is one of times too"
    else:
        told = (
            "and an arm has too few rows to be compared within periods: give the probabilities"
            " (propensity, action_propensity), or leave out early times"
        )
    summary = f"The arms' shares change with {time}, {told}."
    within = known or log.periods is not None or not log.roles.periods
    status = "warn" if within or log.roles.design is None or _off(table) < MOVED else "fail"
    return check(NAME, status, summary, _rows(log, table))


def _is_time(column: pa.ChunkedArray) -> bool:
    kind = columns.value_type(column)
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _table(log: Log, name: str, units: Ints) -> tuple[Floats, Floats, float]:
    """Rows (P, K) of each period and arm, those expected, and the p-value; arms without any rows
    are left out, and the rare ones are the last.
    """
    most = max(1, min(PERIODS, len(units) // ROWS))
    period = even_periods(log.table[name].take(pa.array(units)), most)
    P = int(period.max()) + 1
    place, present = _places(log, units, np.bincount(period).min() / len(units))
    cell = place[log.cells[units]]
    K = int(place.max()) + 1
    count = np.bincount(period * K + cell, minlength=P * K).reshape(P, K).astype(np.float64)
    known = log.propensity if log.roles.design != "shares" else None
    if known is None or not present.all():
        expected = count.sum(axis=1, keepdims=True) * count.sum(axis=0) / count.sum()
        chi2 = float(((count - expected) ** 2 / expected).sum())
        return count, expected, float(chdtrc(max(P - 1, 1) * (K - 1), chi2)) if K > 1 else 1.0
    e = np.stack([known[units][:, place == a].sum(axis=1) for a in range(K)], axis=1)
    expected = np.stack([np.bincount(period, column, minlength=P) for column in e.T], axis=1)
    gaps = [_gap(count[p], e[period == p]) for p in range(P)]
    chi2 = sum(float(gap @ np.linalg.solve(spread, gap)) for gap, spread in gaps)
    return count, expected, float(chdtrc(max(sum(len(gap) for gap, _ in gaps), 1), chi2))


def _places(log: Log, units: Ints, part: float) -> tuple[Ints, Bools]:
    """The column of each arm, (K,), -1 without rows, those that a period of a ``part`` of the rows
    hardly has together; and which arms have rows.
    """
    count = np.bincount(log.cells[units], minlength=len(log.cell_names))
    present = count > 0
    rare = present & (count * part < EXPECTED)
    if rare.sum() < 2:
        rare[:] = False
    place = np.cumsum(present & ~rare) - 1
    place[rare] = int((present & ~rare).sum())
    place[~present] = -1
    return place.astype(np.int64), present


def _gap(count: Floats, e: Floats) -> tuple[Floats, Floats]:
    """d and V of a period without control and the arms that are closed in all of it, (K - 1,) and
    (K - 1, K - 1).
    """
    expected = e.sum(axis=0)
    live = np.flatnonzero(expected[1:] > 0) + 1
    return (count - expected)[live], (np.diag(expected) - e.T @ e)[np.ix_(live, live)]


def _drifts(table: tuple[Floats, Floats, float]) -> bool:
    return table[2] < SURE and _off(table) >= LARGE


def _off(table: tuple[Floats, Floats, float]) -> float:
    """The most that a share is off in a period."""
    count, expected, _ = table
    return float((np.abs(count - expected) / count.sum(axis=1, keepdims=True)).max())


def _rows(log: Log, table: tuple[Floats, Floats, float]) -> list[dict[str, Any]]:
    """The shares of each arm where they were least and most."""
    share = table[0] / table[0].sum(axis=1, keepdims=True)
    names = list(np.asarray(log.cell_names)[np.unique(log.cells)])
    if len(share.T) < len(names):
        count = np.bincount(log.cells, minlength=len(log.cell_names))
        most = np.sort(np.argsort(-count, kind="stable")[: len(share.T) - 1])
        names = [*(log.cell_names[a] for a in most), RARE]
    return [
        {
            "cell": str(name),
            "least share": round(float(column.min()), 5),
            "most share": round(float(column.max()), 5),
            "periods": len(share),
        }
        for name, column in zip(names, share.T, strict=True)
    ]
