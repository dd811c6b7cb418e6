"""Drivers: which way a feature moves the effect, by Shapley values on rows the model never saw."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.log import Log, Outcome, Roles
from equipoise.estimators import BoostedTrees, LinearDML, TLearner
from equipoise.pipeline.findings.drivers import drivers
from equipoise.pipeline.findings.moves import with_moves
from equipoise.pipeline.study.cross_fit import SHIPPED, cross_fit, log_folds
from equipoise.treatments import Arms

NAMES = ("up", "down", "zip", "idle")


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(1)
    n = 4000
    columns = {name: rng.normal(size=n) for name in ("up", "down", "idle")}
    columns["zip"] = rng.choice(["north", "south"], n)
    t = rng.integers(0, 2, n)
    lift = columns["up"] - 0.7 * columns["down"] + 1.0 * (columns["zip"] == "south")
    table = pa.table({**columns, "arm": np.array(["no", "yes"])[t], "y": t * lift})
    return Log(table, Roles("arm", (Outcome("y", "continuous"),), NAMES), Arms(["no", "yes"]))


def rows_of(log, learner):
    fold = log_folds(log, 3, 0)
    fit = cross_fit(log, learner, fold, None)
    unseen = np.flatnonzero(fold == SHIPPED)
    table = with_moves(drivers(log, fit.effects, ("y",), 0), log, fit.model, unseen)
    return {row["feature"]: row for row in table}


def test_which_way_and_how_far(log):
    rows = rows_of(log, TLearner(BoostedTrees(60, num_leaves=8), space=log.space))
    assert rows["up"]["direction"] == "rises"
    assert rows["down"]["direction"] == "falls"
    assert rows["zip"]["direction"] == "most for south"
    assert rows["up"]["moves"] == pytest.approx(0.8, abs=0.2)  # E|x| of a normal
    assert rows["zip"]["moves"] == pytest.approx(0.5, abs=0.15)
    assert rows["up"]["moves"] > rows["down"]["moves"] > rows.get("idle", {"moves": 0})["moves"]


def test_without_trees_there_is_the_share_alone(log):
    rows = rows_of(log, LinearDML(space=log.space))
    assert rows["up"].keys() == {"metric", "candidate", "feature", "importance"}
