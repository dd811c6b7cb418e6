"""Uplift: every net and every learner on boosted trees, on two real experiments and a world whose
truth is known.

    hillstrom    3 arms x 3 metrics (visit, conversion, spend)       charitable-match   4 arms x 2
    metrics (gave, dollars)
    criteo-like  2 arms x 2 metrics (visit, conversion), n = 1e6 with FULL=1

Rows are drawn anew for each of five seeds: 60 % to learn from, 20 % for validation, 20 % to judge.
Every estimator has its
defaults; what is chosen (``chosen``) is chosen by validation alone.  Figures, by data set and
estimator, means over seeds:

    qini_*      Qini per head over the metric's standard deviation, mean over arms and metrics, in
    thousandths; bootstrap interval
    gain_*      its difference from the S-learner on trees, paired: the same test rows, resampled
    alike (100 draws per seed)
    value_*     gain over nobody of the policy "the best arm where its effect is above 0", by
    inverse propensities, over the
                metric's standard deviation, mean over metrics, in thousandths; bootstrap interval
    worth_*     its difference from the S-learner's, paired as gain_*
    pehe_*      criteo-like: root PEHE over the standard deviation of the true effect (1: no better
    than the mean)
    over_*, ahead_*, error_*   HUM's Qini, policy value and root PEHE less those of its ablations
    and of the rival that
                validation picks, paired
    hum_*       ablations of HUM: form and weight of the alignment, one control tower, no attention,
    experts

The quick form samples 20,000 rows of each.  LARGE=1 takes only criteo-like, of 1e6 rows, and some
estimators, and records them as uplift_large.  Fits are kept in runs/bench-uplift, so that a run
that was stopped goes on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

from equipoise.core.features import FeatureMap, matrix  # noqa: E402
from equipoise.core.folds import fold_ids  # noqa: E402
from equipoise.data import (  # noqa: E402
    fetch_charitable_match,
    fetch_hillstrom,
    make_criteo_like_world,
)
from equipoise.estimators import ESTIMATORS  # noqa: E402
from equipoise.evaluation import evaluation_data, pehe, qini, rank_by_score  # noqa: E402
from equipoise.evaluation.resampling import replicate_seeds, replicates  # noqa: E402

SEEDS, QUICK, DRAWS = range(5), 20_000, 100
TREES = ("s-learner", "t-learner", "x-learner", "dr-learner", "r-learner")
BASE = "s-learner"
SKIPPED = ("dml", "dose-s-learner", "gps")
ABLATIONS: dict[str, dict[str, Any]] = {
    "hum_text": {"form": "text", "shared_control": False},
    "hum_no_alignment": {"shared_control": False, "alignment": "none"},
    "hum_pairwise_kl": {"shared_control": False, "alignment": "pairwise_kl"},
    "hum_mse_y0": {"shared_control": False, "alignment": "mse_y0"},
    "hum_own_control": {"shared_control": False, "penalty": 10.0},
    "hum_no_attention": {"attention": False},
    "hum_own_experts": {"share_experts": False},
    "hum_one_expert": {"experts": 1},
}
LARGE = ("hum", "hum_no_attention", "hum_one_expert", "s-net", "tarnet", "cfrnet", "bnn", "efin")
ONLY_LARGE = os.environ.get("LARGE") == "1"
DATA = ("criteo-like",) if ONLY_LARGE else ("hillstrom", "charitable-match", "criteo-like")
KEPT = Path("runs/bench-uplift")


def rows_of(name: str, seed: int) -> tuple[Any, Any]:
    """The log and, where known, the truth."""
    if name == "criteo-like":
        return make_criteo_like_world(1_000_000 if whole() else QUICK, seed=seed)
    log = fetch_hillstrom() if name == "hillstrom" else fetch_charitable_match()
    if not whole():
        log = log.take(np.sort(np.random.default_rng(seed).permutation(len(log))[:QUICK]))
    return log, None


def whole() -> bool:
    """Whether all rows are taken."""
    return full() or ONLY_LARGE


def names() -> list[str]:
    """Every estimator of arms, trees first, and HUM's ablations."""
    if ONLY_LARGE:
        return [*TREES, *LARGE]
    nets = [name for name in ESTIMATORS if name not in TREES and name not in SKIPPED]
    arms = [
        name
        for name in nets
        if "Arms" in ESTIMATORS.load(name).takes or "any" in ESTIMATORS.load(name).takes
    ]
    return [*TREES, *arms, *ABLATIONS]


def one(data: str, seed: int, name: str) -> dict[str, Any]:
    """What one estimator says of validation and test rows, judged; read where it is kept."""
    kept = KEPT / ("full" if whole() else "quick") / f"{data}-{seed}-{name}.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    log, truth = rows_of(data, seed)
    X, _ = matrix(FeatureMap().fit_transform(log.features))
    part = fold_ids(len(log), 5, seed, strata=log.cells)  # 0 judges, 1 validates
    learn = part > 1
    made = ESTIMATORS.load("hum" if name in ABLATIONS else name)(
        space=log.space, random_state=seed, **ABLATIONS.get(name, {})
    )
    made.fit(X[learn], log.y[learn], treatment=log.treatment[learn])
    found = {"test": judged(made.effects(X[part == 0]).values, log, part == 0, seed)}
    found["validation"] = judged(made.effects(X[part == 1]).values, log, part == 1, seed)
    if truth is not None:
        there = truth.take(part == 0)
        found["pehe"] = float(
            (
                pehe(made.effects(X[part == 0]).values, truth=there)
                / there.effects().values.std(axis=0)
            ).mean()
        )
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found), encoding="utf-8")
    return found


def judged(effects: Any, log: Any, rows: Any, seed: int) -> dict[str, Any]:
    """Qini over all arms and metrics, its replicates, and the value of each metric's own policy."""
    y, cell = log.y[rows], log.cells[rows]
    share = np.bincount(cell) / len(cell)
    evidence, spread = evaluation_data(y, cell=cell, propensity=share), y.std(axis=0)
    pairs = [(a, j) for a in range(effects.shape[1]) for j in range(effects.shape[2])]
    ranked = [rank_by_score(effects[:, a, j], evidence, candidate=a, metric=j) for a, j in pairs]
    each = [qini.value(r) / spread[j] for r, (_, j) in zip(ranked, pairs, strict=True)]
    seeds = replicate_seeds(DRAWS, seed)
    drawn = np.mean(
        [
            np.ravel(replicates(qini, r, seeds)) / spread[j]
            for r, (_, j) in zip(ranked, pairs, strict=True)
        ],
        axis=0,
    )
    gain = np.zeros(len(y))
    for j in range(effects.shape[2]):
        best = effects[:, :, j].argmax(axis=1)
        choice = np.where(effects[np.arange(len(y)), best, j] > 0, best + 1, 0)
        own = (choice == cell) * y[:, j] / share[cell] - (cell == 0) * y[:, j] / share[0]
        gain += own / spread[j] / effects.shape[2]
    return {
        "qini": float(np.mean(each)),
        "each": [float(x) for x in each],
        "drawn": drawn.tolist(),
        "value": float(gain.mean()),
        "value_drawn": resampled(gain, seed),
    }


def resampled(gain: Any, seed: int) -> list[float]:
    """Means of the same bootstrap samples of test rows for whoever is judged."""
    rng, n = np.random.default_rng(seed), len(gain)
    return [float(gain[rng.integers(0, n, n)].mean()) for _ in range(DRAWS)]


def summary(data: str) -> list[dict[str, Any]]:
    """The figures of one data set."""
    found = {name: [one(data, seed, name) for seed in SEEDS] for name in names()}
    rows, n = [], len(SEEDS)
    for name, each in found.items():
        for kind, measure, apart in (("qini", "qini", "gain"), ("value", "value", "worth")):
            rows.append(
                thousandths(f"{kind}_{data}_{name}", *mean_of(each, measure), "thousandths of a sd")
            )
            if name != BASE:
                rows.append(
                    thousandths(
                        f"{apart}_{data}_{name}",
                        *less(each, found[BASE], measure),
                        "less the base",
                        BASE,
                    )
                )
        if "pehe" in each[0]:
            errors = [f["pehe"] for f in each]
            low, high, unit = min(errors), max(errors), "sd of the true effect"
            rows.append(
                figure(
                    f"pehe_{data}_{name}",
                    float(np.mean(errors)),
                    low=low,
                    high=high,
                    unit=unit,
                    n=n,
                )
            )
    best = picked(found)
    rows.append(
        figure(f"chosen_{data}", 1e3 * mean_of(found[best], "qini")[0], unit=f"qini of {best}")
    )
    return rows + hum_against(data, found)


def hum_against(data: str, found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """HUM less each of its ablations and less the rival that validation picks, on the same rows."""
    rival = picked({name: each for name, each in found.items() if not name.startswith("hum")})
    rows, hum, n = [], found["hum"], len(SEEDS)
    for name in [*(n for n in ABLATIONS if n in found), rival]:
        for kind, measure, unit in (
            ("over", "qini", "HUM's qini less it"),
            ("ahead", "value", "HUM's policy value less it"),
        ):
            rows.append(
                thousandths(f"{kind}_{data}_{name}", *less(hum, found[name], measure), unit, name)
            )
        if "pehe" in hum[0]:
            gaps = np.array([a["pehe"] - b["pehe"] for a, b in zip(hum, found[name], strict=True)])
            # Student's 97.5 % point at four degrees of freedom
            half = 2.776 * float(gaps.std(ddof=1)) / n**0.5
            mean, unit = float(gaps.mean()), "HUM's PEHE less it"
            rows.append(
                figure(
                    f"error_{data}_{name}",
                    mean,
                    low=mean - half,
                    high=mean + half,
                    unit=unit,
                    against=name,
                    n=n,
                )
            )
    return rows


def picked(found: dict[str, list[dict[str, Any]]]) -> str:
    """Who has the best Qini on validation rows."""
    return max(found, key=lambda name: np.mean([f["validation"]["qini"] for f in found[name]]))


def mean_of(each: list[dict[str, Any]], measure: str) -> tuple[float, Any]:
    """A measure's mean over seeds, and its bootstrap draws."""
    drawn = "drawn" if measure == "qini" else "value_drawn"
    tests = [f["test"] for f in each]
    return float(np.mean([t[measure] for t in tests])), np.mean([t[drawn] for t in tests], axis=0)


def less(one: list[dict[str, Any]], other: list[dict[str, Any]], measure: str) -> tuple[float, Any]:
    """The same of the difference of two, on the same rows and draws."""
    (a, drawn), (b, others) = mean_of(one, measure), mean_of(other, measure)
    return a - b, drawn - others


def thousandths(
    name: str, value: float, drawn: Any, unit: str, against: str = ""
) -> dict[str, Any]:
    """A figure with its bootstrap interval."""
    low, high = (1e3 * np.quantile(drawn, [0.025, 0.975])).tolist()
    return figure(name, 1e3 * value, low=low, high=high, unit=unit, against=against, n=len(SEEDS))


def main() -> None:
    """Measure and record."""
    rows = [row for data in DATA for row in summary(data)]
    form = "all rows, criteo-like of 1e6" if whole() else f"{QUICK:,} rows of each data set"
    name = "uplift_large" if ONLY_LARGE else "uplift"
    protocol = (
        f"{form}; 60/20/20 by arm, five seeds; defaults; test rows choose nothing.  Published"
        " figures: docs/hmum.md, apart."
    )
    print(
        record(
            name, protocol, versions("equipoise", "numpy", "torch", "lightgbm"), list(SEEDS), rows
        )
    )
    for row in rows:
        print(f"{row['name']:44} {row['value']:.4g}  [{row['low']}, {row['high']}]  {row['unit']}")


if __name__ == "__main__":
    main()
