"""A design that nobody states is said, tested, and learnt where the test rejects."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow.parquet as pq
import pytest
from fixtures.small_logs import log_of
from scipy.special import expit

import equipoise as eq
from equipoise.core.checks import balance_table
from equipoise.core.errors import InputError, LogError
from equipoise.estimators import DRLearner, LinearDML
from equipoise.learners.base_learners import BoostedTrees
from equipoise.learners.two_sample import TwoSampleTest
from equipoise.pipeline import DesignWarning, cross_fit_effects, honest_policy, make_plan
from equipoise.pipeline.study import design_checks as kernel
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.propensity import check_design, design_of, fit_design
from equipoise.pipeline.study.study import make_study

SMALL = BoostedTrees(20, 0.2, num_leaves=6)


def square(n=3_000, seed=5, strength=0.9, **roles):
    """Logging by a square, no effect: the means of the arms are alike, and y follows the square."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    e = expit(strength * (X[:, 1] ** 2 - 1))
    arm = (rng.random(n) < e).astype(int)
    y = 0.7 * X[:, 1] ** 2 + X[:, 0] + rng.normal(size=n)
    columns = {"a": X[:, 0], "b": X[:, 1], "e": e, "y": y}
    return log_of(arm, columns, **({"features": ("a", "b")} | roles))


def plan(**keys):
    return make_plan({"log": {"dataset": "-", **keys}})


def told(p):
    z = np.array([0.0, 1.0])
    return TwoSampleTest(("a", "b"), 0.5 + z / 10, z, np.array([0.9, p / 2]), 100)


def named(checks):
    return {check["name"]: check for check in checks}


# by hand


def test_the_check_says_arm_auc_and_p():
    ok = kernel.arms_check(square(20), told(0.5))
    assert ok["status"] == "ok"
    assert "(AUC of b 0.600, p = 0.5)" in ok["summary"]
    assert [row["arm"] for row in ok["rows"]] == ["a", "b"]
    assert "p < 1e-6" in kernel.arms_check(square(20), told(1e-9))["summary"]


@pytest.mark.parametrize(
    ("p", "design", "learnt", "status"),
    [
        (0.03, None, False, "warn"),
        (0.03, (0.5, 0.5), False, "ok"),
        (0.003, (0.5, 0.5), False, "warn"),
        (0.003, None, True, "note"),
    ],
)
def test_a_stated_design_is_doubted_later(p, design, learnt, status):
    log = square(20, design=design)
    assert kernel.arms_check(log, told(p), learnt)["status"] == status


def test_a_stated_design_that_arms_surely_break_fails():
    log = square(20, design=(0.5, 0.5))
    far = dataclasses.replace(told(1e-9), auc=np.array([0.5, 0.6]))
    assert kernel.arms_check(log, far)["status"] == "fail"
    near = dataclasses.replace(far, auc=np.array([0.5, 0.52]))  # sure in a large log, and small
    assert kernel.arms_check(log, near)["status"] == "warn"
    assert kernel.arms_check(square(20), far)["status"] == "warn"  # no design was stated


def test_what_is_not_stated_is_said_and_never_silent():
    log = square(20)
    assert kernel.design_check(square(20, design="shares"), told(0.5), "learn") == []
    assert kernel.design_check(log, told(0.5), "learn", asked=True) == []
    [fine] = kernel.design_check(log, told(0.5), "learn")
    assert (fine["name"], fine["status"]) == ("design", "note")
    assert "taken for random with the observed shares" in fine["summary"]
    for undesigned, words in (("learn", "are learnt"), ("shares", "all the same")):
        [said] = kernel.design_check(log, told(0.001), undesigned)
        assert said["status"] == "warn"
        assert words in said["summary"]


def test_it_stops_where_the_plan_says_so():
    assert not kernel.follows(square(20), told(0.5), "stop")
    assert not kernel.follows(square(20, design=(0.5, 0.5)), told(0.0), "stop")
    with pytest.raises(
        LogError, match=r"must not follow its features; got AUC of b 0.600"
    ) as error:
        kernel.follows(square(20), told(0.001), "stop")
    assert 'design: probabilities, or "learn"' in str(error.value)
    with pytest.raises(InputError, match="undesigned must be one of learn, stop, shares"):
        kernel.follows(square(20), told(0.5), "halt")


# a plan


def test_a_plan_learns_where_arms_follow_the_features_and_says_so():
    log = square()
    smd = max(abs(row["smd"]) for row in balance_table(log))
    assert smd < 0.1
    design = design_of(plan(), log, log_folds(log, 3, 0))
    e = expit(0.9 * (log.numbers("b") ** 2 - 1))
    assert np.abs(design.propensity[:, 1] - e).mean() < 0.06  # 0.19 by the shares
    assert [check["name"] for check in design.arms] == ["arms by features", "design"]
    assert [check["status"] for check in design.arms] == ["note", "warn"]
    assert design.checks[0]["name"] == "learnt propensity"
    assert design.model is not None


def test_a_plan_takes_the_shares_of_arms_by_lot():
    log = square(strength=0.0, seed=1)
    design = design_of(plan(), log, log_folds(log, 3, 0))
    assert design.model is None
    assert np.ptp(design.propensity, axis=0).max() == 0
    assert [check["status"] for check in design.arms] == ["ok", "note"]
    assert fit_design(plan(), log)[0] is None


def test_a_plan_can_stop_or_keep_the_shares():
    log = square()
    with pytest.raises(LogError, match="must not follow its features"):
        design_of(plan(undesigned="stop"), log, log_folds(log, 3, 0))
    kept = design_of(plan(undesigned="shares"), log, log_folds(log, 3, 0))
    assert kept.model is None
    assert np.ptp(kept.propensity) < 0.2
    assert [check["status"] for check in kept.arms] == ["warn", "warn"]
    checks = named(check_design(plan(undesigned="stop"), log))  # a check says so, and goes on
    assert "before anything is learnt" in checks["design"]["summary"]


def test_the_check_stands_beside_balance():
    names = [check["name"] for check in eq.check_log(square(200))]
    assert names[names.index("balance") + 1] == "arms by features"
    assert "design" in names
    assert "design" not in named(eq.check_log(square(200, design=(0.5, 0.5))))


def test_fit_learns_too():
    learner, said = fit_design(plan(), square())
    assert learner is not None
    assert "propensities are learnt" in said
    assert fit_design(plan(design="learn"), square())[0] is not None
    assert fit_design(plan(), square(propensity=("e",))) == (None, "")


# bends that lines miss


def dml_study(tmp_path, **keys):
    log = square(2_000)
    pq.write_table(log.table, tmp_path / "log.parquet")
    roles = {"treatment": "arm", "outcomes": ["y"], "features": ["a", "b"]}
    tables = {
        "log": {"path": "log.parquet", **roles, **keys},
        "estimator": {"name": "dml"},
        "policy": {"weights": {"y": 1.0}},
    }
    return make_study(make_plan(tables, base=tmp_path))


def test_a_run_says_that_both_bend_and_what_to_do(tmp_path):
    study = dml_study(tmp_path, undesigned="shares")
    [check] = kernel.curvature_check(study.model.estimator)
    assert (check["name"], check["status"]) == ("shared curvature", "warn")
    assert check["summary"].startswith("Treatment and y both bend with b ^ 2")
    assert 'params = { nuisances = "boosted" }' in check["summary"]


def test_a_learnt_design_takes_trees_in_place_of_lines(tmp_path):
    study = dml_study(tmp_path)
    assert study.model.estimator.nuisances == "boosted"
    assert study.estimator.nuisances == "ridge"
    assert kernel.curvature_check(study.model.estimator) == []
    value, low, high = study.judge.value(np.tile([0.0, 1.0], (2_000, 1)))[0]["y"]
    assert low < 0 < high


def test_no_bend_is_said_too():
    log = square(600, strength=0.0)
    model = LinearDML().fit(log.features, log.y, treatment=log.treatment)
    assert kernel.curvature_check(model)[0]["status"] == "ok"
    assert kernel.curvature_check(DRLearner()) == []


# in Python


def test_python_warns_and_learns_and_finds_no_effect():
    log = square(6_000)
    with pytest.warns(DesignWarning, match="arms follow the features"):
        policy = honest_policy(log, DRLearner(SMALL, SMALL, cv=2), weights={"y": 1.0}, cv=2)
    assert "are learnt" in policy.design
    assert "design: No design is stated" in repr(policy)
    value, low, high = policy.values["y"]
    assert low < 0.05
    assert value < 0.15
    with pytest.warns(DesignWarning, match="all the same"):
        shares = honest_policy(
            log, DRLearner(SMALL, SMALL, cv=2), weights={"y": 1.0}, cv=2, undesigned="shares"
        )
    assert shares.values["y"][1] > 0.1  # an effect that does not exist


def test_python_says_nothing_where_the_design_is_known():
    log = square(400, propensity=("e",))
    assert honest_policy(log, DRLearner(SMALL, SMALL, cv=2), cv=2).design == ""
    with pytest.raises(LogError, match="must not follow its features"):
        cross_fit_effects(square(), DRLearner(SMALL, SMALL), undesigned="stop")
