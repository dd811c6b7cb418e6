"""The rollout: by hand through its stages, what stands against a replacement, and its state."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError, SnapshotError
from equipoise.operations import (
    Gain,
    RolloutRules,
    RolloutState,
    StageResults,
    advance,
    roll_back,
    shrunk,
    start_rollout,
)

RULES = RolloutRules(
    "base",
    tuple("abcdefgh"),
    batches=2,
    every_days=3,
    stay=3,
    then=(3, 2),
    guards={"minutes": -1.0},
    monday=0,
)
WORTH = dict(zip(RULES.seeds, [1.0, 5, 3, 4, 2, 8, 7, 6], strict=True))


def effects(*names):
    return {name: Gain(WORTH[name], 0.5, 300.0, 3) for name in names}


def through_stages():
    """The state when the best meets the base, and those on the way."""
    path = [start_rollout(RULES, day=0)]
    for day, names in ((2, "abcd"), (5, "abcdefgh"), (8, "abcdefgh"), (11, "abcdefgh")):
        path.append(advance(path[-1], StageResults(day, effects(*names))))
    return path


def fresh(day, gain=2.0, error=0.5, **more):
    """Results of the replacement that meet every condition on day 26 or later."""
    told = {
        "fresh": Gain(gain, error, 100.0 * (day - 11), day - 11),
        "fresh_days": tuple(range(12, day + 1)),
        "guards": {"minutes": Gain(0.0, 0.1, 1500.0, 15)},
        "carry_over": False,
    }
    return StageResults(day, effects(*RULES.seeds), **(told | more))


def test_the_stages_by_hand():
    first, second, third, fourth, last = through_stages()
    assert first.running == ("a", "b", "c", "d")
    assert (second.stage, second.number, second.since) == ("batches", 2, 3)
    assert second.running == ("b", "d", "c", "e", "f", "g", "h")
    assert second.leaving == ("a",)
    assert (third.stage, third.number, third.running) == ("halving", 1, ("f", "g", "h"))
    assert set(third.leaving) == {"b", "c", "d", "e"}
    assert (fourth.number, fourth.running) == (2, ("f", "g"))
    assert (last.stage, last.candidates, last.running) == ("replace", ("f",), ("f",))
    assert last.leaving == ("g",)
    assert last.n_star == 1400.0
    assert last.policy == "base"
    assert last.estimate.effect < WORTH["f"]
    assert "when shrunk" in last.why


def test_stages_wait_for_their_days_and_strategies():
    state = start_rollout(RULES, day=0)
    early = advance(state, StageResults(1, effects("a", "b", "c", "d")))
    assert (early.decision, early.running, early.why) == (
        "wait",
        state.running,
        "2 of 3 days of batches 1 are over",
    )
    lacking = advance(early, StageResults(2, effects("a", "b", "c")))
    assert lacking.decision == "wait"
    assert "no effect of d yet" in lacking.why
    assert advance(lacking, StageResults(3, effects("a", "b", "c", "d"))).since == 4


def test_the_same_log_twice_changes_nothing():
    for before, state in zip(through_stages(), through_stages()[1:], strict=False):
        assert state.day is not None
        names = "abcd" if state.day == 2 else RULES.seeds
        assert advance(state, StageResults(state.day, effects(*names))) == state
        assert before != state


def test_a_replacement_when_all_holds():
    state = advance(through_stages()[-1], fresh(27))
    assert (state.stage, state.decision, state.policy, state.parents) == (
        "over",
        "replace",
        "f",
        ("base",),
    )
    assert advance(state, fresh(28)) == state
    back = roll_back(state)
    assert (back.policy, back.parents, back.decision) == ("base", (), "roll back")
    with pytest.raises(InputError, match="have a parent"):
        roll_back(back)


@pytest.mark.parametrize(
    ("results", "why"),
    [
        (fresh(27, gain=1.0), "the lower end of its gain is -0"),
        (fresh(24), "13 of 14 fresh days"),
        (fresh(25, fresh_days=(*range(12, 20), *range(21, 27))), "1 of 2 weekends"),
        (fresh(27, alarm_day=21), "an alarm on day 21, fewer than 7 days ago"),
        (fresh(27, carry_over=True), "the carry-over test flags"),
        (fresh(27, carry_over=None), "the carry-over test was not made"),
        (
            fresh(27, guards={"minutes": Gain(-0.9, 0.1, 1500.0)}),
            "the lower end of minutes is -1.2",
        ),
        (fresh(27, fresh=None, guards={}), "minutes is not measured yet"),
    ],
)
def test_what_stands_against_it(results, why):
    state = advance(through_stages()[-1], results)
    assert (state.stage, state.decision, state.policy) == ("replace", "wait", "base")
    assert why in state.why


def test_a_fortnight_is_enough_and_equals_go_by_name():
    assert advance(through_stages()[-1], fresh(25)).decision == "replace"
    equal = {name: Gain(1.0, 0.5) for name in "dcba"}
    assert advance(start_rollout(RULES, day=0), StageResults(2, equal)).running[:3] == (
        "a",
        "b",
        "c",
    )


def test_old_alarms_and_settled_windows_do_not():
    start = through_stages()[-1]
    assert advance(start, fresh(27, alarm_day=20)).decision == "replace"
    assert advance(start, fresh(27, carry_over=True, settled=True)).decision == "replace"


def test_the_incumbent_stays():
    start = through_stages()[-1]
    worse = advance(start, fresh(20, gain=-3.0))
    assert (worse.decision, worse.policy, worse.leaving) == ("keep", "base", ("f",))
    late = advance(start, fresh(67, gain=0.5))
    assert (late.decision, late.policy) == ("keep", "base")
    rules = replace(RULES, seeds=("a", "b"), batches=1, then=())
    none = advance(
        start_rollout(rules, day=0), StageResults(2, {"a": Gain(-1.0, 0.1), "b": Gain(-2.0, 0.1)})
    )
    assert (none.stage, none.decision, none.policy) == ("over", "keep", "base")


def test_the_next_rollout_meets_the_new_policy():
    over = advance(through_stages()[-1], fresh(27))
    rules = replace(RULES, seeds=("f", "x"), batches=1, then=())
    state = start_rollout(rules, day=28, after=over)
    assert (state.policy, state.parents) == ("f", ("base",))
    told = {"f": Gain(8.0, 0.5, 300.0, 3), "x": Gain(9.0, 0.5, 300.0, 3)}
    met = advance(state, StageResults(30, told))
    assert (met.candidates, met.running) == (("x",), ("x", "f"))
    again = advance(state, StageResults(30, {"f": told["x"], "x": told["f"]}))
    assert (again.stage, again.decision, again.policy) == ("over", "keep", "f")
    again = advance(met, replace(fresh(57), fresh_days=tuple(range(31, 58))))
    assert (again.policy, again.parents) == ("x", ("f", "base"))
    assert (roll_back(again).policy, roll_back(again).parents) == ("f", ("base",))
    assert roll_back(roll_back(again)).policy == "base"
    with pytest.raises(InputError, match="the rollout before must be over"):
        start_rollout(rules, day=28, after=met)


def test_numbers_of_numpy_and_lists_are_plain():
    rules = RolloutRules("base", ["a", "b"], batches=1, every_days=2, stay=1, then=[], monday=0)
    state = start_rollout(rules, day=np.int64(0))
    told = {
        n: Gain(np.float64(i), np.float64(1), np.int64(9), np.int64(2)) for i, n in enumerate("ab")
    }
    state = advance(state, StageResults(np.int64(1), told, fresh_days=(np.int64(1),)))
    assert RolloutState.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_shrinking_by_hand():
    """tau^2 = 32/3 - 1: effects keep 29/32 of their way from the mean."""
    drawn = shrunk({name: Gain(e, 1.0) for name, e in zip("abc", (0.0, 4.0, 8.0), strict=True)})
    assert drawn["c"].effect == pytest.approx(4 + 4 * 29 / 32, abs=1e-6)
    assert drawn["c"].std_error == pytest.approx(np.sqrt(29 / 32), abs=1e-6)
    assert shrunk({"a": Gain(1.0, 1.0)})["a"].effect == 1.0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_a_rollout_replays_byte_for_byte(seed):
    """Through JSON at every step, from any results; nobody that left comes back."""
    rng = np.random.default_rng(seed)
    state = start_rollout(RULES, day=0)
    twin, gone, day = state, set(), 0
    for _ in range(14):
        day += int(rng.integers(1, 4))
        told = {
            n: Gain(float(rng.normal()), 0.5, 300.0, 3) for n in RULES.seeds if rng.random() < 0.95
        }
        results = replace(fresh(max(day, 12), gain=float(rng.normal(1))), day=day, effects=told)
        state = advance(state, results)
        twin = advance(RolloutState.from_json(json.loads(json.dumps(twin.to_json()))), results)
        assert json.dumps(state.to_json()) == json.dumps(twin.to_json())
        gone |= set(state.leaving)
        assert not gone & set(state.running)
        assert len(state.running) <= RULES.stay + 4


def test_states_of_newer_versions_and_edited_ones_are_refused():
    state = through_stages()[-1].to_json()
    assert RolloutState.from_json(state) == through_stages()[-1]
    with pytest.raises(SnapshotError, match="be of version 1; got 2"):
        RolloutState.from_json(state | {"version": 2})
    with pytest.raises(SnapshotError, match="be of version 1; got None"):
        RolloutState.from_json({})
    for change in (
        {"policy": "f"},
        {"since": 11},
        {"rules": state["rules"] | {"level": 0.5}},
        {"digest": ""},
    ):
        with pytest.raises(SnapshotError, match="be as it was written"):
            RolloutState.from_json(state | change)
    with pytest.raises(SnapshotError, match="be as it was written"):
        RolloutState.from_json({name: state[name] for name in state if name != "why"})


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: replace(RULES, seeds=("a", "a")), "be different names"),
        (lambda: replace(RULES, seeds=("base",)), "be different names"),
        (lambda: replace(RULES, seeds=()), "be different names"),
        (lambda: replace(RULES, batches=9), "batches must be 1..8"),
        (lambda: replace(RULES, every_days=0), "every_days must be 1 or more"),
        (lambda: replace(RULES, stable_days=-1), "stable_days must be 0 or more"),
        (lambda: replace(RULES, then=(2, 3)), "stay and then must fall"),
        (lambda: replace(RULES, then=(0,)), "stay and then must fall"),
        (lambda: replace(RULES, level=1.0), "between 0 and 1"),
        (lambda: replace(RULES, most_days=3), "most_days must be 14 or more"),
        (lambda: Gain(np.nan, 1.0), "an effect must be finite"),
        (lambda: Gain(1.0, -1.0), "an effect must be finite"),
        (lambda: advance(through_stages()[1], StageResults(1, {})), "reach day 2 or later; got 1"),
        (lambda: advance(through_stages()[-1], fresh(27, guards={})), "a guard must be measured"),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(InputError, match=match):
        call()
