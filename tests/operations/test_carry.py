"""The carry-over test: by hand, its size, its power, and logs it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, f_oneway

from equipoise.core.errors import InputError
from equipoise.operations import carry_over


def held_log(rng, units=240, strategies=4, days=28, fade=0.0):
    """Units that keep a strategy, of which number 1 fades over the days."""
    unit, day = np.repeat(np.arange(units), days), np.tile(np.arange(days), units)
    strategy = unit % strategies
    y = rng.normal(size=units)[unit] + rng.normal(size=days)[day] + rng.normal(size=len(unit))
    y += strategy * 0.5 - fade * (strategy == 1) * day / days
    return strategy, day, y, unit


def test_by_hand():
    unit, day = np.repeat(np.arange(10), 2), np.tile([0, 1], 10)
    strategy = np.where(unit < 5, "a", "b")
    first = np.arange(10.0)
    y = np.where(day == 0, first[unit], 0.0)
    test = carry_over(strategy, day, y, unit, window=1)
    assert test.strategy == ("a", "b")
    assert test.change[:, 0].tolist() == [2.0, 7.0]
    np.testing.assert_allclose(test.std_error[:, 0] ** 2, 2.5 / 5)
    assert test.statistic[0] == pytest.approx(25.0)
    assert test.units.tolist() == [5, 5]
    assert test.df == 1
    want = f_oneway(first[:5], first[5:], equal_var=False).pvalue
    assert test.p[0] == pytest.approx(want)
    assert test.flagged


def test_the_tail_is_that_of_chi_square_in_large_samples():
    test = carry_over(*held_log(np.random.default_rng(0), units=8000))
    assert test.p[0] == pytest.approx(chi2.sf(test.statistic[0], 3), abs=0.01)


def test_size_and_power():
    """5 % of flags without carry-over over 300 draws of few units; all with it."""
    rng = np.random.default_rng(3)
    quiet = [carry_over(*held_log(rng, units=40, days=4), window=1).flagged for _ in range(300)]
    assert 0.02 <= np.mean(quiet) <= 0.085
    assert all(carry_over(*held_log(rng, units=400, fade=1.0)).flagged for _ in range(5))


def test_metrics_share_the_alarms():
    strategy, day, y, unit = held_log(np.random.default_rng(4), fade=1.0)
    test = carry_over(
        strategy, day, np.column_stack([np.random.default_rng(5).normal(size=len(y)), y]), unit
    )
    assert test.flags.tolist() == [False, True]


def test_a_flag_of_one_of_two_metrics_takes_half_the_alarms():
    test = carry_over(*held_log(np.random.default_rng(7)))
    two = np.array([0.03, 0.5])
    assert not replace(test, p=two).flagged
    assert replace(test, p=two[:1]).flagged


def test_units_without_a_window_do_not_count():
    strategy, day, y, unit = held_log(np.random.default_rng(6))
    left = ~((unit == 4) & (day < 7))
    assert carry_over(strategy[left], day[left], y[left], unit[left]).units.tolist() == [
        59,
        60,
        60,
        60,
    ]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"strategy": [0, 1, 0, 0]}, "a unit must keep one strategy; got unit '0' with 0, 1"),
        ({"window": 3}, "span two windows of 3 days; got days 0..1"),
        ({"window": 0}, "whole number of days"),
        ({"alarm": 1.0}, "between 0 and 1"),
        ({}, "5 units or more in both windows"),
    ],
)
def test_bad_logs(change, match):
    log = {"strategy": [0, 0, 1, 1], "day": [0, 1, 0, 1], "y": np.arange(4.0), "unit": [0, 0, 1, 1]}
    with pytest.raises(InputError, match=match):
        carry_over(**(log | {"window": 1} | change))
