"""The estimator that a plan names: its settings are checked, old names of settings still work."""

from __future__ import annotations

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
    plan = make_plan({"log": {"dataset": "-"}, "estimator": {"params": {"fold": 3}}})
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
    both = make_plan({"log": {"dataset": "-"}, "estimator": {"params": {"folds": 3, "cv": 3}}})
    with (
        pytest.warns(FutureWarning, match="is called"),
        pytest.raises(PlanError, match="key 'cv' must be given once"),
    ):
        make_estimator(both.estimator, Arms(["a", "b"]), 4)
