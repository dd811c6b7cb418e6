"""Missing values: what gaps in the features cost the choice of a red packet, by estimator and by
the way gaps are filled.

    world     a base and 4 schedules drawn evenly, with equal shares; one day; effects are learnt on
              return and cost, told of 5,000 fresh users
    gaps      each of the 5 features of each user is missing with the same chance, by itself; no
              whole column or day goes missing
    value     each user gets the schedule of the largest effect on return less a price times that on
              cost, as estimated; the price spends 0.16 yuan a user beyond the base, in truth, or
              the most that choices can spend; return in points, in truth

    <estimator>_value                  learnt and served without gaps, in points
    <estimator>_<training>_<p>         value with p % of values missing at serving, as a share of
                                       the estimator's ``_value`` of the same seed; trainings:

        mean           no gaps in training; the training mean fills those at serving
        native         the same fit, which is handed NaN (and no level of activity); nets and trees
        rare_mean      1 % of values missing in training, filled with the mean
        rare_mark      the same, beside five columns that mark what was missing
        common_mean    30 % missing in training, filled with the mean
        common_mark    the same, with the five marks

    <estimator>_mean_100               every value missing: one choice for all, what is left of the
                                       value without personalisation
    <estimator>_<kind>_mark_less_mean_30   with marks less without at 30 % missing, paired by seed
    dragonnet_less_dml_30              of ``mean`` at 30 %, paired; below 0 where the net loses more

Mean over seeds with 95 % Student intervals.  Quick: 3 seeds of 10,000 users, DragonNet alone of the
nets; FULL=1: 6 seeds of 20,000 users.  The sizes were chosen on seeds 100 and 101.
"""

from __future__ import annotations

from benchmarks.record import full, interval, one_thread, record, versions

one_thread()

import os  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.incentives_schedules import BUDGET, at_spend  # noqa: E402
from equipoise.core.arrays import Bools, Floats  # noqa: E402
from equipoise.core.features import FeatureMap, matrix  # noqa: E402
from equipoise.data import make_red_packet_world  # noqa: E402
from equipoise.data.simulators.red_packet import draw_schedules  # noqa: E402
from equipoise.estimators import ESTIMATORS  # noqa: E402
from equipoise.treatments import Schedule  # noqa: E402

FIRST = int(os.environ.get("FIRST", "0"))  # 100 where settings are chosen
SEEDS = tuple(range(FIRST, FIRST + (6 if full() else 3)))
USERS, FRESH, ARMS = (20_000 if full() else 10_000), 5_000, 4
LINEAR = ("dml", "dml-pooled")
NETS = ("dragonnet", "tarnet") if full() else ("dragonnet",)
NAMES = (*NETS, *LINEAR, "x-learner")
TRAININGS = {  # share of values missing in training, marks
    "mean": (0.0, False),
    "rare_mean": (0.01, False),
    "rare_mark": (0.01, True),
    "common_mean": (0.3, False),
    "common_mark": (0.3, True),
}
SERVED = (0.0, 0.1, 0.3, 0.5)


def gaps(shape: tuple[int, int], share: float, seed: int, part: int) -> Bools:
    """Where values are missing, (n, features); a larger share contains a smaller one."""
    drawn: Bools = np.random.default_rng([seed, part]).random(shape) < share
    return drawn


def filled(X: Floats, absent: Bools, source: Any, mean: Floats, marks: bool) -> Floats:
    """X (n, d) with a mean where its feature is absent, and the marks beside it where asked."""
    values = np.where(absent[:, source], mean, X)
    return np.hstack([values, absent]) if marks else values


def one_seed(seed: int) -> dict[str, float]:
    """Values of every estimator, training and share in one world."""
    drawn = draw_schedules(ARMS, np.random.default_rng([seed, 7]))
    menu = {"base": [0.2, 2, 4.0]} | {f"s{k}": one.tolist() for k, one in enumerate(drawn)}
    space = Schedule(menu, "ids", 1)
    log, _ = make_red_packet_world(USERS, space, seed=seed)
    fresh, truth = make_red_packet_world(FRESH, space, seed=seed + 10_000)
    features = FeatureMap().fit(log.features)
    X, Z = (matrix(features.table(part.features))[0] for part in (log, fresh))
    columns, sources = list(features.columns_), features.sources()
    source = np.array([columns.index(name) for name in sources])
    text = np.array([name in features.levels_ for name in sources])
    true = truth.effects().values[..., [0, 2]]
    given: dict[str, Any] = {"treatment": log.treatment, "propensity": log.propensity}

    def value(model: Any, served: Floats) -> float:
        effects = model.effects(served).values
        return 100 * at_spend(effects[..., 0], effects[..., 1], true, BUDGET)

    out = {"oracle_value": 100 * at_spend(true[..., 0], true[..., 1], true, BUDGET)}
    for training, (share, marks) in TRAININGS.items():
        absent = gaps((USERS, len(columns)), share, seed, 11)
        mean = np.where(absent[:, source], np.nan, X)
        mean = np.nanmean(mean, axis=0)
        learnt = filled(X, absent, source, mean, marks)
        for name in NAMES:
            model = ESTIMATORS.load(name)(space=space, random_state=seed)
            model.fit(learnt, log.y[:, [0, 2]], **given)
            for missing in (*SERVED, 1.0) if training == "mean" else SERVED:
                lost, percent = gaps((FRESH, len(columns)), missing, seed, 12), round(100 * missing)
                served = filled(Z, lost, source, mean, marks)
                out[f"{name}_{training}_{percent}"] = value(model, served)
                if training == "mean" and name not in LINEAR and 0 < missing < 1:
                    raw = np.where(lost[:, source], np.where(text, 0.0, np.nan), Z)
                    out[f"{name}_native_{percent}"] = value(model, raw)
    return out


def shares(run: dict[str, float]) -> dict[str, float]:
    """The figures of a seed."""
    out = {"oracle_value": run["oracle_value"]}
    for name in NAMES:
        whole = out[f"{name}_value"] = run[f"{name}_mean_0"]
        own = {key: one / whole for key, one in run.items() if key.startswith(f"{name}_")}
        own.pop(f"{name}_mean_0")
        out |= own
        for kind in ("rare", "common"):
            left, right = (own[f"{name}_{kind}_{way}_30"] for way in ("mark", "mean"))
            out[f"{name}_{kind}_mark_less_mean_30"] = left - right
    out["dragonnet_less_dml_30"] = out["dragonnet_mean_30"] - out["dml_mean_30"]
    return out


def show(mean: dict[str, float]) -> None:
    """A table: a row an estimator and training, a column a share."""
    print(f"{'share of the value without gaps':32s}" + "".join(f"{100 * s:8.0f}%" for s in SERVED))
    for name in NAMES:
        for training in ("mean", "native", *list(TRAININGS)[1:]):
            keys = [f"{name}_{training}_{100 * s:.0f}" for s in SERVED]
            if keys[-1] in mean:
                cells = "".join(f"{mean.get(key, 1.0):9.2f}" for key in keys)
                print(f"{name + ' ' + training:32s}{cells}")


def main() -> None:
    """Learn on every seed, record."""
    runs = []
    for seed in SEEDS:
        runs.append(shares(one_seed(seed)))
        print(f"seed {seed}", flush=True)
    figures = []
    for name in runs[0]:
        unit = "points" if name.endswith("value") else "share"
        against = "mean" if "_less_mean" in name else "dml" if "_less_dml" in name else ""
        figures.append(interval(name, [run[name] for run in runs], unit, against))
    show({one["name"]: one["value"] for one in figures})
    for one in figures:
        if one["unit"] == "points" or "_less_" in one["name"] or one["name"].endswith("_100"):
            print(f"{one['name']:40s} {one['value']:7.3f}  [{one['low']:.3f}, {one['high']:.3f}]")
    if FIRST == 0:
        packages = versions("equipoise", "numpy", "torch", "lightgbm")
        record("incentives_missing", str(__doc__), packages, list(SEEDS), figures)


if __name__ == "__main__":
    main()
