"""Operations of incentives on red packets: designs, rollouts, pacing, monitors, cadence.

    rotation_error_no_carry    RMSE of eight effects on return, pp, against the exact mean over the
                               days: daily Latin squares over nine buckets in each of nine regions,
                               27 days, 4,500 users; rotation_error_regions: one square over regions
    rotation_error_carry       the same at carry .2 against the settled effects
    batches_error_pooled       batches a week long, pooled means; batches_error_by_day: by day
    held_late_error_carry      held design, own past, last two of four weeks, carry .2, against the
                               settled effects; outcomes are exact: the designs' errors alone
    carry_over_power           the carry-over test at 2,000 units a strategy, nine strategies, carry
                               .2; carry_over_false_rate: at carry 0
    staged_pick_regret         24 strategies, 4,000 new users a day, 28 days, worth net of .06 a
                               yuan: the best less the pick, pp, by the state machine: batches of 6
                               every 4 days, 6 stay, then 6, 3, 3
    staged_less_all_at_once    its regret less that of all strategies for 28 days
    by_day_over_pooled         its regret over that of the best pooled mean of all that were tested,
                               where these means weed out too; pooled_stages_regret: of the best in
                               the last stage
    staged_claim_gap           the shrunk estimate of the pick less its worth, pp, and the raw
    replace_false_rate         a sequence looked at daily for 28 days, 1,000 users a day and arm,
                               return .55, no difference; fixed_false_rate: the 1.96 rule
    replace_power              +2 pp within 28 days, and the median day
    machine_false_rate         null rollouts through `advance`, all its conditions on
    pacing_overspend           the most spent over the budget, of many days of all shifts and ways
    pacing_value_lost_*        per cent of the hindsight price's worth, in five columns
    pacing_resolve_ms          CPU of one re-solve with 40,000 requests in the window, and of taking
                               them up (20 candidates)
    effect_false_alarm         self-starting CUSUM, 28 days of reference, 90 watched
    effect_delay_1se           median days from a shift of one daily standard error on day 45
    mix_power_3pct, mix_size   20 strategies, 10,000 units: 3 % moved to one; nothing changed
    cadence_churn_ratio        yuan moved a day and unit, features averaged over 10 days over daily
    cadence_value_loss         return lost by it, pp, at equal spend; at carry 0 and .2

Settings were chosen on seeds 100 and up; figures are of seeds 0 and up.  Quick: a part of the
seeds; FULL=1 all.
"""

from __future__ import annotations

from benchmarks.record import figure, full, interval, one_thread, record, versions

one_thread()

import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from dataclasses import replace  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from equipoise.core.arrays import Floats, Ints  # noqa: E402
from equipoise.data.simulators.red_packet import (  # noqa: E402
    BASE,
    ORDINARY,
    Users,
    days_of,
    draw_schedules,
    draw_users,
    expected,
    live,
)
from equipoise.operations import (  # noqa: E402
    Cadence,
    Gain,
    Pacer,
    PacingPlan,
    RolloutRules,
    StageResults,
    advance,
    carry_over,
    confidence_sequence,
    effect_drift,
    mix_drift,
    moves,
    stage_results,
    start_rollout,
    traffic,
    two_way,
)
from equipoise.operations.design import shares  # noqa: E402
from equipoise.operations.pacing import WAYS  # noqa: E402

PP = 100.0
LOSS = 0.1
PRICE = 0.06  # of a yuan, in returns
Figures = list[dict[str, Any]]


def menu(k: int, rng: np.random.Generator) -> Floats:
    """The base and k schedules, (1 + k, 7)."""
    base = [BASE.total, BASE.count, BASE.interval, *BASE.amount_wave, *BASE.interval_wave]
    return np.vstack([base, draw_schedules(k, rng)])


def day_by_day(days: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """The effects of each day."""
    shift, presence = days_of(days, rng)
    return list(zip(shift.tolist(), presence.tolist(), strict=True))


# designs


def exact_log(
    users: Users, place: Ints, values: Floats, days: list[tuple[float, float]], carry: float
) -> Floats:
    """The exact probability of return of every user and day, (n, D), under a traffic plan."""
    mind, back = users.mind, []
    for d, today in enumerate(days):
        now = values[place[:, d]]
        back.append(expected(users, mind, now, today, LOSS)[:, 0])
        mind = mind + carry * (now[:, 0] / now[:, 1] - mind)
    return np.stack(back, axis=1)


def true_effects(
    users: Users, values: Floats, days: list[tuple[float, float]], carry: float, held: int
) -> Floats:
    """The exact effects on return, (k,), of schedules held for some days, over given days."""
    level = np.zeros(len(values))
    for j, one in enumerate(values):
        settled = 1 - (1 - carry) ** held
        mind = users.mind + settled * (one[0] / one[1] - users.mind)
        level[j] = np.mean([expected(users, mind, one[None], d, LOSS)[:, 0].mean() for d in days])
    return level[1:] - level[0]


def design_errors(seed: int) -> dict[str, float]:
    """RMSE of eight effects, pp, by design."""
    rng = np.random.default_rng([seed, 43])
    users, values = draw_users(4500, rng), menu(8, rng)
    names = ["base", *(f"s{j}" for j in range(1, 9))]
    score = users.activity + rng.normal(size=4500)
    region = np.argsort(np.argsort(score)) // 500  # nine regions that differ
    own = expected(users, users.mind, values[:1], ORDINARY, LOSS)[:, 0]
    days = day_by_day(28, rng)

    def rmse(plan: Ints, carry: float, truth: Floats, window: slice, pooled: bool = False) -> float:
        back = exact_log(users, plan, values, days[: plan.shape[1]], carry)[:, window]
        part = plan[:, window]
        n, width = part.shape
        epochs = two_way(
            np.array(names)[part.ravel()],
            np.tile(np.arange(width), n),
            back.ravel(),
            base="base",
            past=np.repeat(own, width),
        )
        effect = (epochs.pooled if pooled else epochs.effect)[:, 0]
        return float(PP * np.sqrt(np.mean((effect - truth) ** 2)))

    bucket = 9 * region + rng.permutation(4500) % 9  # nine in each region: a square of its own
    squares = traffic("rotate", names, 81, 27, base_share="equal", seed=seed).place[bucket]
    coarse = traffic("rotate", names, 9, 27, base_share="equal", seed=seed).place[region]
    held = traffic("held", names, 4500, 28, seed=seed).place
    batch = traffic("batches", names, 4500, 28, batches=4, seed=seed).place
    settled = true_effects(users, values, [ORDINARY], 0.2, 28)
    plain = true_effects(users, values, days, 0.0, 0)
    early = true_effects(users, values, days[:27], 0.0, 0)
    return {
        "rotation_error_no_carry": rmse(squares, 0.0, early, slice(27)),
        "rotation_error_regions": rmse(coarse, 0.0, early, slice(27)),
        "rotation_error_carry": rmse(squares, 0.2, settled, slice(27)),
        "batches_error_pooled": rmse(batch, 0.0, plain, slice(28), pooled=True),
        "batches_error_by_day": rmse(batch, 0.0, plain, slice(28)),
        "held_late_error_carry": rmse(held, 0.2, settled, slice(14, 28)),
    }


def flags_carry(seed: int, carry: float) -> bool:
    """Whether the test flags a held log of two weeks of four, drawn."""
    rng = np.random.default_rng([seed, 44])
    users, values = draw_users(18_000, rng), menu(8, rng)
    place = rng.permutation(np.repeat(np.arange(9), 2000))
    now, days = values[place], day_by_day(28, rng)
    when = [*range(7), *range(21, 28)]
    back = []
    for d in when:
        mind = users.mind + (1 - (1 - carry) ** d) * (now[:, 0] / now[:, 1] - users.mind)
        back.append(live(users, mind, now, rng, days[d], LOSS)[:, 0])
    unit = np.tile(np.arange(18_000), len(when))
    log = np.tile(place, len(when)), np.repeat(when, 18_000), np.concatenate(back), unit
    return carry_over(*log).flagged


def designs() -> Iterator[dict[str, Any]]:
    """Section 4.3."""
    errors = [design_errors(seed) for seed in range(8 if full() else 2)]
    for name in errors[0]:
        yield interval(name, [error[name] for error in errors], "pp")
    for name, carry, runs in (
        ("carry_over_power", 0.2, 100 if full() else 8),
        ("carry_over_false_rate", 0.0, 400 if full() else 10),
    ):
        flags = [flags_carry(seed, carry) for seed in range(runs)]
        yield figure(name, float(np.mean(flags)), n=runs, unit="share")


# rollouts


class StagedWorld:
    """24 strategies, 4,000 new users a day, 28 days."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 45])
        self.values, self.rng, self.days = menu(24, rng), rng, day_by_day(28, rng)
        self.names = np.array(["base", *(f"s{j}" for j in range(1, 25))])
        crowd = draw_users(20_000, rng)
        worth = np.array(
            [self._net(expected(crowd, crowd.mind, v[None])).mean() for v in self.values]
        )
        self.worth = dict(zip(self.names, PP * (worth - worth[0]), strict=True))

    @staticmethod
    def _net(outcomes: Floats) -> Floats:
        return np.asarray(outcomes[:, 0] - PRICE * outcomes[:, 2])

    def live(self, day: int, running: tuple[str, ...]) -> tuple[Any, Ints, Floats]:
        """A day of new users among the base and what runs: strategy, day, net return."""
        users = draw_users(4000, self.rng)
        place = np.searchsorted(np.cumsum(shares(len(running))), self.rng.random(4000))
        among = np.array([0, *(int(name[1:]) for name in running)])
        given = among[np.minimum(place, len(running))]
        outcomes = live(users, users.mind, self.values[given], self.rng, self.days[day], LOSS)
        return self.names[given], np.full(4000, day), self._net(outcomes)

    def regret(self, pick: str) -> float:
        """The best worth less that of a pick, pp."""
        return max(self.worth.values()) - self.worth[pick]


RULES = RolloutRules(
    "base", tuple(f"s{j}" for j in range(1, 25)), every_days=4, stay=6, then=(6, 3, 3), monday=0
)


def staged(seed: int, pooled: bool) -> tuple[float, float, float, float]:
    """Regret of the pick and of the best of all that were tested, and how far the pick's estimates,
    shrunk and not, are above its worth, pp.
    """
    world = StagedWorld(seed)
    state, rows = start_rollout(RULES, day=0), []
    for day in range(28):
        rows.append(world.live(day, state.running))
        if (day + 1) % RULES.every_days:
            continue
        name, when, net = (np.concatenate(part) for part in zip(*rows, strict=True))
        if pooled:
            epochs = two_way(name, when, net, base="base")
            gains = zip(epochs.pooled[:, 0], epochs.std_error[:, 0], strict=True)
            told = {s: Gain(*map(float, g)) for s, g in zip(epochs.strategy, gains, strict=True)}
            results = StageResults(day, told)
        else:
            results = stage_results(state, name, when, {"net": net}, "net")
        state = advance(state, results)
    every = {name: gain.effect for name, gain in results.effects.items()}
    pick = state.candidates[0] if state.candidates else "base"
    drawn = state.estimate.effect if state.estimate and pick != "base" else 0.0
    over = [PP * estimate - world.worth[pick] for estimate in (drawn, every.get(pick, 0.0))]
    return world.regret(pick), world.regret(max(every, key=lambda name: every[name])), *over


def all_at_once(seed: int) -> float:
    """Regret of the best of all strategies after 28 days beside each other."""
    world = StagedWorld(seed)
    rows = [world.live(day, RULES.seeds) for day in range(28)]
    name, when, net = (np.concatenate(part) for part in zip(*rows, strict=True))
    epochs = two_way(name, when, net, base="base")
    return world.regret(epochs.strategy[int(epochs.effect[:, 0].argmax())])


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


def machine_replaces(runs: int, gain: float) -> float:
    """The share of rollouts, looked at daily, whose candidate replaces the incumbent."""
    rules = RolloutRules(
        "base", ("a",), batches=1, every_days=1, stay=1, then=(), monday=0, most_days=28
    )
    start = start_rollout(rules, day=0)
    start = advance(start, StageResults(0, {"a": Gain(0.02, 0.02, 1000.0, 1)}))
    effect, error, n = looked_at_daily(runs, gain, 1)
    replaced = 0
    for e, s, rows in zip(effect, error, n, strict=True):
        state = start
        for d in range(28):
            gained = Gain(float(e[d]), float(s[d]), float(rows[d]), d + 1)
            told = StageResults(d + 1, {}, gained, tuple(range(1, d + 2)), carry_over=False)
            state = advance(state, told)
        replaced += state.decision == "replace"
    return replaced / runs


def rollouts() -> Iterator[dict[str, Any]]:
    """Section 4.4."""
    seeds = range(100 if full() else 4)
    by_day = np.array([staged(seed, False) for seed in seeds])
    pooled = np.array([staged(seed, True) for seed in seeds])
    once = np.array([all_at_once(seed) for seed in seeds])
    yield interval("staged_pick_regret", by_day[:, 0], "pp")
    yield interval("all_at_once_regret", once, "pp")
    yield interval("staged_less_all_at_once", by_day[:, 0] - once, "pp")
    yield interval("pooled_pick_regret", pooled[:, 1], "pp")
    yield interval("pooled_stages_regret", pooled[:, 0], "pp")
    yield figure(
        "by_day_over_pooled",
        float(by_day[:, 0].mean() / pooled[:, 1].mean()),
        unit="x",
        n=len(seeds),
    )
    yield interval("staged_claim_gap", by_day[:, 2], "pp")
    yield interval("staged_claim_gap_unshrunk", by_day[:, 3], "pp")
    runs = 4000
    effect, error, n = looked_at_daily(runs, 0.0, 0)
    low, _ = confidence_sequence(effect, error, n, n_star=14_000)
    yield figure("replace_false_rate", float((low > 0).any(axis=1).mean()), unit="share", n=runs)
    fixed = effect - 1.96 * error > 0
    yield figure("fixed_false_rate", float(fixed.any(axis=1).mean()), unit="share", n=runs)
    effect, error, n = looked_at_daily(runs, 0.02, 0)
    low, _ = confidence_sequence(effect, error, n, n_star=14_000)
    decided = (low > 0).any(axis=1)
    yield figure("replace_power", float(decided.mean()), unit="share", n=runs)
    first = (low > 0).argmax(axis=1)[decided] + 1
    yield figure("replace_median_day", float(np.median(first)), unit="days", n=runs)
    yield figure("machine_false_rate", machine_replaces(1000 if full() else 100, 0.0), unit="share")
    yield figure("machine_power", machine_replaces(1000 if full() else 100, 0.02), unit="share")


# pacing

AMOUNTS = np.array([0.2, 0.5, 1.0, 2.0])
SHIFTS = {
    "no_shift": (1.0, 1.0),
    "traffic_1.5": (1.5, 1.0),
    "traffic_0.6": (0.6, 1.0),
    "claims_1.35": (1.0, 1.35),
    "both_up": (1.5, 1.35),
}
HOUR = np.arange(1440) / 60
PEAKS = (
    0.15 + np.exp(-0.5 * ((HOUR - 12.5) / 2) ** 2) + 1.4 * np.exp(-0.5 * ((HOUR - 20.5) / 2) ** 2)
)


def request_day(
    rng: np.random.Generator, traffic_up: float = 1.0, claims_up: float = 1.0
) -> tuple[Ints, Floats, Floats, Floats]:
    """About 20,000 requests: minute (n,), worth and cost as foreseen (n, 4), and what claims
    multiply both by (n, 1), from noon on.
    """
    rate = 20_000 * PEAKS / PEAKS.sum() * np.where(HOUR >= 12, traffic_up, 1.0)
    minute = np.repeat(np.arange(1440), rng.poisson(rate))
    n = len(minute)
    thrift, mind = rng.random(n)[:, None], 0.2 * np.exp(0.4 * rng.standard_normal(n))[:, None]
    claim = (0.3 + 0.4 * rng.random(n))[:, None] * (1 - np.exp(-AMOUNTS / (0.6 * mind)))
    worth = claim * 0.3 * (0.5 + thrift) * AMOUNTS / (AMOUNTS + mind)
    return minute, worth, claim * AMOUNTS, np.where(minute >= 720, claims_up, 1.0)[:, None]


def at_price(worth: Floats, cost: Floats, price: float) -> tuple[Floats, Floats]:
    """Worth and cost of what each request takes at a price, (n,) each."""
    net = worth - price * cost
    best, rows = net.argmax(axis=1), np.arange(len(net))
    take = net[rows, best] > 0
    return worth[rows, best] * take, cost[rows, best] * take


def hindsight(worth: Floats, cost: Floats, budget: float) -> tuple[float, float]:
    """The one price that spends a budget, and what it brings."""
    low, high = 0.0, 50.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if at_price(worth, cost, middle)[1].sum() > budget else (low, middle)
        )
    return high, float(at_price(worth, cost, high)[0].sum())


def paced_day(seed: int, way: str, shift: str, step: int = 1) -> tuple[float, float]:
    """Per cent of the hindsight price's worth that is lost, and the share of the budget spent."""
    rng = np.random.default_rng([seed, 49])
    minute, worth, cost, _ = request_day(rng)
    budget = 0.35 * float(at_price(worth, cost, 0.0)[1].sum())
    price, _ = hindsight(worth, cost, budget)
    slot, spent = minute // 15, at_price(worth, cost, price)[1]
    curve = np.bincount(slot, spent, minlength=96) / spent.sum()
    profile = np.bincount(slot, minlength=96) / len(minute)
    plan = PacingPlan(tuple(profile), len(minute), price, tuple(curve))
    minute, worth, cost, up = request_day(rng, *SHIFTS[shift])
    _, best = hindsight(worth * up, cost * up, budget)
    pacer = Pacer(budget, plan, price * np.geomspace(1 / 30, 30, 241), way)
    ends, brought, paid = np.searchsorted(minute, np.arange(0, 1441, step)), 0.0, 0.0
    most = np.broadcast_to(AMOUNTS, cost.shape)
    for t, (a, b) in enumerate(zip(ends, ends[1:], strict=False)):
        choice = pacer.serve(worth[a:b], cost[a:b], t * step * 60.0, most[a:b])
        hit = np.flatnonzero(choice >= 0)
        offers = AMOUNTS[choice[hit]]
        chance = (cost[a:b] * up[a:b])[hit, choice[hit]] / offers
        amount = float(offers @ (rng.random(len(hit)) < chance))
        pacer.spent(amount, t * step * 60.0, reserved=float(offers.sum()))
        brought += float((worth[a:b] * up[a:b])[hit, choice[hit]].sum())
        paid += amount
    return 100 * (1 - brought / best), paid / budget


def resolve_ms() -> tuple[float, float]:
    """CPU of a re-solve with 40,000 requests in its window, and of taking them up."""
    rng = np.random.default_rng(0)
    plan, grid = PacingPlan(tuple(np.full(96, 1 / 96)), 480_000.0, 0.3), np.geomspace(0.01, 9, 241)
    solve, take = [], []
    for _ in range(9):
        pacer = Pacer(1e5, plan, grid)
        worth, cost = rng.gamma(2, 0.1, (40_000, 20)), rng.gamma(2, 0.3, (40_000, 20))
        began = time.process_time()
        pacer.seen(worth, cost, 0.0)
        middle = time.process_time()
        pacer.price(901.0)
        solve.append(time.process_time() - middle)
        take.append(middle - began)
    return 1e3 * float(np.median(solve)), 1e3 * float(np.median(take))


def pacing() -> Iterator[dict[str, Any]]:
    """Section 4.9."""
    seeds = range(10 if full() else 2)
    for way in WAYS:
        for shift in SHIFTS:
            lost = [paced_day(seed, way, shift)[0] for seed in seeds]
            name = "pacing_value_lost" if way == "resolve" else f"pacing_value_lost_{way}"
            yield interval(f"{name}_{shift}", lost, "%")
    days = [
        (seed, way, shift)
        for seed in range(67 if full() else 2)
        for way in WAYS
        for shift in SHIFTS
    ]
    spent = max(paced_day(1000 + seed, way, shift, step=15)[1] for seed, way, shift in days)
    yield figure("pacing_overspend", max(spent - 1, 0.0), unit="of the budget", n=len(days))
    for name, value in zip(("pacing_resolve_ms", "pacing_take_up_ms"), resolve_ms(), strict=True):
        yield figure(name, value, unit="ms", n=40_000)


# monitors


def monitors() -> Iterator[dict[str, Any]]:
    """Section 4.10."""
    rng = np.random.default_rng([0, 50])
    streams = 40_000 if full() else 10_000
    noise = rng.normal(size=(118, streams))
    quiet = effect_drift(noise, np.ones_like(noise), streams=1).alarms
    yield figure("effect_false_alarm", float(quiet.mean()), unit="share", n=streams)
    for size, name in ((1.0, "effect_delay_1se"), (2.0, "effect_delay_2se")):
        moved = noise.copy()
        moved[28 + 45 :] += size
        alarm = effect_drift(moved, np.ones_like(moved), streams=1).alarm - (28 + 45)
        late = alarm[(alarm >= 0) | (alarm < -73)]
        delay = np.where(late < 0, np.inf, late)
        yield figure(name, float(np.median(delay)), unit="days", n=len(delay))
        yield figure(f"{name}_caught", float((delay < 45).mean()), unit="share", n=len(delay))
    even, moved_mix = np.full(20, 0.05), np.full(20, 0.05) * 0.97
    moved_mix[0] += 0.03
    runs = 20_000 if full() else 5_000
    for name, mix, count in (("mix_size", even, runs), ("mix_power_3pct", moved_mix, 1000)):
        pairs = zip(
            rng.multinomial(10_000, even, count), rng.multinomial(10_000, mix, count), strict=True
        )
        yield figure(
            name, float(np.mean([mix_drift(*p).alarm for p in pairs])), unit="share", n=count
        )


# cadence

CLASSES = np.array(["new", "light", "regular", "heavy"])
READING = np.array([0.4, 0.4, 0.12, 0.12])  # a day's error of thrift and evening, by activity
DAILY = Cadence({name: 1 for name in CLASSES})
PACES = {
    "daily": DAILY,
    "weekly": Cadence({name: 7 for name in CLASSES}),
    "by_activity": Cadence({"new": 1, "light": 1, "regular": 7, "heavy": 7}),
    "averaged": replace(DAILY, average_days=10),
    "averaged_and_keep": replace(DAILY, average_days=10, keep=0.01),
}


def foreseen(users: Users, read: Floats, values: Floats) -> tuple[Floats, Floats]:
    """What a model makes of features: effects on return and cost over the base, (n, k) each."""
    usual = 0.2 * (1 + 0.15 * users.activity)
    seen = replace(users, thrift=read[:, 0], evening=read[:, 1])
    every = np.stack([expected(seen, usual, v[None], ORDINARY, LOSS) for v in values], axis=1)
    return every[:, 1:, 0] - every[:, :1, 0], every[:, 1:, 2] - every[:, :1, 2]


def paced_changes(seed: int, carry: float) -> dict[str, tuple[float, float]]:
    """Yuan moved a day and unit, and mean return at the daily way's spend, pp, by cadence."""
    rng = np.random.default_rng([seed, 47])
    n, days, price = 2000, 28, 0.1
    users, values = draw_users(n, rng), menu(12, rng)
    true = np.column_stack([users.thrift, users.evening])
    reads = [
        np.clip(true + READING[users.activity][:, None] * rng.normal(size=(n, 2)), 0, 1)
        for _ in range(days)
    ]
    activity, unit = CLASSES[users.activity], np.arange(n)
    daily = [foreseen(users, read, values) for read in reads]
    usual_cost = daily[0][1].mean(axis=0)
    told = {}
    for name, pace in PACES.items():
        mind, choice, mean = users.mind, np.full(n, -2), np.zeros((n, 2))
        moved, back, spent = [], [], []
        for day in range(days):
            mean = pace.averaged(mean, np.full(n, day), reads[day])
            worth, cost = daily[day] if pace.average_days == 1 else foreseen(users, mean, values)
            due = pace.due(activity, unit, day)
            before, choice = choice, pace.assign(choice, worth, cost, price, due)
            given = values[choice + 1]
            outcome = expected(users, mind, given, ORDINARY, LOSS)
            mind = mind + carry * (given[:, 0] / given[:, 1] - mind)
            back.append(outcome[:, 0].mean())
            spent.append(outcome[:, 2].mean())
            if day:
                parts = moves(before, choice, activity, usual_cost)
                moved.append(sum(part["moved"] * part["units"] for part in parts) / n)
        told[name] = float(np.mean(moved)), PP * float(np.mean(back) - price * np.mean(spent))
    return told


def cadence() -> Iterator[dict[str, Any]]:
    """Section 4.7."""
    seeds = range(8 if full() else 2)
    for carry in (0.0, 0.2):
        runs, end = (
            [paced_changes(seed, carry) for seed in seeds],
            f"_carry_{carry}" if carry else "",
        )
        for name in list(PACES)[1:]:
            way = "" if name == "averaged" else f"_{name}"
            ratio = [run[name][0] / run["daily"][0] for run in runs]
            loss = [run["daily"][1] - run[name][1] for run in runs]
            yield interval(f"cadence_churn_ratio{way}{end}", ratio, "x", "daily")
            yield interval(f"cadence_value_loss{way}{end}", loss, "pp", "daily")


PARTS: tuple[Callable[[], Iterator[dict[str, Any]]], ...] = (
    designs,
    rollouts,
    pacing,
    monitors,
    cadence,
)


def main() -> None:
    """Measure each part, record."""
    figures: Figures = []
    for part in PARTS:
        began = time.process_time()
        for one in part():
            ends = "" if one["low"] is None else f" ({one['low']:.4g} .. {one['high']:.4g})"
            print(f"{one['name']:36s} {one['value']:.4g}{ends} {one['unit']}", flush=True)
            figures.append(one)
        print(f"    {part.__name__}: {time.process_time() - began:.0f} s")
    protocol = " ".join((__doc__ or "").split())
    seeds = range(100 if full() else 4)
    record(
        "incentives_operations", protocol, versions("equipoise", "numpy", "numba"), seeds, figures
    )


if __name__ == "__main__":
    main()
