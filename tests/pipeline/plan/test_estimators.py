"""The estimator that a plan names: its settings are checked, old names of settings still work."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import PlanError
from equipoise.pipeline import make_plan
from equipoise.pipeline.plan.estimators import make_estimator
from equipoise.treatments import Arms, Dose


def test_settings_of_estimators_are_checked():
    space = Arms(["a", "b"])
    plan = make_plan(
        {
            "log": {"dataset": "-"},
            "estimator": {"name": "dr-learner", "params": {"outcome_model": {"n_estimatrs": 3}}},
        }
    )
    with pytest.raises(PlanError, match="did you mean 'n_estimators'"):
        make_estimator(plan.estimator, space, 0)
    plan = make_plan(
        {"log": {"dataset": "-"}, "estimator": {"name": "dr-learner", "params": {"random_stat": 3}}}
    )
    with pytest.raises(PlanError, match="did you mean 'random_state'"):
        make_estimator(plan.estimator, space, 0)
    plan = make_plan(
        {"log": {"dataset": "-"}, "estimator": {"name": "dr-learner", "params": {"fold": 3}}}
    )
    with pytest.raises(PlanError, match="did you mean 'cv'"):  # near its old name, folds
        make_estimator(plan.estimator, space, 0)
    with pytest.raises(PlanError, match="did you mean 'dr-learner'"):
        make_plan({"log": {"dataset": "-"}, "estimator": {"name": "dr-lerner"}})
    plan = make_plan(
        {"log": {"dataset": "-"}, "estimator": {"params": {"outcome_model": {"n_estimators": 7}}}}
    )
    assert make_estimator(plan.estimator, Dose(0, 1), 4).outcome_model.n_estimators == 7


def test_a_plan_with_old_names_of_settings_still_works_and_warns():
    params = {"outcome": {"trees": 7}, "folds": 3}
    plan = make_plan(
        {"log": {"dataset": "-"}, "estimator": {"name": "dr-learner", "params": params}}
    )
    with pytest.warns(FutureWarning, match="is called") as warned:
        estimator = make_estimator(plan.estimator, Arms(["a", "b"]), 4)
    assert len(warned) == 3
    assert (estimator.outcome_model.n_estimators, estimator.cv) == (7, 3)
    assert estimator.random_state == 4
    both = make_plan(
        {
            "log": {"dataset": "-"},
            "estimator": {"name": "dr-learner", "params": {"folds": 3, "cv": 3}},
        }
    )
    with (
        pytest.warns(FutureWarning, match="is called"),
        pytest.raises(PlanError, match="key 'cv' must be given once"),
    ):
        make_estimator(both.estimator, Arms(["a", "b"]), 4)


def rare(n, seed):
    """A sale in 300 without an offer; what an offer adds goes with it and with a second feature."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 8))
    base = 0.0033 * np.exp(0.8 * X[:, 0] - 0.32)
    tau = base * (1.2 * np.tanh(X[:, 1]) + 0.8)
    t = rng.integers(0, 2, n)
    return X, (rng.random(n) < base + t * tau).astype(float), t, tau


def best_third_by_default(seed):
    """Of what offers to the best 30 % could bring, the share of the default's choice."""
    plan = make_plan({"log": {"dataset": "-"}})
    learner = make_estimator(plan.estimator, Arms([0, 1]), 0)
    X, y, t, _ = rare(20_000, 2 * seed)
    new, _, _, tau = rare(20_000, 2 * seed + 1)
    score = learner.fit(X, y, treatment=t).effects(new).values[:, 0, 0]
    most = len(tau) * 3 // 10
    return tau[np.argsort(-score, kind="stable")[:most]].sum() / np.sort(tau)[-most:].sum()


def test_the_default_knows_whom_to_choose_where_few_buy():
    assert np.mean([best_third_by_default(seed) for seed in range(5)]) > 0.79
