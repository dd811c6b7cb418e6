"""The part "rules" of `benchmarks.firstday`: exact trees beside EconML's of equal depth.

rules    Worlds of 10 features: `steps` (two questions are the truth), `smooth` (a plane), `arms`
         (two offers, a plane each), `counts` (whole numbers: ages and visits) and `rare` (one sale
         in a hundred, three more to a tenth if sent, each worth 10, a send costs .15).
         Half the rows are treated (a third each in `arms`), 10,000 rows (24,000 in `rare`).

         same scores   our `PolicyTree(depth)` and EconML's `PolicyTree(max_depth)`, honest (its
                       default) or not, on the same doubly robust scores by cross-fitted LightGBM;
                       leaves of 1 % of the rows
         whole         `cross_fit_effects`, `dr_scores` and `PolicyTree`, and EconML's
                       `DRPolicyTree`, nuisances by the same LightGBM, three folds each

    rules_speedup              CPU of EconML's quicker tree over ours, depth 2, same scores; median
                               over worlds and seeds, and range of the worlds' medians
    rules_speedup_depth_1      the same of depth 1
    rules_speedup_whole        CPU of `DRPolicyTree` over that of our whole way
    rules_value_less_econml    true value on 50,000 new people less that of EconML's better variant
                               (chosen by the truth), depth 2, in parts of the best policy's value,
                               mean over worlds, by seed
    rules_value_less_econml_W  the same of a world
    rules_value_whole          the same of the whole ways
    rules_of_best_W            our tree's true value in parts of the best policy's
    rules_card_of_best_W       that of the scorecard

CPU of one thread, after a fit of 500 rows, so that imports and compilation do not count.

Run as a script with "econml" and a folder, this file fits EconML's trees.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WORLDS = ("steps", "smooth", "arms", "counts", "rare")
ROWS, RARE_ROWS, NEW_ROWS, WARM_ROWS, FEATURES = 10_000, 24_000, 50_000, 500, 10
RULE_SEEDS = {"quick": range(4), "full": range(16)}
TREES = {"n_estimators": 50, "num_leaves": 15, "learning_rate": 0.1, "min_child_samples": 50}
LEAF, FOLDS = 0.01, 3
Data = dict[str, np.ndarray]
Figures = list[dict[str, Any]]


def world(name: str, n: int, seed: int) -> Data:
    """X (n, 10); w (n,) in 0..k; y (n,), net of cost; tau (n, k), net; e (K,) shares."""
    rng = np.random.default_rng([WORLDS.index(name), seed])
    X = rng.standard_normal((n, FEATURES))
    if name == "counts":
        X[:, 0], X[:, 1] = rng.integers(18, 80, n), rng.poisson(2.0, n)
    a, b, c = X[:, 0], X[:, 1], X[:, 2]
    effects = {
        "steps": lambda: [np.where((a < 0.3) & (b > -0.2), 1.0, -0.5)],
        "smooth": lambda: [a + 0.5 * b - 0.3],
        "arms": lambda: [a - 0.1, b + 0.3 * c - 0.3],
        "counts": lambda: [np.where(a < 35, 1.0, 0.0) + 0.3 * b - 0.9],
        "rare": lambda: [10 * np.where(b > 1.2816, 0.03, 0.002 + 0.001 * np.tanh(c)) - 0.15],
    }
    tau = np.column_stack(effects[name]())
    k = tau.shape[1]
    w = rng.integers(0, k + 1, n)
    got = np.pad(tau, ((0, 0), (1, 0)))[np.arange(n), w]
    if name == "rare":
        lift = np.where(w == 1, (tau[:, 0] + 0.15) / 10, 0.0)
        y = 10.0 * (rng.random(n) < 0.01 * np.exp(0.4 * a - 0.08) + lift) - 0.15 * (w == 1)
    else:
        y = c + X[:, 3] ** 2 + got + 2 * rng.standard_normal(n)
    return {"X": X, "w": w, "y": y, "tau": tau, "e": np.full(k + 1, 1 / (k + 1))}


def with_gains(data: Data, seed: int) -> Data:
    """Doubly robust gains over control, (n, k), by cross-fitted LightGBM."""
    from lightgbm import LGBMRegressor

    from equipoise.core.scores import dr_scores

    X, w, y = data["X"], data["w"], data["y"]
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(y))
    levels = np.empty((len(y), len(data["e"]), 1))
    for f in range(FOLDS):
        for a in range(len(data["e"])):
            model = LGBMRegressor(**TREES, n_jobs=1, verbose=-1, random_state=0)
            rows = (fold != f) & (w == a)
            levels[fold == f, a, 0] = model.fit(X[rows], y[rows]).predict(X[fold == f])
    scores = dr_scores(y[:, None], w, np.tile(data["e"], (len(y), 1)), levels)[:, :, 0]
    return {**data, "gains": scores[:, 1:] - scores[:, :1]}


def value_of(choice: np.ndarray, tau: np.ndarray) -> float:
    """The true value of a choice, in parts of the best policy's.   choice: (n,), 0 = control."""
    got = np.pad(tau, ((0, 0), (1, 0)))[np.arange(len(tau)), choice]
    return float(got.mean() / np.maximum(tau.max(axis=1), 0).mean())


def timed(fit: Callable[[Data], Any], data: Data, warm: Data) -> tuple[Any, float]:
    """What a fit gives, and its CPU seconds."""
    fit(warm)
    start = time.process_time()
    fitted = fit(data)
    return fitted, time.process_time() - start


def head(data: Data, n: int = WARM_ROWS) -> Data:
    """The first rows."""
    return {name: part if name == "e" else part[:n] for name, part in data.items()}


def econml_ways() -> dict[str, Callable[[Data], Any]]:
    """EconML's trees."""
    from econml.policy import DRPolicyTree, PolicyTree
    from lightgbm import LGBMRegressor
    from sklearn.dummy import DummyClassifier

    def tree(depth: int, honest: bool) -> Callable[[Data], Any]:
        def fit(data: Data) -> Any:
            leaf = max(1, int(LEAF * len(data["y"])))
            model = PolicyTree(
                max_depth=depth, min_samples_leaf=leaf, honest=honest, random_state=0
            )
            return model.fit(data["X"], np.pad(data["gains"], ((0, 0), (1, 0))))

        return fit

    def whole(data: Data) -> Any:
        model = DRPolicyTree(
            model_regression=LGBMRegressor(**TREES, n_jobs=1, verbose=-1, random_state=0),
            model_propensity=DummyClassifier(strategy="prior"),
            max_depth=2,
            min_samples_leaf=max(1, int(LEAF * len(data["y"]))),
            cv=FOLDS,
            random_state=0,
        )
        return model.fit(data["y"], data["w"], X=data["X"])

    trees = {
        f"{'honest' if honest else 'plain'}{depth}": tree(depth, honest)
        for depth in (1, 2)
        for honest in (True, False)
    }
    return {**trees, "whole": whole}


def our_ways() -> dict[str, Callable[[Data], Any]]:
    """Ours."""
    from equipoise.allocation import PolicyTree, Scorecard
    from equipoise.core.scores import dr_scores
    from equipoise.estimators import BoostedTrees, TLearner
    from equipoise.pipeline import cross_fit_effects

    def whole(data: Data) -> Any:
        log, trees = log_of(data), TLearner(BoostedTrees(**TREES))
        levels = cross_fit_effects(log, trees, cv=FOLDS).levels()
        scores = dr_scores(data["y"][:, None], data["w"], log.propensity, levels)[:, :, 0]
        return PolicyTree(2, min_leaf=LEAF).fit(log.features, scores[:, 1:] - scores[:, :1])

    return {
        "1": lambda data: PolicyTree(1, min_leaf=LEAF).fit(data["X"], data["gains"]),
        "2": lambda data: PolicyTree(2, min_leaf=LEAF).fit(data["X"], data["gains"]),
        "card": lambda data: Scorecard().fit(data["X"], data["gains"]),
        "whole": whole,
    }


def log_of(data: Data) -> Any:
    """The rows as a log."""
    import pyarrow as pa

    from equipoise.core.log import Log, Outcome, Roles
    from equipoise.treatments import Arms

    names, labels = [f"x{j}" for j in range(FEATURES)], [f"a{a}" for a in range(len(data["e"]))]
    columns = dict(zip(names, data["X"].T, strict=True))
    table = pa.table({**columns, "arm": np.array(labels)[data["w"]], "y": data["y"]})
    outcome = Outcome("y", "continuous")
    return Log(table, Roles("arm", (outcome,), tuple(names), design=tuple(data["e"])), Arms(labels))


def run_econml(folder: Path) -> dict[str, Any]:
    """Fit every world in a folder; choices go beside it."""
    seconds: dict[str, Any] = {}
    for file in sorted(folder.glob("*_train.npz")):
        case = file.name.removesuffix("_train.npz")
        data, new = dict(np.load(file)), np.load(folder / f"{case}_new.npy")
        choices = {}
        for name, fit in econml_ways().items():
            model, cpu = timed(fit, data, head(data))
            choices[name] = np.asarray(model.predict(new)).ravel()
            seconds.setdefault(case, {})[name] = cpu
        np.savez(folder / f"{case}_econml.npz", **choices)
    return seconds


def rules(form: str) -> Figures:
    """The figures of readable rules."""
    from benchmarks.peers import run

    seeds = RULE_SEEDS[form]
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder, ours, truth = Path(name), dict[str, Any](), dict[str, np.ndarray]()
        for of in WORLDS:
            for seed in seeds:
                case = f"{of}_{seed}"
                data = with_gains(world(of, RARE_ROWS if of == "rare" else ROWS, seed), seed)
                new = world(of, NEW_ROWS, 100_000 + seed)
                np.savez(folder / f"{case}_train.npz", **data)
                np.save(folder / f"{case}_new.npy", new["X"])
                truth[case], ours[case] = new["tau"], {}
                for way, fit in our_ways().items():
                    rule, cpu = timed(fit, data, head(data))
                    ours[case][way] = cpu, value_of(rule.assign(new["X"]) + 1, new["tau"])
        theirs = run("econml", Path(__file__), "econml", str(folder))
        values = {
            case: {
                way: value_of(choice, truth[case])
                for way, choice in np.load(folder / f"{case}_econml.npz").items()
            }
            for case in truth
        }
    return rule_figures(list(seeds), ours, theirs, values)


def rule_figures(
    seeds: list[int], ours: dict[str, Any], theirs: dict[str, Any], values: dict[str, Any]
) -> Figures:
    """Of CPU seconds and values by world and seed."""
    from benchmarks.record import figure, interval

    cases = {of: [f"{of}_{seed}" for seed in seeds] for of in WORLDS}

    def speed(name: str, own: str, rivals: tuple[str, ...]) -> dict[str, Any]:
        ratios = [
            [min(theirs[case][way] for way in rivals) / ours[case][own][0] for case in cases[of]]
            for of in WORLDS
        ]
        each = np.median(ratios, axis=1)
        return figure(
            name,
            float(np.median(ratios)),
            low=float(each.min()),
            high=float(each.max()),
            unit="times",
            against="econml 0.17.0",
            n=len(ours),
        )

    def less(own: str, rivals: tuple[str, ...]) -> np.ndarray:
        """By world and seed; of the rivals, the one that is best on average in a world."""
        rows = []
        for of in WORLDS:
            best = max(rivals, key=lambda way: np.mean([values[case][way] for case in cases[of]]))
            rows.append([ours[case][own][1] - values[case][best] for case in cases[of]])
        return np.array(rows)

    same, whole = less("2", ("honest2", "plain2")), less("whole", ("whole",))
    unit, rival = "of the best policy's value", "econml 0.17.0"
    figures = [
        speed("rules_speedup", "2", ("honest2", "plain2")),
        speed("rules_speedup_depth_1", "1", ("honest1", "plain1")),
        speed("rules_speedup_whole", "whole", ("whole",)),
        interval("rules_value_less_econml", same.mean(axis=0), unit, rival),
        interval("rules_value_whole", whole.mean(axis=0), unit, rival),
    ]
    for i, of in enumerate(WORLDS):
        figures.append(interval(f"rules_value_less_econml_{of}", same[i], unit, rival))
        for name, way in (("", "2"), ("card_", "card")):
            parts = [ours[case][way][1] for case in cases[of]]
            figures.append(interval(f"rules_{name}of_best_{of}", parts, unit))
    return figures


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        print(json.dumps(run_econml(Path(sys.argv[2]))))
