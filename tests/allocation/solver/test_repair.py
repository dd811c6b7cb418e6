from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import budget, cap, floor, offers, parity
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import repair as repair_module
from equipoise.allocation.solver import swaps
from equipoise.allocation.solver.dual import solve_dual
from equipoise.allocation.solver.repair import nearest_ties, repair
from equipoise.core.effects import Effects


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


@pytest.mark.parametrize("seed", range(3))
def test_whole_numbers_tie_by_the_thousand_and_lose_nothing(seed):
    """Half the units tie at the price: more than the first pool holds.  What is mended for nothing
    comes first, however many there are; 4 to 8 % were lost where a small pool had paid.
    """
    rng = np.random.default_rng(seed)
    n, dose = 10_000, np.linspace(0.5, 5.0, 10)
    sensitivity, half = rng.lognormal(0.0, 0.8, (n, 1)), rng.gamma(2.0, 1.0, (n, 1))
    value = sensitivity * dose / (dose + half) + rng.normal(0, 0.15, (n, 10))
    cost = dose * rng.uniform(0.4, 1.0, (n, 1)) * rng.uniform(0.9, 1.1, (n, 10))
    demands = expand([budget(0.3 * n * float(cost.mean()))], {})
    value, cost = np.round(4 * value) / 4, np.ceil(2 * cost) / 2
    problem = compile_problem(value, demands, list("abcdefghij"), cost, None, {})
    price = np.array([0.5 - 1e-9])  # a little less than the one at which they tie
    bound, _, _ = problem.evaluate(price)
    made = repair(problem, price, bound, 1e-6)
    assert made.feasible
    assert made.value > (1 - 2e-4) * bound


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


@pytest.mark.parametrize("seed", range(20))
def test_no_switch_of_one_unit_is_left_that_gains_and_fits(seed):
    """Wherever prices begin: too low, too high, or those of the dual."""
    rng = np.random.default_rng(seed)
    value, cost = rng.normal(0.5, 1, (5, 2)), rng.random((5, 2))
    limits = [budget(float(rng.uniform(0.2, 2))), cap("a", int(rng.integers(0, 4)))]
    problem = problem_of(value, limits, cost, ("a", "b"))
    dual = solve_dual(problem, 1e-9)
    for prices in (dual.prices, np.zeros(2), np.full(2, 9.0)):
        made = repair(problem, prices, dual.bound, 0.0)
        value_of, usage = problem.measure(made.choice)
        assert (made.value, made.usage.tolist()) == (value_of, usage.tolist())
        assert made.feasible
        assert (usage <= problem.rows.bounds).all()
        first = problem.choose(prices).choice
        assert made.switched.tolist() == (made.choice != first).tolist()
        for u in range(5):
            for a in (-1, 0, 1):
                other = made.choice.copy()
                other[u] = a
                worth, used = problem.measure(other)
                assert worth <= made.value + 1e-9 or (used > problem.rows.bounds).any()


def test_near_enough_to_the_bound_no_pair_is_traded():
    """3.3 of 5.4 is within a half of it, but not within a third."""
    problem = problem_of([[3.3], [5.2]], [budget(5.0)], [[3.0], [5.0]])
    for tol, choice in ((0.5, [0, -1]), (0.3, [-1, 0])):
        assert repair(problem, np.array([1.05]), 5.4, tol).choice.tolist() == choice


def test_a_pool_that_was_too_small_grows(monkeypatch):
    """Of forty units, two are looked at first: as many as the row asks are switched in the end."""
    monkeypatch.setattr(repair_module, "POOL", 2)
    value = 1.0 + np.arange(40.0)[:, None] / 40
    problem = problem_of(value, [offers(10)])
    for price in (0.0, 5.0):
        made = repair(problem, np.array([price]), float(value[30:].sum()), 1e-9)
        assert (made.feasible, made.usage.tolist()) == (True, [10.0])
        assert made.switched.sum() == (30 if price == 0 else 10)
        assert made.value == problem.measure(made.choice)[0]


def test_what_no_choice_keeps_is_said_to_be_so():
    effects = Effects(np.ones((2, 1, 1)), np.zeros((2, 1)), ("a",), ("plays",))
    rows = expand([floor("plays", 3.0)], {})
    problem = compile_problem(np.ones((2, 1)), rows, ("a",), None, effects, {})
    made = repair(problem, np.array([0.0]), 2.0, 1e-9)
    assert (made.feasible, made.choice.tolist(), made.usage.tolist()) == (False, [0, 0], [-2.0])


def test_nearest_ties():
    assert nearest_ties(np.array([3.0, 1.0, 2.0]), 3).tolist() == [0, 1, 2]
    assert nearest_ties(np.array([3.0, 1.0, 2.0, 0.5]), 1).tolist() == [3]
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
