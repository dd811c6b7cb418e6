"""overlap  Who could have been trained?  4,000 people, treatment worth .5 + .5 tanh(b) to each,
     control falls by a, which also makes treatment likely: P(treated) = expit(s a + c).  No
     design is stated.  Worlds: `drawn` (s = 0), `mild` (s = .8, c = 0), `steep` (s = 2, c = -1:
     some could hardly be treated) and `survey` (s = 3, c = -6: most could not).  `[log]
     overlap`: all rows, trimmed, or overlap weights; a DR-learner of 60 trees.

overlap_untold_WORLD       share of runs on all rows whose headline is that the log cannot tell
overlap_bias_WORLD_RULE    the value said less the true one of the same choices, for the
                           population that the answer names, where the log is said to tell
overlap_cover_WORLD_RULE   share of its 95 % intervals that hold the truth
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import expit

from benchmarks.record import figure, interval

ROWS = 4_000
WORLDS = {"drawn": (0.0, 0.0), "mild": (0.8, 0.0), "steep": (2.0, -1.0), "survey": (3.0, -6.0)}
RULES = ("all", "trim", "weights")
SEEDS = {"quick": range(6), "full": range(100)}


def people(world: str, seed: int) -> tuple[Any, np.ndarray]:
    """A log without a design, and the true effect of its rows."""
    from equipoise.core.log import Log, Outcome, Roles
    from equipoise.treatments import Arms

    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, ROWS))
    slope, shift = WORLDS[world]
    treated = rng.random(ROWS) < expit(slope * a + shift)
    effect = 0.5 + 0.5 * np.tanh(b)
    y = -1.5 * a + 0.5 * a**2 + b + effect * treated + rng.standard_normal(ROWS)
    table = pa.table({"a": a, "b": b, "arm": treated.astype(np.int64), "y": y})
    return Log(table, Roles("arm", (Outcome("y"),), ("a", "b")), Arms([0, 1])), effect


def one_run(world: str, rule: str, seed: int) -> dict[str, float]:
    """Whether the log is said to tell, and what is said against the truth."""
    import equipoise as eq

    log, effect = people(world, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        some = eq.overlap_population(log, rule)
        model = eq.DRLearner(eq.BoostedTrees(60, num_leaves=8), eq.BoostedTrees(60, num_leaves=8))
        policy = eq.honest_policy(some.log, model)
    weight = np.ones(len(some.log)) if some.log.weight is None else some.log.weight
    truth = float(np.average((policy.choice == 0) * effect[some.rows], weights=weight))
    value, low, high = policy.values["y"]
    held = float(low <= truth <= high)
    return {"untold": float(bool(policy.untold)), "bias": value - truth, "held": held}


def overlap(form: str) -> list[dict[str, Any]]:
    """The figures of all worlds and rules."""
    figures = []
    for world in WORLDS:
        for rule in RULES:
            runs = [one_run(world, rule, seed) for seed in SEEDS[form]]
            if rule == "all":
                share = float(np.mean([run["untold"] for run in runs]))
                figures.append(figure(f"overlap_untold_{world}", share, n=len(runs)))
            told = [run for run in runs if not run["untold"]]
            if len(told) < 2:
                continue
            mark = f"{world}_{rule}"
            figures.append(interval(f"overlap_bias_{mark}", [r["bias"] for r in told], "outcome"))
            cover = float(np.mean([run["held"] for run in told]))
            figures.append(figure(f"overlap_cover_{mark}", cover, against="0.95", n=len(told)))
    return figures
