"""Outcomes in standard units: by hand, there and back, and equal wherever the zero is."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from equipoise.learners.outcome_units import differences, standardised


def test_three_values_by_hand():
    z, units = standardised(np.array([[1.0], [2.0], [3.0]]))
    spread = np.sqrt(2 / 3)
    np.testing.assert_allclose(z[:, 0], [-1 / spread, 0, 1 / spread])
    np.testing.assert_allclose((units.centre, units.unit), ([2.0], [spread]))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (1.0, 2.0), (-5.0, 1e12), (1e12, 1e12 + 1)])
def test_two_values_are_0_and_1(low, high):
    z, units = standardised(np.array([[low], [high], [high]]))
    assert z[:, 0].tolist() == [0.0, 1.0, 1.0]
    assert (units.centre.item(), units.unit.item()) == (low, high - low)


def test_a_0_1_metric_stays_as_it_is_to_the_last_bit():
    y = np.array([[0.0], [1.0], [1.0]])
    z, units = standardised(y)
    np.testing.assert_array_equal(z, y)
    np.testing.assert_array_equal(units.levels(z / 3), z / 3)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=30).filter(lambda y: len(set(y)) > 1)
)
def test_there_and_back(values):
    y = np.asarray(values)[:, None]
    z, units = standardised(y)
    assert np.isfinite(z).all()
    size = np.abs(y).max()
    np.testing.assert_allclose(units.levels(z) / size, y / size, atol=1e-14)
    lost = 1e-13 * size / units.unit.item()
    np.testing.assert_allclose(units.standard(units.levels(z)), z, atol=lost)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=30).filter(
        lambda y: len(set(y)) > 1
    ),
    st.integers(-(10**12), 10**12),
    st.integers(0, 2),
)
def test_decimals_are_the_same_wherever_their_zero_is(counts, offset, digits):
    """At 1e12 a float is off by 1e-4 of the unit, a whole number of hundredths is not."""
    step = 10**digits
    one, far = ([(count + at * step) / step for count in counts] for at in (0, offset))
    z, units = standardised(np.asarray(one)[:, None])
    z_far, units_far = standardised(np.asarray(far)[:, None])
    np.testing.assert_array_equal(z_far, z)
    np.testing.assert_array_equal(units_far.unit, units.unit)


def test_what_is_no_decimal_is_subtracted_as_it_is():
    y = np.random.default_rng(0).normal(size=50)
    np.testing.assert_array_equal(differences(y, y[0]), y - y[0])
