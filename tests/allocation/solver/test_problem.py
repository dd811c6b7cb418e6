from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise.allocation import budget, cap, decide, floor, group_budget
from equipoise.allocation.constraints import Row
from equipoise.allocation.solve import compile_problem, draft_policy, expand
from equipoise.allocation.solver.exact import usage_matrix
from equipoise.core.effects import Effects
from equipoise.core.policy import Demand


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


def test_the_potential_by_hand():
    """What each row would use if every unit got every candidate, without signs, over candidates."""
    effects = Effects(
        np.array([[[1.0], [-3.0]], [[0.5], [0.0]]]), np.zeros((2, 1)), ("a", "b"), ("plays",)
    )
    demands = [
        budget(9.0),
        floor("plays", 1.0),
        cap("b", 1),
        group_budget("city", "n", 1.0),
        Row(Demand("nobody", "offers", 1.0, column="city", factors=(("n", 0.0),), other=0.0)),
    ]
    groups = {"city": np.array(["n", "s"])}
    rows = expand(demands, groups)
    cost = np.array([[0.25, 0.5], [1.0, 2.0]])
    made = compile_problem(np.zeros((2, 2)), rows, ("a", "b"), cost, effects, groups)
    # costs 3.75 of both, plays 4.5, two units for b, north 0.75: over two candidates
    assert made.potential().tolist() == [1.875, 2.25, 1.0, 0.375, 1.0]


def test_the_potential_is_the_definition_and_scales_with_units(problem):
    _, _, made = problem(50)
    usage = usage_matrix(made)
    assert np.allclose(made.potential(), np.abs(usage).sum(axis=1) / 3, rtol=1e-13)
    twice = made.take(np.tile(np.arange(50), 2))
    assert np.allclose(twice.potential(), 2 * made.potential(), rtol=1e-13)


@pytest.mark.parametrize("metrics", [0, 1, 2])
@pytest.mark.parametrize("own_cost", [False, True])
def test_a_part_has_the_usage_of_its_units(market, metrics, own_cost):
    """With costs of each unit or of all, and as many metrics as demands count; bounds in part."""
    shop = market(30)
    floors = [floor("plays", 1.0), floor("sales", 2.0)][:metrics]
    rows = expand([*floors, budget(5.0)], {})
    cost = shop.cost if own_cost else shop.cost[0]
    made = compile_problem(
        shop.value.copy(), rows, shop.effects.candidates, cost, shop.effects, shop.groups
    )
    some = np.array([7, 2, 29, 2])
    part = made.take(some, 0.5)
    assert (part.value == shop.value[some]).all()
    assert (made.sums_shape, part.sums_shape) == ((2 + metrics, 1, 3), (2 + metrics, 1, 3))
    of_units = usage_matrix(made).reshape(-1, 30, 3)[:, some]
    assert (usage_matrix(part).reshape(-1, 4, 3) == of_units).all()
    assert part.rows.bounds.tolist() == (made.rows.bounds / 2).tolist()
    again = part.take(np.array([2, 0]))
    assert (usage_matrix(again).reshape(-1, 2, 3) == of_units[:, [2, 0]]).all()
    assert again.rows.bounds.tolist() == part.rows.bounds.tolist()
    choice = np.array([0, -1, 2, 1], np.int16)
    on = np.flatnonzero(choice >= 0)
    value, usage = part.measure(choice)
    assert value == math.fsum(shop.value[some[on], choice[on]])
    assert np.allclose(usage, of_units[:, on, choice[on]].sum(axis=1), rtol=1e-13)
    height, slope, used = part.evaluate(np.zeros(len(rows)))
    assert height == pytest.approx(np.maximum(part.value.max(axis=1), 0).sum(), rel=1e-13)
    assert (part.choose(np.zeros(len(rows))).usage == used).all()
    assert (slope == part.rows.bounds - used).all()
