"""The contract of every registered policy.  A new one is one function and one registry line, and is
then held to all of this.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import POLICIES, budget, cap, decide, group_budget, offers, parity
from equipoise.allocation.policies import Task
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver.compile import compile_rows
from equipoise.core.arrays import Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy

NAMES = list(POLICIES)
HEEDLESS = {"argmax"}  # says of itself that it does not look at demands
every_policy = pytest.mark.parametrize("name", NAMES)
N = 250


def world(n=N, seed=0):
    """effects (n, 3, 2), cost (n, 3), groups, ids."""
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0, 0.6, (n, 1, 1)) * np.array(
        [[[0.5, 0.1], [1.0, 0.0], [1.4, -0.2]]]
    ) + rng.normal(0, 0.3, (n, 3, 2))
    effects = Effects(values, np.ones((n, 2)), ("small", "medium", "large"), ("sales", "plays"))
    cost = np.array([0.5, 1.0, 2.0]) * rng.uniform(0.5, 1.5, (n, 1))
    return (
        effects,
        cost,
        {"city": rng.choice(["north", "south"], n)},
        np.array([f"u{i}" for i in range(n)]),
    )


def made(name, seed=0, constraints=None):
    """The policy on the world, under demands that it must hold."""
    effects, cost, groups, ids = world(seed=seed)
    if constraints is None:
        constraints = [
            budget(0.2, per_head=True),
            cap("large", 12),
            group_budget("city", "north", 14.0),
            offers(90),
        ]
        constraints += [] if name in {"threshold", "single", "random"} else [parity("city", 0.03)]
    return POLICIES.load(name)(
        Task(effects, {"sales": 1.0, "plays": 0.3}, constraints, cost, groups, ids, "none")
    ), constraints


def chosen(policy, rows=slice(None), seed=0) -> Ints:
    effects, cost, groups, ids = world(seed=seed)
    labels = {column: values[rows] for column, values in groups.items()}
    return decide(
        policy, effects.take(rows), cost=cost[rows], groups=labels, units=ids[rows]
    ).choice


@every_policy
def test_it_is_a_policy_and_chooses_among_the_candidates(name):
    policy, _ = made(name)
    assert isinstance(policy, Policy)
    choice = chosen(policy)
    assert choice.shape == (N,)
    assert ((choice >= -1) & (choice < 3)).all()
    assert name == "none" or (choice >= 0).any()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in HEEDLESS])
@pytest.mark.parametrize("seed", range(4))
def test_no_demand_is_exceeded_where_it_was_made(name, seed):
    policy, constraints = made(name, seed)
    effects, cost, groups, _ = world(seed=seed)
    problem = compile_problem(
        np.zeros((N, 3)), expand(constraints, groups), effects.candidates, cost, effects, groups
    )
    _, usage = problem.measure(chosen(policy, seed=seed).astype(np.int16))
    assert (usage <= problem.rows.bounds).all()


@every_policy
def test_the_order_of_rows_is_of_no_effect(name):
    policy, _ = made(name)
    order = np.random.default_rng(1).permutation(N)
    assert (chosen(policy, order) == chosen(policy)[order]).all()


@every_policy
def test_a_batch_and_single_rows_give_the_same_bits(name):
    policy, _ = made(name)
    effects, cost, groups, ids = world()
    whole = decide(policy, effects, cost=cost, groups=groups, units=ids)
    for row in range(0, N, 17):
        one = [row]
        labels = {"city": groups["city"][one]}
        alone = decide(policy, effects.take(one), cost=cost[one], groups=labels, units=ids[one])
        assert alone.choice[0] == whole.choice[row]
        assert alone.score.tobytes() == whole.score[one].tobytes()
        assert alone.probability.tobytes() == whole.probability[one].tobytes()


@every_policy
def test_json_round_trip_chooses_the_same(name):
    policy, _ = made(name)
    back = Policy.from_json(json.loads(json.dumps(policy.to_json())))
    assert back == policy
    assert (chosen(back) == chosen(policy)).all()


@every_policy
def test_making_and_deciding_are_pure(name):
    effects, cost, groups, ids = world()
    before = effects.values.tobytes(), cost.tobytes(), groups["city"].tobytes()
    task = Task(effects, {"sales": 1.0}, [budget(40.0)], cost, groups, ids)
    one, two = POLICIES.load(name)(task), POLICIES.load(name)(task)
    assert one == two
    first = decide(one, effects, cost=cost, groups=groups, units=ids).choice
    assert (first == decide(one, effects, cost=cost, groups=groups, units=ids).choice).all()
    assert before == (effects.values.tobytes(), cost.tobytes(), groups["city"].tobytes())


@every_policy
def test_effects_that_are_no_numbers_are_refused_with_the_row(name):
    effects, cost, groups, ids = world()
    values = effects.values.copy()
    values[7, 1, 0] = np.nan
    bad = replace(effects, values=values)
    with pytest.raises(InputError, match="effects must be finite; got nan at row 7, candidate 1"):
        POLICIES.load(name)(Task(bad, {"sales": 1.0}, [budget(40.0)], cost, groups, ids))
    policy, _ = made(name)
    with pytest.raises(InputError, match="effects must be finite; got nan at row 7, candidate 1"):
        decide(policy, bad, cost=cost, groups=groups, units=ids)


@every_policy
def test_one_unit_works(name):
    effects, cost, groups, ids = world()
    task = Task(
        effects.take([0]),
        {"sales": 1.0},
        [offers(1)],
        cost[:1],
        {"city": groups["city"][:1]},
        ids[:1],
    )
    policy = POLICIES.load(name)(task)
    assert decide(
        policy, task.effects, cost=task.cost, groups=task.groups, units=task.units
    ).choice.shape == (1,)


def flipped(rows):
    """Rows with the sign of every coefficient turned, as a wrong copy would have them."""
    return replace(rows, coefficient=-rows.coefficient)


def test_the_contract_sees_demands_of_the_wrong_sign():
    effects, cost, groups, _ = world()
    rows = compile_rows(
        expand([budget(40.0)], groups), effects.candidates, effects.metrics, groups, N, True
    )
    problem = compile_problem(
        np.zeros((N, 3)), expand([budget(40.0)], groups), effects.candidates, cost, effects, groups
    )
    everybody = np.zeros(N, np.int16)
    assert (problem.measure(everybody)[1] > rows.bounds).any()
    assert (replace(problem, rows=flipped(rows)).measure(everybody)[1] <= rows.bounds).all()
