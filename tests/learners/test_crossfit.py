from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from equipoise.core.errors import InputError
from equipoise.estimators import DRLearner, RLearner
from equipoise.learners import crossfit
from equipoise.learners.base_learners import BoostedTrees
from equipoise.learners.crossfit import Nuisance, cell_nuisances, cross_fit
from equipoise.learners.tables import Rows, Table


def test_two_folds_by_hand():
    features = Table(np.zeros((4, 1)), ("a",))
    y = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 50.0], [9.0, 90.0]])
    fold = np.array([0, 0, 1, 1])
    held = cross_fit(DummyRegressor(), features, [Nuisance(None, y)], fold).predictions
    assert held[:, 0].tolist() == [[7, 70], [7, 70], [2, 20], [2, 20]]
    cells = cross_fit(
        DummyRegressor(), features, cell_nuisances(y, np.array([0, 1, 0, 1]), 2), fold
    ).predictions
    assert cells[:, :, 0].tolist() == [[5, 9], [5, 9], [1, 3], [1, 3]]


@pytest.mark.parametrize(
    "model", [LinearRegression(), BoostedTrees(n_estimators=5)], ids=["foreign", "trees"]
)
def test_it_is_the_plain_loop_over_folds(model):
    rng = np.random.default_rng(0)
    X, y, fold = rng.normal(size=(300, 3)), rng.normal(size=(300, 2)), np.arange(300) % 3
    cell, weight = rng.integers(0, 2, 300), rng.uniform(0.5, 2, 300)
    features = Table(X, "abc")
    fit = cross_fit(model, features, cell_nuisances(y, cell, 2), fold, weight)
    for f, a, j in np.ndindex(3, 2, 2):
        rows = np.flatnonzero((fold != f) & (cell == a))
        alone = crossfit.learn(model, Rows(features, rows), y[rows, j], weight[rows])
        np.testing.assert_array_equal(fit.predictions[fold == f, a, j], alone.predict(X[fold == f]))
        np.testing.assert_array_equal(fit.models[f][a][j].predict(X), alone.predict(X))


def memory_of_noise(rows):
    """How well a model that remembers predicts pure noise: the correlation of its held-out
    predictions with the outcome.
    """
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(2000, 2)), rng.normal(size=(2000, 1))
    held = cross_fit(
        DecisionTreeRegressor(), Table(X, "ab"), [Nuisance(rows, y)], np.arange(2000) % 3
    ).predictions
    return float(np.corrcoef(held[:, 0, 0], y[:, 0])[0, 1])


def test_a_model_that_remembers_gains_nothing():
    assert abs(memory_of_noise(None)) < 0.07  # 3 standard errors of a correlation of 2000 rows


def test_the_leak_test_sees_a_leak(monkeypatch):
    def from_all_rows(model, folds, target, weight, seed):
        every = crossfit.learn(model, folds.rows, target, weight, seed)
        return [every for _ in folds.inside]

    monkeypatch.setattr(crossfit, "learn_folds", from_all_rows)
    assert memory_of_noise(None) > 0.9


def test_a_fold_without_an_arm_is_an_error():
    features, y = Table(np.zeros((4, 1)), ("a",)), np.arange(4.0)[:, None]
    with pytest.raises(InputError, match="training rows of a fold must hold every arm"):
        cross_fit(
            DummyRegressor(),
            features,
            cell_nuisances(y, np.array([0, 0, 1, 1]), 2),
            np.array([0, 0, 1, 1]),
        )


@pytest.mark.parametrize("learner", [DRLearner, RLearner])
def test_folds_that_are_no_number_are_refused_by_the_grammar(learner):
    X, arm = np.arange(40.0)[:, None], np.arange(40) % 2
    with pytest.raises(InputError, match="cv must be a whole number >= 2; got 'two'"):
        learner(cv="two").fit(X, X[:, 0], treatment=arm)
