from __future__ import annotations

import numpy as np
import pytest

from equipoise.estimators.dml import gram


def layout(p, q, crossed=0, narrow=(0,)):
    """The last ``crossed`` columns of p vary with few features."""
    return gram.Layout(np.arange(p - crossed), np.arange(p - crossed, p), q, np.array(narrow))


def kronecker(t, z, slots):
    """The rows of the regression, one at a time as the formula says.   t: (p, b); z: (q, b)."""
    return np.array([[t[j, i] * z[a, i] for j, a in slots] for i in range(t.shape[1])])


@pytest.fixture
def rows():
    """More rows than two near blocks, so that seams are crossed."""
    rng = np.random.default_rng(0)
    n = 2 * gram.NEAR + 37
    return rng.normal(size=(5, n)), rng.normal(size=(4, n)), rng.exponential(size=(2, n))


def test_gram_of_one_row_by_hand():
    # t (x) z = [2, 6], weighed by a half
    sums = gram.KroneckerSums(layout(1, 2), 1)
    sums.add(np.array([[2.0]]), np.array([[1.0], [3.0]]), np.array([[0.5]]))
    assert sums.grams()[0].tolist() == [[2.0, 6.0], [6.0, 18.0]]


@pytest.mark.parametrize(
    "shape", [(5, 4), (5, 4, 2), (5, 4, 3, (0, 2)), (1, 1), (4, 3), (5, 4, 5)], ids=str
)
def test_gram_and_moment_equal_those_of_the_rows_written_out(rows, shape):
    t, z, weights = rows
    t, z = t[: shape[0]], z[: shape[1]]
    plan = layout(*shape)
    r = kronecker(t, z, plan.slots)
    np.testing.assert_array_equal(gram.written_out(t, z, plan.slots), r.T)
    sums = gram.KroneckerSums(plan, 2)
    for cut in gram.cuts(t.shape[1], 700):
        sums.add(t[:, cut], z[:, cut], np.ascontiguousarray(weights[:, cut]))
    for found, weight in zip(sums.grams(), weights, strict=True):
        np.testing.assert_allclose(found, r.T @ (r * weight[:, None]), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(
        gram.moment(t, z, weights, plan), r.T @ weights.T, rtol=1e-10, atol=1e-9
    )


@pytest.mark.parametrize("single", [1, 3, 5])
def test_single_columns_beside_the_pairs_weigh_products_of_features(rows, single):
    t, z, weights = rows
    sums = gram.KroneckerSums(layout(5, 4), 2, single)
    for cut in gram.cuts(t.shape[1], 700):
        sums.add(t[:, cut], z[:, cut], np.ascontiguousarray(weights[:, cut]), t[:single, cut])
    expected = np.einsum("wi,si,ai,bi->wsab", weights, t[:single], z, z)
    np.testing.assert_allclose(sums.singles(), expected, rtol=1e-10, atol=1e-10)
    alone = gram.KroneckerSums(layout(5, 4), 2)
    for cut in gram.cuts(t.shape[1], 700):
        alone.add(t[:, cut], z[:, cut], np.ascontiguousarray(weights[:, cut]))
    np.testing.assert_allclose(sums.grams(), alone.grams(), rtol=1e-12)


def test_turned_rows_are_columns_in_their_units():
    out = np.empty((2, 3))
    columns = np.arange(10.0).reshape(5, 2)
    gram.turn(columns, np.array([4, 0, 4]), np.array([1.0, 2.0]), np.array([1.0, 10.0]), out)
    assert out.tolist() == [[7, -1, 7], [70, -10, 70]]


def test_pairs_by_hand():
    out = np.zeros((4, 2))
    gram.pair_products(np.array([[2.0], [3.0]]), np.array([[20.0], [30.0]]), out)
    assert out.tolist() == [[40, 0], [60, 0], [90, 0], [0, 0]]


def test_crosses_vary_with_few_features():
    assert layout(3, 2, 1).slots.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]]
    assert layout(3, 3, 1, (0, 2)).slots.tolist()[-2:] == [[2, 0], [2, 2]]


def test_cluster_scores_are_sums_inside_clusters(rows):
    t, z, error = rows
    plan, starts = layout(5, 4, 2), np.array([0, 1, 50, 600])
    score = kronecker(t, z, plan.slots)
    for found, one in zip(gram.cluster_scores(t, z, error, starts, plan.slots), error, strict=True):
        sums = [part.sum(axis=0) for part in np.split(score * one[:, None], starts[1:])]
        np.testing.assert_allclose(found.T, sums, rtol=1e-9, atol=1e-10)


def test_cuts_lose_no_row_and_tear_no_cluster():
    assert [(c.start, c.stop) for c in gram.cuts(5, 2)] == [(0, 2), (2, 4), (4, 5)]
    found = list(gram.cluster_cuts(np.array([0, 10, 9000, 9001]), 9500))
    assert [(rows.start, rows.stop) for rows in found] == [(0, 10), (10, 9000), (9000, 9500)]


def test_ridge_without_penalty_is_least_squares_and_leaves_the_intercept_alone():
    rng = np.random.default_rng(0)
    z = np.column_stack([np.ones(50), rng.normal(size=(50, 2))])
    y = 3 + z[:, 1:2] + rng.normal(size=(50, 1))
    whole = np.hstack([z, y]).T @ np.hstack([z, y])
    np.testing.assert_allclose(gram.ridge(whole, 3, 0.0), np.linalg.lstsq(z, y)[0], rtol=1e-10)
    z[:, 1:] -= z[:, 1:].mean(axis=0)
    whole = np.hstack([z, y]).T @ np.hstack([z, y])
    np.testing.assert_allclose(gram.ridge(whole, 3, 1e12)[:, 0], [y.mean(), 0, 0], atol=1e-9)


def test_pseudo_inverse_drops_what_no_row_speaks_of():
    inverse, rank = gram.pseudo_inverse(np.diag([4.0, 0.0]))
    assert rank == 1
    assert inverse.tolist() == [[0.25, 0.0], [0.0, 0.0]]
    assert gram.pseudo_inverse(np.zeros((2, 2)))[1] == 0
