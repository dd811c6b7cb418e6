"""The causal forest beside econml's and causalml's: CPU time, error and coverage, 100 trees each.

Worlds of Nie & Wager (2021), 12 features, noise 1, where b(x) is the mean outcome, y = b + (w - e)
tau + noise, and one of three arms in shares .80, .15, .05:

    A  hard nuisances, easy effect, confounded        B  a randomised experiment
    C  easy propensity, hard level, constant effect   D  treated and control have nothing in common
    E  the level of B, two arms beside control, randomised

    ours      the defaults; `LearntPropensity()` in A, C, D, the shares in B, E
    econml    `CausalForestDML`, its defaults, nuisances by LightGBM, the prior in B and E
    causalml  `CausalRandomForestRegressor`, its defaults, honest; weighted by the true inverse
    propensity; two arms only

    forest_speedup       CPU of the quickest peer over ours, fit and effects (with standard errors
                         where there are any) of the new rows, one thread each; median, and range
                         over worlds and seeds
    forest_pehe_ratio    root mean squared error of the effects of new rows, mean over seeds, ours
                         over the better peer's; the worst world
    forest_coverage_W    share of new rows whose 95 % interval holds the effect, mean over seeds;
                         causalml's jackknife was not run
    forest_error_T       PEHE of the first T trees of a forest over that of all 100; the worst world

50,000 rows and 5,000 new ones.  Each case is a process of its own that first fits 600 rows, so that
imports and compilation do not count.

Run as a script with a case and a folder, this file is that case.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ROWS, QUICK_ROWS, NEW_ROWS, WARM_ROWS = 50_000, 10_000, 5_000, 600
TREES, FEATURES = 100, 12
SEEDS = range(2)
WORLDS = "ABCDE"
SIZES = (8, 20, 40, 60, 80)
Data = dict[str, np.ndarray]
Answer = tuple[np.ndarray, np.ndarray | None]


def plus(x: np.ndarray) -> np.ndarray:
    """The positive part."""
    return np.maximum(x, 0)


def world(name: str, n: int, seed: int) -> Data:
    """X (n, 12); w (n,) in 0..k; y (n,); tau (n, k); e (n, K) true probabilities."""
    rng = np.random.default_rng([ord(name), seed])
    X = rng.uniform(size=(n, FEATURES)) if name == "A" else rng.standard_normal((n, FEATURES))
    x = X.T
    if name == "A":
        wave = np.sin(np.pi * x[0] * x[1])
        level = wave + 2 * (x[2] - 0.5) ** 2 + x[3] + 0.5 * x[4]
        chance, tau = np.clip(wave, 0.1, 0.9), (x[0] + x[1]) / 2
    elif name == "C":
        level = 2 * np.logaddexp(0, x[0] + x[1] + x[2])
        chance, tau = 1 / (1 + np.exp(x[1] + x[2])), np.ones(n)
    elif name == "D":
        one, other = plus(x[0] + x[1] + x[2]), plus(x[3] + x[4])
        level, tau = (one + other) / 2, one - other
        chance = 1 / (1 + np.exp(-x[0]) + np.exp(-x[1]))
    else:
        level = np.maximum(np.maximum(x[0] + x[1], x[2]), 0) + plus(x[3] + x[4])
        chance, tau = np.full(n, 0.5), x[0] + np.logaddexp(0, x[1])
    if name == "E":
        e, effects = np.tile([0.8, 0.15, 0.05], (n, 1)), np.column_stack([tau, plus(x[0]) - x[2]])
    else:
        e, effects = np.column_stack([1 - chance, chance]), tau[:, None]
    w = (rng.uniform(size=(n, 1)) > np.cumsum(e, axis=1)[:, :-1]).sum(axis=1)
    got = np.einsum(
        "nk,nk->n", (w[:, None] == np.arange(e.shape[1])) - e, np.pad(effects, ((0, 0), (1, 0)))
    )
    y = level + got + rng.standard_normal(n)
    return {"X": X, "w": w, "y": y, "tau": effects, "e": e, "known": np.asarray(name in "BE")}


def propensity(train: Data) -> Any:
    """What our forest is told of the design: to learn it, or nothing, which is the shares."""
    from equipoise.estimators import LearntPropensity

    return None if train["known"] else LearntPropensity()


def ours(**settings: Any) -> Callable[[Data, Data], Answer]:
    """Our forest."""
    from equipoise.estimators import CausalForest
    from equipoise.treatments import Arms

    def fit_predict(train: Data, new: Data) -> Answer:
        model = CausalForest(TREES, space=Arms(list(range(train["e"].shape[1]))), **settings)
        model.fit(train["X"], train["y"], treatment=train["w"], propensity=propensity(train))
        effects = model.effects(new["X"])
        return effects.values[:, :, 0], effects.std_error[:, :, 0]

    return fit_predict


def econml() -> Callable[[Data, Data], Answer]:
    """EconML's forest."""
    from econml.dml import CausalForestDML
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.dummy import DummyClassifier

    def fit_predict(train: Data, new: Data) -> Answer:
        quiet = {"n_jobs": 1, "verbose": -1}
        prior = DummyClassifier(strategy="prior")
        model = CausalForestDML(
            model_y=LGBMRegressor(**quiet),
            model_t=prior if train["known"] else LGBMClassifier(**quiet),
            discrete_treatment=True,
            n_estimators=TREES,
            n_jobs=1,
            random_state=0,
        )
        model.fit(train["y"], train["w"], X=train["X"])
        found = model.const_marginal_effect_inference(new["X"])
        shape = new["tau"].shape
        return found.point_estimate.reshape(shape), found.stderr.reshape(shape)

    return fit_predict


def causalml() -> Callable[[Data, Data], Answer]:
    """causalml's forest."""
    from causalml.inference.tree import CausalRandomForestRegressor

    def fit_predict(train: Data, new: Data) -> Answer:
        model = CausalRandomForestRegressor(TREES, control_name=0, n_jobs=1, random_state=0)
        weight = 1 / train["e"][np.arange(len(train["w"])), train["w"]]
        model.fit(train["X"], train["w"], train["y"], sample_weight=weight)
        return np.asarray(model.predict(new["X"])).reshape(new["tau"].shape), None

    return fit_predict


CASES: dict[str, tuple[str, Callable[[], Callable[[Data, Data], Answer]]]] = {
    "ours": ("equipoise", ours),
    "econml": ("econml", econml),
    "causalml": ("causalml", causalml),
}


def measure(case: str, folder: Path) -> dict[str, Any]:
    """Run one case in this process: CPU seconds, PEHE, coverage, and the package's version."""
    package, make = CASES[case]
    train, new = (dict(np.load(folder / f"{part}.npz")) for part in ("train", "new"))
    fit_predict = make()
    warm = [
        {key: column[:WARM_ROWS] if column.ndim else column for key, column in data.items()}
        for data in (train, new)
    ]
    fit_predict(*warm)
    start = time.process_time()
    effects, error = fit_predict(train, new)
    cpu = time.process_time() - start
    miss = effects - new["tau"]
    covered = None if error is None else float(np.mean(np.abs(miss) <= 1.96 * error))
    pehe = float(np.sqrt(np.mean(miss**2)))
    return {"cpu": cpu, "pehe": pehe, "coverage": covered, "version": metadata.version(package)}


def by_size(train: Data, new: Data) -> list[float]:
    """The PEHE of the first trees of one forest, at every size, over that of all."""
    from equipoise.estimators import CausalForest
    from equipoise.treatments import Arms

    whole = CausalForest(TREES, space=Arms(list(range(train["e"].shape[1]))))
    whole.fit(train["X"], train["y"], treatment=train["w"], propensity=propensity(train))
    errors = []
    for size in (*SIZES, TREES):
        part = copy.copy(whole)
        part.forests_ = [
            {**forest, "starts": forest["starts"][: size + 1]} for forest in whole.forests_
        ]
        miss = part.effects(new["X"]).values[:, :, 0] - new["tau"]
        errors.append(float(np.sqrt(np.mean(miss**2))))
    return [error / errors[-1] for error in errors[:-1]]


def cases_of(name: str) -> list[str]:
    """Who takes part in a world."""
    return [case for case in CASES if name != "E" or case != "causalml"]


def one_world(name: str, seed: int, rows: int) -> dict[str, Any]:
    """All cases on the data of a world and seed, in an order that turns with both."""
    from benchmarks import peers

    cases, train, new = (
        cases_of(name),
        world(name, rows, 2 * seed),
        world(name, NEW_ROWS, 2 * seed + 1),
    )
    turn = (seed + WORLDS.index(name)) % len(cases)
    found: dict[str, Any] = {"by_size": by_size(train, new)}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "train.npz", **train)
        np.savez(Path(folder) / "new.npz", **new)
        for case in cases[turn:] + cases[:turn]:
            found[case] = peers.run(CASES[case][0], Path(__file__), case, folder)
            print(f"world {name}  seed {seed}  {case:9s} {found[case]}", flush=True)
    return found


def compare(runs: dict[tuple[str, int], dict[str, Any]], rows: int) -> list[dict[str, Any]]:
    """The figures."""
    from benchmarks.record import figure

    seeds = sorted({seed for _, seed in runs})

    def mean(name: str, case: str, part: str) -> float:
        return float(np.mean([runs[name, seed][case][part] for seed in seeds]))

    speed = [
        min(run[case]["cpu"] for case in CASES if case in run and case != "ours")
        / run["ours"]["cpu"]
        for run in runs.values()
    ]
    ratio = {
        name: mean(name, "ours", "pehe")
        / min(mean(name, case, "pehe") for case in cases_of(name) if case != "ours")
        for name in WORLDS
    }
    best = "the better of econml, causalml"
    rows_of = {"n": rows}
    figures = [
        figure(
            "forest_speedup",
            float(np.median(speed)),
            low=min(speed),
            high=max(speed),
            unit="x",
            against="the quicker of econml, causalml",
            **rows_of,
        ),
        figure("forest_pehe_ratio", max(ratio.values()), unit="x", against=best, **rows_of),
    ]
    for name in WORLDS:
        own = [runs[name, seed]["ours"]["coverage"] for seed in seeds]
        theirs = mean(name, "econml", "coverage")
        figures += [
            figure(f"forest_pehe_ratio_{name}", ratio[name], unit="x", against=best, **rows_of),
            figure(
                f"forest_coverage_{name}",
                float(np.mean(own)),
                low=min(own),
                high=max(own),
                unit="of effects",
                against=f"econml {theirs:.3f}",
                **rows_of,
            ),
        ]
        for case in cases_of(name):
            for part, unit in (("pehe", "PEHE"), ("cpu", "CPU s")):
                each = [runs[name, seed][case][part] for seed in seeds]
                figures.append(
                    figure(
                        f"{case}_{part}_{name}",
                        float(np.mean(each)),
                        low=min(each),
                        high=max(each),
                        unit=unit,
                        **rows_of,
                    )
                )
    sizes = np.mean([[runs[name, seed]["by_size"] for seed in seeds] for name in WORLDS], axis=1)
    for size, worst in zip(SIZES, sizes.max(axis=0), strict=True):
        against = "all 100 trees"
        figures.append(figure(f"forest_error_{size}", worst, unit="x", against=against, **rows_of))
    return figures


def save(runs: dict[tuple[str, int], dict[str, Any]], rows: int) -> None:
    """Record the figures and print the first."""
    from benchmarks.record import record, versions

    figures = compare(runs, rows)
    packages = {
        CASES[case][0]: run[case]["version"]
        for run in runs.values()
        for case in run
        if case in CASES
    }
    record(
        "truth_forest",
        f"{__doc__}\n{rows:,} rows.",
        versions("equipoise", "lightgbm", "numpy", "numba") | packages,
        sorted({seed for _, seed in runs}),
        figures,
    )
    for one in figures:
        if one["against"]:
            print(f"{one['name']:22s} {one['value']:7.3f}  against {one['against']}")


def main() -> None:
    """Measure and record.   Quick: the first seed only, 10,000 rows."""
    from benchmarks.record import full

    rows, seeds = (ROWS, SEEDS) if full() else (QUICK_ROWS, range(1))
    save({(name, seed): one_world(name, seed, rows) for seed in seeds for name in WORLDS}, rows)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in CASES:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
