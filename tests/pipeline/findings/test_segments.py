"""Segments of a run: those that the plan names, those that drive the effects by default, and that
the rows that judge had no part in the choice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from fixtures.targeting import make_world

from equipoise.core.errors import PlanError
from equipoise.core.log import Log
from equipoise.evaluation import average_effects
from equipoise.pipeline.findings.diagnostics import log_evidence
from equipoise.pipeline.findings.segments import (
    MOST_ARMS,
    held_drivers,
    most_given,
    segment_findings,
)
from equipoise.pipeline.plan.read import read_plan
from equipoise.pipeline.study.cross_fit import SHIPPED
from equipoise.pipeline.study.policy import solve_folds
from equipoise.pipeline.study.study import make_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    world = make_world(tmp_path_factory.mktemp("segments"), 1500)
    return make_study(world.plan)


def found_of(study, **settings):
    report = study.plan.report.model_copy(update=settings)
    study = replace(study, plan=study.plan.model_copy(update={"report": report}))
    policy = solve_folds(study.task, study.judge).shares(2)
    rows = log_evidence(study.log, study.effects, study.design.propensity)
    return segment_findings(study, policy, rows, held_drivers(study)).get("segments")


def test_by_default_the_rows_of_the_shipped_fold_judge(study):
    found = found_of(study)
    held = study.fold == SHIPPED
    assert not found["named"]
    assert found["rows"] == held.sum()
    assert 1 <= len(found["features"]) <= 3
    assert set(found["features"]) <= set(study.log.roles.features)
    for name in found["features"]:
        own = [
            row
            for row in found["segments"]
            if (row["feature"], row["metric"], row["candidate"]) == (name, "visits", "coupon-1")
        ]
        assert sum(row["rows"] for row in own) == held.sum()


def test_outcomes_of_these_rows_do_not_choose_the_features(study):
    """Other outcomes there, and the same features; those of the other rows chose them."""
    held = study.fold == SHIPPED
    before = found_of(study)
    table = study.log.table
    for metric in study.log.metrics:
        y = study.log.numbers(metric).copy()
        y[held] = np.random.default_rng(0).permutation(y[held])
        table = table.set_column(table.column_names.index(metric), metric, pa.array(y))
    log = Log(table, study.log.roles, study.log.space)
    other = found_of(replace(study, log=log))
    assert other["features"] == before["features"]
    assert other["tests"] != before["tests"]


def test_named_columns_are_told_on_all_rows(study):
    found = found_of(study, segments=("city", "gender", "age"))
    assert (found["named"], found["features"]) == (True, ["city", "gender", "age"])
    assert found["rows"] == len(study.log)
    quarters = [row["segment"] for row in found["segments"] if row["feature"] == "age"][:4]
    assert quarters[0].startswith("up to ")
    assert quarters[-1].startswith("above ")
    row = next(row for row in found["segments"] if row["feature"] == "city")
    inside = np.array(study.log.table["city"].to_pylist()) == row["segment"]
    rows = log_evidence(study.log, study.effects, study.design.propensity)
    assert row["effect"] == pytest.approx(average_effects(rows.take(inside)).effect[0, 0].interval)
    assert len(found["tests"]) == 3 * 2 * 2
    assert found_of(study, segments=()) is None


def test_of_many_arms_the_policys_own_are_told():
    policy = np.tile(np.array([0.1, *np.arange(9) / 40]), (5, 1))
    assert most_given(policy).tolist() == [3, 4, 5, 6, 7, 8]
    assert MOST_ARMS == 6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("town", "must be one of arm, claimed, user"),
        ("visits", "be known before the treatment"),
        ("claimed", "be known before the treatment"),
        ("user", "be of a column whose labels rows share"),
    ],
)
def test_other_columns_are_refused_before_anything_is_fitted(study, tmp_path, name, text):
    world = make_world(tmp_path, 300)
    plan = (tmp_path / "plan.toml").read_text()
    plan = plan.replace('currency = "USD"', f'currency = "USD"\nsegments = ["{name}"]')
    (tmp_path / "plan.toml").write_text(plan)
    with pytest.raises(PlanError, match=text):
        make_study(read_plan(tmp_path / "plan.toml"))
    assert world.plan.report.segments is None
