"""The ratio of a proportional shift against its formula where mixes are Dirichlet, and without the
number that makes it so.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.learners import density_ratio as shift
from equipoise.learners.density_ratio import learn_ratio, shifted

FACTOR = np.array([1.3, 0.9, 0.7, 1.1, 1.0])


def logged(n, seed):
    """Features, mixes drawn from a Dirichlet whose mean follows the first feature, and its
    parameters.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    weight = np.exp(0.3 * X[:, :1] * np.array([1.0, -1, 0, 0, 0]))
    alpha = 12 * weight / weight.sum(axis=1, keepdims=True)
    drawn = rng.gamma(alpha) + 1e-12
    return X, drawn / drawn.sum(axis=1, keepdims=True), alpha


def exact(T, alpha):
    """prod_k r_k^-alpha_k (sum_k t_k / r_k)^-(sum alpha)."""
    return np.exp(
        -(alpha * np.log(FACTOR)).sum(axis=1) - alpha.sum(axis=1) * np.log((T / FACTOR).sum(axis=1))
    )


def agreement(seed):
    X, T, _ = logged(4000, seed)
    new, mixes, alpha = logged(2000, 1000 + seed)
    got = learn_ratio(X, T, FACTOR, np.ones(4000))(new, mixes, FACTOR)
    return float(np.corrcoef(np.log(got), np.log(exact(mixes, alpha)))[0, 1]), float(got.mean())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_ratio_is_the_formulas(seed):
    """Over the seeds 0 to 9 the correlation of logarithms was .98 or more."""
    alike, mean = agreement(seed)
    assert alike > 0.97
    assert mean == pytest.approx(1, abs=0.06)


def test_without_the_number_it_is_not(monkeypatch):
    monkeypatch.setattr(shift, "_facts", lambda X, T, factor: np.hstack([X, T[:, :1] * 0]))
    X, T, _ = logged(4000, 0)
    got = learn_ratio(X, T, FACTOR, np.ones(4000))(X, T, FACTOR)
    assert np.log(got).std() < 0.05


def test_shifted_mixes_are_mixes_and_go_where_they_should():
    _, T, _ = logged(50, 0)
    moved = shifted(T, FACTOR)
    np.testing.assert_allclose(moved.sum(axis=1), 1)
    np.testing.assert_allclose(moved[:, 0] / moved[:, 1], T[:, 0] / T[:, 1] * 1.3 / 0.9)
    np.testing.assert_allclose(shifted(moved, 1 / FACTOR), T)
