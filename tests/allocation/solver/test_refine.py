from __future__ import annotations

import itertools

import numpy as np
import pytest

from equipoise.allocation import allocate, budget, cap, floor, offers
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import refine
from equipoise.allocation.solver.refine import polish
from equipoise.allocation.solver.repair import RepairedChoice
from equipoise.core.effects import Effects


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


def tally(problem, choice):
    return problem.measure(np.array(choice, np.int16))


@pytest.mark.parametrize("seed", range(20))
def test_from_any_choice_to_the_best_of_all(seed):
    """Of two to four units under one to three candidates; nobody's choice, or one that exceeds."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    value, cost = rng.normal(0.5, 1, (n, k)), rng.random((n, k))
    rows = expand([budget(float(rng.uniform(0.1, n / 3))), offers(int(rng.integers(1, n)))], {})
    problem = compile_problem(value, rows, tuple("abc")[:k], cost, None, {})
    bounds = problem.rows.bounds
    every = [tally(problem, c) for c in itertools.product(range(-1, k), repeat=n)]
    best = max(worth for worth, usage in every if (usage <= bounds).all())
    for arm in (-1, 0):
        choice = np.full(n, arm, np.int16)
        worth, usage = tally(problem, choice)
        kept = bool((usage <= bounds).all())
        before = np.zeros(n, bool)
        before[0] = True  # switched already
        start = RepairedChoice(choice, worth, usage, before, kept)
        made = polish(problem, np.zeros(2), start)
        assert made.feasible
        assert made.value == pytest.approx(best, abs=1e-9)
        assert (made.value, made.usage.tolist()) == (
            tally(problem, made.choice)[0],
            tally(problem, made.choice)[1].tolist(),
        )
        if made is not start:
            assert made.switched.tolist() == (before | (made.choice != choice)).tolist()
            assert not kept or made.value > worth


def test_where_nothing_is_better_or_fits_the_choice_stays():
    problem = compile_problem(
        np.array([[3.0], [2.0]]), expand([offers(1)], {}), ("a",), None, None, {}
    )
    best = RepairedChoice(
        np.array([0, -1], np.int16), 3.0, np.array([1.0]), np.zeros(2, bool), True
    )
    assert polish(problem, np.array([2.5]), best) is best
    effects = Effects(np.ones((2, 1, 1)), np.zeros((2, 1)), ("a",), ("plays",))
    rows = expand([floor("plays", 3.0)], {})
    problem = compile_problem(np.ones((2, 1)), rows, ("a",), None, effects, {})
    over = RepairedChoice(np.zeros(2, np.int16), 2.0, np.array([-2.0]), np.zeros(2, bool), False)
    assert polish(problem, np.array([0.0]), over) is over


def test_units_far_from_a_tie_stay_as_they_are(monkeypatch):
    """At a price of 1 the second and third are nearest; the first would make room for both."""
    monkeypatch.setattr(refine, "UNITS", 2)
    problem = compile_problem(
        np.array([[3.0], [2.0], [1.9]]),
        expand([budget(3.0)], {}),
        ("a",),
        np.array([[2.0], [1.5], [1.2]]),
        None,
        {},
    )
    start = RepairedChoice(
        np.array([0, -1, -1], np.int16), 3.0, np.array([2.0]), np.zeros(3, bool), True
    )
    assert polish(problem, np.array([1.0]), start) is start
    monkeypatch.setattr(refine, "UNITS", 3)
    assert polish(problem, np.array([1.0]), start).choice.tolist() == [-1, 0, 0]
