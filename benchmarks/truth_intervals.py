"""Do the intervals of a policy's value hold it, where the data also choose the policy?

Each run draws an experiment of 1,000 rows from a world with known effects, calls `honest_policy`
(three folds, one linear model per arm) and compares its intervals with the truth among 20,000 other
units: of the procedure, the mean over folds of what each fold's rule is worth to them; and of the
rule that ships.

    null       no effect at all: every choice is noise
    weak       .04 + .06 x
    strong     .2 + .8 x
    rare       1.5 % of 4,000 rows buy, +- .3 points
    close      three arms, two of them alike: .1 + .05 x
    tails      heavy-tailed amounts, arms of 80 and 20 %, offers to 30 % at most: fewer runs
    clusters   shops of 10 people share their arm and a shock: fewer runs

Figures:

    coverage_policy_value    share of the 95 % intervals of the procedure that hold it: mean of the
                             first five worlds (low, high: the worst and the best), and each world
    coverage_shipped_value   the same of the rule that ships
    coverage_uncorrected     the same of the procedure, without the covariance of folds
    policy_value_bias        mean error of the procedure's value in its standard deviations: worst
    interval_wider           mean width with the covariance over that without
    coverage_trees           boosted trees (20) in the null and the rare world: fewer runs
"""

from __future__ import annotations

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from typing import Any  # noqa: E402
from unittest import mock  # noqa: E402

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from sklearn.linear_model import LinearRegression  # noqa: E402

from equipoise.allocation import decide  # noqa: E402
from equipoise.core.log import Log  # noqa: E402
from equipoise.data import read_log  # noqa: E402
from equipoise.estimators import BoostedTrees, TLearner  # noqa: E402
from equipoise.pipeline.study import cross_fit, honest, policy  # noqa: E402
from equipoise.pipeline.study.evaluator import one_hot  # noqa: E402
from equipoise.treatments import Arms  # noqa: E402

ROWS, CROWD, FEATURES, FOLDS, SHOP = 1_000, 20_000, 4, 3, 10
NAMES = ("none", "a", "b")
TARGET = ("null", "weak", "strong", "rare", "close")
OTHERS = ("tails", "clusters")
HALF = (0.5, 0.5)


@dataclass(frozen=True)
class World:
    """A world: what each candidate adds (n, k) to a row of features, the shares of the arms, the
    outcome, what is asked of the policy, and the rows of an experiment.
    """

    effect: Callable[[np.ndarray], np.ndarray]
    shares: tuple[float, ...] = HALF
    kind: str = "normal"
    asked: dict[str, Any] = field(default_factory=dict)
    rows: int = ROWS


def _column(x: np.ndarray) -> np.ndarray:
    return x[:, None]


WORLDS = {
    "null": World(lambda x: np.zeros((len(x), 1))),
    "weak": World(lambda x: _column(0.04 + 0.06 * x[:, 1])),
    "strong": World(lambda x: _column(0.2 + 0.8 * x[:, 1])),
    "rare": World(lambda x: _column(0.003 * np.tanh(x[:, 1])), kind="rare", rows=4 * ROWS),
    "close": World(lambda x: 0.1 + 0.05 * x[:, 1:3], (0.4, 0.3, 0.3)),
    "tails": World(
        lambda x: _column(0.3 * np.maximum(x[:, 1], 0)), (0.8, 0.2), "tails", {"offers": 0.3}
    ),
    "clusters": World(lambda x: _column(0.1 + 0.1 * x[:, 1]), kind="clusters"),
}


def draw(world: World, n: int, seed: int) -> tuple[Log, np.ndarray]:
    """An experiment of n rows, and what each candidate adds to each of them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, FEATURES))
    gain = world.effect(x)
    shop = np.arange(n) // SHOP if world.kind == "clusters" else np.arange(n)
    arm = rng.choice(len(world.shares), n, p=world.shares)[shop]
    level = np.column_stack([np.zeros(n), gain])[np.arange(n), arm]
    if world.kind == "rare":
        y = (rng.random(n) < 0.015 + level).astype(np.float64)
    elif world.kind == "tails":
        y = rng.lognormal(0.3 * x[:, 0], 0.8) + level
    else:
        shock = 0.4 * rng.normal(size=n)[shop] if world.kind == "clusters" else 0.0
        y = 9 + 0.5 * x[:, 0] + level + shock + rng.normal(size=n)
    names = NAMES[: len(world.shares)]
    table = {f"x{j}": x[:, j] for j in range(FEATURES)}
    table |= {"arm": np.asarray(names)[arm], "y": y, "shop": shop}
    group = {"group": "shop"} if world.kind == "clusters" else {}
    log = read_log(
        pa.table(table),
        treatment="arm",
        outcomes={"y": "amount"},
        features=[f"x{j}" for j in range(FEATURES)],
        space=Arms(list(names)),
        design=list(world.shares),
        **group,
    )
    return log, gain


@contextmanager
def observed(into: dict[str, list[Any]]) -> Iterator[None]:
    """Keep the models and rules of all folds, and the judge, of `honest_policy` called within."""

    def keeping(module: Any, name: str) -> Any:
        make, kept = getattr(module, name), into.setdefault(name, [])

        def call(*given: Any, **named: Any) -> Any:
            kept.append(make(*given, **named))
            return kept[-1]

        return mock.patch.object(module, name, call)

    with (
        keeping(cross_fit, "fit_model"),
        keeping(policy, "solve"),
        keeping(honest, "make_judge"),
    ):
        yield


@dataclass(frozen=True)
class Run:
    """The intervals of one run, with and without covariance, and of the shipped rule, with the
    truths: each [value, low, high], and of the procedure and the shipped rule.
    """

    procedure: list[float]
    plain: list[float]
    shipped: list[float]
    truth: float
    truth_shipped: float


def one_run(world: World, estimator: Any, seed: int, crowd: tuple[pa.Table, np.ndarray]) -> Run:
    """One experiment."""
    log, _ = draw(world, world.rows, seed)
    kept: dict[str, list[Any]] = {}
    with observed(kept):
        ours = honest.honest_policy(
            log, estimator, weights={"y": 1.0}, cv=FOLDS, random_state=seed, **world.asked
        )
    table, gain = crowd
    worth = []
    for model, solved in zip(kept["fit_model"], kept["solve"], strict=True):
        choice = decide(solved.policy, model.effects(table), units=np.arange(len(gain))).choice
        picked = gain[np.arange(len(gain)), np.maximum(choice, 0)]
        worth.append(np.where(choice >= 0, picked, 0.0).mean())
    plain, _ = kept["make_judge"][0].value(one_hot(ours.choice, gain.shape[1]))
    return Run(ours.values["y"], plain["y"], ours.shipped["y"], float(np.mean(worth)), worth[0])


def runs_of(name: str, estimator: Any, seeds: range) -> list[Run]:
    """The runs of one world."""
    log, gain = draw(WORLDS[name], CROWD, 10**9)
    crowd = (log.table, gain)
    return [one_run(WORLDS[name], estimator, seed, crowd) for seed in seeds]


def held(runs: list[Run], interval: str, truth: str) -> float:
    """The share of intervals that hold the truth."""
    ends = [(getattr(run, interval), getattr(run, truth)) for run in runs]
    return float(np.mean([low <= true <= high for (_, low, high), true in ends]))


def figures_of(worlds: dict[str, list[Run]], trees: dict[str, list[Run]]) -> list[dict[str, Any]]:
    """All figures."""
    n, target = len(worlds["null"]), [world for world in TARGET if world in worlds]
    figures = []
    for name, interval, truth in (
        ("coverage_policy_value", "procedure", "truth"),
        ("coverage_shipped_value", "shipped", "truth_shipped"),
        ("coverage_uncorrected", "plain", "truth"),
    ):
        share = {world: held(runs, interval, truth) for world, runs in worlds.items()}
        asked = [share[world] for world in target]
        unit = {"unit": "share of intervals", "against": "0.95"}
        mean = float(np.mean(asked))
        figures.append(figure(name, mean, low=min(asked), high=max(asked), n=n, **unit))
        figures += [
            figure(f"{name}_{world}", each, n=len(worlds[world]), **unit)
            for world, each in share.items()
        ]
    errors = [np.array([run.procedure[0] - run.truth for run in worlds[w]]) for w in target]
    bias = max((float(each.mean() / each.std()) for each in errors), key=abs)
    figures.append(figure("policy_value_bias", bias, unit="standard deviations", against="0", n=n))
    wider = [
        float(np.mean([_width(run.procedure) / _width(run.plain) for run in worlds[world]]))
        for world in target
    ]
    figures.append(
        figure("interval_wider", float(np.mean(wider)), low=min(wider), high=max(wider), n=n)
    )
    for world, runs in trees.items():
        share = held(runs, "procedure", "truth")
        unit = {"unit": "share of intervals", "against": "0.95", "n": len(runs)}
        figures.append(figure(f"coverage_trees_{world}", share, **unit))
    return figures


def _width(interval: list[float]) -> float:
    return interval[2] - interval[1]


def main() -> None:
    """Simulate and record."""
    runs = 1_000 if full() else 200
    linear, boosted = TLearner(LinearRegression()), TLearner(BoostedTrees(20))
    worlds = {world: runs_of(world, linear, range(runs)) for world in TARGET}
    worlds |= {world: runs_of(world, linear, range(runs // 4)) for world in OTHERS}
    trees = {world: runs_of(world, boosted, range(runs // 4)) for world in ("null", "rare")}
    store(worlds, trees)


def store(worlds: dict[str, list[Run]], trees: dict[str, list[Run]]) -> None:
    """Record the figures of all runs, and show them."""
    runs = len(worlds["null"])
    figures = figures_of(worlds, trees)
    protocol = (
        f"Experiments of {ROWS:,} rows ({WORLDS['rare'].rows:,} in rare), {FOLDS} folds, a linear"
        f" model per arm; truth of each fold's rule from {CROWD:,} units.  {runs} experiments in"
        f" each of the worlds {', '.join(worlds)}"
        f"{'' if all(len(w) == runs for w in worlds.values()) else ' (fewer: see n)'}"
        f"{'; boosted trees in ' + ', '.join(trees) if trees else ''}."
    )
    print(record("truth_intervals", protocol, versions("equipoise", "numpy"), range(runs), figures))
    for one in figures:
        print(f"{one['name']:34} {one['value']:.4f}")


if __name__ == "__main__":
    main()
