"""Effects by epoch: by hand, against least squares with dummies, under traffic that moves."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError, LogError
from equipoise.operations import two_way


def a_log(seed, strategies=4, days=6, n=400, least=1):
    """Rows whose strategies and days are all crossed at least once."""
    rng = np.random.default_rng(seed)
    grid = np.indices((strategies, days)).reshape(2, -1).repeat(least, axis=1)
    s = np.concatenate([grid[0], rng.integers(0, strategies, n)])
    d = np.concatenate([grid[1], rng.integers(0, days, n)])
    y = 0.3 * s + rng.normal(size=days)[d] + rng.normal(size=len(s))
    return s, d, y, rng


def test_by_hand():
    epochs = two_way(["a", "b", "a", "b"], [3, 3, 8, 8], [[1.0], [2.0], [5.0], [8.0]], base="b")
    assert epochs.base == "b"
    assert epochs.strategy == ("a",)
    assert epochs.effect.round(12).tolist() == [[-2.0]]  # the mean of -1 and -3
    assert epochs.days.tolist() == [2]
    assert epochs.rows.tolist() == [2]
    assert epochs.connected


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_it_is_least_squares_with_dummies_and_its_sandwich(seed):
    s, d, y, rng = a_log(seed)
    past, unit = rng.normal(size=(len(s), 2)), rng.integers(0, 90, len(s))
    X = np.column_stack([s == 0, s == 2, s == 3, *(d == j for j in range(6)), past - past.mean(0)])
    bread = np.linalg.inv(X.T @ X)
    theta = bread @ X.T @ y
    score = X * (y - X @ theta)[:, None]
    totals = np.stack([np.bincount(unit, c) for c in score.T], axis=1)
    units = len(np.unique(unit))
    middle = totals.T @ totals * units / (units - 4 - 2)
    want = np.sqrt(np.diag(bread @ middle @ bread))[:3]
    epochs = two_way(s, d, y, base="1", unit=unit, past=past)
    np.testing.assert_allclose(epochs.effect[:, 0], theta[:3], atol=1e-9)
    np.testing.assert_allclose(epochs.std_error[:, 0], want, rtol=1e-8)
    np.testing.assert_allclose(epochs.slope[:, 0], theta[-2:], atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_order_names_and_day_shifts_change_nothing(seed):
    s, d, y, rng = a_log(seed)
    one = two_way(s, d, y, base="0")
    order = rng.permutation(len(s))
    shift = rng.normal(0, 100, 6)
    dates = np.datetime64("2026-01-01") + d
    names = np.array(["w", "x", "y", "z"])[s]
    other = two_way(names[order], dates[order], (y + shift[d])[order], base="w")
    np.testing.assert_allclose(one.effect, other.effect, atol=1e-9)
    np.testing.assert_allclose(one.std_error, other.std_error, rtol=1e-7)


def test_names_and_days_of_any_type():
    want = two_way(list("abab"), [0, 0, 1, 1], [1.0, 2, 3, 5], base="a").effect
    first = date(2026, 1, 5)
    for days in (
        [first, first, date(2026, 1, 6)] + [date(2026, 1, 6)],
        ["2026-01-05"] * 2 + ["2026-01-06"] * 2,
    ):
        assert two_way([0, 1, 0, 1], days, [1.0, 2, 3, 5], base=0).effect == want
    dictionary = pa.chunked_array([pa.array(list("abab")).dictionary_encode()])
    assert two_way(dictionary, [0, 0, 1, 1], [1.0, 2, 3, 5], base="a").effect == want


def test_traffic_that_moves_turns_pooled_means_and_not_these():
    """b runs mostly on good days: pooled means give it 2.5, of which 1 is its own."""
    rng = np.random.default_rng(0)
    d = rng.integers(0, 10, 4000)
    good = d >= 5
    s = rng.random(4000) < np.where(good, 0.8, 0.2)
    y = 1.0 * s + 2.5 * good + rng.normal(size=4000)
    epochs = two_way(s.astype(int), d, y, base="0")
    assert abs(epochs.effect[0, 0] - 1) < 0.1  # worst of 20 seeds .08
    assert epochs.pooled[0, 0] > 2.3
    assert "are no effects" in epochs.warning


def test_standard_errors_are_the_true_ones():
    """A unit's rows share a mind: errors by unit hold, those by row are too small by half."""
    rng, told = np.random.default_rng(1), []
    unit, day = np.repeat(np.arange(400), 8), np.tile(np.arange(8), 400)
    for _ in range(10):
        y = rng.normal(size=400)[unit] + 0.5 * rng.normal(size=3200)
        both = [two_way(unit % 4, day, y, base="0", unit=u).std_error for u in (unit, None)]
        told.append([error.mean() for error in both])
    by_unit, by_row = np.mean(told, axis=0) / np.sqrt(2 * (1 + 0.25 / 8) / 100)
    assert 0.97 < by_unit < 1.03
    assert by_row < 0.45


def test_own_past_takes_noise_out():
    rng = np.random.default_rng(2)
    unit, day = np.repeat(np.arange(200), 6), np.tile(np.arange(6), 200)
    mind = rng.normal(size=200)
    y = 2 * mind[unit] + 0.2 * rng.normal(size=1200)
    bare = two_way(unit % 2, day, y, base="0", unit=unit)
    own = two_way(unit % 2, day, y, base="0", unit=unit, past=mind[unit])
    assert own.std_error[0, 0] < 0.1 * bare.std_error[0, 0]
    assert abs(own.slope[0, 0] - 2) < 0.05


def test_disconnected_logs_name_their_components():
    with pytest.raises(LogError, match="be connected") as error:
        two_way(list("abab") + list("cdcd"), [0, 0, 1, 1, 2, 2, 3, 3], np.ones(8), base="a")
    assert "a, b on days 0..1 | c, d on days 2..3" in str(error.value)


def test_a_day_without_base_is_refused_or_joined():
    name, day = list("ababcbcb"), [0, 0, 1, 1, 2, 2, 3, 3]
    y = [0.0, 1, 0, 1, 7, 5, 7, 5]  # b is 1 above a; c is 2 above b
    with pytest.raises(LogError, match="rows on every day.*none on 2 of 4 days at day 2"):
        two_way(name, day, y, base="a")
    joined = two_way(name, day, y, base="a", base_every_day=False)
    assert joined.effect[:, 0].round(9).tolist() == [1.0, 3.0]


def test_a_strategy_of_one_day_is_refused():
    with pytest.raises(LogError, match="strategy 'c' must run on 2 days or more; got 1 at day 1"):
        two_way(list("ababc"), [0, 0, 1, 1, 1], np.ones(5), base="a")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"y": [1.0, np.nan, 1, 1]}, "be finite.*row 1"),
        ({"y": [1.0, 2.0]}, "one per row"),
        ({"y": []}, "have the shape"),
        ({"day": [0, 0, 0.5, 1]}, "whole numbers or dates; got 0.5 at row 2"),
        ({"day": list("abcd")}, "whole numbers or dates; got a"),
        ({"day": np.array(["2026-01-01", "NaT", "2026-01-02", "2026-01-02"], "M8[D]")}, "row 1"),
        ({"strategy": ["a", None, "a", "b"]}, "be there in every row; got none at row 1"),
        ({"strategy": ["a"] * 4}, "two strategies or more"),
        ({"base": "ab"}, "be a strategy of the log; got 'ab'"),
        ({"past": [1.0, 2.0]}, "have the shape"),
        ({"past": [1.0, np.inf, 1.0, 1.0]}, "be finite.*row 1"),
        ({"past": [1.0, 1.0, 1.0, 1.0]}, "not be told by strategy and day"),
        ({"unit": [1, 2]}, "one per row"),
        ({"unit": [1, 1, 1, 1]}, "units must be more than"),
    ],
)
def test_bad_rows(change, match):
    rows = {"strategy": list("abab"), "day": [0, 0, 1, 1], "y": [1.0, 2, 3, 4], "base": "a"}
    with pytest.raises(InputError, match=match):
        two_way(**(rows | change))
