from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise.allocation import budget, cap, decide, floor, group_budget
from equipoise.allocation.solve import compile_problem, draft_policy, expand
from equipoise.allocation.solver.exact import usage_matrix


@pytest.fixture
def problem(market):
    def make(n=300, seed=0):
        shop = market(n, seed)
        constraints = [
            budget(0.2 * n),
            cap("small", n // 5),
            floor("plays", 1.0),
            group_budget("city", "north", 0.05 * n),
        ]
        demands = expand(constraints, shop.groups)
        return (
            shop,
            demands,
            compile_problem(
                shop.value.copy(),
                demands,
                shop.effects.candidates,
                shop.cost,
                shop.effects,
                shop.groups,
            ),
        )

    return make


PRICES = np.array([0.4, 0.1, 0.3, 0.2])


def test_the_pass_is_the_definition(problem):
    shop, _, made = problem()
    usage = usage_matrix(made).reshape(4, *shop.cost.shape)
    score = shop.value - np.tensordot(PRICES, usage, 1)
    height, slope, used = made.evaluate(PRICES)
    best = np.maximum(score.max(axis=1), 0).sum()
    assert height == pytest.approx(best + PRICES @ made.rows.bounds, rel=1e-13)
    want = np.where(score.max(axis=1) > 0, score.argmax(axis=1), -1)
    chosen = made.choose(PRICES)
    assert chosen.choice.tolist() == want.tolist()
    assert chosen.height == pytest.approx(height, rel=1e-14)
    on = np.flatnonzero(want >= 0)
    assert np.allclose(used, usage[:, on, want[on]].sum(axis=1), rtol=1e-12, atol=1e-12)
    assert np.allclose(slope, made.rows.bounds - used)
    ordered = np.sort(np.c_[score, np.zeros(len(score))], axis=1)
    assert np.allclose(chosen.margin, ordered[:, -1] - ordered[:, -2], atol=1e-13)


def test_prices_choose_as_the_rule_does(problem):
    shop, demands, made = problem(2000, 3)
    draft = draft_policy(shop.effects, {"sales": 1.0}, demands, "none")
    policy = type(draft)(
        draft.candidates, "none", draft.metrics, draft.weights, demands, tuple(PRICES)
    )
    by_rule = decide(policy, shop.effects, cost=shop.cost, groups=shop.groups).choice
    assert (made.choose(PRICES).choice == by_rule).all()


def test_a_choice_is_measured_to_the_last_bit_in_any_order(problem):
    shop, _, made = problem(500, 1)
    rng = np.random.default_rng(0)
    choice = rng.integers(-1, 3, 500).astype(np.int16)
    value, usage = made.measure(choice)
    on = np.flatnonzero(choice >= 0)
    assert value == math.fsum(shop.value[on, choice[on]])
    assert usage[0] == math.fsum(shop.cost[on, choice[on]])
    order = rng.permutation(500)
    again, used = made.take(order).measure(choice[order])
    assert (again, used.tolist()) == (value, usage.tolist())


def test_a_part_is_the_part(problem):
    _, _, made = problem()
    some = np.array([3, 5, 200])
    part = made.take(some, 0.01)
    assert (part.choose(PRICES).choice == made.choose(PRICES).choice[some]).all()
    assert np.allclose(part.rows.bounds, made.rows.bounds * 0.01)
