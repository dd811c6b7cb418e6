from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from equipoise.core.errors import InputError
from equipoise.estimators import TLearner
from equipoise.treatments import Arms


def test_four_rows_by_hand():
    X, t, y = [[0.0], [1.0], [0.0], [1.0]], [0, 0, 1, 1], [[1.0, 0], [2, 1], [4, 5], [7, 5]]
    got = TLearner(LinearRegression()).fit(X, y, treatment=t).effects([[2.0]])
    np.testing.assert_allclose(got.values, [[[7, 3]]])
    np.testing.assert_allclose(got.baseline, [[3, 2]])
    assert got.std_error is None


def test_it_is_a_model_a_cell_and_metric(experiment):
    world = experiment(600, arms=4)
    weight = np.random.default_rng(0).uniform(1, 2, 600)
    fitted = TLearner(LinearRegression(), space=Arms([0, 1, 2, 3]))
    got = fitted.fit(world.X, world.y, treatment=world.cell, sample_weight=weight).outcomes(world.X)
    for a in range(3):
        for j in range(2):
            rows = world.cell == a + 1
            alone = LinearRegression().fit(world.X[rows], world.y[rows, j], weight[rows])
            np.testing.assert_allclose(got[:, a, j], alone.predict(world.X))


def test_a_classifier_models_a_binary_outcome(experiment):
    world = experiment(600)
    y = (world.y > 0).astype(int)
    got = TLearner(LogisticRegression()).fit(world.X, y, treatment=world.cell).effects(world.X)
    level = got.baseline + got.values[:, 0]
    assert ((level > 0) & (level < 1)).all()


def test_finds_the_truth(experiment, pehe):
    world = experiment(6000, arms=3, shares=[0.5, 0.3, 0.2])
    fitted = TLearner(space=Arms([0, 1, 2])).fit(world.X, world.y, treatment=world.cell)
    assert pehe(fitted, world) < 0.35  # at most 0.262 over 10 seeds; sd of tau 0.56


def test_an_arm_without_rows_is_named(experiment):
    world = experiment(100)
    with pytest.raises(
        InputError, match="the rows of treatment '2' must be at least 2; got 0; drop it"
    ):
        TLearner(space=Arms([0, 1, 2])).fit(world.X, world.y, treatment=world.cell)
    with pytest.raises(InputError, match="the rows of treatment '1' must be at least 2; got 0"):
        TLearner().fit(world.X, world.y, treatment=np.zeros(100))
