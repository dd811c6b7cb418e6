"""The loop of an incentive team, played in worlds of red packets whose truth is known.

    month 1   seeds, drawn evenly over the space, and the base: a held design.  Minds get used to
              what they have, so that only the last days count, each user's own first week beside
    search    a Gaussian process of their worth is searched for new schedules, spread out
    month 2   the best seeds and the new schedules, on new users
    policy    effects of month 2 by pooled DML, and to each user the schedule of the largest worth
    month 3   the best schedule of month 2 for all is the incumbent, the policy the candidate: it
              replaces the incumbent by `operations.advance`, or does not
    beside    the best seed for all, as the truth has it: more than any analysis of month 1 can find

Worth is the chance to return less a price of each yuan that is claimed.  What is found is judged by
exact expectations of new users who have had their schedules for a month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, silent
from equipoise.data.simulators.red_packet import (
    ACTIVITIES,
    BASE,
    Users,
    days_of,
    draw_schedules,
    draw_users,
    expected,
    live,
)
from equipoise.estimators import PooledDML
from equipoise.evaluation.base import student_interval
from equipoise.operations import (
    Gain,
    RolloutRules,
    StageResults,
    advance,
    shrunk,
    start_rollout,
)
from equipoise.operations.design import shares
from equipoise.operations.search import Trials, propose
from equipoise.reproduce.checkpoint import each_world
from equipoise.treatments import Schedule, Strategy

MONTH, WEEK = 28, 7
FRESH = 20_000  # users that judge
FEWEST = 1_000  # of a month: each schedule needs some
RIVALS = ("best seed", "incumbent", "shipped", "policy", "oracle")


@dataclass(frozen=True)
class PacketLoop:
    """What is played.

    worlds : seeds.   users : of each month.   seeds, kept, new : schedules of month 1, of these in
    month 2, and found by search.   carry : of minds a day.   loss : of returns.   price : of a
    yuan, in chances to return.   late : last days of a month that count.
    """

    worlds: tuple[int, ...] = tuple(range(8))
    users: int = 100_000
    seeds: int = 20
    kept: int = 5
    new: int = 8
    carry: float = 0.2
    loss: float = 0.1
    price: float = 0.06
    late: int = 14


def play(loop: PacketLoop, out: Path | None = None, progress: Progress = silent) -> dict[str, Any]:
    """What the loop finds in every world, and what it comes to; with a folder, a stopped run goes
    on where it was.
    """
    if len(loop.worlds) < 2:
        raise InputError("worlds", "be 2 or more", len(loop.worlds))
    if loop.users < FEWEST:
        raise InputError("users of a month", f"be {FEWEST} or more", loop.users)
    settings = asdict(loop)
    worlds = each_world(loop.worlds, settings, one_world, (loop,), out, progress)
    return {"settings": settings, **summary(worlds), "worlds": worlds}


def as_markdown(results: dict[str, Any]) -> str:
    """The table of what the loop is worth."""
    s = results["settings"]
    lines = [
        f"### {len(s['worlds'])} worlds of red packets: worth over the base, percentage points",
        "",
        "| way | worth | less the best seed |",
        "|---|---|---|",
    ]
    for name in RIVALS:
        gap = results["gaps"].get(f"{name} less best seed")
        cells = (points(results["worth"][name]), "" if gap is None else points(gap))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    share = f"{100 * results['replaced']:.0f} %"
    lines += ["", f"The policy replaced the incumbent in {share} of the worlds.", ""]
    return "\n".join(lines)


def points(value: Sequence[float]) -> str:
    """An interval in percentage points."""
    mean, low, high = (100 * x for x in value)
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


def summary(worlds: list[dict[str, Any]]) -> dict[str, Any]:
    """Intervals over worlds of what each way is worth, and of the loop less the best seed."""
    worth = {
        name: student_interval(np.array([world["worth"][name] for world in worlds]))
        for name in RIVALS
    }
    gaps = {
        f"{name} less best seed": student_interval(
            np.array([world["worth"][name] - world["worth"]["best seed"] for world in worlds])
        )
        for name in ("incumbent", "shipped", "policy", "oracle")
    }
    return {
        "worth": worth,
        "gaps": gaps,
        "replaced": float(np.mean([world["replaced"] for world in worlds])),
    }


def one_world(seed: int, loop: PacketLoop) -> dict[str, Any]:
    """One world: what the loop ships, and what it is worth over the base."""
    rng = np.random.default_rng([seed, 15])
    seeds = draw_schedules(loop.seeds, rng)
    base = BASE.vector()[None]
    first = _month(loop, np.vstack([base, seeds]), rng)
    value, error = first.worth(loop.price)
    trials = Trials(seeds, value, error)
    bounds = {"wave": 0.65}
    found = propose(trials, bounds, tries=300, take=loop.new, spread=1.0, seed=seed)
    best = np.argsort(-_drawn(value, error))[: loop.kept]
    second_menu = np.vstack([base, seeds[best], found.schedules])
    second = _month(loop, second_menu, rng)
    worth, spread = second.worth(loop.price)
    pick = 1 + int(np.argmax(_drawn(worth, spread)))
    effects = _effects(loop, second, second_menu)
    judge = draw_users(FRESH, rng)
    truth = _settled(loop, judge, second_menu)
    chosen = effects.choose(judge)
    replaced = _replaced(loop, second_menu, pick, effects, rng)
    logged = _settled(loop, judge, seeds).mean(axis=0)
    value_of = {
        "best seed": float(logged.max()),
        "incumbent": float(truth[:, pick].mean()),
        "policy": float(truth[np.arange(FRESH), chosen].mean()),
        "oracle": float(truth.max(axis=1).mean()),
    }
    value_of["shipped"] = value_of["policy" if replaced else "incumbent"]
    return {"seed": seed, "worth": value_of, "replaced": replaced}


@dataclass(frozen=True)
class _Month:
    """A month of a held design.   place: (n,) in the menu; late: (n, 3), means of the last days;
    own: (n, 3), of the first week, when all had the base.
    """

    users: Users
    place: Ints
    late: Floats
    own: Floats
    k: int

    def worth(self, price: float) -> tuple[Floats, Floats]:
        """The worth of each schedule over the base, and its standard error, (k,): differences of
        users' means, their own first week taken out by regression.
        """
        y = self.late[:, 0] - price * self.late[:, 2]
        facts = _facts(self.users)
        X = np.column_stack([np.eye(self.k + 1)[self.place], self.own, facts])
        gram = np.linalg.inv(X.T @ X)
        theta = gram @ (X.T @ y)
        sigma = float(((y - X @ theta) ** 2).sum()) / (len(y) - X.shape[1])
        contrast = gram[1 : self.k + 1, 1 : self.k + 1].diagonal() + gram[0, 0]
        contrast = contrast - 2 * gram[0, 1 : self.k + 1]
        return theta[1 : self.k + 1] - theta[0], np.sqrt(sigma * contrast)


def _month(loop: PacketLoop, menu: Floats, rng: np.random.Generator) -> _Month:
    """A week of the base for all, then a month in which users keep what they draw."""
    users = draw_users(loop.users, rng)
    k = len(menu) - 1
    place = rng.choice(k + 1, loop.users, p=shares(k))
    shift, presence = days_of(WEEK + MONTH, rng)
    own: list[Floats] = []
    late: list[Floats] = []
    mind = users.mind
    for day in range(WEEK + MONTH):
        given = menu[np.zeros(loop.users, np.int64) if day < WEEK else place]
        today = live(users, mind, given, rng, (shift[day], presence[day]), loop.loss)
        (own if day < WEEK else late).append(today)
        mind = mind + loop.carry * (given[:, 0] / given[:, 1] - mind)
    last = np.mean(late[-loop.late :], axis=0)
    return _Month(users, place, last, np.mean(own, axis=0), k)


def _facts(users: Users) -> Floats:
    """The features of users, (n, 6)."""
    activity = np.eye(len(ACTIVITIES))[users.activity][:, 1:]
    return np.column_stack([activity, users.thrift, users.evening, users.z1])


@dataclass(frozen=True)
class _Effects:
    """Worth of each schedule of a menu to a user, learnt; 0 for the base."""

    model: Any
    price: float

    def choose(self, users: Users) -> Ints:
        """The place of the best, (n,), 0 the base."""
        values = self.model.effects(_facts(users)).values  # (n, k, 2)
        worth = values[:, :, 0] - self.price * values[:, :, 1]
        net = np.column_stack([np.zeros(len(worth)), worth])
        return np.asarray(net.argmax(axis=1))


def _effects(loop: PacketLoop, month: _Month, menu: Floats) -> _Effects:
    """Pooled DML of returns and costs, each schedule with a deviation of its own."""
    names = {f"s{j}": Strategy(*_parts(one)) for j, one in enumerate(menu)}
    space = Schedule(names, base="s0", own=True)
    y = month.late[:, [0, 2]]
    X = _facts(month.users)
    labels = np.array(list(names))[month.place]
    model = PooledDML(space=space, own=True).fit(X, y, treatment=labels)
    return _Effects(model, loop.price)


def _parts(one: Floats) -> tuple[Any, ...]:
    total, count, interval, *waves = map(float, one)
    return total, int(count), interval, (waves[0], waves[1]), (waves[2], waves[3])


def _settled(loop: PacketLoop, users: Users, menu: Floats) -> Floats:
    """The worth over the base of users who have had a schedule for a month, (n, k), exactly."""
    worth = []
    for one in np.vstack([BASE.vector()[None], menu]):
        used = one[0] / one[1]
        mind = users.mind + (1 - (1 - loop.carry) ** MONTH) * (used - users.mind)
        brought = expected(users, mind, one[None], loss=loop.loss)
        worth.append(brought[:, 0] - loop.price * brought[:, 2])
    table = np.stack(worth, axis=1)
    return table[:, 1:] - table[:, :1]


def _drawn(value: Floats, error: Floats) -> Floats:
    """Values drawn towards what all of them show."""
    gains = {
        str(k): Gain(float(v), float(e)) for k, (v, e) in enumerate(zip(value, error, strict=True))
    }
    return np.array([gain.effect for gain in shrunk(gains).values()])


def _replaced(
    loop: PacketLoop, menu: Floats, pick: int, effects: _Effects, rng: np.random.Generator
) -> bool:
    """Whether the policy replaces the incumbent within a month of fresh traffic, looked at daily
    once the first days of settling are over.
    """
    rules = RolloutRules("incumbent", ("policy",), batches=1, every_days=1, stay=1, then=(),
                         least_days=loop.late, most_days=MONTH)  # fmt: skip
    state = start_rollout(rules, day=0)
    state = advance(state, StageResults(0, {"policy": Gain(1.0, 1.0, loop.users, 1)}))
    users = draw_users(loop.users, rng)
    arm = rng.random(loop.users) < 0.5
    place = np.where(arm, effects.choose(users), pick)
    shift, presence = days_of(WEEK + MONTH + loop.late, rng)
    given, mind = menu[place], users.mind
    own: list[Floats] = []
    total, settling = np.zeros(loop.users), MONTH - loop.late
    for day in range(WEEK + MONTH + loop.late):
        had = menu[np.zeros(loop.users, np.int64)] if day < WEEK else given
        today = live(users, mind, had, rng, (shift[day], presence[day]), loop.loss)
        mind = mind + loop.carry * (had[:, 0] / had[:, 1] - mind)
        if day < WEEK:
            own.append(today)
            continue
        seen = day - WEEK - settling + 1
        if seen < 1:
            continue
        total += today[:, 0] - loop.price * today[:, 2]
        facts = np.column_stack([np.mean(own, axis=0), _facts(users)])
        gain = _gain(total / seen, arm, facts, seen)
        days = tuple(range(1, seen + 1))
        told = StageResults(seen, {"policy": gain}, gain, days, settled=True)
        state = advance(state, told)
        if state.stage == "over":
            break
    return state.policy == "policy"


def _gain(y: Floats, arm: Any, facts: Floats, days: int) -> Gain:
    """The difference of two arms, facts taken out by regression."""
    X = np.column_stack([arm.astype(np.float64), np.ones(len(y)), facts])
    gram = np.linalg.inv(X.T @ X)
    theta = gram @ (X.T @ y)
    error = y - X @ theta
    spread = float(np.sqrt(((X @ gram)[:, 0] ** 2 * error**2).sum()))
    return Gain(float(theta[0]), spread, float(len(y) * days), days)
