from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from equipoise.core.errors import InputError
from equipoise.core.strata import cells_of, identify
from equipoise.estimators.strata import CFMLE, BoostedClasses
from equipoise.estimators.strata.cf_mle import SETS, _step, observed, start_scores


def loss(scores, seen):
    f = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return -np.log((f * SETS[seen]).sum(axis=1))


def test_observed_cells_by_hand():
    assert observed(
        np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0]), np.array([1, 1, 0, 1])
    ).tolist() == [3, 1, 4, 5]


def test_sets_are_the_cells_of_the_strata():
    p = np.random.default_rng(0).dirichlet(np.ones(5), 20)
    q, m0 = cells_of(p)
    np.testing.assert_allclose(p @ SETS.T, np.column_stack([q, 1 - m0, m0]))


def test_gradient_is_that_of_the_likelihood_and_the_curvature_bounds_it():
    rng = np.random.default_rng(0)
    scores, seen = rng.normal(size=(60, 5)), np.arange(60) % 6
    gradient, curvature = np.empty((60, 5)), np.empty((60, 5))
    _step(scores, seen, SETS, np.full(60, 2.0), gradient, curvature)
    for s in range(5):
        h = 1e-5 * (np.arange(5) == s)
        up, mid, down = (loss(scores + sign * h, seen) for sign in (1, 0, -1))
        np.testing.assert_allclose(gradient[:, s], 2 * (up - down) / 2e-5, atol=1e-6)
        assert (curvature[:, s] >= 2 * (up - 2 * mid + down) / 1e-10 - 1e-4).all()


def test_start_is_the_identified_share():
    """Counts that keep both restrictions have one likeliest answer: the formulas."""
    count = np.array([40, 10, 20, 30, 60, 20])
    seen = np.repeat(np.arange(6), count)
    f = np.exp(start_scores(seen, np.ones(len(seen))))
    np.testing.assert_allclose(
        f, identify(np.array([[0.4, 0.1, 0.2, 0.3]]), np.array([0.25]))[0], atol=1e-4
    )


def test_recovers_the_strata(incentive, fit):
    """Root mean squared error over 5 seeds: at most 0.049."""
    world, new = incentive(20_000, 1), incentive(5_000, 99)
    estimator = fit(CFMLE(), world)
    strata = estimator.strata(new.X)
    assert np.sqrt(np.mean((strata - new.strata) ** 2)) < 0.055
    assert estimator.diagnostics()["share_clipped"] == 0


def test_scores_do_not_depend_on_the_propensity(incentive, fit):
    world = incentive()
    model = BoostedClasses(n_estimators=20, num_leaves=4)
    one, other = fit(CFMLE(model), world), fit(CFMLE(model), world, propensity=np.full(3000, 0.4))
    np.testing.assert_array_equal(one.strata(world.X), other.strata(world.X))


def test_a_plain_classifier_cannot_climb(incentive, fit):
    with pytest.raises(InputError, match="model must be BoostedClasses"):
        fit(CFMLE(LogisticRegression()), incentive())
