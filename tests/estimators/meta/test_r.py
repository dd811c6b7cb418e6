from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from equipoise.core.errors import InputError
from equipoise.estimators import RLearner
from equipoise.estimators.meta.r import residual_regression
from equipoise.treatments import Arms

LINE = LinearRegression()


def test_two_rows_by_hand():
    target, weight = residual_regression(
        np.array([[5.0], [1]]), np.array([True, False]), np.array([0.75, 0.5]), np.full((2, 1), 3.0)
    )
    assert target.tolist() == [[8], [4]]  # (5 - 3) / 0.25 and (1 - 3) / -0.5
    assert weight.tolist() == [0.0625, 0.25]


def test_with_a_constant_effect_it_is_robinsons_regression(experiment):
    world = experiment(600, confounded=True)
    given = {"treatment": world.cell, "propensity": world.e}
    got = (
        RLearner(DummyRegressor(strategy="constant", constant=1.0), DummyRegressor())
        .fit(world.X, world.y, **given)
        .effects(world.X[:1])
    )
    v = world.cell - world.e[:, 1]
    np.testing.assert_allclose(got.values[0, 0], ((world.y - 1) * v[:, None]).sum(axis=0) / (v @ v))


def test_finds_the_truth_under_confounding(experiment, pehe):
    world = experiment(20_000, arms=3, confounded=True)
    fitted = RLearner(LINE, LINE, space=Arms([0, 1, 2])).fit(
        world.X, world.y, treatment=world.cell, propensity=world.e
    )
    assert pehe(fitted, world) < 0.15  # at most 0.072 over 10 seeds
    # at most 0.083 over 10 seeds
    np.testing.assert_allclose(fitted.effects(world.X).baseline[:, 0], 2 * world.X[:, 0], atol=0.2)


def test_finds_the_truth_with_trees(experiment, pehe):
    world = experiment(6000)
    assert (
        pehe(RLearner().fit(world.X, world.y, treatment=world.cell), world) < 0.2
    )  # at most 0.139 over 10 seeds; sd of tau 0.29


def test_a_pair_is_as_it_is_alone(experiment):
    world = experiment(900, arms=3)
    pair = world.cell < 2
    flat = DummyRegressor(strategy="constant", constant=0.0)
    three = RLearner(flat, LINE, space=Arms([0, 1, 2])).fit(world.X, world.y, treatment=world.cell)
    two = RLearner(flat, LINE).fit(world.X[pair], world.y[pair], treatment=world.cell[pair])
    np.testing.assert_allclose(
        three.effects(world.X).values[:, 0], two.effects(world.X).values[:, 0]
    )


def test_the_effect_model_must_take_weights(experiment):
    world = experiment(100)
    with pytest.raises(InputError, match="KNeighborsRegressor must take sample_weight"):
        RLearner(effect_model=KNeighborsRegressor()).fit(world.X, world.y, treatment=world.cell)
