from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import budget, cap, floor, offers, parity
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import repair as repair_module
from equipoise.allocation.solver import swaps
from equipoise.allocation.solver.dual import solve_dual
from equipoise.allocation.solver.repair import nearest_ties, repair


def problem_of(value, constraints, cost=None, names=("a",)):
    return compile_problem(np.asarray(value, float), expand(constraints, {}), names, cost, None, {})


def test_too_many_are_mended_and_too_few_filled():
    problem = problem_of([[3.0], [2.0], [1.0]], [budget(2.0)], [1.0])
    for price in (0.0, 5.0):  # all three are treated, or nobody is
        made = repair(problem, np.array([price]), 5.0, 1e-9)
        assert made.choice.tolist() == [0, 0, -1]
        assert (made.value, made.usage.tolist(), made.feasible) == (5.0, [2.0], True)


def test_ties_are_cut_where_the_offers_end():
    made = repair(
        problem_of(np.ones((50_000, 1)), [offers(20_000)]), np.array([1.0]), 20_000.0, 1e-9
    )
    assert (made.value, made.usage.tolist()) == (20_000.0, [20_000.0])


def test_the_same_cents_a_thousand_times_fill_the_budget():
    # in doubles 1000 * 0.1 summed one by one is not 100
    problem = problem_of(np.ones((2000, 1)), [budget(100.0)], [0.1])
    made = repair(problem, np.array([10.0]), 1000.0, 1e-9)
    assert (made.value, made.usage.tolist()) == (1000.0, [100.0])


def test_a_pair_is_traded_where_no_switch_fits_alone():
    # the price picks the first; the second is worth more but fits only in its place
    problem = problem_of([[3.3], [5.2]], [budget(5.0)], [[3.0], [5.0]])
    made = repair(problem, np.array([1.05]), 5.4, 1e-9)
    assert made.choice.tolist() == [-1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_exceeded_and_little_is_lost(market, seed):
    shop = market(3000, seed)
    demands = expand(
        [
            budget(800.0),
            cap("large", 150),
            floor("plays", 250.0),
            parity("city", 0.01),
            offers(1200),
        ],
        shop.groups,
    )
    problem = compile_problem(
        shop.value.copy(), demands, shop.effects.candidates, shop.cost, shop.effects, shop.groups
    )
    found = solve_dual(problem, 1e-8)
    made = repair(problem, found.prices, found.bound, 1e-6)
    assert made.feasible
    assert (made.usage <= problem.rows.bounds).all()
    assert found.bound - made.value < 3e-4 * found.bound  # worst of 20 seeds: 0.9e-4
    assert made.switched.sum() < 60


def test_nearest_ties():
    assert nearest_ties(np.array([3.0, 1.0, 2.0]), 2).tolist() == [1, 2]
    assert nearest_ties(np.array([3.0, 1.0, 2.0]), 9).tolist() == [0, 1, 2]


def test_one_sweep_and_one_pass_of_pairs_exceed_nothing_either(market, monkeypatch):
    """More of them only bring more: rows hold after any number, and value never falls."""
    shop = market(600, 0)
    demands = expand([budget(160.0), cap("large", 30), floor("plays", 50.0)], shop.groups)
    problem = compile_problem(
        shop.value.copy(), demands, shop.effects.candidates, shop.cost, shop.effects, shop.groups
    )
    solution = solve_dual(problem, 1e-9)
    many = repair(problem, solution.prices, solution.bound, 1e-9)
    monkeypatch.setattr(repair_module, "ROUNDS", 1)
    monkeypatch.setattr(swaps, "PASSES", 1)
    one = repair(problem, solution.prices, solution.bound, 1e-9)
    assert one.feasible
    assert (one.usage <= problem.rows.bounds).all()
    assert one.value <= many.value <= solution.bound
