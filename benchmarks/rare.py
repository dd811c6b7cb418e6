"""Rare outcomes: levels outside [0, 1], single effects and their error, beside the peers.

Randomised experiments of 20,000 rows with two equal arms and 8 features, at base rates of .3, 1 and
10 % (the quick form: without 1 %).  Two worlds: `smooth` (effects that bend with normal features, a
base of heavy tail) and `steps` (a few subgroups of categories).

    outside    share of 20,000 new rows with a level outside [0, 1]
    largest    the largest single effect
    rmse       root of the mean squared error of the effects, in base rates
    gain       mean true effect of offering to the 30 % it promises most for, of the best 30 %

`before` is this library with leaves by rows and no bounds, as in version 0.1.0.  The peers learn by
LightGBM with the settings of `before`'s models, or their own default where they take none; where
they state no level under control, that of a regression on control rows is added.  Everybody has the
same rows and one thread.  Differences are paired by rows; intervals are Student's over them.

Run as a script with the name of a package and "quick" or "full", this file measures its cases; it
then needs only numpy and that package.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ROWS, OFFERED = 20_000, 0.3
WORLDS = "smooth", "steps"
FORMS = {"quick": ((0.003, 0.1), range(2)), "full": ((0.003, 0.01, 0.1), range(10))}
TREES = {"n_estimators": 100, "num_leaves": 8, "learning_rate": 0.1, "n_jobs": 1, "verbose": -1}
FINAL = TREES | {"num_leaves": 4, "learning_rate": 0.063}
UNITS = {"outside": "", "largest": "", "rmse": "base rates", "gain": "of the best"}
Data = dict[str, np.ndarray]
Answer = tuple[np.ndarray, np.ndarray]  # levels under control (n,), effects (n,)
Learner = Callable[[Data, Data], Answer]


def experiment(shape: str, rate: float, seed: int) -> Data:
    """X (n, 8), w (n,) and y (n,) 0 or 1, its probability under control p (n,), tau (n,)."""
    rng, n = np.random.default_rng(seed), ROWS
    if shape == "smooth":
        X = rng.standard_normal((n, 8))
        base = np.exp(0.8 * X[:, 0] + 0.5 * np.sin(2 * X[:, 1]) + 0.4 * (X[:, 2] > 0)) / 1.98
        lift = np.tanh(X[:, 1]) + 0.5 * (X[:, 3] > 0)
    else:
        X = rng.integers(0, 6, (n, 8)).astype(float)
        base = (1 + 2 * (X[:, 0] >= 4) + (X[:, 1] == 2)) / 1.84
        lift = 2.0 * ((X[:, 2] >= 4) & (X[:, 3] >= 2)) - 0.3
    p = np.minimum(rate * base, 0.9)
    treated = np.clip(p * (1 + 1.2 * (0.4 + lift)), 0, 0.95)
    w = rng.integers(0, 2, n)
    y = (rng.random(n) < np.where(w == 1, treated, p)).astype(float)
    return {"X": X, "w": w, "y": y, "p": p, "tau": treated - p}


def ours(name: str, before: bool) -> Learner:
    """Our learner, with its defaults or as it was."""
    from equipoise.estimators import ESTIMATORS
    from equipoise.estimators.strata.cf_ips import default_signal
    from equipoise.learners.base_learners import plain_outcome

    def fit_predict(train: Data, new: Data) -> Answer:
        model = ESTIMATORS.load(name)()
        if before:
            roles = {
                "outcome_model": plain_outcome(ROWS / 2),
                "effect_model": default_signal(ROWS / 2),
            }
            for role in roles.keys() & model.get_params(deep=False).keys():
                model.set_params(**{role: roles[role].set_params(min_child_events=0)})
        model.fit(train["X"], train["y"], treatment=train["w"])
        if before:
            model.outcome_bounds_ = None
        effects = model.effects(new["X"])
        return effects.baseline[:, 0], effects.values[:, 0, 0]

    return fit_predict


def level(train: Data, new: Data) -> np.ndarray:
    """The level under control by a regression on control rows, (n,)."""
    from lightgbm import LGBMRegressor

    control = train["w"] == 0
    regression = LGBMRegressor(**TREES).fit(train["X"][control], train["y"][control])
    return np.asarray(regression.predict(new["X"]))


def econml(name: str) -> Learner:
    """EconML's learner."""
    from econml.dml import CausalForestDML
    from econml.dr import DRLearner
    from lightgbm import LGBMRegressor
    from sklearn.dummy import DummyClassifier

    def fit_predict(train: Data, new: Data) -> Answer:
        prior, mean = DummyClassifier(strategy="prior"), LGBMRegressor(**TREES)
        how: dict[str, Any] = {"cv": 3, "random_state": 0}
        model: Any
        if name == "forest":
            how |= {"discrete_treatment": True, "n_jobs": 1}
            model = CausalForestDML(model_y=mean, model_t=prior, **how)
        else:
            how |= {"model_propensity": prior, "model_regression": mean}
            model = DRLearner(model_final=LGBMRegressor(**FINAL), **how)
        model.fit(train["y"], train["w"], X=train["X"])
        return level(train, new), model.effect(new["X"])

    return fit_predict


def causalml(name: str) -> Learner:
    """causalml's learner, given the propensity."""
    from causalml.inference import meta
    from lightgbm import LGBMRegressor

    def fit_predict(train: Data, new: Data) -> Answer:
        mean = LGBMRegressor(**TREES)
        model = getattr(meta, f"Base{name.upper()}Regressor")(learner=mean, control_name=0)
        if name == "t":
            model.fit(train["X"], train["w"], train["y"])
            return level(train, new), model.predict(new["X"])
        half = np.full(ROWS, 0.5)
        model.fit(train["X"], train["w"], train["y"], p={1: half})
        return level(train, new), model.predict(new["X"], p={1: half})

    return fit_predict


LEARNERS = {"dr": "dr-learner", "r": "r-learner", "x": "x-learner", "t": "t-learner"}
CASES: dict[str, dict[str, Callable[[], Learner]]] = {
    "equipoise": {
        f"{when}_{key}": lambda name=name, when=when: ours(name, when == "before")
        for when in ("ours", "before")
        for key, name in LEARNERS.items()
    },
    "econml": {f"econml_{name}": lambda name=name: econml(name) for name in ("dr", "forest")},
    "causalml": {f"causalml_{name}": lambda name=name: causalml(name) for name in LEARNERS},
}
PEERS = {f"econml_{name}" for name in ("dr", "forest")} | {f"causalml_{key}" for key in LEARNERS}


def judged(answer: Answer, new: Data) -> dict[str, float]:
    """The measures of one answer."""
    tau = np.asarray(answer[1], np.float64).reshape(-1)
    levels = np.stack([answer[0], answer[0] + tau])
    truth, first = new["tau"], int(OFFERED * len(tau))
    offered = np.argsort(-tau, kind="stable")[:first]
    return {
        "outside": float(((levels < -1e-12) | (levels > 1 + 1e-12)).any(axis=0).mean()),
        "largest": float(np.abs(tau).max()),
        "rmse": float(np.sqrt(np.mean((tau - truth) ** 2)) / new["p"].mean()),
        "gain": float(truth[offered].sum() / np.sort(truth)[-first:].sum()),
    }


def measure(package: str, form: str) -> dict[str, dict[str, list[dict[str, float]]]]:
    """The measures of the cases of one package: by rate, of each case, a list over worlds."""
    learners = {case: make() for case, make in CASES[package].items()}
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    rates, seeds = FORMS[form]
    for rate in rates:
        of_rate = runs.setdefault(f"{rate:g}", {case: [] for case in learners})
        for shape in WORLDS:
            for seed in seeds:
                train, new = (experiment(shape, rate, 2 * seed + i) for i in range(2))
                for case, learn in learners.items():
                    of_rate[case].append(judged(learn(train, new), new))
    return runs


def figures(runs: dict[str, dict[str, list[dict[str, float]]]]) -> list[dict[str, Any]]:
    """Every case's measures by rate, and the error of ours less what it was and less each peer."""
    from benchmarks.record import interval

    every = []
    for rate, cases in runs.items():
        values = {
            measure: {case: np.array([one[measure] for one in of]) for case, of in cases.items()}
            for measure in UNITS
        }
        for measure, unit in UNITS.items():
            for case, each in values[measure].items():
                every.append(interval(f"{measure}_{case}_at_{rate}", each, unit))
        rmse = values["rmse"]
        for key in LEARNERS:
            for rival in (f"before_{key}", *sorted(PEERS & cases.keys() if key == "dr" else ())):
                gap = rmse[f"ours_{key}"] - rmse[rival]
                name = f"rmse_ours_{key}_less_{rival}_at_{rate}"
                every.append(interval(name, gap, UNITS["rmse"], rival))
    return every


def main() -> None:
    """Measure and record."""
    from benchmarks import peers
    from benchmarks.record import full, record, versions

    form = "full" if full() else "quick"
    parts = {name: peers.run(name, Path(__file__), name, form) for name in CASES}
    runs = {
        rate: {case: of for part in parts.values() for case, of in part["runs"][rate].items()}
        for rate in parts["equipoise"]["runs"]
    }
    packages = {name: part["version"] for name, part in parts.items()}
    known = versions("equipoise", "lightgbm", "numpy") | packages
    record("rare", f"{__doc__}\n{form} form", known, list(FORMS[form][1]), figures(runs))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in CASES:
        version = metadata.version(sys.argv[1])
        print(json.dumps({"runs": measure(*sys.argv[1:]), "version": version}))
    else:
        main()
