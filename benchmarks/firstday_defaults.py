"""defaults  Not behind on plain data: what choices by every learner with its defaults are worth.

Sixteen logs of two arms (`benchmarks/plain_logs.py`), eight real and randomised, eight simulated,
each split anew by seeds.  Every learner learns a split with its defaults, the propensity known
where it can be told; peers on boosted trees of 100 trees of 8 leaves (final: 4), as in `rare`, and
scikit-uplift also on a linear model.  Judged are two policies on the other rows: offers to those
whose predicted effect is above the cost (`paying`), and to the 30 % of the highest (`best`).  Their
worth is the mean of (effect - cost) over rows, 0 where nobody is offered: with the true effect on
simulated logs, else with scores (w - e) / (e (1 - e)) (y - m(x)), e the known propensity and m a
ridge regression of the rows that taught, one for all learners.

    default_value_rank      mean rank of our default over logs and both policies, 1 is the best of
                            all learners; ranks are of means over splits
    rank_PART_LEARNER       the same of every learner over all, real or simulated logs
    worth_PART_LEARNER      mean worth over logs, splits and policies, in standard errors of one on
                            a log's judging rows
    default-less_PART_WHO   worth of our default less the learner's, paired, with interval over logs
    LOG_each-PART_LEARNER   worth on a log in these standard errors
    seconds_all_LEARNER     CPU seconds of a fit and its answers, mean over logs

Nothing is chosen by these splits: our default was chosen on others (seeds 1,000 and above; of the
real logs these are the same rows, split otherwise).

Run as a script with a package and a folder of splits, this file is the package's learners: it then
needs only numpy and that package.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

SPLITS = {"quick": range(2), "full": range(4)}
OFFERED = 0.3
KEPT = Path(__file__).parent.parent / "bench_data" / "plain_logs"
# -- the learners; answers of peers are kept as long as this part and `plain_logs` stay

Data = dict[str, np.ndarray]
Learner = Callable[[Data, Data], Any]
TREES = {"n_estimators": 100, "num_leaves": 8, "learning_rate": 0.1, "n_jobs": 1, "verbose": -1}
FINAL = TREES | {"num_leaves": 4, "learning_rate": 0.063}
OURS = ("dr-learner", "x-learner", "t-learner", "s-learner", "r-learner", "dml", "causal-forest")


def ours(name: str) -> Learner:
    """Our learner with its defaults."""
    from equipoise.estimators import ESTIMATORS

    def effects(train: Data, new: Data) -> Any:
        known = np.column_stack([1 - train["e"], train["e"]])
        model = ESTIMATORS.load(name)()
        model.fit(train["X"], train["y"], treatment=train["w"], propensity=known)
        return model.effects(new["X"]).values

    return effects


def econml(name: str) -> Learner:
    """EconML's learner."""
    from econml.dml import CausalForestDML
    from econml.dr import DRLearner
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.dummy import DummyClassifier

    def effects(train: Data, new: Data) -> Any:
        same = np.ptp(train["e"]) == 0
        chance = DummyClassifier(strategy="prior") if same else LGBMClassifier(**TREES)
        mean, how = LGBMRegressor(**TREES), {"cv": 3, "random_state": 0}
        model: Any
        if name == "forest":
            how |= {"discrete_treatment": True, "n_jobs": 1}
            model = CausalForestDML(model_y=mean, model_t=chance, **how)
        else:
            how |= {"model_propensity": chance, "model_regression": mean}
            model = DRLearner(model_final=LGBMRegressor(**FINAL), **how)
        return model.fit(train["y"], train["w"], X=train["X"]).effect(new["X"])

    return effects


def causalml(name: str) -> Learner:
    """causalml's learner, given the propensity where it takes it."""
    from causalml.inference import meta
    from lightgbm import LGBMRegressor

    def effects(train: Data, new: Data) -> Any:
        model = getattr(meta, f"Base{name}Regressor")(LGBMRegressor(**TREES), control_name=0)
        rows = train["X"], train["w"], train["y"]
        if name == "T":
            return model.fit(*rows).predict(new["X"])
        model.fit(*rows, p={1: train["e"]})
        return model.predict(new["X"], p={1: new["e"]})

    return effects


def uplift(name: str) -> Learner:
    """scikit-uplift's learner: one model with interactions, on trees or linear, or two models."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklift.models import SoloModel, TwoModels

    trees: dict[str, Any] = {"max_iter": 100, "max_leaf_nodes": 8, "random_state": 0}

    def effects(train: Data, new: Data) -> Any:
        binary = len(np.unique(train["y"])) == 2
        kind: Any = HistGradientBoostingClassifier if binary else HistGradientBoostingRegressor
        if name == "two":
            model = TwoModels(kind(**trees), kind(**trees), method="vanilla")
        elif name == "one":
            model = SoloModel(kind(**trees), method="treatment_interaction")
        else:
            line = LogisticRegression(max_iter=1_000) if binary else RidgeCV(np.logspace(-2, 4, 13))
            model = SoloModel(make_pipeline(StandardScaler(), line), method="treatment_interaction")
        y = train["y"].astype(int) if binary else train["y"]
        return model.fit(train["X"], y, train["w"]).predict(new["X"])

    return effects


# package -> learner -> how it is made
CASES: dict[str, dict[str, Callable[[], Learner]]] = {
    "equipoise": {name: lambda name=name: ours(name) for name in OURS},
    "econml": {f"econml_{name}": lambda name=name: econml(name) for name in ("dr", "forest")},
    "causalml": {f"causalml_{key}": lambda key=key: causalml(key.upper()) for key in "xt"},
    "scikit-uplift": {
        f"sklift_{name}": lambda name=name: uplift(name) for name in ("one", "two", "linear")
    },
}
PEERS = [case for package, cases in CASES.items() if package != "equipoise" for case in cases]


def learn(package: str, folder: Path) -> str:
    """Effects on new rows of every split in a folder by the package's learners, with their CPU
    seconds, written beside it; the package's version.
    """
    learners = {case: make() for case, make in CASES[package].items()}
    for path in sorted(folder.glob("*.split.npz")):
        both = dict(np.load(path))
        train, new = (
            {key[4:]: column for key, column in both.items() if key.startswith(part)}
            for part in ("old_", "new_")
        )
        answers = {}
        for case, effects in learners.items():
            start = time.process_time()
            tau = np.asarray(effects(train, new), np.float32).reshape(len(new["X"]), -1)
            answers |= {case: tau[:, -1], f"cpu_{case}": time.process_time() - start}
        np.savez_compressed(answer_of(path, package), **answers)
    return metadata.version(package)


def answer_of(split: Path, package: str) -> Path:
    """The file of a package's answers to a split."""
    return split.with_name(split.name.replace(".split.", f".{package}."))


def answers(splits: Any, package: str, logs: dict[str, float]) -> tuple[dict[Any, Data], str]:
    """A package's effects on new rows by log and seed, and its version.  Those of peers are kept
    (`KEPT`; the learners here are part of the name), for they take most of the time.
    """
    from benchmarks import peers
    from benchmarks.plain_logs import split

    mark = hashlib.sha256(Path(__file__).read_bytes().split(b"\n# --")[1])
    mark.update(Path(__file__).with_name("plain_logs.py").read_bytes())
    kept = KEPT / f"{package}-{mark.hexdigest()[:12]}"
    kept.mkdir(parents=True, exist_ok=True)
    every = [(log, seed) for log in logs for seed in splits]
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        for log, seed in every:
            path = folder / f"{log}.{seed}.split.npz"
            if package != "equipoise" and answer_of(kept / path.name, package).exists():
                continue
            both = zip(("old_", "new_"), split(log, seed), strict=True)
            flat = {p + key: data[key] for p, data in both for key in ("X", "w", "y", "e")}
            np.savez(path, **flat)
        version = peers.run(package, Path(__file__), package, home)["version"]
        for path in folder.glob(f"*.{package}.npz"):
            shutil.copy(path, kept)
    return {one: dict(np.load(kept / f"{one[0]}.{one[1]}.{package}.npz")) for one in every}, version


# -- how they are judged


def scores(train: Data, new: Data) -> np.ndarray:
    """Of new rows, the true effect or an unbiased score of it, and scores alone, (2, n)."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    line = make_pipeline(StandardScaler(), Ridge(100.0)).fit(train["X"], train["y"])
    e = new["e"]
    score = (new["w"] - e) / (e * (1 - e)) * (new["y"] - line.predict(new["X"]))
    return np.stack([new.get("tau", score), score])


def worths(effects: np.ndarray, truth: np.ndarray, cost: float) -> np.ndarray:
    """The worth per head of both policies, (2,).   effects, truth: (n,)."""
    paying = effects > cost
    order = np.argsort(-effects, kind="stable")
    best = np.isin(np.arange(len(order)), order[: int(OFFERED * len(order))])
    return np.array([(chosen * (truth - cost)).mean() for chosen in (paying, best)])


def measure(splits: Any, packages: Any, logs: dict[str, float]) -> dict[str, Any]:
    """Worths (logs, learners, splits, policies), the standard error of one (logs,), CPU seconds
    (learners,) of a fit, and versions.
    """
    from benchmarks.plain_logs import split

    told = {name: answers(splits, name, logs) for name in packages}
    names = [case for package in packages for case in CASES[package]]
    worth, error = np.empty((len(logs), len(names), len(splits), 2)), np.zeros(len(logs))
    spent = dict.fromkeys(names, 0.0)
    for i, (log, cost) in enumerate(logs.items()):
        for s, seed in enumerate(splits):
            truth, score = scores(*split(log, seed))
            error[i] += score.std() / np.sqrt(len(score)) / len(splits)
            columns = {k: v for of, _ in told.values() for k, v in of[log, seed].items()}
            for j, name in enumerate(names):
                worth[i, j, s] = worths(columns[name], truth, cost)
                spent[name] += float(columns[f"cpu_{name}"]) / len(logs) / len(splits)
    versions = {name: version for name, (_, version) in told.items()}
    found = {"names": names, "logs": list(logs), "worth": worth, "error": error}
    return found | {"cpu": spent, "versions": versions}


def ranks(worth: np.ndarray) -> np.ndarray:
    """The mean rank of each learner, 1 the best, by log, (logs, learners).   worth: (logs,
    learners, splits, policies).
    """
    from scipy.stats import rankdata

    found: np.ndarray = rankdata(-worth.mean(axis=2), axis=1).mean(axis=2)
    return found


def figures_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Ranks, differences with intervals over logs, and worths."""
    from benchmarks.plain_logs import REAL
    from benchmarks.record import figure, interval
    from equipoise.pipeline.plan.schema import EstimatorPlan

    names, rank = found["names"], ranks(found["worth"])
    mine, unit, of = (
        found["names"].index(EstimatorPlan().name),
        "standard errors",
        f"{len(names)} learners",
    )
    worth = found["worth"].mean(axis=(2, 3))
    scaled = worth / found["error"][:, None]
    real = np.array([log in REAL for log in found["logs"]])
    every = [interval("default_value_rank", rank[:, mine], "rank", of)]
    for part, logs in (("all", real | True), ("real", real), ("simulated", ~real)):
        for j, name in enumerate(names):
            every.append(interval(f"rank_{part}_{name}", rank[logs, j], "rank", of))
            every.append(figure(f"worth_{part}_{name}", float(scaled[logs, j].mean()), unit=unit))
            if j != mine:
                gap = scaled[logs, mine] - scaled[logs, j]
                every.append(interval(f"default-less_{part}_{name}", gap, unit, name))
    every += [figure(f"seconds_all_{name}", found["cpu"][name], unit="CPU s") for name in names]
    for i, log in enumerate(found["logs"]):
        part = "each-real" if real[i] else "each-simulated"
        for j, name in enumerate(names):
            log_name = f"{log.replace('_', '-')}_{part}_{name}"
            every.append(figure(log_name, float(scaled[i, j]), unit=unit))
    return every


def defaults(form: str) -> list[dict[str, Any]]:
    """The ranks and differences of the default; all figures go to a file of their own."""
    from benchmarks.plain_logs import LOGS
    from benchmarks.record import record, versions

    found = measure(SPLITS[form], CASES, LOGS)
    figures = figures_of(found)
    known = versions("equipoise", "lightgbm", "numpy") | found["versions"]
    protocol = f"{(__doc__ or '').strip()}\n\n{form} form"
    record("firstday_defaults", protocol, known, list(SPLITS[form]), figures)
    told = "default_value_rank", "rank_all_", "default-less_all_"
    return [one for one in figures if one["name"].startswith(told)]


if __name__ == "__main__":
    print(json.dumps({"version": learn(sys.argv[1], Path(sys.argv[2]))}))
