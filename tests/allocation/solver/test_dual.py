from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from equipoise.allocation import budget, cap, floor, group_budget, parity
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import dual
from equipoise.allocation.solver.exact import solve_exactly


def make(shop, rows):
    n = len(shop.cost)
    constraints: list[Any] = [
        budget(0.3 * n),
        cap("medium", 0.1 * n),
        floor("plays", 0.08 * n),
        group_budget("city", "north", 0.05 * n),
    ]
    constraints += [parity("city", 0.02), cap("small", 0.2 * n), cap("large", 0.15 * n)]
    demands = expand(constraints, shop.groups)[:rows]
    return compile_problem(
        shop.value.copy(), demands, shop.effects.candidates, shop.cost, shop.effects, shop.groups
    )


def test_one_unit_by_hand(market):
    shop = market(1)
    problem = compile_problem(np.array([[3.0]]), expand([budget(1.0)], {}), ("a",), [2.0], None, {})
    found = dual.solve_dual(problem, 1e-9)
    # half of the unit can be paid: bound 1.5, and money is worth 3 / 2
    assert found.bound == pytest.approx(1.5, rel=1e-8)
    assert found.prices[0] == pytest.approx(1.5, rel=1e-6)
    assert shop.cost.shape == (1, 3)


@pytest.mark.parametrize("rows", [1, 3, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_bound_is_the_linear_program_s(market, rows, seed):
    problem = make(market(2000, seed), rows)
    exact = solve_exactly(problem)
    found = dual.solve_dual(problem, 1e-9)
    assert found.bound == pytest.approx(-exact.low * -1, rel=2e-8)
    assert found.low <= exact.low * (1 + 1e-8)
    assert found.bound >= exact.low * (1 - 1e-9)


def test_bisection_is_the_level_method_for_one_row(market):
    problem = make(market(2000, 2), 1)
    level, half = (dual.solve_dual(problem, 1e-9, method=method) for method in ("level", "bisect"))
    assert level.bound == pytest.approx(half.bound, rel=1e-8)


@pytest.mark.parametrize(("rows", "method"), [(1, "bisect"), (1, "level"), (10, "level")])
def test_looking_at_ties_only_changes_nothing(market, monkeypatch, rows, method):
    problem = make(market(5000, 4), rows)
    whole = dual.solve_dual(problem, 1e-9, method=method)
    monkeypatch.setattr(dual, "SAMPLE", 300)
    parts = dual.solve_dual(problem, 1e-9, method=method)
    assert {"sample", "full pass", "near ties"} == {line[0] for line in parts.trace}
    assert parts.bound == pytest.approx(whole.bound, rel=1e-8)
    assert parts.low <= whole.bound * (1 + 1e-9)
    assert problem.evaluate(parts.prices)[0] == pytest.approx(parts.bound, rel=1e-12)


def test_a_warm_start_is_quicker(market):
    problem = make(market(3000, 5), 10)
    cold = dual.solve_dual(problem, 1e-6)
    warm = dual.solve_dual(problem, 1e-6, warm=cold.prices)
    assert warm.bound == pytest.approx(cold.bound, rel=1e-6)
    assert sum(line[2] for line in warm.trace) <= sum(line[2] for line in cold.trace)


def test_a_warm_start_of_many_units_needs_no_sample(market, monkeypatch):
    problem = make(market(5000, 4), 3)
    whole = dual.solve_dual(problem, 1e-9)
    monkeypatch.setattr(dual, "SAMPLE", 300)
    warm = dual.solve_dual(problem, 1e-9, warm=whole.prices)
    assert "sample" not in {line[0] for line in warm.trace}
    assert warm.bound == pytest.approx(whole.bound, rel=1e-8)


def test_a_round_too_few_gives_a_bound_all_the_same(market, monkeypatch):
    """Any prices bound what can be had: stopped early, the bound is just not the lowest."""
    problem = make(market(5000, 4), 3)
    whole = dual.solve_dual(problem, 1e-9)
    monkeypatch.setattr(dual, "SAMPLE", 300)
    monkeypatch.setattr(dual, "ROUNDS", 1)
    early = dual.solve_dual(problem, 1e-9, warm=np.zeros(3))
    assert early.bound >= whole.bound * (1 - 1e-9)
    assert early.low <= whole.bound * (1 + 1e-9)


def test_a_tiny_budget_has_a_high_price(market):
    problem = compile_problem(
        np.array([[1000.0], [1.0]]), expand([budget(1e-6)], {}), ("a",), [1e-3], None, {}
    )
    found = dual.solve_dual(problem, 1e-9)
    assert found.prices[0] == pytest.approx(1e6, rel=1e-6)
    assert found.bound == pytest.approx(1.0, rel=1e-6)


def test_a_price_of_the_wrong_row_is_seen(market):
    problem = make(market(2000, 0), 3)
    found = dual.solve_dual(problem, 1e-8)
    height, _, _ = problem.evaluate(found.prices[[1, 0, 2]])
    assert height > found.bound * 1.01
