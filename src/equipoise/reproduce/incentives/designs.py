"""Designs: how far effects of strategies err for the design alone, outcomes being exact; and how
often the carry-over test flags drawn logs.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.data.simulators.red_packet import ORDINARY, Users, draw_users, expected, live
from equipoise.operations import carry_over, traffic, two_way
from equipoise.reproduce.incentives.table import Family, Table
from equipoise.reproduce.incentives.worlds import LOSS, PP, day_by_day, menu
from equipoise.reproduce.simulated import Scores

POOLED, BY_WEEK = "batches by week, pooled means", "batches by week, base of the same day"
BY_WEEK_PAST, HELD = "the same, own past", "held, users at random, own past"
LATE, REGION = "held, own past, last two weeks only", "held by region"
ONE_SQUARE, SQUARES = "rotation daily, a square over regions", "rotation daily, a square a region"
SLICES = "rotation in 3-day slices, last day only"
CARRY = 0.2


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
    effects: Floats = level[1:] - level[0]
    return effects


def plans(region: Ints, rng: np.random.Generator, seed: int) -> dict[str, Ints]:
    """Who gets which of nine strategies on each day, (n, D), by design."""
    n, names = len(region), ["base", *(f"s{j}" for j in range(1, 9))]
    bucket = 9 * region + rng.permutation(n) % 9  # nine in each region: a square of its own

    def rotation(buckets: Ints, many: int, slice_days: int = 1) -> Ints:
        drawn = traffic(
            "rotate", names, many, 27, base_share="equal", slice_days=slice_days, seed=seed
        )
        return drawn.place[buckets]

    held = traffic("held", names, n, 28, seed=seed).place
    batches = traffic("batches", names, n, 28, batches=4, seed=seed).place
    return {
        POOLED: batches,
        BY_WEEK: batches,
        BY_WEEK_PAST: batches,
        HELD: held,
        LATE: held,
        REGION: np.repeat(rng.permutation(9)[region][:, None], 28, axis=1),
        ONE_SQUARE: rotation(region, 9),
        SQUARES: rotation(bucket, 81),
        SLICES: rotation(region, 9, 3),
    }


def design_errors(seed: int, n: int = 4500) -> Scores:
    """RMSE of eight effects, pp, without carry against the mean over the days and with it against
    the settled effects, and the correlation with these, by design.
    """
    rng = np.random.default_rng([seed, 43])
    users, values = draw_users(n, rng), menu(8, rng)
    names = np.array(["base", *(f"s{j}" for j in range(1, 9))])
    score = users.activity + rng.normal(size=n)
    region = np.argsort(np.argsort(score)) // (n // 9)  # nine regions that differ
    own = expected(users, users.mind, values[:1], ORDINARY, LOSS)[:, 0]
    days = day_by_day(28, rng)
    settled = true_effects(users, values, [ORDINARY], CARRY, 28)
    plain = {length: true_effects(users, values, days[:length], 0.0, 0) for length in (27, 28)}
    scores = {}
    for name, plan in plans(region, rng, seed).items():
        length = plan.shape[1]
        window = np.arange(length)
        if name in (LATE, SLICES):
            window = window[14:] if name == LATE else window[2::3]
        for end, carry, truth in (("no carry", 0.0, plain[length]), ("carry", CARRY, settled)):
            back = exact_log(users, plan, values, days[:length], carry)[:, window]
            epochs = two_way(
                names[plan[:, window].ravel()],
                np.tile(np.arange(len(window)), n),
                back.ravel(),
                base="base",
                past=None if name in (BY_WEEK, REGION) else np.repeat(own, len(window)),
            )
            effect = (epochs.pooled if name == POOLED else epochs.effect)[:, 0]
            scores[f"{name} {end}"] = float(PP * np.sqrt(np.mean((effect - truth) ** 2)))
        scores[f"{name} r"] = float(np.corrcoef(effect, truth)[0, 1])
    return scores


def flags_carry(seed: int, carry: float, each: int = 2000) -> bool:
    """Whether the test flags a drawn, held log: two weeks of four, so many users a strategy."""
    rng, n = np.random.default_rng([seed, 44]), 9 * each
    users, values = draw_users(n, rng), menu(8, rng)
    place = rng.permutation(np.repeat(np.arange(9), each))
    now, days = values[place], day_by_day(28, rng)
    when = [*range(7), *range(21, 28)]
    back = []
    for d in when:
        mind = users.mind + (1 - (1 - carry) ** d) * (now[:, 0] / now[:, 1] - users.mind)
        back.append(live(users, mind, now, rng, days[d], LOSS)[:, 0])
    unit = np.tile(np.arange(n), len(when))
    log = np.tile(place, len(when)), np.repeat(when, n), np.concatenate(back), unit
    return carry_over(*log).flagged


def one_seed(seed: int, small: bool) -> Scores:
    """Errors of every design, and whether the test flags one log of each kind."""
    scores = design_errors(seed, 450 if small else 4500)
    for each in (1000, 2000):
        for carry in (0.0, 0.05, 0.2):
            flag = flags_carry(seed, carry, each // 20 if small else each)
            scores[f"{each:,} users a strategy, carry {carry}"] = float(flag)
    return scores


DESIGNS = Family(
    "designs",
    "4.3",
    one_seed,
    (
        Table(
            "Designs: error of eight effects, pp, 28 days, exact outcomes",
            {
                "error, no carry": "{} no carry",
                "error, carry .2, settled truth": "{} carry",
                "r with the truth, carry .2": "{} r",
            },
            {
                POOLED: ("3.51", "4.05", ".12"),
                BY_WEEK: (".89", "1.72", ".08"),
                BY_WEEK_PAST: (".10", "1.65", ".11"),
                HELD: (".05", ".66", ".93"),
                LATE: ("", ".11", ".99"),
                REGION: ("3.50", "3.63", ".24"),
                ONE_SQUARE: (".02", "3.15", "-.23"),
                SQUARES: ("", "", ""),
                SLICES: (".05", "2.70", "-.02"),
            },
            {},
            (
                "Rotations last 27 days, nine strategies nine times in turn.",
                (
                    "The reference world has the base of the same week, ours of the same day, which"
                    " is the same where batches last a week."
                ),
            ),
        ),
        Table(
            "The carry-over test: share of logs flagged, week 1 less week 4",
            {f"carry {carry}": f"{{}}, carry {carry}" for carry in (0.0, 0.05, 0.2)},
            {
                "1,000 users a strategy": (".07", ".50", ".80"),
                "2,000 users a strategy": ("", "", ""),
            },
            {},
            ("One log of each kind a seed: intervals of few seeds say little.",),
        ),
    ),
)
