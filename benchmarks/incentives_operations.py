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

Worlds and ways: `reproduce/incentives/`.  Settings were chosen on seeds 100 and up; figures are of
seeds 0 and up.  Quick: a part of the seeds; FULL=1 all.
"""

from __future__ import annotations

from benchmarks.record import figure, full, interval, one_thread, record, versions

one_thread()

import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from equipoise.operations import (  # noqa: E402
    Gain,
    Pacer,
    PacingPlan,
    RolloutRules,
    StageResults,
    advance,
    confidence_sequence,
    start_rollout,
)
from equipoise.operations.pacing import WAYS  # noqa: E402
from equipoise.reproduce.incentives import designs as design  # noqa: E402
from equipoise.reproduce.incentives.cadence import PACES, paced_changes  # noqa: E402
from equipoise.reproduce.incentives.monitors import cusum, delays, mix_alarms, noise_of  # noqa: E402
from equipoise.reproduce.incentives.pacing import SHIFTS, paced_day  # noqa: E402
from equipoise.reproduce.incentives.rollouts import (  # noqa: E402
    at_once,
    looked_at_daily,
    staged,
    tried,
)

Figures = list[dict[str, Any]]
ERRORS = {  # figure -> row and column of the table of designs
    "rotation_error_no_carry": f"{design.SQUARES} no carry",
    "rotation_error_regions": f"{design.ONE_SQUARE} no carry",
    "rotation_error_carry": f"{design.SQUARES} carry",
    "batches_error_pooled": f"{design.POOLED} no carry",
    "batches_error_by_day": f"{design.BY_WEEK_PAST} no carry",
    "held_late_error_carry": f"{design.LATE} carry",
}


def designs() -> Iterator[dict[str, Any]]:
    """Section 4.3."""
    errors = [design.design_errors(seed) for seed in range(8 if full() else 2)]
    for name, score in ERRORS.items():
        yield interval(name, [error[score] for error in errors], "pp")
    for name, carry, runs in (
        ("carry_over_power", 0.2, 100 if full() else 8),
        ("carry_over_false_rate", 0.0, 400 if full() else 10),
    ):
        flags = [design.flags_carry(seed, carry) for seed in range(runs)]
        yield figure(name, float(np.mean(flags)), n=runs, unit="share")


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
    runs = [(staged(s, False), staged(s, True), tried(s, at_once)) for s in seeds]
    regret, pooled, once = (np.array([one[k]["regret"] for one in runs]) for k in range(3))
    best_pooled = np.array([one[1]["best regret"] for one in runs])
    yield interval("staged_pick_regret", regret, "pp")
    yield interval("all_at_once_regret", once, "pp")
    yield interval("staged_less_all_at_once", regret - once, "pp")
    yield interval("pooled_pick_regret", best_pooled, "pp")
    yield interval("pooled_stages_regret", pooled, "pp")
    yield figure(
        "by_day_over_pooled",
        float(regret.mean() / best_pooled.mean()),
        unit="x",
        n=len(seeds),
    )
    yield interval("staged_claim_gap", [one[0]["claim"] for one in runs], "pp")
    yield interval("staged_claim_gap_unshrunk", [one[0]["gap"] for one in runs], "pp")
    yield from decisions(4000)


def decisions(runs: int) -> Iterator[dict[str, Any]]:
    """Rules to replace, looked at daily."""
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


def monitors() -> Iterator[dict[str, Any]]:
    """Section 4.10."""
    streams = 40_000 if full() else 10_000
    noise = noise_of(0, streams)
    yield figure("effect_false_alarm", float((cusum(noise) >= 0).mean()), unit="share", n=streams)
    for size, name in ((1.0, "effect_delay_1se"), (2.0, "effect_delay_2se")):
        late = noise.copy()
        late[28 + 45 :] += size
        delay = delays(cusum(late))
        yield figure(name, float(np.median(delay)), unit="days", n=len(delay))
        yield figure(f"{name}_caught", float((delay < 45).mean()), unit="share", n=len(delay))
    rng, runs = np.random.default_rng([0, 53]), 20_000 if full() else 5_000
    for name, moved, count in (("mix_size", 0.0, runs), ("mix_power_3pct", 0.03, 1000)):
        told = mix_alarms(moved, 10_000, count, rng)
        yield figure(name, told["alarm"], unit="share", n=count)


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
            ratio = [run[name]["moved"] / run["daily"]["moved"] for run in runs]
            loss = [run["daily"]["value"] - run[name]["value"] for run in runs]
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
