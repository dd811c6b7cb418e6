"""Sweeps over budgets and weights: by hand on units whose effects are known."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import budget, floor
from equipoise.core.effects import Effects
from equipoise.pipeline.findings.sweeps import budget_sweep, trade_off
from equipoise.pipeline.study.evaluator import Judge
from equipoise.pipeline.study.policy import PolicyTask, solve_folds

N = 400


@pytest.fixture(scope="module")
def worlds():
    """Units i with effects i / N on a and 1 - i / N on b of one candidate that costs 1; scores are
    the effects themselves.
    """
    a = np.arange(N) / N
    values = np.stack([a, 1 - a], axis=1)[:, None]
    effects = Effects(values, np.zeros((N, 2)), ("offer",), ("a", "b"))
    task = PolicyTask(effects, np.ones((N, 1)), {}, np.arange(N) % 2, "none", {"a": 1.0, "b": 0.0})
    judge = Judge(effects.levels(), np.tile([0.0, 1.0], (N, 1)), ("a", "b"), None, None, 0.95)
    return task, judge


def test_a_budget_buys_the_best_units_first(worlds):
    task, judge = worlds
    points = budget_sweep(task, judge, [0.0, 0.25, 1.0], None)
    assert [point["treated"] for point in points] == pytest.approx([0, 0.25, 1], abs=0.005)
    assert points[1]["values"]["a"][0] == pytest.approx(0.25 * 0.875, abs=0.005)
    assert points[1]["price"] == pytest.approx(0.75, abs=0.01)  # the marginal unit gains 0.75 for 1


def test_the_grid_runs_from_nothing_to_enough_and_holds_the_chosen(worlds):
    task, judge = worlds
    points = budget_sweep(task, judge, [], 0.3)
    budgets = [point["budget"] for point in points]
    assert budgets[0] == 0
    assert 0.3 in budgets
    assert points[-1]["treated"] > 0.99


def test_budgets_that_no_policy_can_keep_are_left_out(worlds):
    task, judge = worlds
    from dataclasses import replace

    demanding = replace(task, constraints=[floor("a", 0.3, per_head=True)])
    points = budget_sweep(demanding, judge, [0.0, 0.9], None)
    assert [point["budget"] for point in points] == [0.9]


def test_weights_move_what_is_gained(worlds):
    task, judge = worlds
    from dataclasses import replace

    demanding = replace(task, constraints=[budget(0.5, per_head=True)])
    points = trade_off(demanding, judge, solve_folds(demanding), {"a": 1.0, "b": 1.0})
    # a alone is the chosen objective already
    assert [point["chosen"] for point in points] == [True] + [False] * 4
    gains = [(point["values"]["a"][0], point["values"]["b"][0]) for point in points]
    assert gains[0] == pytest.approx((0.375, 0.125), abs=0.01)
    assert gains[-1] == pytest.approx((0.125, 0.375), abs=0.01)
