"""A budget is a promise: whatever the demands, ties and sizes, the rule that is let out exceeds no
row of the units it was made on, draws included.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fixtures.promise_instances import draw_instance

from equipoise.allocation import budget, budgeted_policy, ceiling, decide, floor, offers, parity
from equipoise.allocation.hashing import uniform
from equipoise.allocation.rule import LOW_STREAM
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import promise
from equipoise.allocation.solver.promise import Rule, in_expectation, keep_promise, measure_rule
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError


def excess(effects, demands, cost, groups, choice):
    """The most by which a choice exceeds a row."""
    blank = np.zeros(effects.values.shape[:2])
    rows = expand(demands, groups)
    problem = compile_problem(blank, rows, effects.candidates, cost, effects, groups)
    _, usage = problem.measure(choice.astype(np.int16))
    return float((usage - problem.rows.bounds).max(initial=0.0))


# a wide tolerance spares the branch and bound of single choices, which the rule does not use
@pytest.mark.parametrize(("block", "tol"), [(0, 1e-6), *((block, 0.02) for block in range(1, 8))])
def test_no_rule_exceeds_a_row_of_its_own_units(block, tol):
    kept = 0
    for seed in range(20 * block, 20 * block + 20):
        case = draw_instance(seed, largest=60 if block == 0 else 400)
        try:
            policy, solution = budgeted_policy(case.effects, **case.asked(), seed=seed, tol=tol)
        except InfeasibleError:
            continue
        decisions = decide(policy, case.effects, **case.known())
        assert excess(case.effects, case.demands, case.cost, case.groups, decisions.choice) == 0
        assert (solution.rule_usage <= solution.bounds).all()
        kept += 1
    assert kept >= 15  # of 20; the others' demands cannot hold together


def test_fewer_draws_by_hand():
    # four equal units, two offers: in expectation half of them, but the draws give three or more
    problem = compile_problem(np.ones((4, 1)), expand([offers(2)], {}), ("a",), None, None, {})
    rule = Rule(np.array([2.0]), np.array([0.0]), 0.5)
    draws = np.array([0.4, 0.1, 0.3, 0.2])
    assert measure_rule(problem, rule, draws).usage.tolist() == [4.0]
    kept = keep_promise(problem, rule, np.array([1.0]), draws)
    assert kept.value == 2.0
    assert kept.usage.tolist() == [2.0]
    assert kept.rule.share == pytest.approx(0.3)  # the draws below it: 0.1 and 0.2


def test_a_rule_that_holds_stays_as_it_is():
    problem = compile_problem(np.ones((4, 1)), expand([offers(2)], {}), ("a",), None, None, {})
    rule = Rule(np.array([2.0]), np.array([0.0]), 0.5)
    kept = keep_promise(problem, rule, np.array([1.0]), np.array([0.1, 0.2, 0.7, 0.8]))
    assert kept.rule is rule


def test_nobody_is_always_a_rule_where_it_exceeds_nothing():
    # parity alone: no price keeps both sides at bay, a threshold does
    groups = {"g": np.array(["a", "a", "b"])}
    problem = compile_problem(
        np.array([[3.0], [1.0], [2.0]]),
        expand([parity("g", 0.0)], groups),
        ("x",),
        None,
        None,
        groups,
    )
    zero = np.zeros(4)
    prices = Rule(np.array([9.0, 0.0, 0.0, 9.0]), zero)
    kept = keep_promise(problem, prices, zero, np.array([0.5, 0.6, 0.7]))
    assert kept.value == 6.0  # everybody: parity holds
    two = replace(problem, value=np.array([[3.0], [-9.0], [2.0]]))
    kept = keep_promise(two, Rule(zero, zero), zero, np.array([0.5, 0.6, 0.7]))
    assert (kept.usage <= problem.rows.bounds).all()


def test_a_floor_that_no_prices_hold_is_refused_with_the_miss():
    # only "b" of the one unit fits between floor and ceiling, and it is below the hull of the rest
    effects = Effects(
        np.array([[[10.0, 10.0], [1.0, 6.0]]]), np.zeros((1, 2)), ("a", "b"), ("y", "plays")
    )
    with pytest.raises(
        InfeasibleError, match="hold under one rule by prices; got prices that miss"
    ):
        budgeted_policy(
            effects, weights={"y": 1.0}, constraints=[floor("plays", 5.0), ceiling("plays", 7.0)]
        )


def test_the_certificate_says_what_the_promise_cost():
    effects = Effects(np.ones((40, 1, 1)), np.zeros((40, 1)), ("mail",), ("spend",))
    costs = []
    for seed in range(8):
        policy, solution = budgeted_policy(
            effects, weights={"spend": 1.0}, constraints=[budget(10.0)], cost=[1.0], seed=seed
        )
        drawn = uniform(np.arange(40), seed, LOW_STREAM) < 0.25
        costs.append(solution.promise_cost)
        assert solution.promise_cost == max(drawn.sum() - 10, 0)
        assert solution.rule_value == min(drawn.sum(), 10)
        choice = decide(policy, effects, cost=[1.0], units=np.arange(40)).choice
        assert (choice >= 0).sum() == solution.rule_value
    assert max(costs) > 0
    assert min(costs) == 0


def test_the_law_sees_a_pass_that_does_nothing():
    def nothing(problem, rule, scores, draws):
        return measure_rule(problem, rule, draws)

    effects = Effects(np.ones((40, 1, 1)), np.zeros((40, 1)), ("mail",), ("spend",))
    over = []
    for seed in range(8):
        policy, _ = budgeted_policy(
            effects, weights={"spend": 1.0}, constraints=[offers(10)], seed=seed, last_pass=nothing
        )
        choice = decide(policy, effects, units=np.arange(40)).choice
        over.append(excess(effects, [offers(10)], None, {}, choice))
    assert max(over) > 0


def test_equal_draws_go_together():
    assert promise._ends(np.array([0.1, 0.1, 0.3, 0.5])).tolist() == [True, False, True, True]


def test_in_expectation_a_rule_stays_as_it_is_and_is_measured():
    """Three of four units for two offers: what `keep_promise` mends is told, not changed."""
    problem = compile_problem(np.ones((4, 1)), expand([offers(2)], {}), ("a",), None, None, {})
    rule = Rule(np.array([2.0]), np.array([0.0]), 0.5)
    kept = in_expectation(problem, rule, np.array([1.0]), np.array([0.1, 0.2, 0.4, 0.8]))
    assert kept.rule is rule
    assert (kept.value, kept.usage.tolist()) == (3.0, [3.0])
