"""HUM on worlds made for the text's claim: strategies that exclude each other, effects that share
structure, two metrics in conflict, unequal arms, known truth.

A world: ten features; two functions g_1, g_2 of them move every strategy's effects, each with
loadings of its own; what a strategy does to the first metric it mostly undoes in the second; levels
are other functions, several times as large as effects; noise of 1.5.  Control has half of the rows,
the four strategies 22, 14, 9 and 5 %.  Loadings, directions and mean effects differ by seed.

    pehe     root of the mean squared error of the effect over its standard deviation, mean of
             strategies and metrics; 1 is no better than the mean
    worth    expected sum of both metrics (standardised by their noise) where each unit gets the
             strategy of the largest predicted sum, control among them, as a share of what the truth
             would get

    hum_less_tarnet, hum_less_best_baseline, hum_kl_gain    differences in pehe of the same worlds,
        below 0 where HUM errs less, with 95 % Student intervals over the worlds; *_worth likewise
        above 0.  The best baseline is that of the least mean pehe over the worlds, chosen with
        hindsight, against us.  The gain of the KL is that of branches with own control towers.

n rows learn (FULL=1: 1e5, worlds 10 to 19; else 2e4, worlds 10 to 12), 20,000 new rows judge.
Widths, forms and penalties were chosen on worlds 0 to 2.
"""

from __future__ import annotations

from typing import Any

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import time  # noqa: E402

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402

from equipoise.core.arrays import Floats, Ints  # noqa: E402
from equipoise.estimators import ESTIMATORS  # noqa: E402
from equipoise.treatments import Arms  # noqa: E402

SHARES = np.array([0.5, 0.22, 0.14, 0.09, 0.05])
FEATURES, NOISE, NEW = 10, 1.5, 20_000
HUMS: dict[str, dict[str, Any]] = {
    "hum": {},
    "hum_no_attention": {"attention": False},
    "hum_own_control": {"shared_control": False, "penalty": 10.0},
    "hum_own_control_no_kl": {"shared_control": False, "alignment": "none"},
    "hum_text": {"form": "text", "shared_control": False},
    "hum_text_no_kl": {"form": "text", "shared_control": False, "alignment": "none"},
}
BASELINES = ("tarnet", "cfrnet", "dragonnet", "s-net", "flextenet", "m3tn", "euen")
OTHERS = ("x-learner", "dr-learner", "dml")
KL = (("hum_own_control", "hum_own_control_no_kl"), ("hum_text", "hum_text_no_kl"))


def world(seed: int, n: int, *, new: bool = False) -> tuple[Floats, Ints, Floats, Floats]:
    """X (n, 10), arm (n,), y (n, 2), effects (n, 4, 2) of one world."""
    law, rows = np.random.default_rng([seed, 9]), np.random.default_rng([seed, 1 + new])
    k = len(SHARES) - 1
    X = rows.standard_normal((n, FEATURES))
    direction = law.standard_normal((6, FEATURES)) / np.sqrt(FEATURES) * 1.5

    def shape(j: int) -> Floats:
        bent: Floats = np.tanh(X @ direction[j] + 0.5 * X[:, j] * X[:, (j + 1) % FEATURES])
        return bent

    shared = np.stack([shape(0), shape(1)], axis=1)
    loading = law.uniform(0.3, 1.0, (k, 2)) * law.choice([-1, 1], (k, 2))
    size = law.uniform(0.0, 0.3, k) + shared @ loading.T
    effect = np.stack([0.35 * size, -0.25 * size + 0.15 * np.tanh(X[:, [6]])], axis=2)
    level = np.stack(
        [
            shape(2) + 0.6 * X[:, 3] + 0.4 * X[:, 4] ** 2,
            0.8 * shape(3) - 0.5 * X[:, 5],
        ],
        axis=1,
    )
    arm = rows.choice(k + 1, n, p=SHARES)
    moved = np.concatenate([np.zeros((n, 1, 2)), effect], axis=1)[np.arange(n), arm]
    return X, arm, level + moved + NOISE * rows.standard_normal((n, 2)), effect


def one(name: str, seed: int, n: int) -> dict[str, float]:
    """Error, worth and CPU seconds of an estimator in a world."""
    X, arm, y, _ = world(seed, n)
    new, _, _, truth = world(seed, NEW, new=True)
    settings = HUMS.get(name, {})
    start = time.process_time()
    estimator = ESTIMATORS.load("hum" if name in HUMS else name)(
        space=Arms(list(range(len(SHARES)))), random_state=seed, **settings
    )
    effects = estimator.fit(X, y, treatment=arm).effects(new).values
    cpu = time.process_time() - start
    relative = np.sqrt(((effects - truth) ** 2).mean(axis=0) / truth.var(axis=0))
    return {"pehe": float(relative.mean()), "worth": worth(effects, truth), "cpu": cpu}


def worth(effects: Floats, truth: Floats) -> float:
    """What each unit's best strategy by predicted sums is worth, over what the best one is."""
    picked, best = (np.maximum(0.0, part.sum(axis=2)) for part in (effects, truth))
    choice, treated = effects.sum(axis=2).argmax(axis=1), picked.max(axis=1) > 0
    got = np.where(treated, truth.sum(axis=2)[np.arange(len(truth)), choice], 0.0)
    return float(got.mean() / best.max(axis=1).mean())


def difference(name: str, part: str, ours: list[float], theirs: list[float], against: str) -> Any:
    """The mean paired difference over worlds with its interval."""
    each = np.asarray(ours) - np.asarray(theirs)
    half = float(stats.t.ppf(0.975, len(each) - 1)) * each.std(ddof=1) / np.sqrt(len(each))
    unit = {"pehe": "root PEHE in standard deviations", "worth": "share of the best worth"}[part]
    mean = float(each.mean())
    return figure(name, mean, low=mean - half, high=mean + half, unit=unit, against=against)


def main() -> None:
    """Measure and record."""
    n, seeds = (100_000, range(10, 20)) if full() else (20_000, range(10, 13))
    names = [*HUMS, *BASELINES, *OTHERS]
    runs: dict[str, dict[str, list[float]]] = {
        name: {part: [] for part in ("pehe", "worth", "cpu")} for name in names
    }
    for seed in seeds:
        for name in names:
            result = one(name, seed, n)
            for part, value in result.items():
                runs[name][part].append(value)
            print(f"world {seed}  {name:22s}  {result}", flush=True)
    best = min(BASELINES, key=lambda name: float(np.mean(runs[name]["pehe"])))
    rows = []
    for part, end in (("pehe", ""), ("worth", "_worth")):
        mine = runs["hum"][part]
        for label, rival in (("hum_less_tarnet", "tarnet"), ("hum_less_best_baseline", best)):
            rows.append(difference(label + end, part, mine, runs[rival][part], rival))
        for (own, without), tail in zip(KL, ("", "_text"), strict=True):
            label = f"hum_kl_gain{tail}{end}"
            rows.append(difference(label, part, runs[own][part], runs[without][part], without))
    for name, parts in runs.items():
        for part, unit in (("pehe", "standard deviations"), ("worth", "share"), ("cpu", "CPU s")):
            each = parts[part]
            mean = float(np.mean(each))
            rows.append(
                figure(f"{name}_{part}", mean, low=min(each), high=max(each), unit=unit, n=n)
            )
    print(
        record(
            "truth_hum",
            (__doc__ or "").strip(),
            versions("equipoise", "torch", "lightgbm", "numpy"),
            list(seeds),
            rows,
        )
    )
    for row in rows[:8]:
        print(f"{row['name']:32s} {row['value']:+.4f}  [{row['low']:+.4f}, {row['high']:+.4f}]")


if __name__ == "__main__":
    main()
