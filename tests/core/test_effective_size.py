"""Effective units and degrees of freedom: by hand, against scipy's Welch test, and against the
matrices of Bell and McCaffrey.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from equipoise.core.effective_size import Assignment, critical, effective_units, student
from equipoise.core.errors import InputError


def centred(y, cell):
    """Influence values (n, 1) of the difference in means of two arms."""
    share = np.bincount(cell) / len(cell)
    mean = np.bincount(cell, y) / np.bincount(cell)
    return (np.where(cell == 1, 1 / share[1], -1 / share[0]) * (y - mean[cell]))[:, None]


def two_arms(cell):
    return Assignment(cell, np.bincount(cell) / len(cell), 2, fixed=True)


def test_without_weights_and_clusters_it_is_welch_s_test():
    rng = np.random.default_rng(0)
    for seed in range(20):
        cell = np.r_[0, 0, 1, 1, rng.integers(0, 2, 5 + seed)]
        y = rng.uniform(size=len(cell)) * (1 + 3 * cell)  # flatter than normal: no excess
        error, df = effective_units(np.ones(len(y)), assignment=two_arms(cell)).errors(
            centred(y, cell)
        )
        theirs = ttest_ind(y[cell == 1], y[cell == 0], equal_var=False)
        gap = y[cell == 1].mean() - y[cell == 0].mean()
        assert gap / error[0] == pytest.approx(theirs.statistic, rel=1e-12)
        assert df[0] <= theirs.df * (1 + 1e-12)
        if seed > 5:  # of two rows either may stand out
            assert df[0] == pytest.approx(theirs.df, rel=0.2)


def by_matrix(h):
    """(E V, degrees of freedom) of sum_u h_u^2 r_u^2 / (1 - 2 h_u + S), r the residuals of units of
    variance 1 from their mean with weights h.
    """
    n, S = len(h), (h**2).sum()
    residual = np.eye(n) - np.outer(np.ones(n), h)
    form = residual.T @ np.diag(h**2 / (1 - 2 * h + S)) @ residual
    return np.trace(form), np.trace(form) ** 2 / np.trace(form @ form)


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=12))
@settings(max_examples=200, deadline=None)
def test_the_closed_form_is_that_of_the_matrices(weights):
    w = np.asarray(weights)
    w[0] += 1e-6  # else all equal: the short way, tested below
    h = w / w.sum()
    variance, df = by_matrix(h)
    assert variance == pytest.approx((h**2).sum(), rel=1e-9)  # unbiased
    units = effective_units(w)
    assert units.normal[0] == pytest.approx(df, rel=1e-6)
    assert units.size[0] == pytest.approx(1 / (h**2).sum(), rel=1e-9)


@given(st.integers(2, 30), st.integers(1, 4), st.floats(1e-3, 1e6))
@settings(max_examples=50, deadline=None)
def test_the_unit_of_weights_the_order_and_copies_within_a_cluster_change_nothing(n, times, unit):
    rng = np.random.default_rng(n)
    cell, y, w = np.arange(n) % 2, rng.normal(size=n), rng.uniform(0.5, 2, n)
    cell = np.r_[cell, 0, 1, 0, 1]
    y, w = np.r_[y, 0.5, 2.0, -1.0, 1.0], np.r_[w, 1, 1, 1, 1]
    got = Assignment(cell, np.full(2, 0.5), 2, fixed=True)
    psi = centred(y, cell)
    error, df = effective_units(w, assignment=got).errors(psi)
    order = rng.permutation(len(y))
    copies = np.repeat(order, times)
    again = effective_units(w[copies] * unit, groups=copies, assignment=got.take(copies))
    other = again.errors(psi[copies])
    assert other[0] == pytest.approx(error, rel=1e-9)
    assert other[1] == pytest.approx(df, rel=1e-6)
    assert np.sort(again.size) == pytest.approx(
        np.sort(effective_units(w, assignment=got).size), rel=1e-9
    )


def test_equal_units_leave_one_less_than_they_are():
    assert effective_units(np.full(7, 3.0)).normal.tolist() == [6.0]
    groups = np.repeat(np.arange(6), 5)
    assert effective_units(np.ones(30), groups=groups).normal[0] == pytest.approx(5)


@pytest.mark.parametrize("buyers", [3, 10, 60])
def test_k_buyers_of_equal_amounts_leave_twice_as_many(buyers):
    y = np.zeros(20_000)
    y[:buyers] = 7.0
    df = effective_units(np.ones(len(y))).errors((y - y.mean())[:, None])[1][0]
    assert df == pytest.approx(2 * buyers, rel=0.02)


def test_inverse_probabilities_are_weights_too():
    probability = np.r_[0.01, np.full(99, 0.9)]
    got = Assignment(np.zeros(100, np.int64), probability, 1, fixed=False)
    assert effective_units(np.ones(100), assignment=got).size[0] == pytest.approx(
        (100 + 99 / 0.9) ** 2 / (100**2 + 99 / 0.81)
    )


def test_clusters_of_both_arms_leave_no_more_than_whole_ones():
    cell, groups = np.tile([0, 1], 60), np.repeat(np.arange(6), 20)
    units = effective_units(np.ones(120), groups=groups, assignment=two_arms(cell))
    y = np.random.default_rng(1).normal(size=120)
    error, df = units.errors(centred(y, cell))
    assert df[0] <= 5 + 1e-12
    sums = np.bincount(groups, centred(y, cell)[:, 0])
    assert error[0] == pytest.approx(np.sqrt(6 / 5 * sums @ sums) / 120)
    assert units.typical() <= 5 + 1e-12


def test_one_cluster_in_an_arm_tells_no_error():
    cell, groups = np.repeat([0, 0, 1], 10), np.repeat([0, 1, 2], 10)
    units = effective_units(np.ones(30), groups=groups, assignment=two_arms(cell))
    error, df = units.errors(centred(np.arange(30.0), cell))
    assert np.isnan([error[0], df[0]]).all()
    assert units.typical() == 0
    control = np.where(cell == 0, np.arange(30.0) - 9.5, 0.0)
    assert np.isfinite(units.errors(control[:, None])[0]).all()  # the arm has no part in it


def test_an_estimate_that_does_not_vary_has_no_error():
    assert [part.tolist() for part in effective_units(np.ones(3)).errors(np.zeros((3, 1)))] == [
        [0.0],
        [np.inf],
    ]


def test_quantiles_by_hand():
    assert critical(0.95) == pytest.approx(1.959964)
    assert critical(0.95, np.array([4.0, np.inf])) == pytest.approx([2.776445, 1.959964])
    assert np.isnan(critical(0.95, 0.0))
    assert student(0.95, 1.0) == pytest.approx(6.313752)
    with pytest.raises(InputError, match="level must lie strictly between 0 and 1"):
        critical(1.0)


def test_many_arms_and_groups_need_no_room_for_pairs_that_do_not_occur():
    rng = np.random.default_rng(2)
    cell, groups = rng.integers(0, 2, 60), rng.integers(0, 20, 60)
    far = Assignment(cell * 90, np.full(91, 0.5), 91, fixed=True)
    near = Assignment(cell, np.full(2, 0.5), 2, fixed=True)
    psi = rng.normal(size=(60, 1))
    one, two = (
        effective_units(np.ones(60), groups=groups * 10_000, assignment=got) for got in (far, near)
    )
    assert len(one.arm) <= 60
    dense = effective_units(np.ones(60), groups=groups, assignment=near)
    for sparse in (one, two):
        for ours, theirs in zip(sparse.errors(psi), dense.errors(psi), strict=True):
            assert ours == pytest.approx(theirs, rel=1e-9)
