"""Effects that do not exist: logs that state no design, and whose arms follow the features.

placebo_confounded_reject: worlds in which treatment does nothing, and both the chance of treatment
and the outcome follow one shape of the features (square, product, threshold, region, sine, line, in
turns), so that all standardised mean differences may be small.  8,000 rows, four normal features,

    P(w) = expit(s g(x)),   y = .7 g(x) + x0 + noise,   s = .9, .45 and .2 in turns

and a plan with neither design nor propensity, by `dr-learner` and by `dml` in turns: the share of
studies whose interval of the average effect excludes 0; `_value`: of those whose interval of the
chosen policy's gain does.  `_shares`: the same where the plan says undesigned = "shares", as before
there was a test.  `_known`: with the true propensities, the most that can be asked (both of the
first 36 worlds).
placebo_stand_in: the average effect and its interval in 20,000 rows of seed 5, by square.

two_sample_size: the share of logs by lot that `two_sample_test` rejects at 5 %: two arms and
several, unequal shares, discrete features, clusters, periods' strata and propensities that vary,
500 and 3,000 rows; two_sample_power by shape: where logging has s = .45 in 8,000 rows.
two_sample_cost: its CPU time over that of one fit of the default trees to all rows, three arms.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

Data = dict[str, np.ndarray]
SHAPES = {
    "square": lambda X: X[:, 1] ** 2 - 1,
    "product": lambda X: X[:, 0] * X[:, 1],
    "threshold": lambda X: 1.5 * np.sign(X[:, 1] - 0.3),
    "region": lambda X: np.where((X[:, 0] > 0) & (X[:, 1] > 0), 1.5, -0.5),
    "sine": lambda X: 1.2 * np.sin(2.5 * X[:, 1]),
    "line": lambda X: X[:, 1],
}
ROWS, KNOWN, STRENGTHS, LEARNERS = 8_000, 36, (0.9, 0.45, 0.2), ("dr-learner", "dml")
FORMS = {
    "quick": {"placebo": 12, "size": 20, "power": 3},
    "full": {"placebo": 200, "size": 50, "power": 10},
}
KINDS = (
    "alone",
    "rare",
    "discrete",
    "three",
    "six",
    "clusters",
    "whole clusters",
    "strata",
    "known",
)


def placebo(world: int, rows: int = ROWS) -> Data:
    """X (n, 4), w (n,), e (n,) and y (n,) of a world in which treatment does nothing."""
    rng = np.random.default_rng([17, world])
    X = rng.normal(size=(rows, 4))
    g = list(SHAPES.values())[world % len(SHAPES)](X)
    strength = STRENGTHS[world // len(SHAPES) % len(STRENGTHS)]
    e = expit(strength * g)
    w = (rng.random(rows) < e).astype(np.int64)
    return {"X": X, "w": w, "e": e, "y": 0.7 * g + X[:, 0] + rng.normal(size=rows)}


def stand_in() -> Data:
    """20,000 rows logged by a square."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(20_000, 4))
    e = expit(0.9 * (X[:, 1] ** 2 - 1))
    w = (rng.random(20_000) < e).astype(np.int64)
    return {"X": X, "w": w, "e": e, "y": 0.7 * X[:, 1] ** 2 + X[:, 0] + rng.normal(size=20_000)}


def study_of(data: Data, learner: str, folder: Path, **log: Any) -> tuple[list[float], list[float]]:
    """The intervals of the average effect and of the policy's gain, [value, low, high] each, as a
    run has them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from equipoise.pipeline import make_plan
    from equipoise.pipeline.findings.diagnostics import averages
    from equipoise.pipeline.study.policy import solve_folds
    from equipoise.pipeline.study.study import make_study

    table = {f"x{j}": column for j, column in enumerate(data["X"].T)}
    table |= {"w": data["w"], "y": data["y"], "e": data["e"]}
    pq.write_table(pa.table(table), folder / "log.parquet")
    roles = {"treatment": "w", "outcomes": ["y"], "features": [f"x{j}" for j in range(4)]}
    tables = {
        "log": {"path": "log.parquet", **roles, **log},
        "estimator": {"name": learner},
        "policy": {"weights": {"y": 1.0}},
    }
    study = make_study(make_plan(tables, base=folder))
    solved = solve_folds(study.task)
    judged = study.design.judged(study.log, study.effects)
    effect = averages(study.log, judged, study.design.propensity, 0.95)[0]["effect"]
    return effect, study.judge.value(solved.shares(1), swaps=solved.swaps)[0]["y"]


def apart(interval: list[float]) -> bool:
    """Whether an interval excludes 0."""
    return interval[1] > 0 or interval[2] < 0


def placebos(worlds: int) -> list[dict[str, Any]]:
    """The figures of the placebo worlds."""
    from benchmarks.record import figure

    ways = {"": {}, "_shares": {"undesigned": "shares"}, "_known": {"propensity": ["e"]}}
    hits: dict[str, list[bool]] = {f"{way}{what}": [] for way in ways for what in ("", "_value")}
    with tempfile.TemporaryDirectory() as folder:
        for world in range(worlds):
            learner = LEARNERS[world // len(SHAPES) % 2]
            for way, log in ways.items():
                if way and world >= KNOWN:
                    continue
                effect, value = study_of(placebo(world), learner, Path(folder), **log)
                hits[way].append(apart(effect))
                hits[f"{way}_value"].append(apart(value))
                if not way:
                    print(
                        f"world {world} {learner}: {np.round([effect, value], 3).tolist()}",
                        flush=True,
                    )
        effect, _ = study_of(stand_in(), "dr-learner", Path(folder))
    figures = [share(f"placebo_confounded_reject{way}", each) for way, each in hits.items()]
    low, high = effect[1:]
    return [
        *figures,
        figure("placebo_stand_in", effect[0], low=low, high=high, unit="of y", against="0"),
    ]


def share(name: str, hits: list[bool]) -> dict[str, Any]:
    """A share with its interval of Wilson."""
    from benchmarks.record import figure

    n, p, z = len(hits), float(np.mean(hits)), 1.96
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    return figure(name, p, low=float(low), high=float(high), unit="share", n=n)


def by_lot(kind: str, rows: int, seed: int) -> dict[str, Any]:
    """Arguments of the test: arms that do not follow the features beyond their design."""
    rng = np.random.default_rng([seed, rows])
    X, given = rng.normal(size=(rows, 4)), {}
    p = {"rare": [0.9, 0.1], "three": [0.5, 0.3, 0.2], "six": [0.4, 0.2, 0.15, 0.15, 0.05, 0.05]}
    shares = p.get(kind, [0.5, 0.5])
    cell = rng.choice(len(shares), rows, p=shares)
    if kind == "discrete":
        X = rng.integers(0, 3, (rows, 4)).astype(np.float64)
    if "clusters" in kind:
        groups = rng.permutation(rows) // 6
        X, given["groups"] = X + 2 * X[groups], groups
        cell = cell[groups] if kind == "whole clusters" else cell
    if kind == "strata":
        strata = rng.integers(0, 4, rows)
        X[:, 0] += strata
        cell, given["strata"] = (rng.random(rows) < 0.2 + 0.2 * strata).astype(np.int64), strata
    if kind == "known":
        e = expit(X[:, 0] + 0.5 * X[:, 1] ** 2 - 0.5)
        cell = (rng.random(rows) < e).astype(np.int64)
        given["propensity"] = np.column_stack([1 - e, e])
    return {"X": X, "cell": cell, "names": tuple(map(str, range(len(shares)))), **given}


def tests(size: int, power: int) -> list[dict[str, Any]]:
    """Size, power and cost of the two-sample test."""
    from benchmarks.record import figure
    from equipoise.learners.base_learners import default_outcome
    from equipoise.learners.tables import Rows, Table
    from equipoise.learners.two_sample import arm_test

    figures, every = [], []
    for kind in KINDS:
        hits = [
            arm_test(**by_lot(kind, rows, seed), seed=seed).rejects
            for rows in (500, 3_000)
            for seed in range(size)
        ]
        every += hits
        figures.append(share(f"two_sample_size_{kind.replace(' ', '_')}", hits))
    figures.insert(0, share("two_sample_size", every))
    found = []
    for k, shape in enumerate(SHAPES):
        hits = []
        for seed in range(power):
            data = placebo(len(SHAPES) * (1 + len(STRENGTHS) * (seed + 100)) + k)
            hits.append(arm_test(data["X"], data["w"], ("0", "1"), seed=seed).rejects)
        found += hits
        figures.append(share(f"two_sample_power_{shape}", hits))
    figures.append(share("two_sample_power", found))
    log = by_lot("three", 20_000, 0)
    start = time.process_time()
    arm_test(**log)
    middle = time.process_time()
    rows = Rows(Table(log["X"], list("abcd")), None)
    for a in range(3):
        default_outcome(7_000).learn(rows, (log["cell"] == a).astype(np.float64), None)
    cost = (middle - start) / (time.process_time() - middle)
    return [
        *figures,
        figure("two_sample_cost", cost, unit="x", against="one fit of each arm", n=20_000),
    ]


def main() -> None:
    """Measure and record."""
    from benchmarks.record import full, record, versions

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    name = "full" if full() else "quick"
    form = FORMS[name]
    figures = tests(form["size"], form["power"]) + placebos(form["placebo"])
    known = versions("equipoise", "lightgbm", "numpy", "scikit-learn")
    record("truth_design", f"{__doc__}\n{name} form", known, list(range(form["placebo"])), figures)
    for one in figures:
        spread = "" if one["low"] is None else f"  [{one['low']:.3f}, {one['high']:.3f}]"
        print(f"{one['name']:40s} {one['value']:8.4f}{spread}")


if __name__ == "__main__":
    main()
