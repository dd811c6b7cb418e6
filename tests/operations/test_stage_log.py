"""What a log tells a rollout: the estimates it is made of, and from seeds to replacement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.operations import (
    RolloutRules,
    advance,
    carry_over,
    stage_results,
    start_rollout,
    two_way,
)

RULES = RolloutRules(
    "base",
    ("a", "b", "c"),
    batches=1,
    every_days=2,
    stay=1,
    then=(),
    guards={"minutes": -1.0},
    monday=0,
)
WORTH = {"base": 0.0, "a": 0.2, "b": 0.5, "c": 0.1}


class World:
    """Units that are dealt anew to what runs at the start of each stage, and keep it."""

    def __init__(self, seed, units=600):
        self.rng = np.random.default_rng(seed)
        self.mind, self.held, self.rows = self.rng.normal(size=units), None, []

    def live(self, running, day, anew):
        if anew:
            self.held = self.rng.permutation(
                np.resize(np.array(["base", *running]), len(self.mind))
            )
        back = self.mind + np.array([WORTH[name] for name in self.held]) + np.sin(day)
        self.rows.append(
            (self.held, np.full(len(back), day), back + self.rng.normal(size=len(back)))
        )

    def log(self):
        strategy, day, back = (np.concatenate(part) for part in zip(*self.rows, strict=True))
        return {
            "strategy": strategy,
            "day": day,
            "metrics": {"back": back, "minutes": back * 0},
            "metric": "back",
            "unit": np.tile(np.arange(len(self.mind)), len(self.rows)),
            "past": np.tile(self.mind, len(self.rows)),
        }


def run(world, days=40):
    """A rollout looked at daily."""
    state, anew = start_rollout(RULES, day=0), True
    for day in range(days):
        world.live(state.running, day, anew)
        stage = (state.stage, state.number)
        state = advance(state, stage_results(state, **world.log()))
        anew = (state.stage, state.number) != stage
        if state.stage == "over":
            break
    return state


def test_from_seeds_to_replacement():
    state = run(World(0))
    assert (state.decision, state.policy, state.parents) == ("replace", "b", ("base",))
    assert state.day == 2 + 14 - 1


def test_results_are_the_estimates_they_are_made_of():
    world = World(1)
    state = start_rollout(RULES, day=0)
    for day in range(2):
        world.live(state.running, day, day == 0)
    log = world.log()
    first = stage_results(state, **log)
    y = np.column_stack(list(log["metrics"].values()))
    facts = (log["strategy"], log["day"])
    epochs = two_way(*facts, y, base="base", unit=log["unit"], past=log["past"])
    assert [g.effect for g in first.effects.values()] == epochs.effect[:, 0].tolist()
    assert [g.std_error for g in first.effects.values()] == epochs.std_error[:, 0].tolist()
    assert first.fresh is None
    state = advance(state, first)
    for day in range(2, 18):
        world.live(state.running, day, day == 2)
    log = world.log()
    told = stage_results(state, **log)
    late = log["day"] >= 2
    part = [log[name][late] for name in ("strategy", "day")]
    pair = two_way(
        *part,
        log["metrics"]["back"][late],
        base="base",
        unit=log["unit"][late],
        past=log["past"][late],
    )
    assert told.fresh.effect == pytest.approx(pair.effect[0, 0])
    assert told.fresh.std_error == pytest.approx(pair.std_error[0, 0])
    assert told.fresh_days == tuple(range(2, 18))
    test = carry_over(*part, log["metrics"]["back"][late], log["unit"][late])
    assert told.carry_over is test.flagged
    every_day = replace(state, rules=replace(RULES, fresh=False))
    assert stage_results(every_day, **log).fresh_days == tuple(range(18))
    assert stage_results(every_day, **log).carry_over is test.flagged
    rotated = log | {"unit": np.sort(log["unit"])}
    assert stage_results(state, **rotated).carry_over is None
    settled = stage_results(state, **log, settle_days=7)
    assert settled.settled
    assert settled.fresh_days == tuple(range(9, 18))
    assert settled.carry_over is None


def test_a_strategy_of_one_day_is_waited_for():
    world = World(2)
    world.live(("a", "b"), 0, True)
    world.live(("a", "b"), 1, False)
    world.live(("a", "c"), 2, True)
    results = stage_results(start_rollout(RULES, day=0), **world.log())
    assert set(results.effects) == {"a", "b"}
    world = World(2)
    world.live(("a", "b"), 0, True)
    assert stage_results(start_rollout(RULES, day=0), **world.log()).effects == {}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"metric": "bac"}, "be among the metrics; got 'bac'; did you mean 'back'"),
        ({"metrics": {"back": [1.0, 2.0]}}, "got 'minutes'"),
        ({"strategy": ["base", "z"]}, "be one of the rollout; got 'z'"),
        ({"strategy": ["a", "b"]}, "be a strategy of the log; got 'base'"),
    ],
)
def test_bad_logs(change, match):
    log = {
        "strategy": ["base", "a"],
        "day": [0, 0],
        "metrics": {"back": [1.0, 2.0], "minutes": [0.0, 0.0]},
        "metric": "back",
    }
    with pytest.raises(InputError, match=match):
        stage_results(start_rollout(RULES, day=0), **(log | change))
