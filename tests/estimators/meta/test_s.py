from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression

from equipoise.core.errors import InputError
from equipoise.estimators import SLearner, TLearner
from equipoise.treatments import Arms, Dose


class Interacted(RegressorMixin, BaseEstimator):
    """A line in x, in the treatment codes (the last ``p`` columns) and in all their products."""

    def __init__(self, p=1):
        self.p = p

    def fit(self, X, y):
        self.line_ = LinearRegression().fit(self.wide(X), y)
        return self

    def predict(self, X):
        return self.line_.predict(self.wide(X))

    def wide(self, X):
        x, t = X[:, : -self.p], X[:, -self.p :]
        return np.hstack([X, *(x * column[:, None] for column in t.T)])


def test_a_line_has_one_effect_for_all():
    X, t, y = [[0.0], [1.0], [0.0], [1.0]], [0, 0, 1, 1], [1.0, 2, 4, 5]
    got = SLearner(LinearRegression()).fit(X, y, treatment=t).effects([[2.0], [9.0]])
    np.testing.assert_allclose(got.values[:, 0, 0], [3, 3])
    np.testing.assert_allclose(got.baseline[:, 0], [3, 10])


def test_with_all_products_a_line_is_the_t_learner(experiment):
    world = experiment(500, arms=3)
    space = Arms([0, 1, 2])
    s = SLearner(Interacted(2), space=space).fit(world.X, world.y, treatment=world.cell)
    t = TLearner(LinearRegression(), space=space).fit(world.X, world.y, treatment=world.cell)
    np.testing.assert_allclose(s.outcomes(world.X), t.outcomes(world.X))


def test_it_takes_a_dose_and_any_amount():
    rng = np.random.default_rng(0)
    X, dose = rng.normal(size=(100, 2)), rng.uniform(0, 3, 100)
    got = (
        SLearner(LinearRegression(), space=Dose(0, 3))
        .fit(X, X[:, 0] + 2 * dose, treatment=dose)
        .effects(X, [0, 0.7, 3])
    )
    np.testing.assert_allclose(got.values[:, :, 0], np.tile([0, 1.4, 6], (100, 1)), atol=1e-9)


def test_finds_the_truth(experiment, pehe):
    world = experiment(6000, arms=3)
    fitted = SLearner(space=Arms([0, 1, 2])).fit(world.X, world.y, treatment=world.cell)
    assert pehe(fitted, world) < 0.25  # at most 0.182 over 10 seeds; sd of tau 0.56


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([0, 0, 2, 2], "the rows of treatment '1' must be at least 2"),
        ([0, 1, 2, 2], "the rows of treatment '1' must be at least 2"),
        ([1, 1, 2, 2], "the treatments seen must"),
    ],
    ids=["no row", "one row", "no control"],
)
def test_treatments_that_cannot_be_told_apart(cell, message):
    with pytest.raises(InputError, match=message):
        SLearner(space=Arms([0, 1, 2])).fit(np.eye(4), [1, 2, 3, 4], treatment=cell)
