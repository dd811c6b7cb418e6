"""Schedules of a day: the packets of one by hand, and every rule that one may break."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import SpaceError
from equipoise.treatments import Strategy
from equipoise.treatments.strategy import as_numbers, check_strategies, fits, packets


def test_packets_of_three_by_hand():
    """Intervals are stretched by 1 + 0.5 sin(2 pi t / 24) at the packet before; at 6 h that is
    1.5.
    """
    hours, amounts = Strategy(1.2, 3, 2.0, (0.0, -0.5), (0.5, 0.0)).packets((6, 24))
    second = 6 + 2 * 1.5
    third = second + 2 * (1 + 0.5 * np.sin(2 * np.pi * second / 24))
    np.testing.assert_allclose(hours, [6, second, third])
    weight = 1 - 0.5 * np.cos(2 * np.pi * np.array([6, second, third]) / 24)
    np.testing.assert_allclose(amounts, 1.2 * weight / weight.sum())


def test_packets_of_the_oracle():
    """`red_packet_world.py` prints these of its schedule "late"."""
    hours, amounts = Strategy(1.2, 4, 3.0, (-0.6, 0.4)).packets()
    np.testing.assert_allclose(hours, [8, 11, 14, 17])
    np.testing.assert_allclose(amounts, [0.1062, 0.1736, 0.3612, 0.559], atol=5e-5)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 50),
            st.integers(1, 12),
            st.floats(0.05, 4),
            st.floats(0, 0.9),
            st.floats(0, 7),
            st.floats(0, 0.9),
            st.floats(0, 7),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_many_at_once_are_each_alone(rows):
    """Amounts add up to the total and are > 0, hours rise, and nobody's numbers hang on others."""
    total, count, interval, a, a_phase, i, i_phase = np.array(rows).T
    waves = [a * np.cos(a_phase), a * np.sin(a_phase), i * np.cos(i_phase), i * np.sin(i_phase)]
    values = np.column_stack([total, count, interval, *waves])
    hours, amounts = packets(values)
    np.testing.assert_allclose(amounts.sum(axis=1), total)
    for row, one in enumerate(values):
        strategy = Strategy.of(one)
        own_hours, own_amounts = strategy.packets()
        assert len(own_hours) == strategy.count
        assert (np.diff(own_hours) > 0).all()
        assert own_amounts.min() > 0
        np.testing.assert_allclose(hours[row, : strategy.count], own_hours)
        np.testing.assert_allclose(amounts[row, : strategy.count], own_amounts)
        assert not amounts[row, strategy.count :].any()
        assert strategy.fits() == (own_hours[-1] <= 24 + 1e-9) == fits(values)[row]
        np.testing.assert_array_equal(strategy.vector(), one)


def test_the_last_packet_may_come_with_the_end_of_the_window():
    assert Strategy(1, 4, 16 / 3).fits()
    assert not Strategy(1, 4, 16 / 3 + 1e-6).fits()
    assert Strategy(1, 4, 5).fits((7, 22))
    assert not Strategy(1, 4, 5).fits((8, 22))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0, 2, 4), r"total must be an amount > 0; got 0\.0"),
        ((-1, 2, 4), r"total must be an amount > 0; got -1\.0"),
        ((1, 0, 4), r"count must be a whole number in 1\.\.1440; got 0\.0"),
        ((1, 2.5, 4), r"count must be a whole number in 1\.\.1440; got 2\.5"),
        ((1, 2000, 0.001), r"count must be a whole number in 1\.\.1440; got 2000"),
        ((1, 2, 0), r"interval must be a number of hours > 0; got 0\.0"),
        ((1, 2, np.nan), "must be finite"),
        ((1, 2, 4, 0.7, 0.7, 0, 0), r"amount wave must have a norm <= 0\.9; got 0\.98"),
        ((1, 2, 4, 0, 0, -0.7, 0.7), r"interval wave must have a norm <= 0\.9; got 0\.98"),
        ((1, 2), r"3 or 7 numbers a row; got an array of shape \(1, 2\)"),
        (("much", 2, 4), "be 3 or 7 numbers"),
    ],
)
def test_what_is_no_schedule(numbers, message):
    with pytest.raises(SpaceError, match=message):
        Strategy.of(numbers)


def test_the_first_row_at_fault_is_named():
    values = as_numbers([(1, 2, 4), (1, 6, 4), (1, 2, 4), (1, 6, 4)])
    check_strategies(values, "row {}".format)
    with pytest.raises(SpaceError, match="by 24 o'clock; got 28 o'clock at row 1; send fewer"):
        check_strategies(values, "row {}".format, (8.0, 24.0))


def test_rows_and_objects_are_the_same_numbers():
    some = [Strategy(1, 2, 4), (1, 2, 4, 0, 0, 0, 0)]
    assert as_numbers(some).tolist() == [[1, 2, 4, 0, 0, 0, 0]] * 2
    assert as_numbers(some[0]).tolist() == [[1, 2, 4, 0, 0, 0, 0]]
