from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError
from equipoise.operations import Bounds, Rules
from equipoise.operations.bounds import bounds_of, check_room, rules_of
from equipoise.treatments.strategy import Strategy

WIDE = Bounds(wave=0.65)


def flat(total, count, interval):
    return np.array([[total, count, interval, 0, 0, 0, 0]], np.float64)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000))
def test_rules_say_what_each_packet_says(seed):
    schedule = WIDE.schedules(np.random.default_rng(seed).random((1, 7)))
    rules = Rules((0.1, 0.6), 20.0, 0.9, 2.0)
    refused = {name for name, hit in rules.refusals(schedule).items() if hit[0]}
    norms = np.hypot(*schedule[0, 3:5]), np.hypot(*schedule[0, 5:])
    expected = {"wave"} if max(norms) > 0.9 else set()
    if not expected:
        strategy = Strategy.of(schedule[0])
        hours, amounts = strategy.packets()
        facts = {
            "window": hours[-1] > 24,
            "packet": amounts.min() < 0.1 or amounts.max() > 0.6,
            "last": hours[-1] > 20,
            "gap": len(hours) > 1 and np.diff(hours).min() < 0.9,
            "cost_per_head": schedule[0, 0] > 2,
        }
        assert refused == {name for name, hit in facts.items() if hit}
    else:
        assert "wave" in refused


def test_the_cube_goes_there_and_back():
    cube = np.random.default_rng(0).random((50, 7))
    schedules = WIDE.schedules(cube)
    np.testing.assert_allclose(WIDE.schedules(WIDE.cube(schedules)), schedules)
    assert (schedules[:, 1] % 1 == 0).all()
    assert Bounds(count=(3, 3)).free == [0, 2]
    np.testing.assert_array_equal(Bounds().cube(flat(0.3, 8, 4))[0], [0, 1, 1, 0.5, 0.5, 0.5, 0.5])


def test_a_known_cost_takes_the_place_of_the_total():
    rules = Rules(cost_per_head=0.6)
    assert not rules.allowed(flat(1.0, 2, 1.0))[0]
    assert rules.allowed(flat(1.0, 2, 1.0), cost=[0.5])[0]


def test_settings_that_are_never_wanted():
    rules = Rules(never=[{"count": 8, "interval": (0.5, 1.0)}, {"total": 2.0}])
    values = np.vstack([flat(1, 8, 0.7), flat(1, 8, 1.2), flat(1, 7, 0.7), flat(2, 1, 1)])
    assert rules.allowed(values).tolist() == [False, True, True, False]


def test_rules_that_leave_nothing_are_refused_by_their_shares():
    with pytest.raises(InputError, match=r"packet refuses 100%.*widen"):
        check_room(Bounds(total=(0.3, 0.5)), Rules(packet=(0.6, 1.0)), 0)
    check_room(WIDE, Rules(), 0)


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ({"total": [3, 1]}, "do not fall"),
        ({"total": "low"}, "do not fall"),
        ({"total": [0, 1]}, "> 0"),
        ({"count": [1.5, 3]}, "whole"),
        ({"wave": 1.5}, "wave"),
        ({"intervall": [1, 2]}, "interval"),
        ([0.3, 3], "table"),
    ],
)
def test_bad_bounds_are_refused(table, match):
    with pytest.raises(InputError, match=match):
        bounds_of(table)


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ({"packet": 0.5}, "packet"),
        ({"last": "late"}, "number > 0"),
        ({"gap": True}, "number > 0"),
        ({"cost": 0.6}, "cost_per_head"),
        ({"never": {"count": 8}}, "list"),
        ({"never": [{}]}, "name numbers"),
        ({"never": [{"counts": 8}]}, "count"),
        ({"never": [{"count": "8"}]}, "do not fall"),
    ],
)
def test_bad_rules_are_refused(table, match):
    with pytest.raises(InputError, match=match):
        rules_of(table)


def test_tables_of_a_plan_are_bounds_and_rules():
    assert bounds_of({"total": [0.3, 3], "wave": 0.65}) == WIDE
    assert rules_of(None) == Rules()
    assert rules_of({"packet": [0.05, 1.0], "last": 23.0}) == Rules((0.05, 1.0), 23.0)
