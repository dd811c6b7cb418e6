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

RMSE and values of every method and of the oracle stand beside them.  Mean over seeds with 95 %
Student intervals.  Quick: 3 seeds; FULL=1: 24 seeds.  Settings were chosen on seeds 100-111.
"""

from __future__ import annotations

from benchmarks.record import figure, full, interval, one_thread, record, versions

one_thread()

import sys  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
from sklearn.linear_model import Ridge  # noqa: E402

from equipoise.core.arrays import Floats  # noqa: E402
from equipoise.core.errors import InputError  # noqa: E402
from equipoise.data import make_red_packet_world  # noqa: E402
from equipoise.data.simulators.red_packet import draw_schedules  # noqa: E402
from equipoise.estimators import LinearDML, PooledDML, XLearner  # noqa: E402
from equipoise.treatments import Schedule  # noqa: E402

SEEDS = tuple(range(24 if full() else 3))
USERS, FRESH, UNSEEN, FEW = 20_000, 5_000, 40, 20
BUDGET = 0.16  # yuan a user beyond the base
RIDGE = 1.0
HALVINGS = 60
METHODS = {  # form, degree, own deviations
    "one-hot": ("ids", 1, False),
    "log-vector 2": ("log-vector", 2, False),
    "log-vector 2 + own": ("log-vector", 2, True),
    "vector 2": ("vector", 2, False),
    "log-sine 1": ("log-sine", 1, False),
    "log-sine 2": ("log-sine", 2, False),
}


def at_spend(value: Floats, cost: Floats, truth: Floats, budget: float) -> float:
    """The true return of the schedules of the largest value - price cost, the base worth 0, at the
    price, by lot at its tie, that truly spends the budget.   value, cost : (n, k);  truth : (n, k,
    2) of return and cost.
    """
    rows, low, high = np.arange(len(value)), 0.0, 1e3

    def brought(price: float) -> Floats:
        net = value - price * cost
        pick = net.argmax(axis=1)
        sent = net[rows, pick] > 0
        total: Floats = (truth[rows, pick] * sent[:, None]).mean(axis=0)
        return total

    for _ in range(HALVINGS):
        price = (low + high) / 2
        low, high = (price, high) if brought(price)[1] > budget else (low, price)
    (more, dear), (less, cheap) = brought(low), brought(high)
    lot = np.clip((budget - cheap) / (dear - cheap), 0, 1) if dear > cheap else 0.0
    return float(less + (more - less) * lot)


def one_seed(seed: int) -> dict[str, float]:
    """Errors and values of every method in one world."""
    log, _ = make_red_packet_world(USERS, seed=seed)
    space: Schedule = log.space  # type: ignore[assignment]
    fresh, truth = make_red_packet_world(FRESH, space, seed=seed + 10_000)
    unseen = draw_schedules(UNSEEN, np.random.default_rng([seed, 7]))
    base = truth.of([space.control])
    true = {
        "": truth.effects().values[..., [0, 2]],
        " unseen": (truth.of(unseen) - base)[..., [0, 2]],
    }
    true[" few unseen"] = true[" unseen"][:, :FEW]
    out = {
        f"oracle value{where}": 100 * at_spend(t[..., 0], t[..., 1], t, BUDGET)
        for where, t in true.items()
    }

    def judge(name: str, where: str, effects: Floats) -> None:
        t = true[where]
        out[f"{name} rmse{where}"] = float(np.sqrt(((effects[..., 0] - t[..., 0]) ** 2).mean()))
        value = at_spend(effects[..., 0], effects[..., 2], t, BUDGET)
        out[f"{name} value{where}"] = 100 * value

    given: dict[str, Any] = {"treatment": log.treatment, "propensity": log.propensity}
    x = XLearner(Ridge(RIDGE), Ridge(RIDGE), space=space).fit(log.features, log.y, **given)
    judge("x-learner", "", x.effects(fresh.features).values)
    for name, (form, degree, own) in METHODS.items():
        menu = Schedule(space.menu, form, degree)
        model = PooledDML(space=menu, own=own).fit(log.features, log.y, **given)
        judge(name, "", model.effects(fresh.features).values)
        if form != "ids":
            others = model.effects(fresh.features, unseen).values
            judge(name, " unseen", others)
            judge(name, " few unseen", others[:, :FEW])
    return out


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
    every = []
    for seed in SEEDS:
        every.append(one_seed(seed))
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
    for one in figures:
        ends = [None if one[k] is None else round(one[k], 4) for k in ("low", "high")]
        print(one["name"], round(one["value"], 4), *ends)
    protocol = " ".join((__doc__ or "").split())
    used = versions("equipoise", "numpy", "scikit-learn")
    record("incentives_schedules", protocol, used, list(SEEDS), figures)


if __name__ == "__main__":
    main()
