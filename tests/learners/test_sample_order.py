"""Rows of arrays have one order, however rows and columns come, and in whatever unit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.learners.sample_order import sample_order

SIZES = {"seed": st.integers(0, 10**6), "n": st.integers(2, 40), "d": st.integers(1, 5)}


def rows(seed, n, d):
    """X (n, d) of few values, some missing, arms and outcomes (n,)."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, (n, d)).astype(float)
    X[rng.random(X.shape) < 0.1] = np.nan
    return rng, X, rng.integers(0, 2, n).astype(float), rng.normal(size=n)


@settings(max_examples=150, deadline=None)
@given(**SIZES)
def test_rows_and_columns_in_any_order_give_the_same_rows(seed, n, d):
    rng, X, t, y = rows(seed, n, d)
    turn, across = rng.permutation(n), rng.permutation(d)
    one = sample_order(X, t, ties=[y])
    other = sample_order(X[turn][:, across], t[turn], ties=[y[turn]])
    assert sorted(one) == list(range(n))
    assert (y[turn][other] == y[one]).all()


@settings(max_examples=80, deadline=None)
@given(unit=st.floats(1e-6, 1e6), offset=st.floats(-1e3, 1e3), **SIZES)
def test_units_and_columns_that_say_nothing_more_keep_the_order(seed, n, d, unit, offset):
    _, X, t, y = rows(seed, n, d)
    one = sample_order(X, t, ties=[y])
    more = np.column_stack([X * unit + offset, np.ones(n), X[:, 0]])
    assert (sample_order(more, t * unit, ties=[y / unit - offset]) == one).all()


def test_groups_stand_in_for_what_rows_hold():
    X, t, group = np.zeros((4, 1)), np.zeros(4), np.array([2, 0, 3, 1])
    order = sample_order(X, t, group)
    turned = sample_order(X, t, group[::-1])
    assert group[order].tolist() == group[::-1][turned].tolist()


def test_the_first_of_many_equal_rows_are_a_sample():
    y = np.repeat([0.0, 1.0], 500)
    order = sample_order(np.ones((1000, 1)), np.zeros(1000), ties=[y])
    assert abs(y[order][:500].mean() - 0.5) < 0.06
