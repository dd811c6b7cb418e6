"""A budget is a promise: whatever the demands, ties and sizes, the rule that is let out exceeds no
row of the units it was made on, draws included.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fixtures.promise_instances import draw_instance

from equipoise.allocation import budgeted_policy, ceiling, decide, floor, offers, parity
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import prefix
from equipoise.allocation.solver.promise import Rule, keep_promise, measure_rule
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


def test_a_threshold_lets_in_the_best_scores():
    problem = compile_problem(
        np.array([[4.0], [1.0], [3.0], [2.0]]), expand([offers(2)], {}), ("a",), None, None, {}
    )
    free = Rule(np.array([0.0]))
    assert measure_rule(problem, free).usage.tolist() == [4.0]
    result = keep_promise(problem, free, np.array([0.0]))
    assert (result.value, result.usage.tolist()) == (7.0, [2.0])


def test_a_rule_that_holds_stays_as_it_is():
    problem = compile_problem(np.ones((4, 1)), expand([offers(2)], {}), ("a",), None, None, {})
    rule = Rule(np.array([2.0]))
    assert keep_promise(problem, rule, np.array([1.0])).rule is rule


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
    result = keep_promise(problem, Rule(np.array([9.0, 0.0, 0.0, 9.0])), zero)
    assert result.value == 6.0  # everybody: parity holds
    two = replace(problem, value=np.array([[3.0], [-9.0], [2.0]]))
    result = keep_promise(two, Rule(zero), zero)
    assert (result.usage <= problem.rows.bounds).all()


def test_a_floor_that_no_prices_hold_is_refused_with_the_miss():
    # only "b" for the first alone fits; prices at which it gets that give the second something
    values = np.array([[[10.0, 10.0], [1.0, 6.0]], [[11.0, 4.0], [2.0, 3.0]]])
    effects = Effects(values, np.zeros((2, 2)), ("a", "b"), ("y", "plays"))
    with pytest.raises(
        InfeasibleError, match="hold under one rule by prices; got prices that miss"
    ):
        budgeted_policy(
            effects, weights={"y": 1.0}, constraints=[floor("plays", 5.0), ceiling("plays", 7.0)]
        )


def test_the_law_sees_a_rule_without_it_and_the_certificate_what_the_promise_cost():
    """Of the seeds 0 to 29 three exceed without it: 0, 23 and 27."""
    over, costs = [], []
    for seed in (0, 1, 2, 23):
        case = draw_instance(seed, largest=60)
        try:
            _, solution = budgeted_policy(case.effects, **case.asked(), seed=seed)
        except InfeasibleError:
            continue
        policy, _ = budgeted_policy(case.effects, **case.asked(), seed=seed, promise=False)
        choice = decide(policy, case.effects, **case.known()).choice
        over.append(excess(case.effects, case.demands, case.cost, case.groups, choice))
        costs.append(solution.promise_cost)
    assert max(over) > 0
    assert min(costs) == 0
    assert max(costs) > 0


def test_equal_keys_go_together():
    assert prefix._ends(np.array([0.1, 0.1, 0.3, 0.5])).tolist() == [True, False, True, True]
