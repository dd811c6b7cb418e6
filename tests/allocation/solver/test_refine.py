from __future__ import annotations

import itertools

import numpy as np
import pytest

from equipoise.allocation import allocate, budget, cap, floor, offers
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver.refine import polish
from equipoise.allocation.solver.repair import RepairedChoice


def best_of_all(value, cost, plays, total, most, least):
    """The most value over every choice, by looking at all."""
    n, k = value.shape
    best = -np.inf
    for choice in itertools.product(range(-1, k), repeat=n):
        on = [(u, a) for u, a in enumerate(choice) if a >= 0]
        spent, given = sum(cost[u, a] for u, a in on), sum(a == 0 for _, a in on)
        if spent <= total and given <= most and sum(plays[u, a] for u, a in on) >= least:
            best = max(best, sum(value[u, a] for u, a in on))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_a_handful_of_units_gets_the_best_choice_of_all(market, seed):
    shop = market(6, seed)
    plays = shop.effects.metric("plays")
    rng = np.random.default_rng(seed)
    total, least = rng.uniform(1, 5), rng.uniform(-1, 0.2)
    want = best_of_all(shop.value, shop.cost, plays, total, 1, least)
    demands = [budget(total), cap("small", 1), floor("plays", least)]
    made = allocate(shop.value, demands, cost=shop.cost, effects=shop.effects)
    assert made.value == pytest.approx(want, abs=1e-12)
    assert made.bound >= want - 1e-9


def test_a_choice_that_exceeds_is_mended():
    problem = compile_problem(
        np.array([[3.0], [2.0]]), expand([offers(1)], {}), ("a",), None, None, {}
    )
    both = np.zeros(2, np.int16)
    made = polish(
        problem,
        np.array([2.5]),
        RepairedChoice(both, 5.0, np.array([2.0]), np.zeros(2, bool), False),
    )
    assert (made.choice.tolist(), made.value, made.feasible) == ([0, -1], 3.0, True)
    assert both.tolist() == [0, 0]
