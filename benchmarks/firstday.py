"""The first day with real data: what a new user's run says and ships, against the truth.

One part for each question; `PARTS` names them, each makes its figures from a form (quick or full).
`python -m benchmarks firstday PART` measures one of them; the recorded figures of the others stay.

money    A promotion of .15 a send and 10 a sale, 24,000 people, half of them sent it, one sale in a
         hundred without.  Worlds: `minority` (a send brings 3 points to a tenth, .1 to .3 to the
         others: the best policy is worth .015 a head), `fifth` (4 points to a fifth: .05), `loss`
         (.1 to .3 points to everybody: nobody is best, everybody loses .13) and `edge` (.5 to 2.5
         points, .1 points less than what pays on average).  Learners: dr-learner as it comes; one
         of 30 trees of 8 leaves without early stopping, `eager`, which believes much.

    money_net_WORLD            true net worth per head of the shipped policy on 50,000 new people
    money_net_share_of_best    the sum of it over worlds and learners, of the best policies' sum
    money_unpriced_WORLD       the same where the metric has no worth, as plans were before
    money_less_nobody          net worth of dr-learner less nobody's, by seed, all worlds
    money_false_gain           share of runs that say "do it" where the chosen policy truly loses;
                               the interval's own error rate allows 2.5 %
    money_said_do_WORLD        share of runs that say "do it"
"""

from __future__ import annotations

from benchmarks.record import one_thread

one_thread()

import sys  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

from benchmarks import (  # noqa: E402
    firstday_defaults,
    firstday_effects,
    firstday_many_arms,
    firstday_overlap,
    firstday_rules,
)
from benchmarks.parts import record_parts  # noqa: E402
from benchmarks.record import figure, interval, versions  # noqa: E402

COST, WORTH, ROWS, NEW, FEATURES = 0.15, 10.0, 24_000, 50_000, 6
NAMES = [f"x{j}" for j in range(FEATURES)]
SEEDS = {"quick": range(4), "full": range(40)}
Figures = list[dict[str, Any]]


def lift_of(world: str, X: np.ndarray) -> np.ndarray:
    """What a send adds to the chance of a sale, (n,).   X: (n, 6) standard normal."""
    few = 0.002 + 0.001 * np.tanh(X[:, 2])
    if world == "minority":
        return np.where(X[:, 1] > 1.2816, 0.03, few)
    if world == "fifth":
        return np.where(X[:, 1] > 0.8416, 0.04, few)
    return few if world == "loss" else 0.014 + 0.01 * np.tanh(X[:, 2])


WORLDS = ("minority", "fifth", "loss", "edge")


def people(world: str, n: int, seed: int) -> tuple[pa.Table, np.ndarray, np.ndarray, Any]:
    """Features, the chance of a sale without, the lift, and a generator."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, FEATURES))
    base = 0.01 * np.exp(0.4 * X[:, 0] - 0.08)
    return pa.table(dict(zip(NAMES, X.T, strict=True))), base, lift_of(world, X), rng


def promotion(world: str, seed: int, worth: float | None) -> tuple[Any, np.ndarray]:
    """A log of the promotion, and the true net worth of a send to each of its rows."""
    from equipoise.core.log import Log, Outcome, Roles
    from equipoise.treatments import Arms

    table, base, lift, rng = people(world, ROWS, seed)
    sent = rng.integers(0, 2, ROWS)
    sale = (rng.random(ROWS) < base + sent * lift).astype(np.int64)
    table = table.append_column("arm", pa.array(np.where(sent, "promo", "none")))
    table = table.append_column("sale", pa.array(sale))
    outcome = Outcome("sale", "binary", worth=worth)
    roles = Roles("arm", (outcome,), tuple(NAMES), design=(0.5, 0.5))
    return Log(table, roles, Arms(["none", "promo"])), WORTH * lift - COST


def learners() -> dict[str, Any]:
    """Those that are measured."""
    from equipoise.estimators import BoostedTrees, DRLearner, TLearner

    return {"dr": DRLearner(), "eager": TLearner(BoostedTrees(30, num_leaves=8))}


def one_run(world: str, seed: int, learner: Any, worth: float | None) -> dict[str, float]:
    """A policy, its true net worth on its log and on new people, and what is said of it."""
    from equipoise.pipeline.plan.money import CostWarning
    from equipoise.pipeline.study.honest import honest_policy
    from equipoise.report.verdict import DO, verdict

    log, net = promotion(world, seed, worth)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CostWarning)
        policy = honest_policy(log, learner, cost=COST)
    table, _, lift, _ = people(world, NEW, 100_000 + seed)
    sent = np.asarray(policy.scorer.assign(table)["chosen"].to_pylist()) == "promo"
    gain = policy.values.get("net", [0.0, 0.0, 0.0])
    return {
        "net": float((sent * (WORTH * lift - COST)).mean()),
        "best": float(np.maximum(WORTH * lift - COST, 0).mean()),
        "true": float(((policy.choice == 0) * net).mean()),
        "do": float(verdict(gain, 1 - policy.shares["none"]) == DO),
    }


def money(form: str) -> Figures:
    """The figures of the promotion."""
    seeds, every = SEEDS[form], dict[tuple[str, str], list[dict[str, float]]]()
    unpriced: dict[str, list[float]] = {}
    for world in WORLDS:
        for name, learner in learners().items():
            runs = [one_run(world, seed, learner, WORTH) for seed in seeds]
            every[world, name] = runs
        few = list(seeds)[: max(4, len(seeds) // 4)]
        one = learners()["dr"]
        unpriced[world] = [one_run(world, seed, one, None)["net"] for seed in few]
    return money_figures(every, unpriced)


def money_figures(
    every: dict[tuple[str, str], list[dict[str, float]]], unpriced: dict[str, list[float]]
) -> Figures:
    """Of runs by world and learner."""
    figures: Figures = []
    for world in WORLDS:
        for name in ("dr", "eager"):
            runs = every[world, name]
            mark = world if name == "dr" else f"{world}_{name}"
            figures.append(interval(f"money_net_{mark}", [r["net"] for r in runs], "per head"))
            figures.append(figure(f"money_said_do_{mark}", float(np.mean([r["do"] for r in runs]))))
        best = float(np.mean([r["best"] for r in every[world, "dr"]]))
        figures.append(figure(f"money_best_{world}", best, unit="per head"))
        figures.append(interval(f"money_unpriced_{world}", unpriced[world], "per head"))
    runs = [run for part in every.values() for run in part]
    share = sum(run["net"] for run in runs) / sum(run["best"] for run in runs)
    wrong = [run["do"] * (run["true"] < 0) for run in runs]
    usual = [[run["net"] for run in every[world, "dr"]] for world in WORLDS]
    return [
        figure("money_net_share_of_best", share, against="the best policy", n=len(runs)),
        interval("money_less_nobody", np.mean(usual, axis=0), "per head", "nobody"),
        figure("money_false_gain", float(np.mean(wrong)), against="0.025", n=len(runs)),
        *figures,
    ]


PARTS: dict[str, Callable[[str], Figures]] = {
    "money": money,
    "many_arms": firstday_many_arms.many_arms,
    "factors": firstday_many_arms.factors,
    "overlap": firstday_overlap.overlap,
    "effects": firstday_effects.effects,
    "rules": firstday_rules.rules,
    "defaults": firstday_defaults.defaults,
}


def main(wanted: list[str]) -> None:
    """Measure some parts, or every one, and record them beside the others."""
    files = (
        sys.modules[__name__],
        firstday_many_arms,
        firstday_overlap,
        firstday_effects,
        firstday_rules,
        firstday_defaults,
    )
    record_parts(
        "firstday",
        PARTS,
        wanted,
        protocols=[str(file.__doc__) for file in files],
        versions=versions("equipoise", "lightgbm", "numpy"),
        seeds=list(SEEDS["full"]),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
