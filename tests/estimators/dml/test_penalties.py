from __future__ import annotations

import numpy as np
import pytest

from equipoise.estimators.dml import penalties
from equipoise.estimators.dml.penalties import GRID, Kinds, Penalties, Products

# one average and one interaction of the form, the same of two own deviations, and one more of each
KINDS = Kinds(
    np.array([False, True, False, True, False, True, True]),
    np.array([False, False, True, True, True, True, False]),
)


def rows(seed=0, folds=3, n=40):
    """Rows (folds, n, 7) of the final regression and outcomes (folds, n, 2)."""
    rng = np.random.default_rng(seed)
    r = rng.normal(size=(folds, n, 7)) * [1, 2, 1, 1, 3, 1, 1]
    r[..., 1] += r[..., 0]
    return r, r @ rng.normal(size=(7, 2)) + 5 * rng.normal(size=(folds, n, 2))


def products(r, y):
    turned = np.swapaxes(r, 1, 2)
    return Products(turned @ r, turned @ y, np.square(y).sum(axis=1), r.shape[0] * r.shape[1])


def dense(r, y, ridge):
    """Ridge regression written out, (P, m); an infinite penalty leaves the column out."""
    used = np.isfinite(ridge)
    theta = np.zeros((r.shape[1], y.shape[1]))
    left = np.vstack([r[:, used], np.diag(np.sqrt(ridge[used]))])
    theta[used] = np.linalg.lstsq(left, np.vstack([y, np.zeros((used.sum(), y.shape[1]))]))[0]
    return theta


def ridge_of(a, b, ratio):
    ridge = np.where(KINDS.interaction, b, a)
    return np.where(KINDS.own, ridge * ratio, ridge)


def test_one_average_by_hand():
    # G = 4, g = 6: theta = 6 / (4 + 1) without interactions, and 6 / (4 + 10)
    found = penalties.path(np.array([[4.0]]), np.array([[6.0]]), 1)[:, -1, 0, 0]
    np.testing.assert_allclose(found[:2], [6 / 5, 6 / 14])


@pytest.mark.parametrize("ratio", [1.0, 100.0, np.inf])
def test_every_pair_of_the_grid_is_a_dense_ridge_on_the_other_folds(ratio):
    r, y = rows()
    expected = np.zeros((len(GRID), len(GRID) + 1, 2))
    for i, a in enumerate(GRID):
        for j, b in enumerate((*GRID, np.inf)):
            for fold in range(3):
                others = np.arange(3) != fold
                theta = dense(
                    r[others].reshape(-1, 7), y[others].reshape(-1, 2), ridge_of(a, b, ratio)
                )
                expected[i, j] += np.square(y[fold] - r[fold] @ theta).sum(axis=0)
    found = penalties.held_out(products(r, y), KINDS, ratio) + np.square(y).sum(axis=(0, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_the_coefficients_are_those_of_a_dense_ridge_for_each_metric():
    r, y = rows(1)
    chosen = Penalties(np.array([10.0, 1.0]), np.array([1e3, np.inf]), np.array([1e2, np.inf]))
    found = penalties.solve(products(r, y), KINDS, chosen)
    flat = r.reshape(-1, 7), y.reshape(-1, 2)
    for j, ridge in enumerate([ridge_of(10.0, 1e3, 10.0), ridge_of(1.0, np.inf, np.inf)]):
        np.testing.assert_allclose(found[:, j], dense(*flat, ridge)[:, j], rtol=1e-9, atol=1e-14)


def test_what_held_out_rows_refute_is_not_chosen_and_of_the_rest_averages_are_shrunk_least():
    rng = np.random.default_rng(0)
    r = rng.normal(size=(4, 300, 7))
    kinds = Kinds(np.array([False] * 3 + [True] * 4), np.zeros(7, bool))
    y = (r[..., :3] * 2).sum(axis=2, keepdims=True) + rng.normal(size=(4, 300, 1))
    varied = y + 3 * r[..., 3:].sum(axis=2, keepdims=True)
    chosen = penalties.choose(products(r, np.concatenate([y, varied], axis=2)), kinds)
    assert (chosen.average <= 10).all()
    assert chosen.interaction[0] >= 1e4  # there are none
    assert chosen.interaction[1] <= 10
    assert np.isinf(chosen.own).all()
