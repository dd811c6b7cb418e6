"""Sparse final stage: the lasso beside scikit-learn's, the nodewise inverse, and how often
intervals hold the truth where five of many features move the effect.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from equipoise.core.errors import InputError
from equipoise.estimators import LinearDML, SparseDML
from equipoise.estimators.dml import sparse
from equipoise.estimators.dml.lasso import nodewise_inverse, paths


def columns(n=200, d=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) + 0.5 * rng.normal(size=(n, 1))
    return X / np.sqrt(np.square(X).mean(axis=0)), rng


def test_the_lasso_is_that_of_scikit_learn_and_free_columns_have_no_penalty():
    X, rng = columns()
    y = X[:, :3] @ [2.0, -1.0, 0.5] + rng.normal(size=200)
    G, c = X.T @ X / 200, (X.T @ y / 200)[:, None]
    ours = paths(G, c, np.ones(30), np.array([[0.3], [0.1]]))[:, :, 0]
    for theta, penalty in zip(ours, (0.3, 0.1), strict=True):
        theirs = Lasso(penalty, fit_intercept=False, tol=1e-10).fit(X, y).coef_
        np.testing.assert_allclose(theta, theirs, atol=1e-5)
    free = np.r_[0.0, np.ones(29)]
    theta = paths(G, c, free, np.array([[0.1]]))[0, :, 0]
    rest = c[:, 0] - G @ theta
    assert abs(rest[0]) < 1e-5
    assert np.abs(rest[1:]).max() < 0.1 + 1e-5
    used = theta[1:] != 0
    np.testing.assert_allclose(rest[1:][used], 0.1 * np.sign(theta[1:][used]), atol=1e-5)


def test_the_nodewise_inverse_is_the_inverse_without_a_penalty_and_near_it_with_one():
    X, _ = columns()
    G = X.T @ X / 200
    np.testing.assert_allclose(nodewise_inverse(G, 0.0), np.linalg.inv(G), atol=1e-4)
    M, penalty = nodewise_inverse(G, 0.05), 0.05
    off = M @ G - np.eye(30)
    assert (np.abs(off) <= penalty * np.diag(M)[:, None] + 1e-4).all()
    assert (np.diag(M) <= np.diag(np.linalg.inv(G)) + 1e-6).all()


def test_without_penalties_it_is_least_squares(monkeypatch):
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(400, 4)), rng.integers(2, size=400)
    y = X[:, 0] + t * (1 + X[:, 1]) + rng.normal(size=400)
    plain = LinearDML().fit(X, y, treatment=t).effects(X)
    monkeypatch.setattr(sparse, "NODEWISE", 0.0)
    free = SparseDML(nuisances="ridge").fit(X, y, treatment=t).effects(X)
    np.testing.assert_allclose(free.values, plain.values, atol=1e-4)
    np.testing.assert_allclose(free.std_error, plain.std_error, rtol=0.02)


def many(seed, n=250, d=100):
    """Five of many features, each half like the one before, move the effect."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[:, 1:] = 0.5 * X[:, :-1] + 0.87 * X[:, 1:]
    t = (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    beta = np.zeros(d)
    beta[[1, 3, 10, 20, 40]] = [1, -1, 0.5, 0.5, -0.5]
    y = X[:, 0] + t * (1 + X @ beta) + rng.normal(size=n) * (1 + 0.3 * np.abs(X[:, 1]))
    return X, y, t, beta


def test_intervals_hold_the_truth_and_are_shorter_than_those_of_least_squares():
    """Five logs, 20 effects and 100 coefficients each.  Over 40 logs .95 of effects, of the five
    and of the others are held, by intervals .83 times as wide; effects miss by 2.1, those of the
    lasso itself by .9 and those of least squares by 3.0.
    """
    held, of_five, others, width, error = [], [], [], [], []
    for seed in range(5):
        X, y, t, beta = many(seed)
        new, truth, five = X[:20], 1 + X[:20] @ beta, beta != 0
        model, plain = SparseDML().fit(X, y, treatment=t), LinearDML().fit(X, y, treatment=t)
        effects, wide = model.effects(new), plain.effects(new)
        held.append(np.abs(effects.values[:, 0, 0] - truth) < 1.96 * effects.std_error[:, 0, 0])
        table = model.coefficients().to_pydict()
        value, spread = (np.array(table[name][1:]) for name in ("value", "std_error"))
        hit = np.abs(value - beta) < 1.96 * spread
        of_five.append(hit[five])
        others.append(hit[~five])
        width.append(effects.std_error.mean() / wide.std_error.mean())
        lasso = SparseDML(debias=False).fit(X, y, treatment=t).effects(new)
        assert lasso.std_error is None
        miss = [np.square(one.values[:, 0, 0] - truth).mean() for one in (lasso, effects, wide)]
        error.append(miss)
    assert 0.88 < np.mean(held) < 1
    assert np.mean(of_five) > 0.75
    assert np.mean(others) > 0.92
    assert np.mean(width) < 0.9
    assert (np.diff(np.mean(error, axis=0)) > 0).all()


def test_what_it_is_not_for_is_refused():
    X, y, t, _ = many(0)
    with pytest.raises(InputError, match='be None, "auto" or "lasso"'):
        LinearDML(shrink="ridge").fit(X, y, treatment=t)
    with pytest.raises(InputError, match="own deviations must be shrunk"):
        LinearDML(shrink="lasso", own=True).fit(X, y, treatment=t)
