"""How often whose schedule may change: what moves a day and what it costs, where features are read
with noise; ways of keeping schedules against a choice made anew every day.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.data.simulators.red_packet import ORDINARY, Users, draw_users, expected
from equipoise.operations import Cadence, moves
from equipoise.reproduce.incentives.table import Family, Table
from equipoise.reproduce.incentives.worlds import LOSS, PP, menu
from equipoise.reproduce.simulated import Scores

CLASSES = np.array(["new", "light", "regular", "heavy"])
READING = np.array([0.4, 0.4, 0.12, 0.12])  # a day's error of thrift and evening, by activity
DAILY = Cadence({name: 1 for name in CLASSES})
PACES = {
    "daily": DAILY,
    "weekly": Cadence({name: 7 for name in CLASSES}),
    "by_activity": Cadence({"new": 1, "light": 1, "regular": 7, "heavy": 7}),
    "keep": replace(DAILY, keep=0.01),
    "averaged": replace(DAILY, average_days=10),
    "averaged_and_keep": replace(DAILY, average_days=10, keep=0.01),
}


def foreseen(users: Users, read: Floats, values: Floats, loss: float) -> tuple[Floats, Floats]:
    """What a model makes of features: effects on return and cost over the base, (n, k) each."""
    usual: Floats = 0.2 * (1 + 0.15 * users.activity.astype(np.float64))
    seen = replace(users, thrift=read[:, 0], evening=read[:, 1])
    every = np.stack([expected(seen, usual, v[None], ORDINARY, loss) for v in values], axis=1)
    return every[:, 1:, 0] - every[:, :1, 0], every[:, 1:, 2] - every[:, :1, 2]


def paced_changes(
    seed: int, carry: float, loss: float = LOSS, n: int = 2000
) -> dict[str, dict[str, float]]:
    """By cadence: yuan moved a day and unit, mean return less the price of spend, pp, and the share
    of each class that is changed a day.
    """
    rng = np.random.default_rng([seed, 47])
    days, price = 28, 0.1
    users, values = draw_users(n, rng), menu(12, rng)
    true = np.column_stack([users.thrift, users.evening])
    reads = [
        np.clip(true + READING[users.activity][:, None] * rng.normal(size=(n, 2)), 0, 1)
        for _ in range(days)
    ]
    activity, unit = CLASSES[users.activity], np.arange(n)
    daily = [foreseen(users, read, values, loss) for read in reads]
    usual_cost = daily[0][1].mean(axis=0)
    told = {}
    for name, pace in PACES.items():
        mind, choice, mean = users.mind, np.full(n, -2), np.zeros((n, 2))
        moved, back, spent, changed = [], [], [], []
        for day in range(days):
            mean = pace.averaged(mean, np.full(n, day), reads[day])
            worth, cost = (
                daily[day] if pace.average_days == 1 else foreseen(users, mean, values, loss)
            )
            due = pace.due(activity, unit, day)
            before, choice = choice, pace.assign(choice, worth, cost, price, due)
            given = values[choice + 1]
            outcome = expected(users, mind, given, ORDINARY, loss)
            mind = mind + carry * (given[:, 0] / given[:, 1] - mind)
            back.append(outcome[:, 0].mean())
            spent.append(outcome[:, 2].mean())
            if day:
                parts = moves(before, choice, activity, usual_cost)
                moved.append(sum(part["moved"] * part["units"] for part in parts) / n)
                changed.append({part["activity"]: part["changed"] for part in parts})
        told[name] = {
            "moved": float(np.mean(moved)),
            "value": PP * float(np.mean(back) - price * np.mean(spent)),
            **{c: float(np.mean([one[c] for one in changed])) for c in CLASSES},
        }
    return told


def one_seed(seed: int, small: bool) -> Scores:
    """Every way, without carry and with it."""
    scores: Scores = {}
    for end, carry, loss in (("", 0.0, LOSS), (" carry", 0.2, 0.2))[: 1 if small else 2]:
        told = paced_changes(seed, carry, loss, 100 if small else 2000)
        for name, one in told.items():
            scores |= {f"{name} {key}{end}": value for key, value in one.items()}
            scores[f"{name} gain{end}"] = one["value"] - told["daily"]["value"]
    return scores


CADENCE = Family(
    "cadence",
    "4.7",
    one_seed,
    (
        Table(
            "Cadence: what changes a day, and return against daily, pp, at equal worth of spend",
            {f"{name} changed": f"{{}} {name}" for name in CLASSES}
            | {
                "yuan moved": "{} moved",
                "return, carry 0": "{} gain",
                "return, carry .2, loss .2": "{} gain carry",
            },
            {
                "daily": (".37", ".40", ".11", ".07", ".181", "0", "0"),
                "weekly": (".05", ".05", ".02", ".01", ".022", "-.02 ± .02", "+.11 ± .02"),
                "by activity": (".37", ".40", ".02", ".01", ".155", "-.02 ± .02", "+.04 ± .02"),
                "daily, keep bonus .01": (
                    *(".09", ".07", ".01", ".00", ".036"),
                    *("-.02 ± .02", "+.17 ± .02"),
                ),
                "daily, features averaged 10 days": (
                    *(".05", ".06", ".02", ".01", ".028"),
                    *("+.03 ± .03", "+.19 ± .01"),
                ),
                "averaged and bonus": (
                    *(".00", ".00", ".00", ".00", ".003"),
                    *("-.04 ± .02", "+.24 ± .02"),
                ),
            },
            {},
            (
                (
                    "2,000 users, twelve schedules, 28 days; features are read with daily noise,"
                    " larger for new and light users; a yuan is worth .1 returns."
                ),
            ),
            {
                "by activity": "by_activity",
                "daily, keep bonus .01": "keep",
                "daily, features averaged 10 days": "averaged",
                "averaged and bonus": "averaged_and_keep",
            },
        ),
    ),
)
