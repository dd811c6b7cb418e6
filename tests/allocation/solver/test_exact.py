from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import allocate, budget
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import exact
from equipoise.core.errors import InputError


def test_half_a_unit_by_hand():
    problem = compile_problem(
        np.array([[3.0], [1.0]]), expand([budget(3.0)], {}), ("a",), [2.0], None, {}
    )
    found = exact.solve_exactly(problem)
    assert (found.prices.tolist(), found.bound, found.low) == ([0.5], 3.5, 3.5)
    assert exact.usage_matrix(problem).tolist() == [[2.0, 2.0]]
    assert exact.one_each(2, 2).toarray().tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]


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
