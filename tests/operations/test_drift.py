"""Monitors: thresholds against simulation, recursions by hand, and mixes at both sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from equipoise.core.errors import InputError
from equipoise.operations import cusum_threshold, effect_drift, mix_drift
from equipoise.operations.drift import crossing_chance, self_starting


def test_the_chain_by_hand():
    assert crossing_chance(1.5, 1, 0.25) == pytest.approx(norm.sf(1.75))
    noise = np.random.default_rng(0).normal(size=(40_000, 20)) - 0.25
    path, reached = np.zeros(40_000), np.zeros(40_000, bool)
    for day in noise.T:
        path = np.maximum(0, path + day)
        reached |= path >= 5
    assert crossing_chance(5.0, 20) == pytest.approx(reached.mean(), abs=0.007)


def test_false_alarms_are_as_promised():
    """5 % over 90 days after 28 of reference, for one stream and for ten together."""
    noise = np.random.default_rng(1).normal(size=(118, 6000))
    one = effect_drift(noise, np.ones_like(noise), streams=1)
    assert one.alarms.mean() == pytest.approx(0.05, abs=0.01)
    ten = effect_drift(noise, np.ones_like(noise), streams=10)
    assert ten.alarms.reshape(600, 10).any(axis=1).mean() == pytest.approx(0.05, abs=0.03)
    assert ten.threshold == cusum_threshold(10)


def test_a_shift_of_one_standard_error_is_caught_in_a_fortnight():
    noise = np.random.default_rng(2).normal(size=(118, 500))
    noise[73:] -= 1.0
    drift = effect_drift(noise, np.ones_like(noise), streams=1)
    late = drift.alarm[drift.alarm >= 73] - 73
    assert len(late) > 450
    assert np.median(late) <= 14
    assert np.median(np.abs(drift.since[drift.alarm >= 73] - 73)) <= 5


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 50))
def test_level_and_unit_change_nothing(seed, unit, level):
    rng = np.random.default_rng(seed)
    x, error = rng.normal(size=(40, 2)), rng.uniform(0.5, 2, (40, 2))
    x[5, 0] = np.nan
    one = effect_drift(x, error, reference=5)
    other = effect_drift(level + unit * x, unit * error, reference=5)
    np.testing.assert_allclose(one.up, other.up, atol=1e-6)
    np.testing.assert_allclose(one.down, other.down, atol=1e-6)
    np.testing.assert_allclose(effect_drift(-x, error, reference=5).up, one.down, atol=1e-9)


def test_self_starting_by_hand():
    x = np.array([[1.0], [3.0], [np.nan], [5.0]])
    u = self_starting(x, np.ones((4, 1)), 2)
    assert u[:, 0].tolist() == [0, 0, 0, pytest.approx((5 - 2) / np.sqrt(1 + 1 / 2))]
    weighted = self_starting(x, np.array([[1.0], [0.5], [1.0], [1.0]]), 2)
    assert weighted[3, 0] == pytest.approx((5 - 13 / 5) / np.sqrt(1 + 1 / 5))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_cusums_are_the_recursion(seed):
    x = np.random.default_rng(seed).normal(size=(30, 1))
    drift = effect_drift(x, np.ones_like(x), reference=4)
    up = down = 0.0
    for day, u in enumerate(self_starting(x, np.ones_like(x), 4)[:, 0]):
        up, down = max(0, up + u - 0.25), max(0, down - u - 0.25)
        assert (drift.up[day, 0], drift.down[day, 0]) == pytest.approx((up, down), abs=1e-9)


def test_mix_by_hand():
    drift = mix_drift([99.5, 299.5], [199.5, 199.5])  # a half is added to every count
    assert drift.psi == pytest.approx(0.25 * np.log(2) - 0.25 * np.log(0.5 / 0.75))
    assert drift.point == pytest.approx(2 / 399 * chi2.isf(0.01, 1))
    assert drift.p == pytest.approx(chi2.sf(drift.psi * 399 / 2, 1))
    assert drift.alarm
    assert drift.change.round(3).tolist() == [0.251, -0.251]


def test_mix_size_and_power():
    """20 strategies, 10,000 units: 1 % of alarms when nothing changed, and always when 3 % of the
    units moved to one; a limit of .1 would never see these.
    """
    rng = np.random.default_rng(3)
    even, moved = np.full(20, 0.05), np.full(20, 0.05) * 0.97
    moved[0] += 0.03
    before = rng.multinomial(10_000, even, 1500)
    same, after = rng.multinomial(10_000, even, 1500), rng.multinomial(10_000, moved, 100)
    assert (
        0.004 < np.mean([mix_drift(*pair).alarm for pair in zip(before, same, strict=True)]) < 0.018
    )
    found = [mix_drift(*pair) for pair in zip(before, after, strict=False)]
    assert all(drift.alarm for drift in found)
    assert max(drift.psi for drift in found) < 0.1


def test_a_strategy_that_is_new_or_nobodys():
    assert mix_drift([500, 500, 0], [400, 400, 200]).alarm
    assert np.isfinite(mix_drift([500, 500, 0], [400, 400, 200]).psi)
    assert mix_drift([40, 60, 0], [50, 50, 0]).p == mix_drift([40, 60], [50, 50]).p


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: cusum_threshold(0), "streams must be 1 or more"),
        (lambda: cusum_threshold(days=0), "days must be 1 or more"),
        (lambda: cusum_threshold(false_alarms=0.0), "between 0 and 1"),
        (lambda: cusum_threshold(k=-1.0), "k must be >= 0"),
        (lambda: cusum_threshold(false_alarms=1e-300), "not be next to 0"),
        (lambda: effect_drift([1.0, 2.0], [1.0]), "have one shape"),
        (
            lambda: effect_drift([1.0, 2.0], [1.0, 0.0]),
            "finite and > 0; got 0.0 at day 1, stream 0",
        ),
        (lambda: effect_drift([1.0], [1.0], reference=0), "1 day or more"),
        (lambda: effect_drift([1.0], [1.0], streams=0), "streams must be 1 or more"),
        (lambda: mix_drift([1, 2], [1, 2, 3]), "the same two strategies"),
        (lambda: mix_drift([1], [1]), "the same two strategies"),
        (lambda: mix_drift([1, -2], [1, 2]), "earlier counts must be finite"),
        (lambda: mix_drift([1, 2], [0, 0]), "later counts must be finite, >= 0 and not all 0"),
        (lambda: mix_drift([1, 2], [1, 2], false_alarms=1.0), "between 0 and 1"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(InputError, match=match):
        call()
