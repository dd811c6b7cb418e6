"""What an unmeasured cause could do: asked of learnt propensities alone, held against the feature
that moved both treatment and outcome.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

import equipoise as eq
from equipoise.core.effects import Effects
from equipoise.evaluation import hidden_bias
from equipoise.pipeline.findings.diagnostics import log_evidence
from equipoise.pipeline.findings.sensitivity import sensitivity
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.propensity import Design, design_of

N = 3_000


def surveyed(**roles):
    """Sales who were called more often the more they had bought; a town that moves neither."""
    rng = np.random.default_rng(0)
    bought, town = rng.normal(size=N), rng.choice(["a", "b", "c"], N)
    called = (rng.random(N) < expit(bought)).astype(np.int64)
    y = 1.0 * called + bought + rng.normal(size=N)
    table = pa.table({"bought": bought, "town": town, "called": called, "y": y})
    features = ["bought", "town"]
    log = eq.read_log(table, treatment="called", outcomes=["y"], features=features, **roles)
    effects = Effects(np.ones((N, 1, 1)), bought[:, None], ("1",), ("y",))
    return log, effects


@pytest.fixture(scope="module")
def learnt():
    log, effects = surveyed()
    plan = make_plan({"log": {"dataset": "-", "design": "learn"}})
    return log, effects, design_of(plan, log, log_folds(log, 3, 0))


def test_effects_are_held_against_the_feature_that_moved_both_sides(learnt):
    log, effects, design = learnt
    policy = np.tile([0.4, 0.6], (N, 1))
    gains = {"y": [0.6, 0.4, 0.8]}
    facts = sensitivity(log, effects, design, policy, gains, 0.95)
    assert facts["why"] == ""
    one, gain = facts["rows"]
    assert (one["candidate"], gain["candidate"], gain["effect"]) == (
        "1",
        "",
        pytest.approx(gains["y"]),
    )
    assert [like["feature"] for like in one["likened"]] == ["bought", "town"]
    first, second = one["likened"]
    # y has a variance of 1 left; bought explains another .8 within arms
    assert first["outcome"] == pytest.approx(0.83, abs=0.1)
    assert second["outcome"] < 0.01
    assert first["left"][1] < second["left"][1] < second["left"][2] < first["left"][2]
    hidden = hidden_bias(np.zeros(N, int), log_evidence(log, effects, design.propensity))
    assert one["effect"] == hidden.effect[0].interval
    assert one["robustness"] == hidden.robustness[0]
    low, high = hidden.bounds(first["outcome"], first["treatment"])
    assert first["left"][1:] == [low[0], high[0]]


def test_what_was_given_by_lot_is_not_asked(learnt):
    log, effects, design = learnt
    policy = np.tile([0.0, 1.0], (N, 1))
    stated, _ = surveyed(design=[0.5, 0.5])
    by_lot = Design(np.tile([0.5, 0.5], (N, 1)), None, [], [])
    facts = sensitivity(stated, effects, by_lot, policy, {"y": [1.0, 0.9, 1.1]}, 0.95)
    assert facts["rows"] == []
    assert "decided by lot" in facts["why"]
    facts = sensitivity(log, effects, by_lot, policy, {"y": [1.0, 0.9, 1.1]}, 0.95)
    assert "taken for given by lot" in facts["why"]
    nobody = np.tile([1.0, 0.0], (N, 1))
    rows = sensitivity(log, effects, design, nobody, {"y": [0.0, 0.0, 0.0]}, 0.95)["rows"]
    assert [row["candidate"] for row in rows] == ["1"]
