"""Uplift: every net and every learner on boosted trees, on two real experiments and a world whose truth is known.

    hillstrom    3 arms x 3 metrics (visit, conversion, spend)       charitable-match   4 arms x 2 metrics (gave, dollars)
    criteo-like  2 arms x 2 metrics (visit, conversion), n = 1e6 with FULL=1

Rows are drawn anew for each of five seeds: 60 % to learn from, 20 % for validation, 20 % to judge.  Every estimator has its
defaults; what is chosen (``chosen``) is chosen by validation alone.  Figures, by data set and estimator, means over seeds:

    qini_*      Qini per head over the metric's standard deviation, mean over arms and metrics, in thousandths; bootstrap interval
    gain_*      its difference from the S-learner on trees, paired: the same test rows, resampled alike (100 draws a seed)
    value_*     gain over nobody of the policy "the best arm where its effect is above 0", by inverse propensities, over the
                metric's standard deviation, mean over metrics, in thousandths; range over seeds
    pehe_*      criteo-like: root PEHE over the standard deviation of the true effect (1: no better than the mean)
    over_*, error_*   HUM's Qini and root PEHE less those of its ablations and of the rival that validation picks, paired
    hum_*       ablations of HUM: form and weight of the alignment, one control tower, no attention, experts

The quick form samples 20,000 rows of each.  Fits are kept in runs/bench-uplift, so that a run that was stopped goes on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

from equipoise.core.features import FeatureMap, matrix  # noqa: E402
from equipoise.core.folds import fold_ids  # noqa: E402
from equipoise.data import fetch_charitable_match, fetch_hillstrom, make_criteo_like_world  # noqa: E402
from equipoise.estimators import ESTIMATORS  # noqa: E402
from equipoise.evaluation import observe, pehe, qini, rank  # noqa: E402
from equipoise.evaluation.resampling import replicate_seeds, replicates  # noqa: E402

SEEDS, QUICK, DRAWS = range(5), 20_000, 100
TREES = ("s-learner", "t-learner", "x-learner", "dr-learner", "r-learner")
BASE = "s-learner"
SKIPPED = ("dml", "dose-s-learner")
ABLATIONS: dict[str, dict[str, Any]] = {
    "hum_no_alignment": {"alignment": "none"},
    "hum_pairwise_kl": {"alignment": "pairwise_kl"},
    "hum_mse_y0": {"alignment": "mse_y0"},
    "hum_penalty_1": {"penalty": 1.0},
    "hum_shared_control": {"shared_control": True},
    "hum_no_attention": {"attention": False},
    "hum_own_experts": {"share_experts": False},
    "hum_one_expert": {"experts": 1},
}
DATA = ("hillstrom", "charitable-match", "criteo-like")
KEPT = Path("runs/bench-uplift")


def rows_of(name: str, seed: int) -> tuple[Any, Any]:
    """The log and, where known, the truth."""
    if name == "criteo-like":
        return make_criteo_like_world(1_000_000 if full() else QUICK, seed=seed)
    log = fetch_hillstrom() if name == "hillstrom" else fetch_charitable_match()
    if not full():
        log = log.take(np.sort(np.random.default_rng(seed).permutation(len(log))[:QUICK]))
    return log, None


def names() -> list[str]:
    """Every estimator of arms, trees first, and HUM's ablations."""
    nets = [name for name in ESTIMATORS if name not in TREES and name not in SKIPPED]
    arms = [name for name in nets if "Arms" in ESTIMATORS.load(name).takes or "any" in ESTIMATORS.load(name).takes]
    return [*TREES, *arms, *ABLATIONS]


def one(data: str, seed: int, name: str) -> dict[str, Any]:
    """What one estimator says of validation and test rows, judged; read where it is kept."""
    kept = KEPT / ("full" if full() else "quick") / f"{data}-{seed}-{name}.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    log, truth = rows_of(data, seed)
    X, _ = matrix(FeatureMap().fit_transform(log.features))
    part = fold_ids(len(log), 5, seed, strata=log.cells)  # 0 judges, 1 validates
    learn = part > 1
    made = ESTIMATORS.load("hum" if name in ABLATIONS else name)(space=log.space, seed=seed, **ABLATIONS.get(name, {}))
    made.fit(X[learn], log.y[learn], treatment=log.treatment[learn])
    found = {"test": judged(made.effects(X[part == 0]).values, log, part == 0, seed)}
    found["validation"] = judged(made.effects(X[part == 1]).values, log, part == 1, seed)
    if truth is not None:
        there = truth.take(part == 0)
        found["pehe"] = float((pehe(made.effects(X[part == 0]).values, truth=there) / there.effects().values.std(axis=0)).mean())
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found), encoding="utf-8")
    return found


def judged(effects: Any, log: Any, rows: Any, seed: int) -> dict[str, Any]:
    """Qini over all arms and metrics, its replicates, and the value of each metric's own policy."""
    y, cell = log.y[rows], log.cells[rows]
    share = np.bincount(cell) / len(cell)
    evidence, spread = observe(y, cell=cell, propensity=share), y.std(axis=0)
    pairs = [(a, j) for a in range(effects.shape[1]) for j in range(effects.shape[2])]
    ranked = [rank(effects[:, a, j], evidence, candidate=a, metric=j) for a, j in pairs]
    each = [qini.value(r) / spread[j] for r, (_, j) in zip(ranked, pairs, strict=True)]
    seeds = replicate_seeds(DRAWS, seed)
    drawn = np.mean([np.ravel(replicates(qini, r, seeds)) / spread[j] for r, (_, j) in zip(ranked, pairs, strict=True)], axis=0)
    values = []
    for j in range(effects.shape[2]):
        best = effects[:, :, j].argmax(axis=1)
        choice = np.where(effects[np.arange(len(y)), best, j] > 0, best + 1, 0)
        gain = (choice == cell) * y[:, j] / share[cell] - (cell == 0) * y[:, j] / share[0]
        values.append(float(gain.mean() / spread[j]))
    return {
        "qini": float(np.mean(each)),
        "each": [float(x) for x in each],
        "drawn": drawn.tolist(),
        "value": float(np.mean(values)),
    }


def summary(data: str) -> list[dict[str, Any]]:
    """The figures of one data set."""
    found = {name: [one(data, seed, name) for seed in SEEDS] for name in names()}
    rows = []
    base = np.array([f["test"]["drawn"] for f in found[BASE]]).mean(axis=0)
    level = float(np.mean([f["test"]["qini"] for f in found[BASE]]))
    chosen = max(found, key=lambda name: np.mean([f["validation"]["qini"] for f in found[name]]))
    for name, each in found.items():
        drawn = np.array([f["test"]["drawn"] for f in each]).mean(axis=0)
        value = float(np.mean([f["test"]["qini"] for f in each]))
        n = len(each)

        def add(
            kind: str, value: float, low: float, high: float, unit: str, against: str = "", name: str = name, n: int = n
        ) -> None:
            rows.append(figure(f"{kind}_{data}_{name}", value, low=low, high=high, unit=unit, against=against, n=n))

        add("qini", 1e3 * value, *(1e3 * np.quantile(drawn, [0.025, 0.975])).tolist(), "thousandths of a sd")
        if name != BASE:
            apart = np.quantile(drawn - base, [0.025, 0.975])
            add("gain", 1e3 * (value - level), *(1e3 * apart).tolist(), "thousandths of a sd", BASE)
        values = [1e3 * f["test"]["value"] for f in each]
        add("value", float(np.mean(values)), min(values), max(values), "thousandths of a sd")
        if "pehe" in each[0]:
            errors = [f["pehe"] for f in each]
            add("pehe", float(np.mean(errors)), min(errors), max(errors), "sd of the true effect")
    rows += hum_against(data, found)
    rows.append(
        figure(f"chosen_{data}", 1e3 * float(np.mean([f["test"]["qini"] for f in found[chosen]])), unit=f"qini of {chosen}")
    )
    return rows


def hum_against(data: str, found: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """HUM less each of its ablations and less the rival that validation picks: Qini on the same rows, paired; and root PEHE."""
    rival = max((n for n in found if not n.startswith("hum")), key=lambda n: np.mean([f["validation"]["qini"] for f in found[n]]))
    rows, hum, n = [], found["hum"], len(SEEDS)
    for name in (*ABLATIONS, rival):
        drawn = np.mean(
            [np.subtract(a["test"]["drawn"], b["test"]["drawn"]) for a, b in zip(hum, found[name], strict=True)], axis=0
        )
        value = float(np.mean([a["test"]["qini"] - b["test"]["qini"] for a, b in zip(hum, found[name], strict=True)]))
        low, high = (1e3 * np.quantile(drawn, [0.025, 0.975])).tolist()
        rows.append(figure(f"over_{data}_{name}", 1e3 * value, low=low, high=high, unit="HUM's qini less it", against=name, n=n))
        if "pehe" in hum[0]:
            gaps = np.array([a["pehe"] - b["pehe"] for a, b in zip(hum, found[name], strict=True)])
            half = 2.776 * float(gaps.std(ddof=1)) / n**0.5  # Student's 97.5 % point at four degrees of freedom
            mean, unit = float(gaps.mean()), "HUM's PEHE less it"
            rows.append(figure(f"error_{data}_{name}", mean, low=mean - half, high=mean + half, unit=unit, against=name, n=n))
    return rows


def main() -> None:
    """Measure and record."""
    rows = [row for data in DATA for row in summary(data)]
    form = "all rows, criteo-like of 1e6" if full() else f"{QUICK:,} rows of each data set"
    protocol = (
        f"{form}; 60/20/20 by arm, five seeds; defaults; test rows choose nothing.  Published figures: docs/hmum.md, apart."
    )
    print(record("uplift", protocol, versions("equipoise", "numpy", "torch", "lightgbm"), list(SEEDS), rows))
    for row in rows:
        print(f"{row['name']:44} {row['value']:.4g}  [{row['low']}, {row['high']}]  {row['unit']}")


if __name__ == "__main__":
    main()
