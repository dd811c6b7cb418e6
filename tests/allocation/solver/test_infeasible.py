from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import allocate, budget, cap, ceiling, floor, offers, parity
from equipoise.allocation.constraints import Row
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver.exact import solve_exactly
from equipoise.allocation.solver.infeasible import conflict, infeasible
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError
from equipoise.core.policy import Demand


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


def two_metrics():
    """Two units: "a" brings plays, "b" likes; nobody gets both."""
    values = np.array([[[2.0, 0.0], [0.0, 3.0]], [[1.0, 0.5], [0.25, 4.0]]])
    return Effects(values, np.zeros((2, 2)), ("a", "b"), ("plays", "likes"))


def said(demands, effects, **more):
    with pytest.raises(InfeasibleError) as error:
        allocate(np.ones(effects.values.shape[:2]), demands, effects=effects, **more)
    return str(error.value)


def test_of_two_floors_the_first_is_told_with_what_the_other_leaves_of_it():
    demands = [floor("likes", 6.0), budget(9.0), floor("plays", 2.5)]
    # "b" for both: 7 likes, 0.25 plays; "a" for the first and a third of the second: 2.5 plays
    assert said(demands, two_metrics(), cost=[1.0, 1.0]) == (
        "demands 'floor of likes' and 'floor of plays' must hold together; got at most 2.83333 of"
        " the 6 asked for 'floor of likes' with the others; loosen or leave out one of them"
    )
    assert said(demands[::-1], two_metrics(), cost=[1.0, 1.0]) == (
        "demands 'floor of plays' and 'floor of likes' must hold together; got at most 0.916667 of"
        " the 2.5 asked for 'floor of plays' with the others; loosen or leave out one of them"
    )


def test_a_floor_of_the_second_metric_and_a_ceiling_of_the_first():
    """The ceiling has no reach though it comes first."""
    demands = [ceiling("plays", 0.125), floor("likes", 6.0), offers(2)]
    # half of the second unit has to go without: 3 + 4 / 2 likes are left
    assert said(demands, two_metrics()) == (
        "demands 'ceiling of plays' and 'floor of likes' must hold together; got at most 5 of the 6"
        " asked for 'floor of likes' with the others; loosen or leave out one of them"
    )


def test_a_floor_of_a_group_reaches_what_its_units_can():
    """Twice the plays of the north, that is: half of them count, per head of one unit."""
    north = Demand(
        "north",
        "effect",
        -9.0,
        -1.0,
        "plays",
        column="city",
        factors=(("n", 0.5),),
        other=0.0,
        per_head=True,
    )
    groups = {"city": np.array(["s", "n"])}
    assert said([Row(north)], plays([[2.0, 8.0], [3.0, 1.0]]), groups=groups) == (
        "demand 'north' must be attainable; got at most 1.5 of the 9 asked for 'north'; loosen it"
        " or leave it out"
    )


def test_demands_that_are_not_in_conflict_lack_room_for_whole_units():
    """Those that not even control keeps are named."""
    effects = plays([[2.0], [3.0]])
    for demands, names in (
        (
            [budget(0.0), floor("plays", 1.0), floor("plays", 2.0, name="more")],
            "'floor of plays' and 'more'",
        ),
        ([budget(0.0)], "the demands"),
    ):
        problem = compile_problem(np.ones((2, 1)), expand(demands, {}), ("a",), [0.0], effects, {})
        assert conflict(problem) == []
        assert str(infeasible(problem)) == (
            f"{names} must leave room for whole units; got no choice that meets every demand was"
            " found; loosen one of them a little"
        )


def test_a_conflict_is_one_whatever_the_scale_and_the_value():
    """Units of money and plays, and what a choice is worth, are of no account."""
    for scale in (1e-6, 1.0, 1e6):
        effects = plays(np.array([[2.0], [3.0]]) * scale)
        for short in (0.999, 1.001):
            demands = [offers(2), floor("plays", 3.0 * scale * short), cap("a", 1), budget(scale)]
            for worth in (-5.0, 0.0, 5.0):
                problem = compile_problem(
                    np.full((2, 1), worth), expand(demands, {}), ("a",), [0.5 * scale], effects, {}
                )
                assert conflict(problem) == ([] if short < 1 else [1, 2])


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
