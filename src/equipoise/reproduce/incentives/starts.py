"""New users: one amount for 28 days against a strong start that decays, at equal spend.

a user who is there today has the day's schedule, and is there tomorrow with its chance to
return; one who is not comes back with half the chance of a user without packets.  Amounts are
level .5^(day / half-life); the level spends what the constant one does.  Exact, by the mean
over paths: minds move by the share of users who are there.
"""

from __future__ import annotations

import numpy as np

from equipoise.data.simulators.red_packet import Users, draw_users, expected
from equipoise.reproduce.incentives.table import Family, Table
from equipoise.reproduce.incentives.worlds import LOSS
from equipoise.reproduce.simulated import Scores

DAYS, HALVINGS, LAPSED = 28, 12, 0.5
CONSTANT = (1.2, 4.0, 3.0, 0.0, 0.0, 0.0, 0.0)  # of the methods' examples
HALF_LIVES = {
    "constant": np.inf,
    "half-life 7 days": 7.0,
    "half-life 3 days": 3.0,
    "half-life 1.5 days": 1.5,
}
SETTINGS = {  # habit: of the log-odds to return, a day that a user was there; carry; loss
    "plain": (0.0, 0.0, LOSS),
    "habit .05": (0.05, 0.0, LOSS),
    "carry .2": (0.0, 0.2, LOSS),
    "carry .2, loss .2": (0.0, 0.2, 0.2),
    "habit .05, carry .2": (0.05, 0.2, LOSS),
}


def month(users: Users, level: float, half_life: float, setting: str) -> tuple[float, float]:
    """Days a user is there, of those after the first, and yuan a user, in 28 days."""
    habit, carry, loss = SETTINGS[setting]
    there, days, mind, spent = np.ones(len(users.mind)), np.zeros(len(users.mind)), users.mind, 0.0
    for day in range(DAYS):
        given = np.array([CONSTANT])
        given[0, 0] = level * 0.5 ** (day / half_life)
        today = float(habit * days.mean()), 1.0
        back, _, cost = expected(users, mind, given, today, loss).T
        bare = given.copy()
        bare[0, 0] = 1e-6
        idle = LAPSED * expected(users, mind, bare, today, 0.0)[:, 0]
        spent += float((there * cost).mean())
        mind = mind + carry * there * (given[0, 0] / given[0, 1] - mind)
        there = there * back + (1 - there) * idle
        days = days + there
    return float(days.mean()), spent


def one_seed(seed: int, small: bool) -> Scores:
    """Days of every way in every setting."""
    drawn = draw_users(300 if small else 3_000, np.random.default_rng([seed, 52]))
    users, scores = drawn.take(drawn.activity == 0), {}
    for setting in list(SETTINGS)[:1] if small else SETTINGS:
        days, spend = month(users, CONSTANT[0], np.inf, setting)
        scores[f"constant {setting}"] = days
        for name, half_life in list(HALF_LIVES.items())[1:]:
            low, high = CONSTANT[0], 64 * CONSTANT[0]
            for _ in range(HALVINGS):
                level = float(np.sqrt(low * high))
                dear = month(users, level, half_life, setting)[1] > spend
                low, high = (low, level) if dear else (level, high)
            scores[f"{name} {setting}"] = month(users, low, half_life, setting)[0]
    return scores


def _beside(text: str) -> tuple[str, ...]:
    return (text, *("",) * (len(SETTINGS) - 1))


STARTS = Family(
    "starts",
    "4.8",
    one_seed,
    (
        Table(
            "New users: days there in 28, at equal spend",
            {setting: f"{{}} {setting}" for setting in SETTINGS},
            {
                "constant": _beside("4.98-5.12 over five settings"),
                "half-life 7 days": _beside("4.94-5.07"),
                "half-life 3 days": _beside("4.80-5.01"),
                "half-life 1.5 days": _beside("4.77-4.96"),
            },
            {},
            (
                (
                    "The rule by which users lapse and come back is our own (see the file): days"
                    " compare down a column, not with the reference world."
                ),
            ),
        ),
    ),
)
