from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from equipoise.core.strata import identify
from equipoise.estimators.strata import CFOR


def test_one_group_by_hand(fit):
    """Without features the strata are the counts: 10 offered (4, 1, 2, 3 in the cells), 8 not (2
    bought).
    """
    cell = np.repeat([0, 1, 2, 3], [4, 1, 2, 3])
    y = np.r_[cell % 2, np.repeat([0, 1], [6, 2])]
    claimed = np.r_[cell // 2, np.zeros(8, int)]
    treatment = np.repeat([1, 0], [10, 8])
    many = np.tile(np.arange(18), 60)
    X = np.ones((len(many), 1))
    estimator = CFOR(LogisticRegression(C=1e-9), LogisticRegression(C=1e-9), cv=2)
    estimator.fit(X, y[many], treatment=treatment[many], claimed=claimed[many])
    np.testing.assert_allclose(estimator.strata(X[:1]), [[0.4, 0.1, 0.2, 0.15, 0.15]], atol=1e-4)


def test_scores_are_the_formulas_of_its_models(incentive, fit):
    world = incentive()
    estimator = fit(CFOR(LogisticRegression(), LogisticRegression()), world)
    q = np.mean([model.predict(world.X) for model in estimator.cells_], axis=0)
    m0 = np.mean([model.predict(world.X) for model in estimator.levels_], axis=0)
    np.testing.assert_array_equal(estimator.scores(world.X), identify(q, m0))


def test_recovers_the_strata(incentive, fit):
    """Root mean squared error over 5 seeds: at most 0.052; of the strata's means alone: 0.161."""
    world, new = incentive(20_000, 1), incentive(5_000, 99)
    error = np.sqrt(np.mean((fit(CFOR(), world).strata(new.X) - new.strata) ** 2))
    assert error < 0.06
