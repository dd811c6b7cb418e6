from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import budget, budgeted_policy, decide, decision_of, offers
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import ties
from equipoise.allocation.solver.dual import solve_dual
from equipoise.allocation.solver.ties import mix
from equipoise.allocation.solver.tighten import hold
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy


def tied(n: int, kinds: int = 1) -> Effects:
    """n units of so many kinds; units of a kind are the same."""
    values = 1.0 + (np.arange(n) % kinds)[:, None, None] + np.zeros((n, 1, 1))
    return Effects(values, np.zeros((n, 1)), ("mail",), ("spend",))


def test_equal_units_share_the_offers_at_random():
    problem = compile_problem(np.ones((4, 1)), expand([offers(1)], {}), ("mail",), None, None, {})
    mixed = mix(problem, np.array([1.0]), hold(problem, np.array([1.0])))
    assert mixed.share == 0.25
    assert mixed.value == 1.0
    assert mixed.usage.tolist() == [1.0]


def test_the_largest_share_that_exceeds_no_row():
    """By hand: of the rows that the lower prices exceed, the one with least room for more."""
    safe, bounds = np.array([1.0, 0.0, -2.0]), np.array([2.0, 3.0, -1.0])
    for low, share in (
        ([5.0, 6.0, -1.0], 0.25),  # 1 of 4 and 3 of 6: the third is kept
        ([3.0, 12.0, -3.0], 0.25),  # 1 of 2 and 3 of 12
        ([2.0, 3.0, -1.0], 1.0),  # all are kept
        ([2.0, 3.0, 1.0], 1 / 3),
    ):
        assert ties._share(safe, np.array(low), bounds) == share
    assert ties._share(np.array([3.0]), np.array([2.5]), np.array([2.0])) == 0.0
    assert ties._share(np.array([3.0]), np.array([3.0]), np.array([2.0])) == 0.0
    assert ties._share(np.array([3.0]), np.array([4.0]), np.array([2.0])) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_a_mixture_is_its_two_parts(seed):
    """Its value and usage by the definition; never less than the prices that hold, and no row is
    exceeded in expectation; nothing is gained where those use all.
    """
    rng = np.random.default_rng(seed)
    value, cost = rng.integers(1, 4, (12, 2)).astype(float), np.array([1.0, 2.0])
    rows = expand([budget(9.0), offers(7)], {})
    problem = compile_problem(value, rows, ("a", "b"), cost, None, {})
    prices = solve_dual(problem, 1e-9).prices
    safe = hold(problem, prices)
    mixed = mix(problem, prices, safe)
    (base, used), (more, use) = (
        problem.measure(problem.choose(p).choice) for p in (safe, mixed.prices)
    )
    assert 0 <= mixed.share <= 1
    assert mixed.value == pytest.approx((1 - mixed.share) * base + mixed.share * more, abs=1e-12)
    assert np.allclose(mixed.usage, (1 - mixed.share) * used + mixed.share * use, atol=1e-12)
    assert (mixed.usage <= problem.rows.bounds + 1e-12).all()
    assert mixed.value >= base
    assert mixed.value >= 0.99 * problem.evaluate(prices)[0]  # ties are all that keeps it from all
    full = replace(problem, rows=replace(problem.rows, bounds=used))
    same = mix(full, safe, safe)
    assert (same.share, same.value, same.prices.tolist()) == (0.0, base, safe.tolist())


@pytest.mark.parametrize("kinds", [1, 3])
def test_the_budget_reaches_units_never_seen_though_all_tie(kinds):
    policy, made = budgeted_policy(
        tied(3000, kinds),
        weights={"spend": 1.0},
        constraints=[budget(0.3, per_head=True)],
        cost=[1.0],
    )
    fresh = decide(policy, tied(30_000, kinds), cost=[1.0], units=np.arange(30_000) + 10**9)
    spent = float((fresh.choice >= 0).mean())
    assert spent == pytest.approx(0.3, abs=0.012)  # four standard errors of a lot
    # by their own draws the units use all of the budget, and no more
    assert 0.3 * 3000 - 50 < made.rule_usage[0] <= 0.3 * 3000
    assert made.rule_usage[0] == 900 or made.promise_cost == 0
    # over all draws as much, but for the 25 offers by which the draws of 3,000 units vary
    assert made.expected_usage[0] == pytest.approx(made.rule_usage[0], abs=50)
    assert made.expected_value == pytest.approx(made.value, rel=0.03)


def test_a_unit_keeps_its_lot_alone_and_in_a_crowd():
    effects, ids = tied(200), np.array([f"user {i}" for i in range(200)])
    policy, _ = budgeted_policy(effects, weights={"spend": 1.0}, constraints=[offers(60)])
    crowd = decide(policy, effects, units=ids)
    alone = [int(decide(policy, effects.take([i]), units=ids[[i]]).choice[0]) for i in range(200)]
    assert crowd.choice.tolist() == alone
    assert np.allclose(
        crowd.probability, np.where(crowd.choice >= 0, policy.low_share, 1 - policy.low_share)
    )
    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy


def test_the_record_of_a_decision_holds_the_prices_that_made_it():
    policy, _ = budgeted_policy(tied(40), weights={"spend": 1.0}, constraints=[offers(10)])
    made = decide(policy, tied(40), units=np.arange(40))
    prices = [decision_of(policy, made, row).prices for row in range(40)]
    assert prices == [policy.low_prices if choice >= 0 else policy.prices for choice in made.choice]
    assert len(set(prices)) == 2


def test_a_lot_needs_ids():
    policy, _ = budgeted_policy(tied(20), weights={"spend": 1.0}, constraints=[offers(5)])
    with pytest.raises(InputError, match="splits ties at random"):
        decide(policy, tied(20))


def test_units_that_differ_need_no_draw():
    rng = np.random.default_rng(0)
    effects = Effects(
        rng.gamma(2.0, 1.0, (2000, 2, 1)), np.zeros((2000, 1)), ("a", "b"), ("spend",)
    )
    policy, _ = budgeted_policy(
        effects, weights={"spend": 1.0}, constraints=[budget(500.0)], cost=[1.0, 2.0]
    )
    assert policy.low_share == 0
