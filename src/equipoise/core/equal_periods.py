"""Periods of equal length, for showing what changes with time: days or weeks where these make 6 to
20, else other hours, days or weeks; of times that are plain numbers, round steps.

They start with the first time of the log, a day's at midnight.  The last may end early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.periods import DAY

FEWEST, MOST = 6, 20
HOUR = DAY / 24
STEPS = (  # what is preferred first, then from short to long
    ("day", DAY),
    ("week", 7 * DAY),
    ("hour", HOUR),
    ("2 hours", 2 * HOUR),
    ("4 hours", 4 * HOUR),
    ("8 hours", 8 * HOUR),
    ("2 days", 2 * DAY),
    ("4 days", 4 * DAY),
    ("2 weeks", 14 * DAY),
    ("4 weeks", 28 * DAY),
    ("12 weeks", 84 * DAY),
    ("52 weeks", 364 * DAY),
)
ROUND = (1.0, 2.0, 5.0)  # times powers of ten


@dataclass(frozen=True)
class EqualPeriods:
    """Periods of equal length.

    Attributes
    ----------
    code : array of int, (n,)
        The period of each row, from 0 in the order of time; -1 where the time is missing.
    length : str
        Of a period, in words: "week", "2 days", "5".
    starts : list of str
        When each starts.

    Examples
    --------
    >>> EqualPeriods(np.array([0, 1]), "day", ["2026-01-01", "2026-01-02"]).length
    'day'
    """

    code: Ints
    length: str
    starts: list[str]


def equal_periods(column: pa.ChunkedArray) -> EqualPeriods | None:
    """Periods of equal length, 6 to 20 of them if the times allow it.

    Parameters
    ----------
    column : pyarrow.ChunkedArray, (n,)
        Times: dates, timestamps or numbers.

    Returns
    -------
    EqualPeriods or None
        None where the times are text, or all the same.

    Examples
    --------
    >>> import datetime
    >>> first = datetime.date(2026, 3, 2)
    >>> days = pa.chunked_array([[first + datetime.timedelta(days=d) for d in range(56)]])
    >>> periods = equal_periods(days)
    >>> periods.length, len(periods.starts), periods.starts[1]
    ('week', 8, '2026-03-09')
    """
    if not columns.is_numeric(column):
        return None
    values = columns.numbers(column)
    times = values[np.isfinite(values)]
    if not len(times) or times.min() == times.max():
        return None
    kind = columns.value_type(column)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _of_dates(values, times)
    return _of_numbers(values, times)


def _of_dates(values: Floats, times: Floats) -> EqualPeriods:
    """Of microseconds since 1970."""
    finest = next((step for step in (DAY, HOUR) if not (times % step).any()), 0.0)
    midnight = float(np.floor(times.min() / DAY) * DAY)
    fitting = []
    for length, step in STEPS:
        if step < finest:
            continue
        start = midnight if step >= DAY else float(np.floor(times.min() / step) * step)
        count = int((times.max() - start) // step) + 1
        if FEWEST <= count <= MOST:
            return _cut(values, start, step, length, count)
        if 1 < count <= MOST:
            fitting.append((count, start, step, length))
    if not fitting:  # centuries
        return _of_numbers(values, times)
    count, start, step, length = max(fitting)
    return _cut(values, start, step, length, count)


def _of_numbers(values: Floats, times: Floats) -> EqualPeriods:
    """Of numbers: the shortest round step that leaves at most `MOST` periods, a whole number where
    the times are.
    """
    span = float(times.max() - times.min())
    power = 10.0 ** np.floor(np.log10(span / MOST))
    whole = bool((times == np.rint(times)).all())
    steps = [part * power for part in (*ROUND, 10.0, 20.0)]
    if whole:
        steps = [max(1.0, step) for step in steps]
    step = next(s for s in steps if np.floor(times.max() / s) - np.floor(times.min() / s) < MOST)
    first = float(times.min()) if step == 1 else float(np.floor(times.min() / step) * step)
    count = int(np.floor((times.max() - first) / step)) + 1
    code = np.floor((values - first) / step)
    starts = [f"{first + p * step:g}" for p in range(count)]
    return EqualPeriods(_codes(code), f"{step:g}", starts)


def _cut(values: Floats, start: float, step: float, length: str, count: int) -> EqualPeriods:
    unit = "D" if step >= DAY else "m"
    when = (start + step * np.arange(count)).astype("datetime64[us]").astype(f"datetime64[{unit}]")
    starts = [str(one).replace("T", " ") for one in when]
    return EqualPeriods(_codes(np.floor((values - start) / step)), length, starts)


def _codes(code: Floats) -> Ints:
    return np.where(np.isfinite(code), code, -1).astype(np.int64)
