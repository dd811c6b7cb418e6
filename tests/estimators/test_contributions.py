"""Shapley values of effects: they add up, and those of what has no part in the effect are 0."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from equipoise.data import make_coupon_world
from equipoise.estimators import BoostedTrees, DRLearner, LinearDML, TLearner, XLearner
from equipoise.estimators.contributions import effect_contributions
from equipoise.treatments import Arms


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 4))
    X[rng.random((1500, 4)) < 0.05] = np.nan
    t = rng.integers(0, 3, 1500)
    lift = np.nan_to_num(X[:, 0])
    y = np.column_stack([lift * (t == 1) + rng.normal(size=1500), 50 * lift * t + 900])
    return X, y, t


SPACE = Arms([0, 1, 2])
LEARNERS = {
    "t": TLearner(BoostedTrees(8, num_leaves=8), space=SPACE),
    "t, stopped early": TLearner(space=SPACE),
    "dr": DRLearner(space=SPACE),
    "x": XLearner(space=SPACE),
    "x, modifiers": XLearner(space=SPACE, modifiers=["x0", "x2"]),
    "dr, modifiers": DRLearner(space=SPACE, modifiers=["x0", "x2"]),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_they_add_up_to_the_effect(rows, name):
    X, y, t = rows
    learner = LEARNERS[name].fit(X, y, treatment=t)
    parts = effect_contributions(learner, X[:300])
    assert parts.values.shape == (300, 2, 2, 4)
    effects = learner._answer(learner._as_fitted(X[:300]), SPACE.candidates())[0]
    units = learner.outcome_units.unit
    np.testing.assert_allclose(parts.effects(), effects * units, rtol=1e-5, atol=1e-6 * units.max())


def test_a_column_that_is_no_modifier_adds_nothing(rows):
    X, y, t = rows
    learner = LEARNERS["dr, modifiers"].fit(X, y, treatment=t)
    parts = effect_contributions(learner, X[:200])
    assert np.abs(parts.values[..., [1, 3]]).max() == 0
    assert np.abs(parts.values[..., 0]).mean() > 5 * np.abs(parts.values[..., 2]).mean()


def test_effects_that_are_no_sum_of_trees_have_none():
    log, _ = make_coupon_world(300, metrics=("conversion",), seed=0)
    X, y = np.nan_to_num(np.random.default_rng(0).normal(size=(300, 2))), log.numbers("conversion")
    for learner in (LinearDML(space=SPACE), TLearner(Ridge(), space=SPACE)):
        learner.fit(X, y, treatment=log.cells)
        assert effect_contributions(learner, X) is None


def test_sides_mixed_by_a_propensity_that_varies_are_no_sum(rows):
    X, y, t = rows
    same = np.tile([0.4, 0.3, 0.3], (len(t), 1))
    e = same.copy()
    e[np.nan_to_num(X[:, 0]) > 0] = [0.2, 0.3, 0.5]
    learner = XLearner(BoostedTrees(4), BoostedTrees(4), space=SPACE)
    assert effect_contributions(learner.fit(X, y, treatment=t, propensity=e), X) is None
    assert effect_contributions(learner.fit(X, y, treatment=t, propensity=same), X) is not None
