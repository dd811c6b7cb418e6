"""Propensities of those who got an arm beside those of the others, from their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.data import make_coupon_world
from equipoise.pipeline.findings.overlap import BINS, overlap_findings
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.propensity import Design, design_of, propensity_of


def test_shares_by_bins_as_counted_row_by_row():
    log, truth = make_coupon_world(700, arms=3, confounding=1.5, seed=2)
    facts = overlap_findings(log, Design(propensity_of(log), None, [], []))
    assert facts["kind"] == "known"
    assert [arm["arm"] for arm in facts["arms"]] == list(log.cell_names)
    for a, arm in enumerate(facts["arms"]):
        assert len(arm["edges"]) == BINS + 1
        p, edges = truth.propensity[:, a], arm["edges"]
        for shares, inside in ((arm["got"], log.cells == a), (arm["others"], log.cells != a)):
            counts = [0] * BINS
            for value in p[inside]:
                counts[next(b for b in range(BINS) if value < edges[b + 1])] += 1
            assert shares == pytest.approx([c / inside.sum() for c in counts], abs=1e-6)
        inverse = 1 / p[log.cells == a]
        assert arm["effective"] == pytest.approx(inverse.sum() ** 2 / (inverse @ inverse))
        assert arm["rows"] == (log.cells == a).sum()
        assert arm["clipped_below"] is None
        assert arm["clipped"] == 0


def test_one_probability_for_all_draws_nothing():
    log, _ = make_coupon_world(300, seed=0)
    same = np.broadcast_to([0.5, 0.5], (300, 2))
    assert overlap_findings(log, Design(same, None, [], [])) == {"kind": "constant", "arms": []}


def test_rows_that_an_arm_is_closed_to_are_not_of_those_who_did_not_get_it():
    log, _ = make_coupon_world(300, arms=2, seed=0)
    shut = log.cells == 0
    p = np.where(shut[:, None], [1.0, 0.0], [0.5, 0.5])
    facts = overlap_findings(log, Design(p, None, [], []))
    assert sum(facts["arms"][1]["others"]) == 0
    assert sum(facts["arms"][1]["got"]) == pytest.approx(1, abs=1e-5)
    assert facts["arms"][1]["least"] == 0.5


def test_what_was_learnt_says_what_it_clipped():
    log, _ = make_coupon_world(1500, confounding=4.0, logged=False, seed=1)
    plan = make_plan({"log": {"dataset": "-", "design": "learn"}})
    design = design_of(plan, log, log_folds(log, 3, 0))
    facts = overlap_findings(log, design)
    assert facts["kind"] == "learnt"
    for a, arm in enumerate(facts["arms"]):
        least = arm["clipped_below"]
        assert arm["clipped"] == pytest.approx((design.propensity[:, a] <= least).mean())
    assert max(arm["clipped"] for arm in facts["arms"]) > 0
