from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import budget, cap, floor, group_budget, offers, parity
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import tighten
from equipoise.allocation.solver.dual import solve_dual
from equipoise.allocation.solver.tighten import hold, tightened_prices
from equipoise.core.effects import Effects


def test_a_split_unit_is_left_out():
    problem = compile_problem(
        np.array([[3.0], [2.0], [1.0]]), expand([offers(1.5)], {}), ("a",), None, None, {}
    )
    held = hold(problem, np.array([1.9]))
    assert problem.choose(held).choice.tolist() == [0, -1, -1]
    assert 2.0 <= held[0] < 3.0


def test_prices_that_hold_stay():
    problem = compile_problem(
        np.array([[3.0], [2.0], [1.0]]), expand([offers(2)], {}), ("a",), None, None, {}
    )
    assert hold(problem, np.array([1.5])).tolist() == [1.5]


def test_prices_are_raised_by_steps_that_double():
    """The first is a billionth of the worth of all, over the potential use: 6 / 3 here."""
    problem = compile_problem(
        np.array([[3.0], [2.0], [1.0]]),
        expand([offers(1), cap("a", 3)], {}),
        ("a",),
        None,
        None,
        {},
    )
    held = hold(problem, np.array([2.0 - 1e-8, 0.25e-9]))
    first = 1e-9 * 6.0 / 3.0
    # 1, 3, 7 of the first step: the third carries the price to 2 and above; the cap keeps its own
    assert held == pytest.approx([2.0 - 1e-8 + 7 * first, 0.25e-9], rel=1e-12)
    assert held[1] == 0.25e-9
    stays = np.array([1.5, 0.0])
    loose = compile_problem(
        np.array([[3.0], [2.0], [1.0]]),
        expand([offers(2), cap("a", 3)], {}),
        ("a",),
        None,
        None,
        {},
    )
    assert hold(loose, stays) is stays


def test_rows_are_tightened_by_what_they_exceed():
    """Prices far too low: steps that double end before; a dual with tighter rows holds."""
    problem = compile_problem(
        np.array([[3.0], [2.0], [1.0]]), expand([offers(1)], {}), ("a",), None, None, {}
    )
    prices = list(tightened_prices(problem, np.array([0.5])))
    assert prices[0].tolist() == [0.5]
    counts = [int((problem.choose(price).choice == 0).sum()) for price in prices]
    assert counts[0] == 3
    assert counts[-1] <= 1
    assert all(count > 1 for count in counts[:-1])  # it ends with the first that holds
    held = hold(problem, np.array([0.5]))
    assert held.tolist() == prices[-1].tolist()


def test_where_no_prices_hold_they_stay_as_they_were(monkeypatch):
    """All of the tied units or none of them: a floor and a cap leave no price between."""
    monkeypatch.setattr(tighten, "TIGHTENINGS", 3)
    effects = Effects(np.ones((2, 1, 1)), np.zeros((2, 1)), ("a",), ("plays",))
    problem = compile_problem(
        np.ones((2, 1)), expand([floor("plays", 1.0), offers(1)], {}), ("a",), None, effects, {}
    )
    start = np.array([0.0, 1.0])
    assert hold(problem, start) is start
    assert len(list(tightened_prices(problem, start))) == 3


@pytest.mark.parametrize("seed", range(12))
def test_the_rule_exceeds_nothing_and_loses_little(market, seed):
    shop = market(300, seed)
    demands = [
        budget(60.0),
        cap("large", 12),
        floor("plays", 18.0),
        group_budget("city", "north", 15.0),
        offers(110),
    ]
    rows = expand([*demands, parity("city", 0.04)], shop.groups)
    problem = compile_problem(
        shop.value.copy(), rows, shop.effects.candidates, shop.cost, shop.effects, shop.groups
    )
    found = solve_dual(problem, 1e-8)
    value, usage = problem.measure(problem.choose(hold(problem, found.prices)).choice)
    assert (usage <= problem.rows.bounds).all()
    assert value > 0.95 * found.bound  # worst of 40 seeds: 0.977
