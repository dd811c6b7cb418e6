"""Do our 95 % intervals hold what they promise?  Simulated experiments with known truth, and a
world where nothing works.

Each run draws an experiment of 4,000 rows (three unequal arms; spend with a heavy tail, visits,
conversion), fits one linear model per arm and metric on it, and judges the scores and the policy of
these models on another 4,000 rows.  The truth is that of 300,000 further units.

Figures: coverage_ate, coverage_policy_value, coverage_qini: the share of intervals that hold the
truth, over runs, arms and metrics (low, high: of the worst and best arm and metric).
placebo_reject: the share of claims (average effect, Qini, gain of the policy) whose interval
excludes 0 in a world without effects (low, high: of the rarest and commonest claim).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402

from equipoise.core.features import FeatureMap, matrix  # noqa: E402
from equipoise.core.log import Log  # noqa: E402
from equipoise.data import make_coupon_world, make_placebo_world  # noqa: E402
from equipoise.evaluation import (  # noqa: E402
    EvaluationData,
    average_effects,
    evaluation_data,
    policy_value,
    qini,
    rank_by_score,
)

ROWS, CROWD = 4_000, 300_000
SHARES = (0.5, 0.3, 0.2)
# kind of claim -> (arm and metric, low, high, truth)
Claims = dict[str, list[tuple[str, float, float, float]]]


def design(log: Log, levels: FeatureMap) -> np.ndarray:
    """Features with a constant, (n, d + 1); a missing one is 0."""
    x = np.nan_to_num(matrix(levels.transform(log.features))[0])
    return np.column_stack([np.ones(len(x)), x])


def fit(log: Log, x: np.ndarray) -> np.ndarray:
    """Ridge coefficients of every arm and metric, (K, d, m)."""
    beta = []
    for cell in range(len(SHARES)):
        rows = log.cells == cell
        beta.append(
            np.linalg.solve(x[rows].T @ x[rows] + np.eye(x.shape[1]), x[rows].T @ log.y[rows])
        )
    return np.stack(beta)


def judge(
    seed: int, world: Callable[..., Any]
) -> tuple[EvaluationData, np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """(rows to judge on, predicted effects (n, k, m), choice (n,), model of effects for other
    design rows).
    """
    train, _ = world(ROWS, arms=3, shares=SHARES, seed=2 * seed + 1)
    test, _ = world(ROWS, arms=3, shares=SHARES, seed=2 * seed + 2)
    coding = FeatureMap().fit(train.features)
    beta = fit(train, design(train, coding))

    def effects(x: np.ndarray) -> np.ndarray:
        levels = np.einsum("id,adm->iam", x, beta)
        return levels[:, 1:] - levels[:, :1]

    x = design(test, coding)
    rows = evaluation_data(
        test.y, cell=test.cells, propensity=SHARES, levels=np.einsum("id,adm->iam", x, beta)
    )
    return rows, effects(x), choose(effects(x)), effects


def choose(effects: np.ndarray) -> np.ndarray:
    """The arm with the largest predicted effect on the first metric, or control, (n,)."""
    best = effects[:, :, 0].argmax(axis=1)
    return np.where(effects[np.arange(len(best)), best, 0] > 0, best, -1)


def true_qini(score: np.ndarray, gain: np.ndarray) -> float:
    """cov(gain, F(score)) among the crowd; both (n,)."""
    place = np.empty(len(score))
    place[np.argsort(score)] = (np.arange(len(score)) + 0.5) / len(score)
    return float(np.mean(gain * (place - 0.5)))


def claims(seed: int, world: Callable[..., Any], crowd: tuple[np.ndarray, np.ndarray]) -> Claims:
    """Every interval of one run beside its truth; crowd: design rows and true levels (N, K, m)."""
    rows, effects, choice, model = judge(seed, world)
    x, levels = crowd
    gain, chosen = levels[:, 1:] - levels[:, :1], choose(model(x))
    found: Claims = defaultdict(list)
    average = average_effects(rows).effect
    value = policy_value(choice, rows)
    over_control = value.minus(policy_value(np.full(len(rows), -1), rows))
    decided = levels[np.arange(len(x)), chosen + 1]
    predicted = model(x)
    for j in range(rows.y.shape[1]):
        true = float(decided[:, j].mean())
        found["policy_value"].append(
            (f"{j}", value.estimates.low[j], value.estimates.high[j], true)
        )
        found["gain"].append(
            (
                f"{j}",
                over_control.low[j],
                over_control.high[j],
                true - float(levels[:, 0, j].mean()),
            )
        )
        for a in range(rows.candidates):
            one = average[a, j]
            found["ate"].append((f"{a} {j}", one.low, one.high, float(gain[:, a, j].mean())))
            ranked = qini(rank_by_score(effects[:, a, j], rows, candidate=a, metric=j))
            found["qini"].append(
                (f"{a} {j}", ranked.low, ranked.high, true_qini(predicted[:, a, j], gain[:, a, j]))
            )
    return found


def gathered(world: Callable[..., Any], runs: int) -> Claims:
    """The claims of many runs, judged against one crowd."""
    log, truth = world(CROWD, arms=3, shares=SHARES, seed=0)
    crowd = design(log, FeatureMap().fit(log.features)), truth.levels
    every: Claims = defaultdict(list)
    for seed in range(runs):
        for kind, made in claims(seed, world, crowd).items():
            every[kind] += made
    return every


def shares(
    made: list[tuple[str, float, float, float]], holds: Callable[[float, float, float], bool]
) -> tuple[float, float, float]:
    """(share over all, least and largest share of an arm and metric) of the claims for which
    ``holds(low, high, truth)``.
    """
    cases: dict[str, list[bool]] = defaultdict(list)
    for name, low, high, true in made:
        cases[name].append(holds(low, high, true))
    each = [float(np.mean(case)) for case in cases.values()]
    return float(np.mean(each)), min(each), max(each)


def main() -> None:
    """Simulate and record."""
    runs = 1000 if full() else 200
    held = gathered(make_coupon_world, runs)
    figures = []
    for kind in ("ate", "policy_value", "qini", "gain"):
        share, low, high = shares(held[kind], lambda low, high, true: low <= true <= high)
        figures.append(
            figure(
                f"coverage_{kind}",
                share,
                low=low,
                high=high,
                unit="share of intervals",
                against="0.95",
                n=runs,
            )
        )
    placebo = gathered(make_placebo_world, runs)
    rejected = {
        kind: shares(placebo[kind], lambda low, high, true: low > 0 or high < 0)[0]
        for kind in ("ate", "qini", "gain")
    }
    least, most = min(rejected.values()), max(rejected.values())
    mean = float(np.mean(list(rejected.values())))
    figures.append(
        figure(
            "placebo_reject",
            mean,
            low=least,
            high=most,
            unit="share of claims",
            against="0.05",
            n=runs,
        )
    )
    protocol = (
        f"{runs} experiments of {ROWS:,} rows judged on as many others, three arms, three metrics;"
        f" truth from {CROWD:,} units."
    )
    print(record("coverage", protocol, versions("equipoise", "numpy"), range(runs), figures))
    for one in figures:
        print(f"{one['name']:24} {one['value']:.4f}  [{one['low']:.4f}, {one['high']:.4f}]")


if __name__ == "__main__":
    main()
