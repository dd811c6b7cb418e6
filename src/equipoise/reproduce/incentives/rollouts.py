"""Rollouts of 24 strategies, 4,000 new users a day for 28 days, by the ways to test and to weed
out; and decisions to replace that are looked at daily.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.data.simulators.red_packet import draw_users, expected, live
from equipoise.operations import (
    Gain,
    RolloutRules,
    StageResults,
    advance,
    confidence_sequence,
    stage_results,
    start_rollout,
    two_way,
)
from equipoise.operations.design import shares
from equipoise.reproduce.incentives.table import Family, Table
from equipoise.reproduce.incentives.worlds import LOSS, PP, PRICE, day_by_day, menu
from equipoise.reproduce.simulated import Scores

DAYS, LEAST_DAYS = 28, 2  # of a rollout; of what is measured
GAIN = ("effect", "std_error", "rows")
Names = tuple[str, ...]
Rows = tuple[Any, Ints, Floats]  # strategy, day, net return
Gains = Callable[[], dict[str, Gain]]
Way = Callable[[int, Names, Gains], tuple[Names, Floats | None]]


class StagedWorld:
    """24 strategies, so many new users a day, 28 days."""

    def __init__(self, seed: int, users: int = 4000) -> None:
        rng = np.random.default_rng([seed, 45])
        self.values, self.rng, self.days = menu(24, rng), rng, day_by_day(DAYS, rng)
        self.names = np.array(["base", *RULES.seeds])
        self.users = users
        crowd = draw_users(20_000, rng)
        worth = np.array(
            [self._net(expected(crowd, crowd.mind, v[None])).mean() for v in self.values]
        )
        self.worth = dict(zip(self.names.tolist(), PP * (worth - worth[0]), strict=True))

    @staticmethod
    def _net(outcomes: Floats) -> Floats:
        return np.asarray(outcomes[:, 0] - PRICE * outcomes[:, 2])

    def live(self, day: int, running: Sequence[str], share: Floats | None = None) -> Rows:
        """A day of new users among the base and what runs: strategy, day, net return.   share : of
        traffic, the base first; None: by the design's.
        """
        users = draw_users(self.users, self.rng)
        share = shares(len(running)) if share is None else share
        place = np.searchsorted(np.cumsum(share), self.rng.random(self.users))
        among = np.array([0, *(int(name[1:]) for name in running)])
        given = among[np.minimum(place, len(running))]
        outcomes = live(users, users.mind, self.values[given], self.rng, self.days[day], LOSS)
        return self.names[given], np.full(self.users, day), self._net(outcomes)

    def regret(self, pick: str) -> float:
        """The best worth less that of a pick, pp."""
        return float(max(self.worth.values()) - self.worth[pick])

    def judged(self, pick: str, estimate: float, testing: Sequence[float]) -> Scores:
        """What a way's pick is worth.   testing : regret of each day's strategies."""
        best = sorted(self.worth.values())[-3:]
        return {
            "testing": float(np.mean(testing)),
            "regret": self.regret(pick),
            "top 3": float(self.worth[pick] >= best[0]),
            "gap": PP * estimate - self.worth[pick],
        }


RULES = RolloutRules(
    "base", tuple(f"s{j}" for j in range(1, 25)), every_days=4, stay=6, then=(6, 3, 3), monday=0
)


def measured(rows: Sequence[Rows], pooled: bool) -> dict[str, Gain]:
    """The gain of every strategy over the base, by day or by pooled means."""
    name, when, net = (np.concatenate(part) for part in zip(*rows, strict=True))
    epochs = two_way(name, when, net, base="base")
    gains = (epochs.pooled if pooled else epochs.effect)[:, 0], epochs.std_error[:, 0], epochs.rows
    return {
        s: Gain(float(gain), float(error), float(n), 1)
        for s, gain, error, n in zip(epochs.strategy, *gains, strict=True)
    }


def staged(seed: int, pooled: bool, users: int = 4000) -> Scores:
    """The state machine: its pick, and "best regret" of the best of all that were tested; "claim"
    is how far the pick's shrunk estimate is above its worth, pp.
    """
    world = StagedWorld(seed, users)
    state, rows, testing = start_rollout(RULES, day=0), [], []
    for day in range(DAYS):
        rows.append(world.live(day, state.running))
        testing.append(float(np.mean([world.regret(name) for name in state.running])))
        if (day + 1) % RULES.every_days:
            continue
        if pooled:
            results = StageResults(day, measured(rows, pooled))
        else:
            name, when, net = (np.concatenate(part) for part in zip(*rows, strict=True))
            results = stage_results(state, name, when, {"net": net}, "net")
        state = advance(state, results)
    every = {name: gain.effect for name, gain in results.effects.items()}
    pick = state.candidates[0] if state.candidates else "base"
    drawn = state.estimate.effect if state.estimate and pick != "base" else 0.0
    return world.judged(pick, every.get(pick, 0.0), testing) | {
        "best regret": world.regret(max(every, key=lambda name: every[name])),
        "claim": PP * drawn - world.worth[pick],
    }


def tried(seed: int, way: Way, pooled: bool = False, users: int = 4000) -> Scores:
    """What comes of a way to test: (day, rows so far, their gains when asked) -> who runs, and the
    share of traffic.
    """
    world, rows, testing = StagedWorld(seed, users), list[Rows](), []
    running = RULES.seeds
    for day in range(DAYS):
        running, share = way(day, running, lambda: measured(rows, pooled))
        rows.append(world.live(day, running, share))
        part = np.full(len(running), 1.0) if share is None else share[1:]
        worth = np.array([world.regret(name) for name in running])
        testing.append(float(part @ worth / part.sum()))
    gains = {name: gain.effect for name, gain in measured(rows, pooled).items()}
    among = gains if way is in_turn else running
    pick = max(among, key=lambda name: gains[name])
    return world.judged(pick, gains[pick], testing)


def at_once(day: int, running: Names, gains: Gains) -> tuple[Names, Floats | None]:
    """All strategies, every day."""
    return RULES.seeds, None


def in_turn(day: int, running: Names, gains: Gains) -> tuple[Names, Floats | None]:
    """Another six every week."""
    return RULES.seeds[6 * (day // 7) :][:6], None


def halved(day: int, running: Names, gains: Gains) -> tuple[Names, Floats | None]:
    """The better half stays, every week."""
    if day and day % 7 == 0:
        told = gains()
        running = tuple(sorted(running, key=lambda s: -told[s].effect)[: len(running) // 2])
    return running, None


def thompson(day: int, running: Names, gains: Gains) -> tuple[Names, Floats | None]:
    """Shares by how often each is the best of draws from its estimate."""
    base = float(shares(len(running))[0])
    win = np.full(len(running), 1 / len(running))
    if day >= LEAST_DAYS:
        told = gains()
        mean, error = (np.array([getattr(told[s], key) for s in running]) for key in GAIN[:2])
        drawn = np.random.default_rng([day, 51]).normal(mean, error, (2000, len(running)))
        win = np.bincount(drawn.argmax(axis=1), minlength=len(running)) / 2000
    return running, np.append(base, (1 - base) * win)


def raced(day: int, running: Names, gains: Gains) -> tuple[Names, Floats | None]:
    """Those leave whose confidence sequence, at level 1 - .05 / 24, is below another's."""
    if day >= LEAST_DAYS:
        told = gains()
        part = [np.array([getattr(told[s], key) for s in running]) for key in GAIN]
        low, high = confidence_sequence(*part, n_star=5_000, level=1 - 0.05 / 24)
        running = tuple(s for s, top in zip(running, high, strict=True) if top >= low.max())
    return running, None


TESTS: dict[str, tuple[Way, bool]] = {
    "all at once": (at_once, False),
    "batches of 6 a week, none kept": (in_turn, False),
    "halving each week": (halved, False),
    "Thompson by day": (thompson, False),
    "race by confidence sequences": (raced, False),
    "halving, pooled means": (halved, True),
    "Thompson, pooled means": (thompson, True),
}
QUICK = ("all at once", "halving each week")  # of a small run
STAGED = {"batches of 6 every 4 days, 6 stay, then 6, 3, 3": False, "the same, pooled means": True}


def looked_at_daily(runs: int, gain: float, seed: int) -> tuple[Floats, Floats, Floats]:
    """Effect, standard error and rows an arm after each of 28 days, (runs, 28)."""
    rng = np.random.default_rng([seed, 46])
    shift = 0.05 * rng.normal(size=(runs, 28))
    sold = rng.binomial(1000, 0.55 + shift), rng.binomial(1000, np.minimum(0.55 + shift + gain, 1))
    n = np.arange(1, 29) * 1000.0
    mean = [np.cumsum(s, axis=1) / n for s in sold]
    daily = [s / 1000 * (1 - s / 1000) * 1000 for s in sold]
    error = np.sqrt(sum(np.cumsum(v, axis=1) for v in daily)) / n
    return mean[1] - mean[0], error, np.broadcast_to(n, error.shape)


def decided(seed: int, runs: int) -> Scores:
    """How often each rule replaces within 28 days without a gain and with 2 pp, and the day."""
    scores = {}
    for end, gain in (("false", 0.0), ("power", 0.02)):
        effect, error, n = looked_at_daily(runs, gain, seed)
        sequence, _ = confidence_sequence(effect, error, n, n_star=14_000)
        for rule, low in (("sequence", sequence), ("1.96 rule", effect - 1.96 * error)):
            over = (low > 0).any(axis=1)
            scores[f"{rule} {end}"] = float(over.mean())
    first = (sequence > 0).argmax(axis=1)[(sequence > 0).any(axis=1)] + 1
    return scores | {"sequence day": float(np.median(first))}


def one_seed(seed: int, small: bool) -> Scores:
    """Every way, and the decisions."""
    users, ways = (1_000, QUICK) if small else (4000, tuple(TESTS))
    scores = decided(seed, 100 if small else 2_000)
    told = {name: staged(seed, pooled, users) for name, pooled in STAGED.items()}
    told |= {name: tried(seed, *TESTS[name], users=users) for name in ways}
    return scores | {f"{name} {k}": v for name, one in told.items() for k, v in one.items()}


ROLLOUTS = Family(
    "rollouts",
    "4.4",
    one_seed,
    (
        Table(
            "Rollouts: regret while testing and of the pick, pp, and what its estimate promises",
            {
                "regret while testing": "{} testing",
                "regret of the pick": "{} regret",
                "pick in top 3": "{} top 3",
                "its estimate too high by": "{} gap",
            },
            {
                "all at once": ("1.38", ".41 ± .04", ".56", "1.19"),
                "batches of 6 a week, none kept": ("1.45", ".43", ".50", "1.63"),
                "batches of 6 every 4 days, 6 stay, then 6, 3, 3": (
                    "1.15",
                    ".26 ± .03",
                    ".71",
                    ".70",
                ),
                "halving each week": ("1.07", ".25 ± .03", ".70", ".47"),
                "Thompson by day": (".87", ".25 ± .03", ".72", "1.28"),
                "race by confidence sequences": ("1.38", ".32", ".54", "1.11"),
                "the same, pooled means": ("", "1.19", ".14-.16", "2.5-5.0"),
                "halving, pooled means": ("", "1.01", ".14-.16", "2.5-5.0"),
                "Thompson, pooled means": ("", "1.03", ".14-.16", "2.5-5.0"),
            },
            {},
            (
                (
                    "4,000 new users a day and 28 days; worth net of .06 a yuan.  Regret while"
                    " testing is of the strategies that run, the base apart."
                ),
                (
                    "The estimate is not shrunk; what a rollout prints is.  The reference world has"
                    " Thompson on pooled means as one of two rows: .92, .37, .55, 1.05 where the"
                    " pick is analysed by day."
                ),
            ),
        ),
        Table(
            "Decisions to replace, looked at daily for 28 days, 1,000 users a day and arm",
            {
                "replaces without a gain": "{} false",
                "replaces at +2 pp": "{} power",
                "median day": "{} day",
            },
            {"sequence": (".016", ".97", "11"), "1.96 rule": (".27", "", "")},
            {},
        ),
    ),
)
