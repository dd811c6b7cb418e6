from __future__ import annotations

import numpy as np
import pytest

from equipoise.learners import quadratic as kernel


def test_by_hand():
    X = np.array([[-1.0, 9.0, 2.0], [1.0, 9.0, 4.0]])  # z = (-1, 1) in both columns used
    basis = kernel.learn_basis(X, np.array([5, 0, 1]))
    assert basis["columns"].tolist() == [0, 2]
    q = kernel.quadratic(basis, X)
    assert q.shape == (2, 2 + 3)
    assert q[:, :2].tolist() == [[-1, -1], [1, 1]]
    assert q[:, 2:].tolist() == [[0, 0, 0], [0, 0, 0]]  # products do not vary


def test_columns_are_of_unit_variance_and_uncentred_products_are_centred():
    X = np.random.default_rng(0).normal(size=(500, 4))
    q = kernel.quadratic(kernel.learn_basis(X, np.ones(4, int)), X)
    assert q.shape == (500, 4 + 10)
    assert q.mean(axis=0) == pytest.approx(0, abs=1e-9)
    assert q.std(axis=0) == pytest.approx(1)


@pytest.mark.parametrize(("most", "columns"), [(90, 12), (45, 8), (10, 3), (2, 1)])
def test_it_is_no_wider_than_asked(most, columns):
    X = np.random.default_rng(0).normal(size=(50, 20))
    basis = kernel.learn_basis(X, np.arange(20), most)
    assert basis["columns"].tolist() == list(range(20 - columns, 20))
    assert kernel.quadratic(basis, X).shape[1] == columns * (columns + 3) / 2 <= most


def test_missing_values_stand_at_the_mean_and_wild_ones_are_clipped():
    X = np.r_[np.random.default_rng(0).normal(size=(99, 1)), [[np.nan]]]
    basis = kernel.learn_basis(X, np.ones(1, int))
    q = kernel.quadratic(basis, np.array([[np.nan], [1e9], [-1e9], [np.nanmean(X)]]))
    assert np.isfinite(q).all()
    assert q[0] == pytest.approx(q[3])
    assert abs(q[1, 0]) < 5
    assert q[1, 1] == pytest.approx(q[2, 1])
