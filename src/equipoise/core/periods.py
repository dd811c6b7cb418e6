"""Periods of a log: when the arms' shares change with time, and so does the outcome, a comparison
of arms is one of periods too, unless it is made within periods.

    e_a(p) = the share of arm a among the rows of period p

are the probabilities of a ramp-up, as its design had them; what is learnt without them takes
weights s_a / e_a(p), with s_a the share of all rows, which make the arms' shares alike at all
times.  Periods are runs of times: days or
weeks where there are many times, else the times themselves; neighbours are put together until each
period has `LEAST` rows of every arm and a `MOST`-th of the rows.

    Angrist & Pischke (2009), Mostly Harmless Econometrics, ch. 3.3: a saturated propensity.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints

LEAST = 50  # rows of each arm in a period: a share of them errs by a seventh of itself at most
MOST = 50  # periods
RUNS = 200  # runs of times that are put together
DAY = 86_400e6  # microseconds
MONDAY = 3 * DAY  # what the first of January 1970, a Thursday, is past Monday


def period_codes(column: pa.ChunkedArray, cells: Ints, *, least: int = LEAST) -> Ints:
    """The period of each row.

    Parameters
    ----------
    column : pyarrow.ChunkedArray, (n,)
        Times: dates, timestamps or numbers.
    cells : array of int, (n,)
        The arm of each row.
    least : int, default 50
        Rows of every arm that a period has at least.

    Returns
    -------
    array of int, (n,)
        Codes from 0 in the order of time; all 0 where the times do not vary, or the rows are too
        few for two periods.  Missing times are taken as the last.

    Examples
    --------
    >>> weeks = pa.chunked_array([[1, 1, 1, 1, 2, 2, 2, 2]])
    >>> period_codes(weeks, np.array([0, 1, 0, 1, 0, 1, 0, 1]), least=2).tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """
    run = _runs(column)
    count = np.zeros((int(run.max()) + 1, int(cells.max()) + 1), np.int64)
    np.add.at(count, (run, cells), 1)
    count = count[:, count.any(axis=0)]
    period = np.zeros(len(count), np.int64)
    total, now = np.zeros(count.shape[1], np.int64), 0
    for one, rows in enumerate(count):  # at most `RUNS`
        if total.sum() >= len(cells) / MOST and total.min() >= least:
            total, now = np.zeros_like(total), now + 1
        total = total + rows
        period[one] = now
    if now and (total.sum() < len(cells) / MOST or total.min() < least):
        period[period == now] = now - 1
    codes: Ints = period[run]
    return codes


def even_periods(column: pa.ChunkedArray, most: int) -> Ints:
    """Periods of about as many rows each, whatever arms they have, and no time cut.

    Parameters
    ----------
    column : pyarrow.ChunkedArray, (n,)
        Times: dates, timestamps or numbers.
    most : int
        At most so many periods.

    Returns
    -------
    array of int, (n,)
        Codes from 0 in the order of time.

    Examples
    --------
    >>> even_periods(pa.chunked_array([[1, 1, 2, 3, 3, 3]]), 2).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    run = _runs(column)
    before = np.cumsum(np.bincount(run)) - 1
    return _codes(np.floor(before * most / len(run))[run])


def _runs(column: pa.ChunkedArray) -> Ints:
    """The run of times of each row, (n,): at most `RUNS`, none of them cut."""
    values = columns.numbers(column)
    kind = columns.value_type(column)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        for step, start in ((1.0, 0.0), (DAY / 24, 0.0), (DAY, 0.0), (7 * DAY, MONDAY)):
            floor = np.floor((values + start) / step)
            codes = _codes(floor)
            if codes.max() < RUNS:
                return codes
    codes = _codes(values)
    if codes.max() < RUNS:
        return codes
    before = np.cumsum(np.bincount(codes)) - 1  # the rank of the last row of each time
    return _codes((before * RUNS // len(codes)).astype(np.float64)[codes])


def _codes(values: Floats) -> Ints:
    """Codes in the order of values, a missing one last."""
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)


def period_shares(periods: Ints, cells: Ints, count: int, weight: Floats | None) -> Floats:
    """The share of each cell among the rows of a row's period.

    Parameters
    ----------
    periods : array of int, (n,)
        Codes of `period_codes`.
    cells : array of int, (n,)
        The cell of each row, in 0..count-1.
    count : int
        How many cells there are, K.
    weight : array, (n,), or None
        Weights > 0.

    Returns
    -------
    array, (n, K)
        Rows sum to 1.

    Examples
    --------
    >>> cells = np.array([0, 1, 0, 0])
    >>> period_shares(np.array([0, 0, 1, 1]), cells, 2, None).tolist()
    [[0.5, 0.5], [0.5, 0.5], [1.0, 0.0], [1.0, 0.0]]
    """
    rows = np.bincount(periods * count + cells, weight, minlength=count * (int(periods.max()) + 1))
    table = rows.reshape(-1, count)
    shares: Floats = (table / table.sum(axis=1, keepdims=True))[periods]
    return shares


def period_weights(periods: Ints, cells: Ints, count: int, weight: Floats | None) -> Floats:
    """Weights that make the cells' shares alike in all periods.

    Parameters
    ----------
    periods : array of int, (n,)
        Codes of `period_codes`.
    cells : array of int, (n,)
        The cell of each row, in 0..count-1.
    count : int
        How many cells there are, K.
    weight : array, (n,), or None
        Weights > 0, which the new ones multiply.

    Returns
    -------
    array, (n,)
        Weights > 0.

    Examples
    --------
    >>> arm = np.array([0, 1, 0, 0, 0, 1])
    >>> period_weights(np.array([0, 0, 1, 1, 1, 1]), arm, 2, None).round(3).tolist()
    [1.333, 0.667, 0.889, 0.889, 0.889, 1.333]
    """
    own = period_shares(periods, cells, count, weight)[np.arange(len(cells)), cells]
    share = np.bincount(cells, weight, minlength=count)
    balance: Floats = (share / share.sum())[cells] / own
    return balance if weight is None else balance * weight


def period_effects(
    residual: Floats, periods: Ints, cells: Ints, count: int, weight: Floats | None
) -> Floats:
    """The mean residual of each cell in a row's period.

    Parameters
    ----------
    residual : array, (n, m)
        What a model without periods leaves of each metric under the row's own cell.
    periods : array of int, (n,)
        Codes of `period_codes`.
    cells : array of int, (n,)
        The cell of each row, in 0..count-1.
    count : int
        How many cells there are, K.
    weight : array, (n,), or None
        Weights > 0.

    Returns
    -------
    array, (n, K, m)
        0 where a period has no row of a cell.

    Examples
    --------
    >>> left = np.array([[1.0], [3.0], [5.0]])
    >>> period_effects(left, np.array([0, 0, 0]), np.array([0, 0, 1]), 2, None)[0].tolist()
    [[2.0], [5.0]]
    """
    slot, slots = periods * count + cells, count * (int(periods.max()) + 1)
    w = np.ones(len(cells)) if weight is None else weight
    total = np.bincount(slot, w, minlength=slots)
    sums = np.stack([np.bincount(slot, w * r, minlength=slots) for r in residual.T], axis=1)
    means = sums / np.where(total > 0, total, 1.0)[:, None]
    effects: Floats = means.reshape(-1, count, residual.shape[1])[periods]
    return effects
