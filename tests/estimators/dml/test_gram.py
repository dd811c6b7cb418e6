from __future__ import annotations

import numpy as np
import pytest

from equipoise.estimators.dml import gram


def kronecker(t, z):
    return (t[:, :, None] * z[:, None, :]).reshape(len(t), -1)


@pytest.fixture
def rows():
    """More rows than one block, so that the seam is crossed."""
    rng = np.random.default_rng(0)
    n = gram.BLOCK + 37
    return rng.normal(size=(n, 3)), rng.normal(size=(n, 4)), rng.exponential(size=(n, 2))


def test_gram_of_one_row_by_hand():
    # t (x) z = [2, 6] (x) -> (2 * 1, 2 * 3)
    found = gram.kronecker_gram(np.array([[2.0]]), np.array([[1.0, 3.0]]), np.array([[0.5]]))
    assert found[0].tolist() == [[2.0, 6.0], [6.0, 18.0]]


def test_gram_equals_that_of_the_rows_written_out(rows):
    t, z, weight = rows
    r = kronecker(t, z)
    for j, found in enumerate(gram.kronecker_gram(t, z, weight)):
        np.testing.assert_allclose(found, r.T @ (r * weight[:, j : j + 1]), rtol=1e-10, atol=1e-9)


def test_moment_equals_that_of_the_rows_written_out(rows):
    t, z, target = rows
    np.testing.assert_allclose(gram.kronecker_moment(t, z, target), kronecker(t, z).T @ target, rtol=1e-10, atol=1e-9)


def test_clusters_of_one_row_are_rows(rows):
    t, z, error = rows
    each = gram.cluster_meat(t, z, error, np.arange(len(t)))
    np.testing.assert_allclose(each, gram.kronecker_gram(t, z, np.square(error)), rtol=1e-10, atol=1e-9)


def test_cluster_meat_sums_scores_inside_clusters(rows):
    t, z, error = rows
    groups = np.random.default_rng(1).integers(40, size=len(t))
    groups[:5000] = 7  # one cluster larger than a block
    groups = np.unique(groups, return_inverse=True)[1]
    score = kronecker(t, z) * error[:, :1]
    sums = np.stack([score[groups == g].sum(axis=0) for g in range(groups.max() + 1)])
    np.testing.assert_allclose(gram.cluster_meat(t, z, error, groups)[0], sums.T @ sums, rtol=1e-9, atol=1e-7)


def test_cluster_blocks_tear_no_cluster_and_lose_no_row():
    starts = np.array([0, 10, 9000, 9001])
    found = list(gram.cluster_blocks(starts, 9500))
    assert [(rows.start, rows.stop) for rows, _ in found] == [(0, 10), (10, 9000), (9000, 9500)]
    assert [inside.tolist() for _, inside in found] == [[0], [0], [0, 1]]


def test_fold_grams_add_up_and_keep_to_their_fold():
    columns = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    grams = gram.fold_grams([columns[:, :1], columns[:, 1:]], np.array([1.0, 2.0, 1.0]), np.array([0, 1, 1]), 2)
    assert grams[0].tolist() == [[1, 2], [2, 4]]
    np.testing.assert_allclose(grams.sum(axis=0), columns.T @ (columns * [[1], [2], [1]]))


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
