"""Weights and propensities: what is let through, and what is refused with its row."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.weights import check_propensities, check_weights


def test_what_is_right_comes_back():
    assert check_weights((1, 2.5), 2).tolist() == [1.0, 2.5]
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
