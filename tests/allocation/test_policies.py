from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import budget, cap, decide, floor, group_budget, offers
from equipoise.allocation.hashing import uniform
from equipoise.allocation.policies import Task, argmax, budgeted, none, random, single, threshold
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError, InputError

VALUES = np.array([[[3.0], [1.0]], [[1.0], [2.0]], [[-1.0], [-2.0]]])
EFFECTS = Effects(VALUES, np.zeros((3, 1)), ("a", "b"), ("y",))


def choose(make, *constraints, units=None, **options):
    task = Task(EFFECTS, {"y": 1.0}, constraints, cost=[2.0, 1.0], units=units)
    policy = make(task, **options)
    return policy, decide(
        policy, EFFECTS, units=np.arange(3) if units is None else units
    ).choice.tolist()


def test_three_units_by_hand():
    assert choose(argmax)[1] == [0, 1, -1]
    assert choose(threshold)[1] == [0, 1, -1]
    assert choose(threshold, offers(1))[1] == [0, -1, -1]
    # the best unit costs 2; the order is by worth, not by price
    assert choose(threshold, budget(1.0))[1] == [-1, -1, -1]
    assert choose(none)[1] == [-1, -1, -1]
    assert choose(single, candidate="b")[1] == [1, 1, 1]
    assert choose(single)[1] == [0, 0, 0]  # 3 + 1 - 1 against 1 + 2 - 2
    assert sum(a >= 0 for a in choose(random)[1]) == 3


def test_units_of_equal_worth_go_together():
    flat = Effects(np.ones((4, 1, 1)), np.zeros((4, 1)), ("a",), ("y",))
    policy = threshold(Task(flat, {"y": 1.0}, [offers(3)]))
    assert (decide(policy, flat).choice == -1).all()


def test_equal_worth_is_not_split_to_keep_a_floor():
    """The first loses a play, of the two that tie one brings it back and one loses another."""
    values = np.array([[[3.0, -1.0]], [[2.0, 1.0]], [[2.0, -1.0]]])
    effects = Effects(values, np.zeros((3, 2)), ("a",), ("y", "plays"))
    for least, choice in ((0.0, [-1, -1, -1]), (-1.0, [0, 0, 0])):
        policy = threshold(Task(effects, {"y": 1.0}, [floor("plays", least)]))
        assert decide(policy, effects).choice.tolist() == choice


def test_rounding_is_no_reason_to_spend_more():
    """0.1 + 0.2 is more than 0.3, if by half a millionth of a billionth: one unit is paid."""
    effects = Effects(np.array([[[3.0]], [[2.0]]]), np.zeros((2, 1)), ("a",), ("y",))
    for total, choice in ((0.3, [0, -1]), (0.1 + 0.2, [0, 0])):
        task = Task(effects, {"y": 1.0}, [budget(total)], cost=[[0.1], [0.2]])
        assert decide(threshold(task), effects).choice.tolist() == choice


def test_a_lot_is_as_large_as_the_demands_allow(market):
    shop, ids = market(5000), np.array([f"user-{i}" for i in range(5000)])
    for make in (single, random):
        policy = make(
            Task(shop.effects, {"sales": 1.0}, [budget(700.0)], shop.cost, units=ids, seed=3)
        )
        choice = decide(policy, shop.effects, units=ids).choice
        on = np.flatnonzero(choice >= 0)
        assert 700.0 - 3.0 < shop.cost[on, choice[on]].sum() <= 700.0
    given = np.bincount(choice[on], minlength=3) / len(on)
    assert np.abs(given - 1 / 3).max() < 0.06


def crowd(seed, n=12):
    """Two metrics, costs of each unit, a group, and demands of every quantity."""
    rng = np.random.default_rng(seed)
    effects = Effects(
        rng.integers(-2, 5, (n, 2, 2)) / 2, np.zeros((n, 2)), ("a", "b"), ("y", "plays")
    )
    constraints = [
        budget(float(rng.uniform(2, 8))),
        floor("plays", -1.0),
        cap("b", int(rng.integers(1, 6))),
        group_budget("g", "n", 3.0),
    ]
    groups = {"g": np.where(rng.random(n) < 0.5, "n", "s")}
    return Task(
        effects, {"y": 1.0}, constraints, rng.random((n, 2)) * 2, groups, np.arange(n) + 7, seed=3
    )


def longest(task, want, key):
    """The units of the longest prefix by key that keeps every demand, equal keys together."""
    money, most, north = (task.constraints[r].demand.bound for r in (0, 2, 3))
    longest = np.zeros(len(want), bool)
    for edge in np.unique(key[want >= 0]):
        on = np.flatnonzero((key <= edge) & (want >= 0))
        cost = task.cost[on, want[on]]
        if (
            math.fsum(cost) <= money
            and math.fsum(cost[task.groups["g"][on] == "n"]) <= north
            and math.fsum(task.effects.values[on, want[on], 1]) >= -1.0
            and (want[on] == 1).sum() <= most
        ):
            longest[:] = False
            longest[on] = True
    return longest


@pytest.mark.parametrize("seed", range(12))
def test_policies_treat_the_longest_prefix_that_keeps_every_demand(seed):
    task = crowd(seed)
    worth = task.effects.values[:, :, 0]
    first = np.where(worth.max(axis=1) > 0, worth.argmax(axis=1), -1)
    dear = worth[:, 0] == worth[:, 1]  # of equals the cheaper, where the cost is told
    least = np.where(dear & (first >= 0), task.cost.argmin(axis=1), first)
    treated = [longest(task, best, -worth.max(axis=1)) for best in (first, least)]
    both = treated[0] & treated[1]
    for best, cost in ((first, None), (least, task.cost)):
        choice = decide(threshold(task), task.effects, cost=cost).choice
        assert choice.tolist() == np.where(both, best, -1).tolist()

    draws, values = uniform(task.units, 3), []
    for a, name in enumerate("ab"):
        treated = longest(task, np.full(12, a), draws)
        choice = decide(single(task, name), task.effects, units=task.units).choice
        assert choice.tolist() == np.where(treated, a, -1).tolist()
        values.append(worth[treated, a].sum())
    assert single(task) == single(task, "ab"[int(np.argmax(values))])

    policy = random(task)
    everybody = replace(policy, shares=(0.5, 0.5))
    want = decide(everybody, task.effects, units=task.units).choice
    choice = decide(policy, task.effects, units=task.units).choice
    assert choice.tolist() == np.where(longest(task, want, draws), want, -1).tolist()
    assert policy.shares[0] == policy.shares[1]


def test_a_task_has_the_row_numbers_as_ids_and_seed_0():
    task = Task(EFFECTS, {"y": 1.0}, [offers(2)])
    assert (np.arange(3) == task.ids()).all()
    assert (task.control, task.seed, task.draft().demands) == ("control", 0, ())
    ids = np.array([5, 9, 2])
    assert (replace(task, units=ids).ids() == ids).all()
    made = budgeted(replace(task, units=ids, control="nobody", seed=4))
    assert (made.control, made.seed, [d.name for d in made.demands]) == ("nobody", 4, ["offers"])
    assert none(task).shares == (0.0, 0.0)


def test_a_cap_of_nothing_leaves_the_other_candidates_to_single():
    assert choose(single, cap("a", 0))[1] == [1, 1, 1]


def test_a_floor_that_it_cannot_hold_is_named():
    with pytest.raises(InfeasibleError, match="'floor of y' must hold for some share of the units"):
        choose(none, floor("y", 1.0))
    with pytest.raises(InfeasibleError, match="'floor of y'"):
        choose(threshold, floor("y", 6.0))
    with pytest.raises(InfeasibleError) as error:
        choose(threshold, budget(9.0), floor("y", 6.0))
    assert str(error.value) == (
        "'floor of y' must hold for some share of the units; got no such share; loosen it or use"
        " the budgeted policy"
    )
    # each alone holds for some share, both together for none
    with pytest.raises(InfeasibleError, match="'budget' and 'floor of y' must hold for some"):
        choose(threshold, budget(2.0), floor("y", 4.0))
    assert choose(threshold, floor("y", 5.0))[1] == [0, 1, -1]


def test_bad_input():
    with pytest.raises(InputError, match="candidate must be one of a, b; got 'c'"):
        choose(single, candidate="c")
