"""many_arms  37 arms, a control and the 36 combinations of 4 discounts, 3 texts and 3 channels, on
a 0/1 outcome with a base of a fifth; discounts, texts and channels move it, and their effects hang
on the features.  Placebo: the arms of 3,000 rows are permuted, 81 rows an arm, so that no effect is
left and who looks best is chance.

    placebo_many_arms          share of permuted logs on which the 95 % interval of the gain of
                               `honest_policy`, the headline of `run`, excludes 0: the default of
                               a plan, x-learner
    placebo_many_arms_WHO      the same of dr-learner and of dml
    placebo_many_arms_up       share of them where it lies above 0: a gain is claimed, by any

Speed: x-learner and dr-learner on 25,000 rows with 10 features, beside themselves with the models
of levels and effects that they have for few arms, each arm's own from its own rows; the campaign,
and `own`, where the effect of each arm follows three features in its own direction.

    many_arms_speed_WHO        how many times as quick a fit is (CPU), both worlds
    many_arms_error_WHO_WORLD  the root mean square error of effects, as a share of that of models
                               of each arm, paired by seed
    many_arms_value_WHO_WORLD  what the best arm by these effects brings, less that by the others
    many_arms_run_seconds      CPU of a whole run of 50,000 rows with 20 features, as a plan has it

Factors: the campaign's 36 combinations as a space of factors (main effects and discount x text)
with dml-pooled, on 10,000 rows, beside the flat arms with dml-pooled and with dr-learner, `default`
in the names.

    factors_value_WHO          what the best arm by these effects brings to 20,000 new people
    factors_value_over_WHO     what factors bring more, paired by seed
    factors_error_WHO          root mean square error of the effects
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.record import figure, interval

DISCOUNTS, TEXTS, CHANNELS = 4, 3, 3
FEATURES = 5
COMBINATIONS = np.indices((DISCOUNTS, TEXTS, CHANNELS)).reshape(3, -1).T
ARMS = ["control", *(f"d{d}-t{t}-c{c}" for d, t, c in COMBINATIONS.tolist())]
PLACEBO_ROWS = 3_000
# settings were chosen on seeds 0 to 7 and 300 to 302
FIT_ROWS, FIT_SEEDS = 25_000, {"quick": range(1_000, 1_004), "full": range(1_000, 1_020)}
FACTOR_SEEDS = {"quick": range(6), "full": range(20)}
PLACEBO_SEEDS = {"quick": range(60), "full": range(500)}


def lifts(X: np.ndarray) -> np.ndarray:
    """What each combination adds to the chance of success, (n, 36).   X: (n, 5)."""
    d, t, c = COMBINATIONS.T
    mean = np.array([0, 0.01, 0.0175, 0.025])[d] + np.array([0, 0.005, -0.005])[t]
    mean = mean + np.array([0, 0, 0.0075])[c] + 0.015 * ((d == 3) & (t == 1))
    by_x0 = np.array([-0.01, 0, 0.005, 0.015])[d]
    by_x1 = np.array([0, 0.015, -0.015])[t]
    lift: np.ndarray = mean + np.outer(np.tanh(X[:, 0]), by_x0) + np.outer(np.tanh(X[:, 1]), by_x1)
    return lift


def campaign(rows: int, seed: int, permuted: bool = False, features: int = FEATURES) -> Any:
    """A log of 37 arms.   permuted: its arms are shuffled among its rows."""
    from equipoise.core.log import Log, Outcome, Roles
    from equipoise.treatments import Arms

    rng = np.random.default_rng(seed)
    names = [f"x{j}" for j in range(features)]
    X, arm = rng.standard_normal((rows, features)), rng.integers(0, len(ARMS), rows)
    lift = np.column_stack([np.zeros(rows), lifts(X)])[np.arange(rows), arm]
    base = 0.2 + 0.1 * np.tanh(X[:, 0]) + 0.05 * np.tanh(X[:, 2])
    y = (rng.random(rows) < base + lift).astype(np.int64)
    arm = rng.permutation(arm) if permuted else arm
    table = pa.table(dict(zip(names, X.T, strict=True)))
    table = table.append_column("arm", pa.array(np.array(ARMS)[arm])).append_column(
        "y", pa.array(y)
    )
    shares = (1 / len(ARMS),) * len(ARMS)
    return Log(
        table, Roles("arm", (Outcome("y", "binary"),), tuple(names), design=shares), Arms(ARMS)
    )


def placebo(form: str) -> list[dict[str, Any]]:
    """How often a gain is claimed, or a loss, where no arm does anything."""
    from equipoise.estimators import DRLearner, LinearDML, XLearner
    from equipoise.pipeline.study.honest import honest_policy

    learners = (XLearner(), DRLearner(), LinearDML())
    ends = np.array(
        [
            [honest_policy(log, learner).values["y"][1:] for learner in learners]
            for log in (campaign(PLACEBO_ROWS, seed, True) for seed in PLACEBO_SEEDS[form])
        ]
    )  # (seeds, learners, 2)
    up, down = ends[:, :, 0] > 0, ends[:, :, 1] < 0
    wrong, n = (up | down).mean(axis=0), len(ends)
    return [
        figure("placebo_many_arms", float(wrong[0]), against="0.07", n=n),
        figure("placebo_many_arms_dr-learner", float(wrong[1]), against="0.07", n=n),
        figure("placebo_many_arms_dml", float(wrong[2]), against="0.07", n=n),
        figure("placebo_many_arms_up", float(up.mean()), against="0.025", n=len(learners) * n),
    ]


def own_lifts(X: np.ndarray) -> np.ndarray:
    """Effects that follow three features, each arm's in its own direction, (n, 36)."""
    rng = np.random.default_rng(5)
    lift: np.ndarray = 0.15 * X[:, :3] @ rng.normal(size=(3, len(COMBINATIONS)))
    return lift + 0.1 * rng.normal(size=len(COMBINATIONS))


def fits(learner: Any, world: str, seed: int) -> list[tuple[float, float, float]]:
    """Error, value and CPU seconds of a learner's default, and of models of each arm."""
    from equipoise.learners.base_learners import default_effect, default_outcome
    from equipoise.treatments import Arms

    rng = np.random.default_rng(seed)
    X, arm = rng.standard_normal((FIT_ROWS, 10)), rng.integers(0, len(ARMS), FIT_ROWS)
    new = rng.standard_normal((20_000, 10))
    lift = lifts if world == "campaign" else own_lifts
    mean = np.column_stack([np.zeros(FIT_ROWS), lift(X)])[np.arange(FIT_ROWS), arm]
    if world == "campaign":
        mean = mean + 0.2 + 0.1 * np.tanh(X[:, 0]) + 0.05 * np.tanh(X[:, 2])
        y = (rng.random(FIT_ROWS) < mean).astype(float)
    else:
        y = mean + np.sin(X[:, 0]) + X[:, 1] * (X[:, 2] > 0) + rng.standard_normal(FIT_ROWS)
    each, truth, of_arm = [], lift(new), FIT_ROWS / len(ARMS)
    for models in ((), (default_outcome(of_arm), default_effect(of_arm))):
        start = time.process_time()
        fitted = learner(*models, space=Arms(list(range(len(ARMS))))).fit(X, y, treatment=arm)
        seconds = time.process_time() - start
        effect = fitted.effects(new).values[:, :, 0]
        chosen = truth[np.arange(len(new)), effect.argmax(axis=1)]
        value = float(np.where(effect.max(axis=1) > 0, chosen, 0).mean())
        each.append((float(np.sqrt(((effect - truth) ** 2).mean())), value, seconds))
    return each


def speed(form: str) -> list[dict[str, Any]]:
    """How quick the defaults are with many arms, and what they lose by that."""
    from equipoise.estimators import DRLearner, XLearner

    figures, other = [], "models of each arm"
    for who, learner in (("x-learner", XLearner), ("dr-learner", DRLearner)):
        fits(learner, "campaign", 0)  # kernels are loaded
        seconds = np.zeros(2)
        for world in ("campaign", "own"):
            runs = np.array([fits(learner, world, seed) for seed in FIT_SEEDS[form]])
            seconds += runs[:, :, 2].sum(axis=0)
            ratio, gain = runs[:, 0, 0] / runs[:, 1, 0], runs[:, 0, 1] - runs[:, 1, 1]
            figures.append(interval(f"many_arms_error_{who}_{world}", ratio, "", other))
            figures.append(interval(f"many_arms_value_{who}_{world}", gain, "per head", other))
        times = float(seconds[1] / seconds[0])
        figures.append(figure(f"many_arms_speed_{who}", times, unit="times", against=other))
    return [*figures, figure("many_arms_run_seconds", run_seconds(), unit="s", n=50_000)]


def run_seconds() -> float:
    """CPU of a run of 50,000 rows with 20 features."""
    from equipoise.pipeline.plan.read import read_plan
    from equipoise.pipeline.targeting_job import run_targeting

    with TemporaryDirectory() as name:
        folder, log = Path(name), campaign(50_000, 0, features=20)
        pq.write_table(log.table, folder / "log.parquet")
        about = {"path": "log.parquet", "treatment": "arm", "outcomes": ["y"], "design": "shares"}
        about["features"] = list(log.roles.features)
        keys = "\n".join(f"{key} = {json.dumps(value)}" for key, value in about.items())
        space = f'[space]\nkind = "arms"\nlabels = {json.dumps(ARMS)}'
        (folder / "plan.toml").write_text(f"[log]\n{keys}\n{space}\n", encoding="utf-8")
        start = time.process_time()
        run_targeting(read_plan(folder / "plan.toml"), folder / "run")
        return time.process_time() - start


def factors(form: str) -> list[dict[str, Any]]:
    """What flat arms lose that are combinations of factors."""
    from equipoise.estimators import DRLearner, PooledDML
    from equipoise.treatments import Arms, Factors

    parts = [("d", DISCOUNTS), ("t", TEXTS), ("c", CHANNELS)]
    levels = {name: [f"{name}{i}" for i in range(count)] for name, count in parts}
    space = Factors(levels, "control", [["d", "t"]], separator="-")
    who = {
        "factors": PooledDML(space=space),
        "flat": PooledDML(space=Arms(ARMS)),
        "default": DRLearner(space=Arms(ARMS)),
    }
    new = np.random.default_rng(99).standard_normal((20_000, FEATURES))
    truth, runs = lifts(new), dict[str, list[tuple[float, float]]]({name: [] for name in who})
    for seed in FACTOR_SEEDS[form]:
        log = campaign(10_000, seed)
        X = np.column_stack([log.table[name].to_numpy() for name in log.roles.features])
        for name, learner in who.items():
            learner.fit(X, log.numbers("y"), treatment=log.treatment)
            effect = learner.effects(new).values[:, :, 0]
            chosen = truth[np.arange(len(new)), effect.argmax(axis=1)]
            value = float(np.where(effect.max(axis=1) > 0, chosen, 0).mean())
            runs[name].append((value, float(np.sqrt(((effect - truth) ** 2).mean()))))
    value, error = ({name: np.array(r)[:, j] for name, r in runs.items()} for j in (0, 1))
    best = float(np.maximum(truth.max(axis=1), 0).mean())
    return [
        *(
            interval(f"factors_value_over_{name}", value["factors"] - value[name], "per head", name)
            for name in ("flat", "default")
        ),
        *(interval(f"factors_value_{name}", value[name], "per head") for name in who),
        figure("factors_value_best", best, unit="per head"),
        *(interval(f"factors_error_{name}", error[name], "") for name in who),
    ]


def many_arms(form: str) -> list[dict[str, Any]]:
    """The figures of many arms."""
    return [*placebo(form), *speed(form)]
