"""Weights and propensities: what is let through, and what is refused with its row."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from equipoise.core.errors import InputError
from equipoise.core.weights import (
    RoundedPropensityWarning,
    check_propensities,
    check_weights,
    mean_one,
)


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


def test_rounding_is_told_and_mended():
    rng = np.random.default_rng(0)
    exact = rng.dirichlet([4, 4, 4], 200)
    for digits in (2, 3, 4, 5):
        with pytest.warns(RoundedPropensityWarning, match="each row was divided by its sum"):
            p = check_propensities(exact.round(digits))
        assert p.sum(axis=1) == pytest.approx(1, abs=1e-12)
        assert np.abs(p - exact).max() < 2 * 10.0**-digits
    assert check_propensities(exact) is exact


def test_how_far_off_a_sum_may_be_is_settable():
    third = np.array([[0.31, 0.31, 0.31]])
    with pytest.raises(InputError, match=r"sum to 1; got 0\.93 at row 0"):
        check_propensities(third)
    with pytest.warns(RoundedPropensityWarning, match=r"sum to 0\.93\.\.0\.93"):
        assert check_propensities(third, tolerance=0.1)[0] == pytest.approx(1 / 3, abs=1e-15)
    with pytest.raises(InputError, match="sum to 1; got 0.9999 at row 0"):
        check_propensities(np.array([[0.3333, 0.3333, 0.3333]]), tolerance=1e-6)


@pytest.mark.parametrize(
    ("row", "cell", "message"),
    [
        ([0.6, 0.4, 0.0], 2, "got 0.0 at row 1, cell 2"),
        ([0.0, 0.4, 0.6], 1, "got 0.0 at row 1, cell 0"),
        ([0.6, 0.5, -0.1], 0, "got -0.1 at row 1, cell 2"),
        ([1.0, 0.0, 0.1], 0, "got 1.0 at row 1, cell 0"),
    ],
)
def test_a_closed_cell_was_not_given_and_control_is_never_closed(row, cell, message):
    open_row = [0.5, 0.25, 0.25]
    with pytest.raises(InputError, match=message):
        check_propensities(np.array([open_row, row]), np.array([0, cell]))


def test_cells_may_be_closed_where_what_rows_got_is_known():
    closed = np.array([[0.5, 0.25, 0.25], [0.6, 0.4, 0.0], [1.0, 0.0, 0.0]])
    assert check_propensities(closed, np.array([2, 1, 0])) is closed
    with pytest.raises(InputError, match="got 0.0 at row 1, cell 2"):
        check_propensities(closed)
    with pytest.raises(InputError, match="leave some row a choice"):
        check_propensities(np.array([[1.0, 0.0]]), np.array([0]))
