from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import budget, cap, decide, floor, offers
from equipoise.allocation.policies import Task, argmax, none, random, single, threshold
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


def test_a_cap_of_nothing_leaves_the_other_candidates_to_single():
    assert choose(single, cap("a", 0))[1] == [1, 1, 1]


def test_a_floor_that_it_cannot_hold_is_named():
    with pytest.raises(InfeasibleError, match="'floor of y' must hold for some share of the units"):
        choose(none, floor("y", 1.0))
    with pytest.raises(InfeasibleError, match="'floor of y'"):
        choose(threshold, floor("y", 6.0))
    assert choose(threshold, floor("y", 5.0))[1] == [0, 1, -1]


def test_bad_input():
    with pytest.raises(InputError, match="candidate must be one of a, b; got 'c'"):
        choose(single, candidate="c")
