from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import allocate, budget, cap, floor, group_budget
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import exact
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError


def test_half_a_unit_by_hand():
    problem = compile_problem(
        np.array([[3.0], [1.0]]), expand([budget(3.0)], {}), ("a",), [2.0], None, {}
    )
    found = exact.solve_exactly(problem)
    assert (found.prices.tolist(), found.bound, found.low) == ([0.5], 3.5, 3.5)
    assert exact.usage_matrix(problem).tolist() == [[2.0, 2.0]]
    assert exact.one_each(2, 2).toarray().tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]


def test_the_usage_of_every_quantity_by_hand():
    """Offers, costs and the metric that a demand names, of units in two groups, in their order."""
    values = np.arange(8.0).reshape(2, 2, 2)
    effects = Effects(values, np.zeros((2, 2)), ("a", "b"), ("y", "plays"))
    demands = [cap("b", 1), group_budget("g", "n", 1.0), floor("plays", 1.0), floor("y", 1.0)]
    groups = {"g": np.array(["s", "n"])}
    cost = np.array([[1.0, 2.0], [3.0, 4.0]])
    rows = expand(demands, groups)
    problem = compile_problem(np.ones((2, 2)), rows, ("a", "b"), cost, effects, groups)
    assert exact.usage_matrix(problem).tolist() == [
        [0, 1, 0, 1],
        [0, 0, 3, 4],
        [-1, -3, -5, -7],
        [0, -2, -4, -6],
    ]


def test_a_dual_of_several_rows_is_certified_and_none_where_rows_cannot_hold():
    values = np.array([[[1.0]], [[2.0]]])
    effects = Effects(values, np.zeros((2, 1)), ("a",), ("plays",))
    for least, prices in ((2.5, [0.0, 1.0]), (3.5, None)):
        rows = expand([budget(9.0), floor("plays", least)], {})
        problem = compile_problem(np.array([[-1.0], [-1.0]]), rows, ("a",), [1.0], effects, {})
        found = exact.solve_exactly(problem)
        if prices is None:
            assert found is None
        else:  # half a play of the first, all of the second
            assert found.prices.tolist() == pytest.approx(prices)
            assert (found.bound, found.low) == (pytest.approx(-1.5), pytest.approx(-1.5))
            assert found.trace[0][:2] == ("highs", 2)
            assert found.trace[0][3] == found.bound


def test_the_two_ways_agree(market):
    shop = market(500)
    ours, theirs = (
        allocate(shop.value, [budget(90.0)], cost=shop.cost, method=m) for m in ("auto", "highs")
    )
    assert ours.bound == pytest.approx(theirs.bound, rel=1e-8)
    assert ours.value == pytest.approx(theirs.value, rel=1e-4)


def test_it_is_for_small_problems(monkeypatch, market):
    monkeypatch.setattr(exact, "LARGEST", 100)
    shop = market(50)
    with pytest.raises(InputError, match="method 'highs' must be used for n \\* k <= 100; got 150"):
        allocate(shop.value, [budget(9.0)], cost=shop.cost, method="highs")
    monkeypatch.setattr(exact, "LARGEST", 150)
    assert allocate(shop.value, [budget(9.0)], cost=shop.cost, method="highs").value > 0
