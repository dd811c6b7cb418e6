"""Missing values: what gaps in the features cost the choice of a red packet, by estimator and by
the way gaps are filled.

    world     a base and 20 schedules drawn evenly, with equal shares; one day; effects are learnt
              on return and cost, told of 5,000 fresh users
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

Mean over seeds with 95 % Student intervals.  Quick: 3 seeds of 10,000 users; FULL=1: 10 seeds of
20,000 users.  Worlds and estimators: `reproduce/incentives/missing.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.record import full, interval, one_thread, record, versions

one_thread()

from equipoise.reproduce.checkpoint import each_world  # noqa: E402
from equipoise.reproduce.incentives.missing import (  # noqa: E402
    NAMES,
    SERVED,
    TRAININGS,
    values_left,
)

SEEDS = tuple(range(10 if full() else 3))
USERS = 20_000 if full() else 10_000


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


def main(out: Path | None = None) -> None:
    """Learn on every seed, record.   out: where a stopped run goes on."""

    def say(what: str, done: int, total: int) -> None:
        print(what, done, "of", total, file=sys.stderr, flush=True)

    worlds = each_world(SEEDS, {"users": USERS}, values_left, (USERS,), out, say)
    runs, figures = [shares(world) for world in worlds], []
    for name in runs[0]:
        unit = "points" if name.endswith("value") else "share"
        against = "mean" if "_less_mean" in name else "dml" if "_less_dml" in name else ""
        figures.append(interval(name, [run[name] for run in runs], unit, against))
    show({one["name"]: one["value"] for one in figures})
    for one in figures:
        if one["unit"] == "points" or "_less_" in one["name"] or one["name"].endswith("_100"):
            print(f"{one['name']:40s} {one['value']:7.3f}  [{one['low']:.3f}, {one['high']:.3f}]")
    packages = versions("equipoise", "numpy", "torch", "lightgbm")
    record("incentives_missing", str(__doc__), packages, list(SEEDS), figures)


if __name__ == "__main__":
    main()
