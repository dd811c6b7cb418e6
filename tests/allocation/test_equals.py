"""Equal worth goes to the candidate that uses least, offline and online alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.allocation import allocate, budget, budgeted_policy, cap, decide
from equipoise.core.effects import Effects
from equipoise.core.policy import Policy


def whole(seed, n=400, k=3):
    """Worths and costs in whole numbers: many are equal."""
    rng = np.random.default_rng(seed)
    value = rng.integers(-1, 4, (n, k)).astype(float)
    cost = rng.integers(1, 6, (n, k)).astype(float)
    names = tuple(map(str, range(k)))
    return Effects(value[:, :, None], np.zeros((n, 1)), names, ("y",)), cost


def least_cost(effects, cost):
    """The least money for the most worth."""
    value = effects.values[:, :, 0]
    best = np.maximum(value.max(axis=1), 0)
    equal = np.where(value == best[:, None], cost, np.inf).min(axis=1)
    return float(best.sum()), float(equal[best > 0].sum())


@pytest.mark.parametrize("n", [400, 30_000])
def test_no_more_money_than_the_most_worth_costs(n):
    effects, cost = whole(0, n)
    worth, money = least_cost(effects, cost)
    for bound in (money, 1e9):
        policy, allocation = budgeted_policy(
            effects, weights={"y": 1.0}, constraints=[budget(bound)], cost=cost
        )
        assert (allocation.value, float(allocation.usage[0])) == (worth, money)
        assert (allocation.rule_value, float(allocation.rule_usage[0])) == (worth, money)
        choice = decide(policy, effects, cost=cost).choice
        assert cost[np.arange(n), choice][choice >= 0].sum() == money


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_a_row_a_batch_and_the_kernels_agree(seed, capped, priced):
    effects, cost = whole(seed, 40)
    demands = [budget(1.0, per_head=True), *([cap("1", 0.3, per_head=True)] if capped else [])]
    prices = (0.5,) * len(demands) if priced else (0.0,) * len(demands)
    policy = Policy(
        effects.candidates, "none", ("y",), (1.0,), tuple(d.demand for d in demands), prices
    )
    choice = decide(policy, effects, cost=cost).choice
    for row in range(40):
        one = Effects(effects.values[row : row + 1], np.zeros((1, 1)), effects.candidates, ("y",))
        assert decide(policy, one, cost=cost[row : row + 1]).choice[0] == choice[row]
    score = effects.values[:, :, 0] - prices[0] * cost
    score[:, 1] -= prices[1] if capped else 0.0
    use = cost.copy()
    use[:, 1] += 1 / 0.3 if capped else 0.0
    for row in range(40):
        best = score[row].max()
        if best <= 0:
            assert choice[row] == -1
            continue
        equal = np.flatnonzero(score[row] == best)
        assert choice[row] == equal[np.argmin(use[row, equal])]


def test_where_no_demand_counts_it_the_cheaper_of_equals():
    effects = Effects(np.full((2, 2, 1), 3.0), np.zeros((2, 1)), ("a", "b"), ("y",))
    policy = Policy(("a", "b"), "none", ("y",), (1.0,))
    assert decide(policy, effects, cost=[2.0, 1.0]).choice.tolist() == [1, 1]
    assert decide(policy, effects).choice.tolist() == [0, 0]


@settings(deadline=None, max_examples=16)
@given(st.integers(0, 10**6), st.floats(0.05, 1.2), st.sampled_from([1.0001, 1.001, 1.02, 1.3]))
def test_more_budget_is_worth_no_less(seed, share, more):
    effects, cost = whole(seed, 60)
    value = effects.values[:, :, 0]
    bound = share * least_cost(effects, cost)[1]
    less, most = (allocate(value, [budget(b)], cost=cost).value for b in (bound, bound * more))
    assert most >= less
