"""Ridged logistic regressions of all folds from one Hessian, beside scikit-learn's of each."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from equipoise.learners.ridged_logistic import RidgedLogistic

SPREAD = np.array([1.0, 0.1, 0.5])


def rows(cells, n=900, steep=1.0, seed=0):
    """Columns, cells that follow them, folds, weights, and where to begin."""
    rng = np.random.default_rng(seed)
    X, fold, w = rng.normal(size=(n, 3)), rng.integers(0, 3, n), rng.uniform(0.5, 2, n)
    eta = steep * X @ rng.normal(size=(3, cells))
    cell = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    return X, cell, fold, w, np.zeros((cells, 4))


def by_sklearn(X, cell, w):
    """The same prior by scaled columns and C = 1; control's row 0."""
    model = LogisticRegression(solver="newton-cholesky", tol=1e-10)
    model.fit(X * SPREAD, cell, sample_weight=w)
    found = np.column_stack([model.intercept_, model.coef_ * SPREAD])
    return np.vstack([np.zeros(4), found]) if len(found) == 1 else found - found[0]


@pytest.mark.parametrize(("cells", "steep"), [(2, 1.0), (2, 20.0), (4, 1.0)])
def test_each_fold_is_left_out_as_if_its_rows_were_not_there(cells, steep):
    X, cell, fold, w, start = rows(cells, steep=steep)
    fits = RidgedLogistic(X, cell, fold, w, start).fit_each(SPREAD, [start] * 4)
    for f, found in enumerate(fits):
        kept = fold != f
        np.testing.assert_allclose(found, by_sklearn(X[kept], cell[kept], w[kept]), atol=2e-3)


def test_where_it_starts_does_not_matter_and_the_loss_only_falls():
    X, cell, fold, w, start = rows(2, steep=20.0)
    model = RidgedLogistic(X, cell, fold, w, start)
    far = start.copy()
    far[1] = 8.0
    np.testing.assert_allclose(
        model.fit(SPREAD, None, far), model.fit(SPREAD, None, start), atol=1e-3
    )


def test_a_cell_that_no_row_has_is_merely_unlikely():
    X, cell, fold, _, _ = rows(2)
    found = RidgedLogistic(X, cell, fold, None, np.zeros((3, 4))).fit(
        SPREAD, None, np.zeros((3, 4))
    )
    assert np.isfinite(found).all()
    assert found[2, 0] < -5
