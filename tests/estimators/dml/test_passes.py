from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.estimators.dml import gram, passes


def by_hand(groups=None):
    """Residuals t = (1, -1, 1) and r = (2, 0, 1) of three rows without features."""
    t, r = np.array([[1.0], [-1.0], [1.0]]), np.array([[2.0], [0.0], [1.0]])
    return lambda: [passes.Part(np.zeros((3, 1)), t, r, np.zeros(3, int), groups=groups, t=t, r=r)]


def fitted(walk):
    sums = passes.first_pass(walk, 1)
    layout = gram.Layout(np.arange(1), np.arange(0), 1, np.arange(1))
    ridges = passes.Ridges(sums, np.zeros((1, 2, 2)), np.arange(1))
    normal = passes.second_pass(walk, ridges, layout, None)
    covariance, control, _ = passes.third_pass(walk, ridges, layout, normal)
    return normal.theta / normal.scale, covariance / normal.scale**2, control


def test_three_rows_by_hand():
    # theta = (2 - 0 + 1) / 3 = 1, errors (1, 1, 0); HC1 = n / (n - 1) * sum(t^2 e^2) / (sum t^2)^2
    # = 3 / 2 * 2 / 9
    theta, covariance, control = fitted(by_hand())
    np.testing.assert_allclose(theta, [[1.0]])
    np.testing.assert_allclose(covariance, [[[1 / 3]]])
    # sum of y - t theta - mean of y
    np.testing.assert_allclose(control, [[2 - 1 + 0 + 1 + 1 - 1 - 3], [0]], atol=1e-15)


def test_clusters_by_hand():
    # scores t e = (1, -1, 0) in clusters {0, 1}, {2}: sums (0, 0), so the cluster-robust variance
    # is 0
    np.testing.assert_allclose(fitted(by_hand(np.array([0, 0, 1])))[1], [[[0.0]]], atol=1e-30)
    np.testing.assert_allclose(
        fitted(by_hand(np.array([1, 2, 0])))[1], fitted(by_hand())[1], rtol=1e-14
    )  # rows are clusters
    with pytest.raises(InputError, match="clusters"):
        fitted(by_hand(np.zeros(3, int)))


@pytest.mark.parametrize("grouped", [False, True])
def test_blocks_hold_each_row_once_one_fold_and_whole_clusters(grouped, monkeypatch):
    monkeypatch.setattr(gram, "BLOCK", 16)
    rng = np.random.default_rng(0)
    group = rng.integers(30, size=200)
    fold = group % 3 if grouped else rng.integers(3, size=200)
    X = rng.normal(size=(200, 2))
    part = passes.Part(X, X, X, fold, np.arange(200.0), group if grouped else None, start=1000)
    seen, clusters = [], []
    for block in passes.blocks(lambda: [part]):
        row = block.rows
        assert (fold[row] == block.fold).all()
        np.testing.assert_array_equal(block.plain(X), X[row].T)
        np.testing.assert_array_equal(block.weight, row)
        seen += row.tolist()
        if grouped:
            clusters += group[row][block.starts].tolist()
    assert sorted(seen) == list(range(200))
    assert sorted(clusters) == (np.unique(group).tolist() if grouped else [])


def test_sums_are_those_of_standard_columns_in_each_fold():
    rng = np.random.default_rng(0)
    X, phi, y = (
        rng.normal(5, 3, size=(300, 2)),
        rng.normal(size=(300, 1)),
        rng.normal(size=(300, 2)),
    )
    X[:, 1], fold, weight = 1e9, rng.integers(2, size=300), rng.exponential(size=300)
    sums = passes.first_pass(lambda: [passes.Part(X, phi, y, fold, weight)], 2)
    mean = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(sums.centre, mean)
    np.testing.assert_allclose(
        sums.scale, [np.sqrt(np.average((X[:, 0] - mean[0]) ** 2, weights=weight)), 1.0]
    )  # a constant
    z = np.column_stack(
        [np.ones(300), (X - sums.centre) / sums.scale, np.hstack([phi, y]) - sums.shift[2:]]
    )
    for f in range(2):
        inside = fold == f
        wanted = z[inside].T @ (z[inside] * weight[inside, None]) / weight.mean()
        # 1e9 leaves 1e-7 per row
        np.testing.assert_allclose(sums.grams[f], wanted, rtol=1e-9, atol=1e-4)


def test_a_fold_without_rows_is_refused():
    walk = by_hand()
    with pytest.raises(InputError, match="folds"):
        passes.first_pass(walk, 2)
