"""The one sort: exact order and exact ties, whatever the numbers look like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError
from equipoise.evaluation import sort_scores


def expected(score):
    """Order and ties by numpy's stable sort of the floats themselves."""
    order = np.argsort(-np.asarray(score, np.float64), kind="stable")
    ranked = np.asarray(score, np.float64)[order]
    return order, np.r_[ranked[1:] != ranked[:-1], True]


def same(score):
    order, last = expected(score)
    ranked = sort_scores(score)
    return np.array_equal(ranked.order, order) and np.array_equal(ranked.last, last)


def test_three_rows_by_hand():
    ranked = sort_scores([1.0, 5.0, 1.0])
    assert ranked.order.tolist() == [1, 0, 2]
    assert ranked.last.tolist() == [True, False, True]


def test_minus_zero_ties_with_zero():
    assert sort_scores([0.0, -0.0, 0.0]).last.tolist() == [False, False, True]


@pytest.mark.parametrize("n", [1, 2, 17, 5000])
@pytest.mark.parametrize(
    "make",
    [
        lambda r, n: r.standard_normal(n),
        lambda r, n: np.round(r.standard_normal(n), 1),
        lambda r, n: np.full(n, 3.25),
        lambda r, n: r.standard_normal(n).astype(np.float32),
        lambda r, n: r.integers(-5, 5, n),
        lambda r, n: 1 + 1e-15 * r.integers(0, 9, n),  # apart by the last bits only
        # and one far away, so that those bits are cut
        lambda r, n: np.r_[-1e308, 1 + 1e-15 * r.integers(0, 50, n - 1)],
        lambda r, n: r.standard_normal(n) * 10.0 ** r.integers(-300, 300, n),
        lambda r, n: r.choice([np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324], n),
    ],
    ids=[
        "normal",
        "ties",
        "constant",
        "float32",
        "integers",
        "last bits",
        "last bits cut",
        "all scales",
        "extremes",
    ],
)
def test_agrees_with_a_stable_sort_of_the_floats(make, n):
    assert same(make(np.random.default_rng(n), n))


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_agrees_on_any_floats(score):
    assert same(score)


def test_input_is_left_as_it_was():
    score = np.array([2.0, 3.0, 1.0])
    score.flags.writeable = False
    sort_scores(score)
    assert score.tolist() == [2.0, 3.0, 1.0]


def test_a_nan_is_named_by_its_row():
    with pytest.raises(InputError, match="row 2"):
        sort_scores([1.0, 2.0, np.nan, np.nan])


@pytest.mark.parametrize("score", [[], [[1.0]], 3.0])
def test_no_rows_or_wrong_shape(score):
    with pytest.raises(InputError, match="one number per row"):
        sort_scores(score)
