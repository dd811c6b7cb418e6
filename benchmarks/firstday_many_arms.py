"""many_arms  37 arms, a control and the 36 combinations of 4 discounts, 3 texts and 3 channels, on
a 0/1 outcome with a base of a fifth; discounts, texts and channels move it, and their effects hang
on the features.  Placebo: the arms of 3,000 rows are permuted, 81 rows an arm, so that no effect is
left and who looks best is chance.

    placebo_many_arms          share of permuted logs on which the 95 % interval of the gain of
                               `honest_policy`, the headline of `run`, excludes 0: default learner
    placebo_many_arms_dml      the same of dml
    placebo_many_arms_up       share of them where it lies above 0: a gain is claimed, by either
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.record import figure

DISCOUNTS, TEXTS, CHANNELS = 4, 3, 3
FEATURES = 5
NAMES = [f"x{j}" for j in range(FEATURES)]
COMBINATIONS = np.indices((DISCOUNTS, TEXTS, CHANNELS)).reshape(3, -1).T
ARMS = ["control", *(f"d{d}-t{t}-c{c}" for d, t, c in COMBINATIONS.tolist())]
PLACEBO_ROWS = 3_000
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


def campaign(rows: int, seed: int, permuted: bool = False) -> Any:
    """A log of 37 arms.   permuted: its arms are shuffled among its rows."""
    from equipoise.core.log import Log, Outcome, Roles
    from equipoise.treatments import Arms

    rng = np.random.default_rng(seed)
    X, arm = rng.standard_normal((rows, FEATURES)), rng.integers(0, len(ARMS), rows)
    lift = np.column_stack([np.zeros(rows), lifts(X)])[np.arange(rows), arm]
    base = 0.2 + 0.1 * np.tanh(X[:, 0]) + 0.05 * np.tanh(X[:, 2])
    y = (rng.random(rows) < base + lift).astype(np.int64)
    arm = rng.permutation(arm) if permuted else arm
    table = pa.table(dict(zip(NAMES, X.T, strict=True)))
    table = table.append_column("arm", pa.array(np.array(ARMS)[arm])).append_column(
        "y", pa.array(y)
    )
    shares = (1 / len(ARMS),) * len(ARMS)
    return Log(
        table, Roles("arm", (Outcome("y", "binary"),), tuple(NAMES), design=shares), Arms(ARMS)
    )


def placebo(form: str) -> list[dict[str, Any]]:
    """How often a gain is claimed, or a loss, where no arm does anything."""
    from equipoise.estimators import DRLearner, LinearDML
    from equipoise.pipeline.study.honest import honest_policy

    ends = np.array(
        [
            [honest_policy(log, learner).values["y"][1:] for learner in (DRLearner(), LinearDML())]
            for log in (campaign(PLACEBO_ROWS, seed, True) for seed in PLACEBO_SEEDS[form])
        ]
    )  # (seeds, learners, 2)
    up, down = ends[:, :, 0] > 0, ends[:, :, 1] < 0
    wrong, n = (up | down).mean(axis=0), len(ends)
    return [
        figure("placebo_many_arms", float(wrong[0]), against="0.07", n=n),
        figure("placebo_many_arms_dml", float(wrong[1]), against="0.07", n=n),
        figure("placebo_many_arms_up", float(up.mean()), against="0.025", n=2 * n),
    ]


def many_arms(form: str) -> list[dict[str, Any]]:
    """The figures of many arms."""
    return placebo(form)
