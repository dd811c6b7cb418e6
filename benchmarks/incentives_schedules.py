"""Schedules as treatments, in the world of red packets: what the form of a schedule is worth.

    world     20,000 users, one day; a base and 20 schedules drawn evenly, with equal shares;
              effects are told of 5,000 fresh users, and of 40 schedules that nobody logged
    value     each user gets the schedule of the largest effect on return less a price times that on
              cost, as estimated; the price spends 0.16 yuan a user beyond the base, in truth, where
              the oracle makes 3.6 points among the logged and 3.9 among 40 others on seeds
              100-111, as in the methods' anchors; return in points, in truth

    schedule_rmse_ratio                   error of effects on return: `dml-pooled` on log-vector of
                                          degree 2 over the X-learner with ridge, schedule by
                                          schedule (target: at most 0.50)
    schedule_value_unseen                 of log-vector 2 among 40 schedules that nobody logged
                                          (target: at least 2.2 points); "few": among 20
    schedule_value_pooled_less_onehot     of log-vector 2 with own deviations less that of one-hot,
                                          both with two penalties, paired by seed (target: lower end
                                          at least -0.1 points)
    schedule_columns_refused              share of forms, degrees and sizes of a menu where `dml`
                                          without shrinkage refuses too many columns, and only then,
                                          naming both numbers (target: all)

RMSE and values of every method and of the oracle stand beside them; "average rmse" is that of the
schedules' average effects, and "confounding 1" worlds where the hidden mind decides who gets large
packets.  Worlds and methods: `reproduce/incentives/schedules.py`.  Mean over seeds with 95 %
Student intervals.  Quick: 3 seeds; FULL=1: 24 seeds.  Settings were chosen on seeds 100-111.
"""

from __future__ import annotations

from benchmarks.record import figure, full, interval, one_thread, record, versions

one_thread()

import sys  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from equipoise.core.arrays import Floats  # noqa: E402
from equipoise.core.errors import InputError  # noqa: E402
from equipoise.data.simulators.red_packet import draw_schedules  # noqa: E402
from equipoise.estimators import LinearDML  # noqa: E402
from equipoise.reproduce.incentives.schedules import confounded, judged  # noqa: E402
from equipoise.treatments import Schedule  # noqa: E402

SEEDS = tuple(range(24 if full() else 3))


def columns_refused() -> tuple[int, int]:
    """How many forms, degrees and menus are refused where they must be, and only there; of how
    many.
    """
    right = cases = 0
    rng = np.random.default_rng(0)
    for size in (4, 8, 10, 20, 40):
        drawn = draw_schedules(size, rng)
        menu = [("base", 0.2, 2.0, 4.0, 0, 0, 0, 0)]
        menu += [(f"s{k}", *row.tolist()) for k, row in enumerate(drawn)]
        rows = np.arange(20 * (size + 1)) % (size + 1)
        X, y = rng.normal(size=(len(rows), 1)), rng.normal(size=len(rows))
        for form in ("ids", "vector", "log-vector", "sine", "log-sine"):
            for degree in (1, 2, 3):
                for own in (False, True) if form != "ids" else (False,):
                    space = Schedule(menu, form, degree, own)
                    columns = space.encode(space.candidates()).shape[1]
                    right += refused(space, rows, X, y) == (form != "ids" and columns >= size)
                    cases += 1
    return right, cases


def refused(space: Schedule, rows: Any, X: Floats, y: Floats) -> bool:
    """Whether `dml` refuses a log of every schedule by the numbers of columns and schedules."""
    every = np.vstack([space.control, space.candidates()])
    try:
        LinearDML(space=space, cv=2).fit(X, y, treatment=every[rows])
    except InputError as error:
        columns = space.encode(every).shape[1]
        return f"{len(every)} distinct logged treatments for {columns} columns" in str(error)
    return False


def main() -> None:
    """Measure, print, record."""
    every, biased = [], []
    for seed in SEEDS:
        every.append(judged(seed))
        biased.append(confounded(seed))
        print("seed", seed, {k: round(v, 4) for k, v in every[-1].items()}, file=sys.stderr)
    worlds = {name: np.array([one[name] for one in every]) for name in every[0]}
    right, cases = columns_refused()
    ratio = worlds["log-vector 2 rmse"] / worlds["x-learner rmse"]
    lead = worlds["log-vector 2 + own value"] - worlds["one-hot value"]
    figures = [
        interval("schedule_rmse_ratio", ratio, "x", "x-learner"),
        interval("schedule_value_unseen", worlds["log-vector 2 value unseen"], "pp"),
        interval("schedule_value_pooled_less_onehot", lead, "pp", "one-hot"),
        figure("schedule_columns_refused", right / cases, n=cases),
    ]
    figures += [
        interval(name, values, "" if "rmse" in name else "pp") for name, values in worlds.items()
    ]
    for name in biased[0]:
        unit = "" if "rmse" in name else "pp"
        told = name.replace(",", "").replace(" ", "_")
        figures.append(interval(told, [one[name] for one in biased], unit))
    for one in figures:
        ends = [None if one[k] is None else round(one[k], 4) for k in ("low", "high")]
        print(one["name"], round(one["value"], 4), *ends)
    protocol = " ".join((__doc__ or "").split())
    used = versions("equipoise", "numpy", "scikit-learn")
    record("incentives_schedules", protocol, used, list(SEEDS), figures)


if __name__ == "__main__":
    main()
