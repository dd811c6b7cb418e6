from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from equipoise.core.errors import InputError
from equipoise.estimators import TLearner, XLearner
from equipoise.treatments import Arms

LINE = LinearRegression()


def test_both_sides_by_hand():
    X, t, y = np.zeros((5, 1)), [0, 0, 0, 1, 1], [1.0, 2, 3, 6, 8]
    fitted = XLearner(DummyRegressor(), DummyRegressor()).fit(X, y, treatment=t)
    got = fitted.effects(X[:1])  # treated side 7 - 2, control side 7 - 2
    np.testing.assert_allclose((got.values[0, 0, 0], got.baseline[0, 0]), (5, 2))
    np.testing.assert_allclose(fitted.mix_, [0.4])


def test_the_propensity_weighs_the_control_side():
    rng = np.random.default_rng(0)
    X, cell = rng.normal(size=(400, 1)), np.arange(400) % 2
    y = np.where(cell == 1, X[:, 0] ** 2, 0) + rng.normal(size=400)
    e = np.full((400, 2), [0.9, 0.1])
    fitted = XLearner(LINE, LINE).fit(X, y, treatment=cell, propensity=e)
    sides = [models[0][0].predict(X) for models in (fitted.control_, fitted.treated_)]
    np.testing.assert_allclose(fitted.effects(X).values[:, 0, 0], 0.1 * sides[0] + 0.9 * sides[1])


def test_with_lines_it_is_the_t_learner(experiment):
    world = experiment(500, arms=3)
    given = {"treatment": world.cell, "sample_weight": np.random.default_rng(1).uniform(1, 2, 500)}
    x, t = (
        learner.fit(world.X, world.y, **given).effects(world.X)
        for learner in (
            XLearner(LINE, LINE, space=Arms([0, 1, 2])),
            TLearner(LINE, space=Arms([0, 1, 2])),
        )
    )
    np.testing.assert_allclose(x.values, t.values)
    np.testing.assert_allclose(x.baseline, t.baseline)


def test_two_arms_of_three_are_as_they_are_alone(experiment):
    world = experiment(900, arms=3)
    pair = world.cell < 2
    three = XLearner(LINE, LINE, space=Arms([0, 1, 2])).fit(world.X, world.y, treatment=world.cell)
    two = XLearner(LINE, LINE).fit(world.X[pair], world.y[pair], treatment=world.cell[pair])
    np.testing.assert_allclose(
        three.effects(world.X).values[:, 0], two.effects(world.X).values[:, 0]
    )


def unequal(experiment, seed=0):
    return experiment(4000, seed=seed, shares=[0.95, 0.05], noise=0.5)


def test_finds_the_truth_and_beats_the_t_learner_with_few_treated(experiment, pehe):
    world = unequal(experiment)
    x, t = (
        learner.fit(world.X, world.y, treatment=world.cell) for learner in (XLearner(), TLearner())
    )
    assert pehe(x, world) < 0.25  # at most 0.183 over 10 seeds; sd of tau 0.29
    assert pehe(x, world) < 0.85 * pehe(t, world)  # at most 0.71


def test_a_swapped_propensity_is_seen(experiment, pehe):
    world = unequal(experiment)
    # few leaves for the 200 treated, many for the control
    coarse = DecisionTreeRegressor(min_samples_leaf=50)
    right, wrong = (
        XLearner(coarse, LINE).fit(world.X, world.y, treatment=world.cell, propensity=e)
        for e in (world.e, world.e[:, ::-1])
    )
    assert pehe(wrong, world) > 2 * pehe(right, world)  # 2.8 to 9.6 over 10 seeds


def test_the_effect_is_no_classifier(experiment):
    world = experiment(100)
    with pytest.raises(InputError, match="effect_model must be a regressor"):
        XLearner(effect_model=LogisticRegression()).fit(world.X, world.y, treatment=world.cell)
