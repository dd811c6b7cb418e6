"""The closed loop of HMUM on worlds whose truth is known: a randomised log, effects and weights
learnt from it, an A/B test.

    log        none, s1, s2 at random        effects   by users' features alone: they are made
    offline
    weights    by the request's context, which only the moment of the request knows
    A/B test   new requests under each policy, by their expected outcomes: none, s1, s2, the fixed
    mix of both, rules of fixed
               weights (the trade-off curve), HMUM (weights of the request), and an oracle that
               knows levels and effects

A lift is the change of the metric's total over none.  The gain in hypervolume is the area that
HMUM's point adds to what the points of fixed weights (and none) dominate, above the corner of their
least lifts, as a share of that area.  Intervals are over worlds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from equipoise.allocation import Guard, choose_sigma, ddm_policy, switched_on, trade_off
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.parallel import in_order
from equipoise.core.progress import Progress, silent
from equipoise.core.registry import Registry
from equipoise.core.scores import corrected
from equipoise.data.simulators.short_video import METRICS as METRICS
from equipoise.data.simulators.short_video import NOISE, SETS, Requests
from equipoise.estimators import ESTIMATORS
from equipoise.evaluation.base import student_interval
from equipoise.reproduce.checkpoint import write_text
from equipoise.treatments import Arms

HMUM, ORACLE, MIX = "HMUM", "oracle", "s1+s2"
FIXED = tuple(np.linspace(0.0, 1.0, 11).round(1).tolist())  # weights of time on the trade-off curve
FIXED_NAMES = tuple(f"fixed {weight:g}" for weight in FIXED)
TARGETS = ("shares", "policy-value")
STRATEGIES = Registry(
    "kind of strategies",
    {
        "simulated": "equipoise.data.simulators.short_video:ShortVideoWorld",
        "rankers": "equipoise.reproduce.edge_rerank:RankedShop",
    },
)
VALID = 5  # one request in so many chooses sigma


@dataclass(frozen=True)
class Loop:
    """What is played.   worlds: seeds; log, test: requests a world; stage: "ranking" or "edge";
    drift: 0..1 after the log; strategies: one of `STRATEGIES`.
    """

    worlds: tuple[int, ...] = tuple(range(10))
    log: int = 60_000
    test: int = 100_000
    stage: str = "edge"
    drift: float = 0.0
    estimator: str = "hum"
    target: str = "shares"
    tuned: bool = False  # sigma chosen on validation rows, else 0
    strategies: str = "simulated"


class World(Protocol):
    """What is played: requests whose outcomes under `SETS` of two strategies are known."""

    metrics: ClassVar[tuple[str, ...]]

    def requests(
        self, n: int, rng: np.random.Generator, *, stage: str = "edge", drift: float = 0.0
    ) -> Any:
        """Draw n `Requests`."""

    def outcomes(self, requests: Any, which: Ints, rng: np.random.Generator) -> Floats:
        """What happens, (n, 2), under the sets that are on, (n,)."""


def play(loop: Loop, progress: Progress = silent) -> dict[str, Any]:
    """The lifts of every policy in every world, and what they come to."""
    if loop.stage not in NOISE or loop.target not in TARGETS:
        must = f"be one of {', '.join(NOISE)}, and one of {', '.join(TARGETS)}"
        raise InputError("stage and target", must, (loop.stage, loop.target))
    if len(loop.worlds) < 2 or not 0 <= loop.drift <= 1:
        raise InputError(
            "worlds and drift", "be 2 or more, and a share", (len(loop.worlds), loop.drift)
        )
    kind = STRATEGIES.load(loop.strategies)
    played = [*in_order(drawn_world, loop.worlds, loop, progress=progress, what="worlds")]
    # (worlds, policies, 2)
    lifts = np.stack([np.array(list(world["lifts"].values())) for world in played])
    names = list(played[0]["lifts"])
    rows = [
        {
            "policy": name,
            "kind": _kind(name),
            **{m: student_interval(lifts[:, p, j]) for j, m in enumerate(kind.metrics)},
        }
        for p, name in enumerate(names)
    ]
    gains = np.array([hypervolume_gain(world["lifts"]) for world in played])
    floored = np.mean([world["floored"] for world in played], axis=0).tolist()
    return {
        "settings": asdict(loop),
        "metrics": list(kind.metrics),
        "rows": rows,
        "hypervolume_gain": student_interval(gains),
        "floored": floored,
        "both_on": student_interval(np.array([world["both_on"] for world in played])),
        "worlds": played,
    }


def drawn_world(seed: int, loop: Loop) -> dict[str, Any]:
    """`one_world` of a seed."""
    return one_world(loop, STRATEGIES.load(loop.strategies).draw(seed), seed)


def one_world(loop: Loop, world: World, seed: int) -> dict[str, Any]:
    """One world: log, learning, and the A/B test."""
    rng = np.random.default_rng(seed)
    past = world.requests(loop.log, rng, stage=loop.stage)
    arm = rng.permutation(np.arange(loop.log) % 3)
    y = world.outcomes(past, arm, rng)
    model = ESTIMATORS.load(loop.estimator)(space=Arms([0, 1, 2]), random_state=seed)
    model.fit(past.user, y, treatment=arm, propensity=np.full((loop.log, 3), 1 / 3))
    past_effects = model.effects(past.user)
    past_effects = Effects(past_effects.values, past_effects.baseline, SETS[1:3], world.metrics)
    guard = Guard.learn(past_effects.baseline)
    weigher, sigma = learn_weights(loop, past, arm, y, past_effects, guard, seed)
    new = world.requests(loop.test, rng, stage=loop.stage, drift=loop.drift)
    new_effects = model.effects(new.user)
    new_effects = Effects(new_effects.values, new_effects.baseline, SETS[1:3], world.metrics)
    phi = trade_off(ddm_policy(new_effects), new_effects, guard, weigher(new.context))
    on = {
        "none": _everywhere(new, 0, 0),
        "s1": _everywhere(new, 1, 0),
        "s2": _everywhere(new, 0, 1),
        MIX: _everywhere(new, 1, 1),
    }
    for name, w in zip(FIXED_NAMES, FIXED, strict=True):
        on[name] = fixed_rule(new_effects, w)
    on[HMUM] = switched_on(phi, sigma)
    on[ORACLE] = oracle_rule(new)
    lifts = {name: lift(new, switches) for name, switches in on.items()}
    return {
        "seed": seed,
        "sigma": sigma,
        "floored": guard.floored(new_effects).tolist(),
        "both_on": float(on[HMUM].all(axis=1).mean()),
        "lifts": lifts,
    }


def learn_weights(
    loop: Loop, past: Requests, arm: Ints, y: Floats, effects: Effects, guard: Guard, seed: int
) -> tuple[Callable[[Floats], Floats], float]:
    """The weights of requests, and sigma."""
    from equipoise.neural.learn_request_weights import learn_policy_value, learn_shares

    held_out = np.arange(len(past)) % VALID == 0
    gains = relative_gains(effects, arm, y)
    delta = guard.relative(effects).values
    if loop.target == "shares":
        control = (arm == 0) & ~held_out
        weigher = learn_shares(past.context[control], y[control], effects.metrics, seed=seed)
    else:
        weigher = learn_policy_value(
            past.context[~held_out],
            delta[~held_out],
            gains[~held_out],
            effects.metrics,
            seed=seed,
        )
    if not loop.tuned:
        return weigher, 0.0
    phi = trade_off(ddm_policy(effects), effects, guard, weigher(past.context))
    return weigher, choose_sigma(phi[held_out], gains[held_out])


def relative_gains(effects: Effects, arm: Ints, y: Floats) -> Floats:
    """Doubly robust scores of the effects over the metrics' control means, (n, k, m); an arm has a
    third of the requests.
    """
    level = effects.levels()
    # times 3, not over 1/3, which no float is
    score = corrected(level, arm, 3 * (y - level[np.arange(len(arm)), arm]))
    gains: Floats = (score[:, 1:] - score[:, :1]) / y[arm == 0].mean(axis=0)
    return gains


def fixed_rule(effects: Effects, time: float) -> Bools:
    """Each strategy on its own where the weighted effects, over the metrics' means, are above 0:
    the best of fixed weights.
    """
    worth = effects.values / effects.baseline.mean(axis=0) @ np.array([time, 1 - time])
    on: Bools = worth > 0
    return on


def oracle_rule(new: Requests) -> Bools:
    """Of the four sets the one of most relative gain, both metrics alike, by the true levels of the
    request.
    """
    worth = ((new.levels - new.levels[:, :1]) / new.levels[:, 0].mean(axis=0)).sum(axis=2)
    best = worth.argmax(axis=1)
    return np.column_stack([best % 2 == 1, best >= 2])


def lift(new: Requests, on: Bools) -> list[float]:
    """The relative change of each metric's total over none."""
    which = on[:, 0] + 2 * on[:, 1]
    total = new.levels[np.arange(len(new)), which].sum(axis=0)
    change: list[float] = (total / new.levels[:, 0].sum(axis=0) - 1).tolist()
    return change


def _everywhere(new: Requests, first: int, second: int) -> Bools:
    return np.tile(np.array([first, second], np.bool_), (len(new), 1))


def _kind(policy: str) -> str:
    """What sort of policy a row of the A/B test is: its name, or "fixed" for any fixed weight."""
    return "fixed" if policy in FIXED_NAMES else policy


def hypervolume_gain(lifts: dict[str, list[float]]) -> float:
    """The area that HMUM adds to what fixed weights dominate, over that area."""
    points = np.array([value for name, value in lifts.items() if _kind(name) in ("fixed", "none")])
    corner = points.min(axis=0)
    before = area(points, corner)
    return (area(np.vstack([points, lifts[HMUM]]), corner) - before) / before


def area(points: Floats, corner: Floats) -> float:
    """The area that points (n, 2), larger being better, dominate above a corner.

    >>> area(np.array([[1.0, 2.0], [2.0, 1.0]]), np.zeros(2))
    3.0
    """
    inside = np.maximum(points - corner, 0.0)
    order = inside[np.argsort(-inside[:, 0], kind="stable")]
    height = np.maximum.accumulate(order[:, 1])
    wide = order[:, 0] - np.r_[order[1:, 0], 0.0]
    return float((wide * height).sum())


def as_markdown(results: dict[str, Any]) -> str:
    """The table of the A/B test."""
    s = results["settings"]
    head = (
        f"### {len(s['worlds'])} worlds, {s['stage']} stage, {s['estimator']}, weights by"
        f" {s['target']}, drift {s['drift']:g}"
    )
    first, second = results["metrics"]
    rows = [f"| policy | {first} | {second} |", "|---|---|---|"]
    rows += [
        f"| {row['policy']} | {percent(row[first])} | {percent(row[second])} |"
        for row in results["rows"]
    ]
    gain = (
        f"Beyond the curve of fixed weights: {percent(results['hypervolume_gain'])} of its"
        " hypervolume."
    )
    return "\n".join([head, "", *rows, "", gain, ""])


def percent(value: Sequence[float]) -> str:
    """An interval in percent."""
    mean, low, high = (100 * x for x in value)
    return f"{mean:+.2f} % [{low:+.2f}, {high:+.2f}]"


def write_results(results: dict[str, Any], folder: Path, text: str, page: str) -> None:
    """results.json, results.md and report.html, each whole or absent."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("results.json", json.dumps(results, indent=1) + "\n"),
        ("results.md", text),
        ("report.html", page),
    ):
        write_text(folder / name, content)
