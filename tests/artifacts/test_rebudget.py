"""The demands of a shipped policy on other units: the budget per head, parity by their own shares,
groups that are absent.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import budget, budgeted_policy, floor, group_budget, parity
from equipoise.artifacts.rebudget import demands_on, rebudget_units
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError


def units(values):
    """Effects of one offer on one metric.   values: (n,)."""
    values = np.asarray(values, np.float64)
    return Effects(values[:, None, None], np.zeros((len(values), 1)), ("offer",), ("y",))


def shipped(values, constraints, groups=None):
    effects, cost = units(values), np.ones((len(values), 1))
    made, _ = budgeted_policy(
        effects,
        weights={"y": 1.0},
        constraints=constraints,
        cost=cost,
        groups=groups,
        control="none",
    )
    return made


def test_the_budget_is_that_of_these_units_by_hand():
    policy = shipped([1.0, 2.0, 3.0, 4.0], [budget(0.5, per_head=True)])
    choice, score = rebudget_units(policy, units([5.0, 7.0, 6.0, 8.0]), np.ones((4, 1)), {})
    assert choice.tolist() == [-1, 0, -1, 0]  # at the shipped price all four would be treated
    assert score.argmax() == 3


def test_parity_is_by_the_shares_of_these_units():
    rng = np.random.default_rng(0)
    old, new = np.repeat(["a", "b"], [60, 40]), np.repeat(["a", "b"], [20, 80])
    policy = shipped(
        rng.random(100), [budget(0.4, per_head=True), parity("town", 0.05)], {"town": old}
    )
    values = rng.random(100) + (new == "a")
    choice, _ = rebudget_units(policy, units(values), np.ones((100, 1)), {"town": new})
    treated = choice >= 0
    assert treated.sum() == 40
    assert all(abs(treated[new == town].mean() - 0.4) <= 0.05 + 1e-9 for town in ("a", "b"))
    assert len(demands_on(policy, {"town": new})) == 2


def test_a_group_that_is_absent_asks_nothing():
    towns = np.array(["a", "a", "b", "b"])
    policy = shipped(
        [1.0, 2.0, 3.0, 4.0],
        [budget(0.5, per_head=True), group_budget("town", "b", 0.5, per_head=True)],
        {"town": towns},
    )
    groups = {"town": np.array(["a", "a"])}
    assert rebudget_units(policy, units([1.0, 2.0]), np.ones((2, 1)), groups)[0].tolist() == [-1, 0]


def test_demands_that_these_units_cannot_meet_are_refused():
    policy = shipped([1.0, 2.0], [floor("y", 0.5, per_head=True)])
    with pytest.raises(InfeasibleError):
        rebudget_units(policy, units([0.1, 0.2]), np.ones((2, 1)), {})


def test_the_shipped_policy_is_not_changed():
    policy = shipped([1.0, 2.0, 3.0, 4.0], [budget(0.5, per_head=True)])
    before = replace(policy)
    rebudget_units(policy, units([5.0, 7.0, 6.0, 8.0]), np.ones((4, 1)), {})
    assert policy == before
