"""Periods: runs of times, none cut, with enough rows of every arm; shares and effects within."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.core.log import Log, Outcome, Roles, roles_to_json
from equipoise.core.periods import (
    LEAST,
    MOST,
    period_codes,
    period_effects,
    period_shares,
    period_weights,
)
from equipoise.treatments import Arms


def column(values):
    return pa.chunked_array([pa.array(values)])


@given(st.integers(0, 10**6), st.integers(1, 3000), st.integers(2, 4), st.integers(1, 60))
def test_periods_are_runs_of_times_with_enough_rows_of_every_arm(seed, times, arms, least):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 3000))
    time, cell = rng.integers(0, times, n), rng.integers(0, arms, n)
    period = period_codes(column(time), cell, least=least)
    assert set(period) == set(range(period.max() + 1))
    order = np.argsort(time, kind="stable")
    assert (np.diff(period[order]) >= 0).all()
    for value in np.unique(time):
        assert len(set(period[time == value])) == 1
    if period.max():
        count = np.array([np.bincount(cell[period == p]) for p in range(period.max() + 1)])
        assert count.min() >= least
        assert count.sum(axis=1).min() >= n / MOST


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_many_timestamps_are_put_together_by_days(unit):
    seconds = np.random.default_rng(0).integers(0, 28 * 86_400, 30_000)
    start = np.datetime64("2024-01-01", unit)
    stamps = start + seconds.astype("timedelta64[s]")
    period = period_codes(column(stamps), np.arange(30_000) % 2)
    assert (period == seconds // 86_400).all()


def test_years_of_days_are_put_together_by_weeks():
    days = np.arange(700).repeat(100)
    dates = [dt.date(2024, 1, 1) + dt.timedelta(int(day)) for day in days]  # a Monday
    period = period_codes(column(dates), np.arange(70_000) % 2)
    assert period.max() + 1 <= MOST
    assert all(len(set(period[days // 7 == week])) == 1 for week in range(100))


def test_a_missing_time_is_the_last():
    time = np.array([np.nan, 1.0, 1.0, 2.0, 2.0, np.nan])
    assert period_codes(column(time), np.tile([0, 1], 3), least=1).tolist()[1:5] == [0, 0, 1, 1]
    assert period_codes(column(time), np.tile([0, 1], 3), least=1)[0] == 2


@given(st.integers(0, 10**6), st.booleans())
def test_weights_make_the_shares_alike_and_keep_the_size_of_periods(seed, weighted):
    rng = np.random.default_rng(seed)
    period, cell = np.repeat(np.arange(3), 40), np.r_[np.arange(4), rng.integers(0, 4, 116)]
    cell = np.where(np.arange(120) % 40 < 4, np.arange(120) % 4, cell)
    weight = rng.uniform(0.5, 2, 120) if weighted else None
    w = period_weights(period, cell, 4, weight)
    share = period_shares(period, cell, 4, w)
    np.testing.assert_allclose(share, np.broadcast_to(share[0], share.shape))
    size = np.bincount(period, weight)
    np.testing.assert_allclose(np.bincount(period, w), size)
    total = np.bincount(cell, weight)
    np.testing.assert_allclose(share[0], total / total.sum())


def test_effects_of_periods_take_the_mean_out_of_every_cell():
    rng = np.random.default_rng(0)
    period, cell = rng.integers(0, 3, 300), rng.integers(0, 2, 300)
    left, weight = rng.normal(size=(300, 2)) + period[:, None], rng.uniform(1, 2, 300)
    level = period_effects(left, period, cell, 2, weight)
    rest = left - level[np.arange(300), cell]
    for p in range(3):
        for a in range(2):
            rows = (period == p) & (cell == a)
            np.testing.assert_allclose(weight[rows] @ rest[rows], 0, atol=1e-9)


def ramp(n=400, **roles):
    week = np.arange(n) % 2
    arm = np.where(week == 0, np.arange(n) % 8 == 0, np.arange(n) % 4 == 1).astype(int)
    table = pa.table({"arm": arm, "week": week, "y": np.arange(float(n)), "p": np.full(n, 0.4)})
    return Log(table, Roles("arm", (Outcome("y"),), (), time="week", **roles), Arms())


def test_the_shares_of_a_log_are_those_of_its_periods():
    log = ramp(design="shares")
    np.testing.assert_allclose(log.propensity[:2, 1], [0.25, 0.5])
    assert log.varies
    part = log.take([1, 0, 3])
    np.testing.assert_allclose(part.propensity[:, 1], [0.5, 0.25, 0.5])
    assert part.periods.tolist() == [1, 0, 1]


def test_periods_can_be_switched_off_and_are_never_used_where_probabilities_are_known():
    off = ramp(design="shares", periods=False)
    np.testing.assert_allclose(off.propensity[:, 1], 0.375)
    assert (roles_to_json(off.roles)["periods"], off.varies) == (False, False)
    assert "periods" not in roles_to_json(ramp().roles)
    for known in (off, ramp(design=(0.5, 0.5)), ramp(propensity=("p",)), ramp(n=2 * LEAST)):
        assert known.periods is None
    assert ramp().periods is not None
