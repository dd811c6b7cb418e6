from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import allocate, budget, cap, ceiling, floor, offers, parity
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver.exact import solve_exactly
from equipoise.allocation.solver.infeasible import conflict
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError


def plays(values):
    values = np.asarray(values, float)[:, :, None]
    return Effects(values, np.zeros((len(values), 1)), tuple("ab")[: values.shape[1]], ("plays",))


def test_a_floor_that_no_one_can_reach_is_named_with_what_can_be_reached():
    with pytest.raises(InfeasibleError) as error:
        allocate(
            [[1.0], [1.0]],
            [floor("plays", 7.0), budget(1.0)],
            cost=[0.0],
            effects=plays([[2.0], [3.0]]),
        )
    assert (
        str(error.value)
        == "demand 'floor of plays' must be attainable; got at most 5 of the 7 asked for 'floor of"
        " plays'; loosen it or leave it out"
    )


def test_a_floor_and_a_budget_that_fight_are_both_named_and_no_other():
    demands = [offers(2), floor("plays", 4.0), budget(1.0), cap("a", 2)]
    text = (
        "demands 'floor of plays' and 'budget' must hold together; got at most 3 of the 4 asked for"
        " 'floor of plays' with"
    )
    with pytest.raises(InfeasibleError, match=text):
        allocate([[1.0], [1.0]], demands, cost=[1.0], effects=plays([[2.0], [3.0]]))


def test_a_ceiling_that_not_even_nobody_keeps_is_named_without_a_reach():
    """A reach is told of floors only."""
    with pytest.raises(InfeasibleError) as error:
        allocate([[1.0], [1.0]], [ceiling("plays", -1.0)], effects=plays([[2.0], [3.0]]))
    assert str(error.value) == (
        "demand 'ceiling of plays' must be attainable; got no choice that meets them; loosen it or"
        " leave it out"
    )


def test_a_floor_per_head_is_reported_per_head():
    with pytest.raises(InfeasibleError, match="at most 2.5 of the 4 asked"):
        allocate(
            [[1.0], [1.0]], [floor("plays", 4.0, per_head=True)], effects=plays([[2.0], [3.0]])
        )


def test_demands_that_hold_for_halves_of_units_only():
    with pytest.raises(InfeasibleError, match="'floor of plays' must leave room for whole units"):
        allocate([[1.0]], [floor("plays", 1.0), budget(0.5)], cost=[1.0], effects=plays([[2.0]]))


def test_a_floor_that_can_just_be_reached_holds():
    made = allocate([[-1.0], [-1.0]], [floor("plays", 5.0)], effects=plays([[2.0], [3.0]]))
    assert made.choice.tolist() == [0, 0]
    assert (made.value, made.usage.tolist()) == (-2.0, [-5.0])


@pytest.mark.parametrize("seed", range(30))
def test_it_is_infeasible_when_highs_says_so(market, seed):
    shop = market(60, seed)
    rng = np.random.default_rng(seed)
    demands = [budget(rng.uniform(0, 20)), floor("plays", rng.uniform(0, 25)), parity("city", 0.05)]
    rows = expand(demands, shop.groups)
    problem = compile_problem(
        shop.value.copy(), rows, shop.effects.candidates, shop.cost, shop.effects, shop.groups
    )
    exact = solve_exactly(problem)
    found = conflict(problem)
    assert bool(found) == (exact is None)
    if found:  # the rows named are enough for the conflict, and each is needed
        assert solve_exactly(replace(problem, rows=problem.rows.only(found))) is None
        for r in found if len(found) > 1 else []:
            rest = [other for other in found if other != r]
            assert solve_exactly(replace(problem, rows=problem.rows.only(rest))) is not None
