"""How treatment was given: known, observed, learnt; and said where rows lie between candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.core.errors import LogError
from equipoise.core.log import Log
from equipoise.data import (
    load_thornton,
    make_coupon_world,
    make_red_packet_world,
    make_voucher_world,
)
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.propensity import between, design_of, learnt_propensity, propensity_of
from equipoise.treatments import Schedule


def test_the_logs_own_propensity_comes_first():
    log, truth = make_coupon_world(500, confounding=1.0, seed=0)
    assert np.allclose(propensity_of(log), truth.propensity)


def test_else_the_observed_shares():
    log, _ = make_coupon_world(500, logged=False, seed=0)
    assert log.propensity is None
    timeless = Log(log.table, replace(log.roles, periods=False), log.space)
    assert np.allclose(propensity_of(timeless), np.bincount(log.cells) / 500)
    for period in range(int(log.periods.max()) + 1):  # the log has a time
        rows = log.periods == period
        assert np.allclose(propensity_of(log)[rows], np.bincount(log.cells[rows]) / rows.sum())


def test_learnt_where_the_plan_asks_and_closer_to_the_truth_than_shares():
    log, truth = make_coupon_world(4000, confounding=1.0, logged=False, seed=1)
    plan = make_plan({"log": {"dataset": "-", "design": "learn"}})
    design = design_of(plan, log, log_folds(log, 3, 0))
    assert design.model is not None
    assert [check["name"] for check in design.checks] == ["learnt propensity"]
    shares = propensity_of(log)
    assert (
        np.abs(design.propensity - truth.propensity).mean()
        < 0.5 * np.abs(shares - truth.propensity).mean()
    )


def test_a_learnt_propensity_says_how_it_went():
    log, _ = make_coupon_world(900, seed=2)
    learnt = learnt_propensity(log, log_folds(log, 3, 0), 0)
    check = learnt.check
    assert np.allclose(learnt.propensity.sum(axis=1), 1)
    assert [row["arm"] for row in check["rows"]] == list(log.cell_names)
    assert check["status"] == "note"


def test_rows_between_candidates_are_said():
    assert between(make_coupon_world(100, seed=0)[0]) == []
    assert between(make_voucher_world(100, seed=0)[0]) == []
    assert "nearest" in between(make_voucher_world(100, continuous=True, seed=0)[0])[0]["summary"]
    assert between(load_thornton())[0]["status"] == "note"


def test_a_candidate_without_rows_is_refused_before_anything_is_learnt():
    menu = [("base", 0.2, 2, 4), ("flat", 1.2, 4, 3), ("new", 2.0, 2, 3)]
    log, _ = make_red_packet_world(200, menu[:2], seed=100)
    roles = replace(log.roles, design=None)
    plan = make_plan({"log": {"dataset": "thornton"}})
    for more, what in (
        (menu, "candidate 'new'"),
        ([("nil", 0.1, 2, 4), *menu[:2]], "control 'nil'"),
    ):
        unlogged = Log(log.table, roles, Schedule(more))
        with pytest.raises(LogError, match=f"{what} must be in the log; got no row"):
            design_of(plan, unlogged, np.arange(200) % 2)
