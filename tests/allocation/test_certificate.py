"""What a certificate claims, by hand: each of these turns red when its part is left out."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import Keep, allocate, budget, budgeted_policy, decide, floor
from equipoise.core.effects import Effects


def test_the_gap_is_what_may_be_missing():
    solution = allocate([[3.0, 4.0], [2.0, 1.0]], [budget(3.0)], cost=[1.0, 3.0])
    # the bound splits a unit: 5.5; whole units reach 5
    assert solution.gap == pytest.approx(0.5 / 5.5)
    assert solution.gap == (solution.bound - solution.value) / solution.bound
    assert solution.status == "feasible"


def test_the_bonus_for_staying_is_in_the_policy_and_in_its_prices():
    effects = Effects(np.array([[[1.0], [0.9]]]), np.zeros((1, 1)), ("a", "b"), ("y",))
    for bonus, choice, value in [(0.0, 0, 1.0), (0.05, 0, 1.0), (0.25, 1, 1.15)]:
        keep = Keep(np.array([1]), bonus)
        policy, solution = budgeted_policy(effects, weights={"y": 1.0}, constraints=[], keep=keep)
        assert policy.keep == bonus
        assert solution.choice.tolist() == [choice]
        assert solution.value == solution.rule_value == pytest.approx(value)
        assert decide(policy, effects, previous=keep.previous).choice.tolist() == [choice]


def test_warm_prices_are_where_the_search_starts(market):
    shop = market(600)
    demands = [budget(60.0), floor("plays", 20.0)]
    known = {"cost": shop.cost, "effects": shop.effects}
    cold = allocate(shop.value, demands, **known)
    warm = allocate(shop.value, demands, **known, warm=cold.prices)
    assert warm.trace[0][2] < cold.trace[0][2]  # evaluations


def test_an_idle_demand_does_not_bind():
    solution = allocate(
        [[1.0], [2.0]],
        [budget(1.0), floor("y", 0.0)],
        cost=[1.0],
        effects=Effects(np.ones((2, 1, 1)), np.zeros((2, 1)), ("a",), ("y",)),
        candidates=("a",),
    )
    assert [line["binding"] for line in solution.report()] == [True, False]
