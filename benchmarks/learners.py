"""Learners: CPU time, memory and error of fit + predict, beside causalml, econml and metalearners.

A randomised experiment of 200,000 rows and 20 features with a known, nonlinear effect; everybody on
LightGBM and one thread.

    peers   200 trees of 31 leaves, learning rate 0.05, 255 bins, 3 folds where they can be set;
    propensity known
    ours    our defaults (``_dr``, ``_x``), and the peers' very settings (``_dr_same``, ``_x_same``)

Each case is a process of its own.  It first fits 600 rows, so that imports and compilation do not
count.  All cases of a seed see the same data and run one after the other, in an order that turns
with the seed; a speed-up is the quickest peer's CPU time of the seed over ours.  PEHE is the root
of the mean squared error of the effect on 50,000 new rows.

Then worlds of 50,000 rows, 20,000 new rows and noise of size 1, the cases of a package in one
process, each world a fit of each:

    A to D  the four of Nie & Wager (2021), 6 features: A a hard level and a smooth effect, B an
            experiment, C a hard propensity and a constant effect, D two groups that share nothing
    rare    an experiment on an outcome of 1 %
    arms    the experiment above with arms of 85 and 15 %, 6 features

There a ratio is that of a world's mean error over seeds to the least of the peers', or of the
quickest peer's CPU time over seeds to ours; ``_worst`` is the worst of the worlds.  Their seeds are
20 and above: our defaults were chosen on others.

Run as a script with a case (or, for the worlds, a package) and a folder, this file is that case: it
then needs only numpy, the benchmarks' folder and the package it measures.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.worlds import (
    NEW_WORLD_ROWS,
    WORLD_ROWS,
    WORLDS,
    chance,
    compare_worlds,
    parts,
    world,
)

ROWS, NEW_ROWS, WARM_ROWS = 200_000, 50_000, 600
SEEDS = range(5)
BOOSTING = {
    "n_estimators": 200,
    "num_leaves": 31,
    "learning_rate": 0.05,
    "n_jobs": 1,
    "verbose": -1,
}
FOLDS = 3
Data = dict[str, np.ndarray]


def experiment(n: int, seed: int) -> Data:
    """X (n, 20) normal; y = level + w tau + noise, each of unit size; w (n,) a fair coin; tau
    (n,).
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 20))
    level, tau = parts(X)
    w = rng.integers(0, 2, n)
    e = np.full(n, 0.5)
    return {"X": X, "w": w, "y": level + tau * w + rng.standard_normal(n), "tau": tau, "e": e}


def ours(name: str, same: bool) -> Callable[[Data, Data], Any]:
    """Our learner, with its defaults or with the peers' settings."""
    from equipoise.estimators import ESTIMATORS, BoostedTrees

    trees = BoostedTrees(n_estimators=200, num_leaves=31, learning_rate=0.05, max_bin=255, n_jobs=1)
    settings: dict[str, Any] = {"outcome_model": trees, "effect_model": trees} if same else {}

    def fit_predict(train: Data, new: Data) -> Any:
        known = {"propensity": np.column_stack([1 - train["e"], train["e"]])}
        model = ESTIMATORS.load(name)(**settings)
        model.fit(train["X"], train["y"], treatment=train["w"], **known)
        return model.effects(new["X"]).values

    return fit_predict


def econml(name: str, where: str = "") -> Callable[[Data, Data], Any]:
    """EconML's learner."""
    from econml.dr import DRLearner
    from econml.metalearners import XLearner
    from lightgbm import LGBMRegressor
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Known(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """The true propensity as a model."""

        def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: Any = None) -> Any:
            self.classes_ = np.array([0, 1])
            return self

        def predict(self, X: np.ndarray) -> np.ndarray:
            return (chance(where, X) > 0.5).astype(int)

        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            e = chance(where, X)
            return np.column_stack([1 - e, e])

    def fit_predict(train: Data, new: Data) -> Any:
        trees = LGBMRegressor(**BOOSTING)
        if name == "x-learner":
            model = XLearner(models=trees, propensity_model=Known())
        else:
            model = DRLearner(
                model_propensity=Known(),
                model_regression=trees,
                model_final=trees,
                cv=FOLDS,
                random_state=0,
            )
        return model.fit(train["y"], train["w"], X=train["X"]).const_marginal_effect(new["X"])

    return fit_predict


def causalml(name: str) -> Callable[[Data, Data], Any]:
    """causalml's learner, given the propensity."""
    from causalml.inference.meta import BaseDRRegressor, BaseXRegressor
    from lightgbm import LGBMRegressor

    def fit_predict(train: Data, new: Data) -> Any:
        known, new_known = ({1: data["e"]} for data in (train, new))
        if name == "x-learner":
            x = BaseXRegressor(learner=LGBMRegressor(**BOOSTING), control_name=0)
            x.fit(train["X"], train["w"], train["y"], p=known)
            return x.predict(new["X"], p=new_known)
        dr = BaseDRRegressor(learner=LGBMRegressor(**BOOSTING), control_name=0)
        dr.fit(train["X"], train["w"], train["y"], p=known, seed=0)
        return dr.predict(new["X"])

    return fit_predict


def metalearners(name: str) -> Callable[[Data, Data], Any]:
    """metalearners' learner."""
    import metalearners as package
    from lightgbm import LGBMRegressor
    from sklearn.dummy import DummyClassifier

    cls = {"x-learner": package.XLearner, "dr-learner": package.DRLearner}[name]

    def fit_predict(train: Data, new: Data) -> Any:
        model = cls(
            is_classification=False,
            n_variants=2,
            nuisance_model_factory=LGBMRegressor,
            nuisance_model_params=BOOSTING,
            treatment_model_factory=LGBMRegressor,
            treatment_model_params=BOOSTING,
            propensity_model_factory=DummyClassifier,
            propensity_model_params={"strategy": "prior"},
            n_folds=FOLDS,
            random_state=0,
        )
        model.fit(X=train["X"], y=train["y"], w=train["w"])
        return model.predict(new["X"], is_oos=True, oos_method="overall")

    return fit_predict


# case -> the environment it needs, how it is made
CASES: dict[str, tuple[str, Callable[..., Callable[[Data, Data], Any]]]] = {
    "ours_dr": ("equipoise", lambda: ours("dr-learner", same=False)),
    "ours_x": ("equipoise", lambda: ours("x-learner", same=False)),
    "ours_dr_same": ("equipoise", lambda: ours("dr-learner", same=True)),
    "ours_x_same": ("equipoise", lambda: ours("x-learner", same=True)),
    "ours_s": ("equipoise", lambda: ours("s-learner", same=False)),
    "ours_t": ("equipoise", lambda: ours("t-learner", same=False)),
    "ours_r": ("equipoise", lambda: ours("r-learner", same=False)),
    "econml_dr": ("econml", lambda where="": econml("dr-learner", where)),
    "econml_x": ("econml", lambda where="": econml("x-learner", where)),
    "causalml_dr": ("causalml", lambda: causalml("dr-learner")),
    "causalml_x": ("causalml", lambda: causalml("x-learner")),
    "metalearners_dr": ("metalearners", lambda: metalearners("dr-learner")),
    "metalearners_x": ("metalearners", lambda: metalearners("x-learner")),
}
ALWAYS = [
    case
    for case in CASES
    if not case.startswith("metalearners") and case not in ("ours_s", "ours_t", "ours_r")
]


def measure(case: str, folder: Path) -> dict[str, Any]:
    """Run one case in this process: CPU seconds, peak memory (MB), PEHE, and the package's
    version.
    """
    package, make = CASES[case]
    train, new = (dict(np.load(folder / f"{part}.npz")) for part in ("train", "new"))
    fit_predict = make()
    fit_predict(
        *({key: column[:WARM_ROWS] for key, column in data.items()} for data in (train, new))
    )
    start = time.process_time()
    found = np.asarray(fit_predict(train, new), np.float64).reshape(len(new["tau"]), -1)[:, -1]
    cpu = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pehe = float(np.sqrt(np.mean((found - new["tau"]) ** 2)))
    return {"cpu": cpu, "rss": peak, "pehe": pehe, "version": metadata.version(package)}


# package -> what it measures in the worlds
WORLD_CASES = {
    "equipoise": ("ours_dr", "ours_x"),
    "econml": ("econml_dr", "econml_x"),
    "causalml": ("causalml_dr", "causalml_x"),
}


def measure_worlds(package: str, seeds: list[int]) -> dict[str, Any]:
    """Run a package's cases in every world: CPU seconds and PEHE of each seed."""
    found: dict[str, Any] = {}
    for where in WORLDS:
        for case in WORLD_CASES[package]:
            make = CASES[case][1]
            fit_predict = make(where) if package == "econml" else make()
            fit_predict(world(where, WARM_ROWS * 10, 0), world(where, WARM_ROWS, 1))
            for seed in seeds:
                train, new = (
                    world(where, WORLD_ROWS, 2 * seed),
                    world(where, NEW_WORLD_ROWS, 2 * seed + 1),
                )
                start = time.process_time()
                effects = np.asarray(fit_predict(train, new), np.float64)
                cpu = time.process_time() - start
                missed = effects.reshape(NEW_WORLD_ROWS, -1)[:, -1] - new["tau"]
                one = {"cpu": cpu, "pehe": float(np.sqrt(np.mean(missed**2)))}
                found.setdefault(f"{where} {case}", []).append(one)
    return found


def one_seed(seed: int, cases: list[str]) -> dict[str, dict[str, Any]]:
    """All cases on the data of a seed, in an order that turns with it."""
    from benchmarks import peers

    turn = 3 * seed % len(cases)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "train.npz", **experiment(ROWS, 2 * seed))
        np.savez(Path(folder) / "new.npz", **experiment(NEW_ROWS, 2 * seed + 1))
        found = {}
        for case in cases[turn:] + cases[:turn]:
            found[case] = peers.run(CASES[case][0], Path(__file__), case, folder)
            print(
                f"seed {seed}  {case:16s}"
                + "  {cpu:6.2f} s  {rss:5.0f} MB  PEHE {pehe:.4f}".format(**found[case]),
                flush=True,
            )
    return found


def compare(runs: list[dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The figures: ratios seed by seed (median, lowest, highest), then every case on its own."""
    from benchmarks.record import figure

    def ratio(name: str, case: str, kind: str, part: str, speed: bool) -> dict[str, Any]:
        rivals = [
            min(run[c][part] for c in run if not c.startswith("ours") and c.endswith(kind))
            for run in runs
        ]
        mine = [run[case][part] for run in runs]
        each = np.asarray(rivals) / mine if speed else np.asarray(mine) / rivals
        others = {c for run in runs for c in run if not c.startswith("ours") and c.endswith(kind)}
        against = f"the best of {', '.join(sorted(others))}"
        return figure(
            name,
            float(np.median(each)),
            low=each.min(),
            high=each.max(),
            unit="x",
            against=against,
            n=ROWS,
        )

    figures = [
        ratio("dr_speedup", "ours_dr", "_dr", "cpu", speed=True),
        ratio("x_speedup", "ours_x", "_x", "cpu", speed=True),
        ratio("dr_speedup_same", "ours_dr_same", "_dr", "cpu", speed=True),
        ratio("x_speedup_same", "ours_x_same", "_x", "cpu", speed=True),
        ratio("dr_pehe_ratio", "ours_dr", "_dr", "pehe", speed=False),
        ratio("x_pehe_ratio", "ours_x", "_x", "pehe", speed=False),
        ratio("dr_rss_ratio", "ours_dr_same", "_dr", "rss", speed=False),
    ]
    for part, unit in (("cpu", "CPU s"), ("pehe", "PEHE"), ("rss", "MB")):
        for case in CASES:
            values = [run[case][part] for run in runs if case in run]
            if values:
                figures.append(
                    figure(
                        f"{case}_{part}",
                        float(np.median(values)),
                        low=min(values),
                        high=max(values),
                        unit=unit,
                        n=ROWS,
                    )
                )
    return figures


def worlds(seeds: range) -> list[dict[str, Any]]:
    """The figures of all worlds."""
    from benchmarks import peers

    found: dict[str, Any] = {}
    for package in WORLD_CASES:
        found |= peers.run(package, Path(__file__), package, ",".join(map(str, seeds)))
    return compare_worlds(found)


def main() -> None:
    """Measure and record.   Quick: two seeds, without metalearners, never the quickest, and our
    other learners on the first only.
    """
    from benchmarks.record import full, record, versions

    seeds = SEEDS if full() else SEEDS[:2]
    first = [case for case in CASES if full() or not case.startswith("metalearners")]
    runs = [one_seed(seed, first if seed == 0 or full() else ALWAYS) for seed in seeds]
    in_worlds = worlds(range(20, 25) if full() else range(20, 22))
    figures = [*compare(runs), *in_worlds]
    packages = {CASES[case][0]: run["version"] for case, run in runs[0].items()}
    form = (
        "full form"
        if full()
        else "quick form: two seeds, without metalearners; our S, T, R on the first only; worlds by"
        " two seeds"
    )
    record(
        "learners",
        f"{__doc__}\n{form}",
        versions("equipoise", "lightgbm", "numpy") | packages,
        list(seeds),
        figures,
    )
    for one in figures[:7]:
        print(f"{one['name']:18s} {one['value']:6.2f}  [{one['low']:.2f}, {one['high']:.2f}]")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in WORLD_CASES:
        print(
            json.dumps(measure_worlds(sys.argv[1], [int(seed) for seed in sys.argv[2].split(",")]))
        )
    elif len(sys.argv) == 3 and sys.argv[1] in CASES:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
