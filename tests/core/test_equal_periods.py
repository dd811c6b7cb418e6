"""Periods of equal length, by hand."""

import datetime

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.equal_periods import equal_periods

START = datetime.datetime(2026, 3, 4, 15, 30, tzinfo=datetime.UTC).replace(tzinfo=None)


def every(step: datetime.timedelta, count: int) -> pa.ChunkedArray:
    return pa.chunked_array([[START + i * step for i in range(count)]])


@pytest.mark.parametrize(
    ("days", "length", "count"),
    [(6, "day", 6), (20, "day", 20), (21, "2 days", 11), (42, "week", 6), (139, "week", 20),
     (200, "2 weeks", 15), (400, "4 weeks", 15), (1000, "12 weeks", 12)],
)  # fmt: skip
def test_days_or_weeks_where_they_make_six_to_twenty(days, length, count):
    dates = pa.chunked_array([[START.date() + datetime.timedelta(days=d) for d in range(days)]])
    periods = equal_periods(dates)
    assert (periods.length, len(periods.starts)) == (length, count)
    assert periods.starts[0] == "2026-03-04"
    width = len(np.flatnonzero(periods.code == 0))
    rows = np.bincount(periods.code)
    assert (rows[:-1] == width).all()
    assert 0 < rows[-1] <= width


def test_of_some_hours_the_hours():
    periods = equal_periods(every(datetime.timedelta(minutes=7), 100))  # 11.6 hours
    assert periods.length == "hour"
    assert periods.starts[:2] == ["2026-03-04 15:00", "2026-03-04 16:00"]
    assert len(periods.starts) == 13


def test_dates_of_few_days_are_not_cut():
    dates = pa.chunked_array([[START.date() + datetime.timedelta(days=d) for d in range(4)]])
    assert equal_periods(dates).starts == ["2026-03-04", "2026-03-05", "2026-03-06", "2026-03-07"]


def test_numbers_by_round_steps_and_missing_times_in_none():
    weeks = equal_periods(pa.chunked_array([[1, 2, 3, 4, 5, 6, None, 7]]))
    assert (weeks.length, weeks.starts) == ("1", ["1", "2", "3", "4", "5", "6", "7"])
    assert weeks.code.tolist() == [0, 1, 2, 3, 4, 5, -1, 6]
    days = equal_periods(pa.chunked_array([np.arange(90.0)]))
    assert (days.length, len(days.starts)) == ("5", 18)
    parts = equal_periods(pa.chunked_array([np.linspace(0.0, 1.0, 50)]))
    assert (parts.length, parts.starts[1]) == ("0.1", "0.1")


def test_none_of_text_or_one_time():
    assert equal_periods(pa.chunked_array([["a", "b"]])) is None
    assert equal_periods(pa.chunked_array([[3, 3]])) is None
