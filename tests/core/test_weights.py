"""Weights and propensities: what is let through, and what is refused with its row."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from equipoise.core.errors import InputError
from equipoise.core.weights import check_propensities, check_weights, mean_one


def test_what_is_right_comes_back():
    assert check_weights((1, 3), 2).tolist() == [0.5, 1.5]
    e = np.array([[0.2, 0.8], [0.5, 0.5 + 9e-7]])
    assert check_propensities(e) is e


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (2.0, r"w must be one number per row, \(3,\); got shape \(\)"),
        ([1, 2], r"w must be one number per row, \(3,\); got shape \(2,\)"),
        (["a", "b", "c"], "w must be numbers"),
        ([1, 0, 1], "w must be a finite number > 0; got 0.0 at row 1; drop rows of weight 0"),
        ([1, 1, np.nan], "w must be a finite number > 0; got nan at row 2"),
        ([np.inf, 1, 1], "w must be a finite number > 0; got inf at row 0"),
    ],
)
def test_weights_that_are_refused(weight, message):
    with pytest.raises(InputError, match=message):
        check_weights(weight, 3, "w")


@settings(max_examples=300, deadline=None)
@given(
    st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    st.integers(min_value=1, max_value=50),
)
def test_equal_weights_of_any_size_are_no_weights(weight, n):
    assert check_weights(np.full(n, weight), n) is None


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(min_value=1e-3, max_value=1e3), min_size=2, max_size=40),
    st.integers(min_value=-1000, max_value=900),
)
def test_a_power_of_two_changes_no_bit_of_the_weights(weights, power):
    plain = check_weights(weights, len(weights))
    scaled = check_weights(np.ldexp(weights, power), len(weights))
    if plain is None:
        assert scaled is None
        return
    np.testing.assert_array_equal(scaled, plain)
    assert plain.mean() == pytest.approx(1, rel=1e-12)


def test_a_weight_that_is_nothing_beside_the_others_is_refused():
    message = "w must lie within a factor of 1e.100 of each other; got 1e-160 and 1 at row 1"
    with pytest.raises(InputError, match=message):
        mean_one(np.array([1.0, 1e-160]), "w")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.0, 1.0], "strictly between 0 and 1; got 0.0 at row 1, cell 0"),
        ([1.2, -0.2], "strictly between 0 and 1; got 1.2 at row 1, cell 0"),
        ([0.4, np.nan], "strictly between 0 and 1; got nan at row 1, cell 1"),
        ([0.5, 0.5 + 2e-6], "propensities must sum to 1; got 1 at row 1"),
        ([0.3, 0.6], "propensities must sum to 1; got 0.9 at row 1"),
    ],
)
def test_propensities_that_are_refused(row, message):
    with pytest.raises(InputError, match=message):
        check_propensities(np.array([[0.5, 0.5], row]))
