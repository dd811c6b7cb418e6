"""effects  What the report says of average effects, against the truth.

Lifts: experiments on a rate of .5 % (8,000 rows, doubled), 5 % (2,000, doubled) and 50 % (800, to
75 %), and on amounts (3,000 rows, a fifth buy, lognormal with sigma 1, doubled).  Change over time:
12 periods of 120 to 680 rows, a quarter of them treated, rates of 5 % and 6 %, without a change or
with 16 points more that fall to 1 / e in three periods.  A hidden cause: u = -1 or 1, P(a |
x, u) = expit(.4 x + .5 u), y = .5 a + x + .8 u + noise, 2,000 rows, propensities and levels learnt
from x across folds.

effects_lift_cover_WORLD     share of Fieller's 95 % intervals that hold the true lift
effects_lift_fixed_WORLD     the same with control's mean taken for known
effects_change_false         share of logs without a change in which one is told at 5 %
effects_change_cochran       the same by Cochran's Q
effects_change_seen          share of fading effects that are told
effects_hidden_cover         share of bounds, at the cause's true strength, that hold the effect
effects_hidden_alone         share of the estimate's own intervals that do
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import chi2

from benchmarks.record import figure

DRAWS = {"quick": 400, "full": 4_000}
PERIODS, KERNELS = 12, 20_000
Sides = tuple[np.ndarray, np.ndarray]


def rate(low: float, high: float) -> Any:
    """Outcomes of a rate."""
    return lambda rng, cell: (rng.random(len(cell)) < np.where(cell, high, low)).astype(float)


def amounts(rng: np.random.Generator, cell: np.ndarray) -> np.ndarray:
    """What a fifth of the people spend; twice as much where treated."""
    spent = np.where(rng.random(len(cell)) < 0.2, rng.lognormal(2, 1, len(cell)), 0.0)
    return spent * (1 + cell)


LIFTS = {
    "half_percent": (rate(0.005, 0.01), 8_000, 1.0),
    "five_percent": (rate(0.05, 0.1), 2_000, 1.0),
    "fifty_percent": (rate(0.5, 0.75), 800, 0.5),
    "amounts": (amounts, 3_000, 1.0),
}


def lifts(draws: int) -> list[dict[str, Any]]:
    """Coverage of the lift by world."""
    from equipoise.evaluation import average_effects, evaluation_data

    figures = []
    for world, (draw, rows, truth) in LIFTS.items():
        held, fixed = [], []
        for seed in range(draws):
            rng, cell = np.random.default_rng(seed), np.arange(rows) % 2
            data = evaluation_data(draw(rng, cell), cell=cell, propensity=[0.5, 0.5])
            found = average_effects(data)
            if found.lift is None or not np.isfinite(found.lift.value[0, 0]):
                continue
            lift, effect, control = found.lift[0, 0], found.effect[0, 0], found.control[0].value
            held.append(lift.low <= truth <= lift.high)
            fixed.append(effect.low <= truth * control <= effect.high)
        for name, told in (("cover", held), ("fixed", fixed)):
            figures.append(
                figure(f"effects_lift_{name}_{world}", np.mean(told), against="0.95", n=len(told))
            )
    return figures


def periods(draws: int, fading: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Effects by period, their variances and degrees of freedom, (draws, P), and the rows, (P,)."""
    rng, n0 = np.random.default_rng(3), np.linspace(90, 510, PERIODS).astype(int)
    n1 = n0 // 3
    treated = 0.06 + fading * np.exp(-np.arange(PERIODS) / 3)
    means = [rng.binomial(n, p, (draws, PERIODS)) / n for n, p in ((n0, 0.05), (n1, treated))]
    v0, v1 = (m * (1 - m) / (n - 1) for m, n in zip(means, (n0, n1), strict=True))
    df = np.maximum((v0 + v1) ** 2, 1e-12) / np.maximum(
        v0**2 / (n0 - 1) + v1**2 / (n1 - 1), 1e-12 / n1
    )
    return means[1] - means[0], v0 + v1, df, (n0 + n1).astype(float)


def told_share(draws: int, fading: float) -> float:
    """How often a change is told at 5 %."""
    from equipoise.evaluation.over_time import change_of

    theta, v, df, rows = periods(draws, fading)
    when = np.arange(float(PERIODS))
    parts = zip(theta, v, df, strict=True)
    return float(np.mean([change_of(t, np.diag(s), d, rows, when)[2] < 0.05 for t, s, d in parts]))


def cochran(draws: int) -> float:
    """How often Cochran's Q tells a change where there is none."""
    theta, v, _, _ = periods(draws, 0.0)
    known = (v > 0).all(axis=1)
    w, theta = 1 / v[known], theta[known]
    middle = (w * theta).sum(axis=1) / w.sum(axis=1)
    q = (w * (theta - middle[:, None]) ** 2).sum(axis=1)
    return float((chi2.sf(q, PERIODS - 1) < 0.05).mean())


def hidden_world(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Sides, Sides]:
    """x, a, y; the propensity without and with u; the levels (n, 2) without and with u."""
    rng = np.random.default_rng(seed)
    x, u = rng.normal(size=n), 2.0 * rng.integers(0, 2, n) - 1
    up, down = expit(0.4 * x + 0.5), expit(0.4 * x - 0.5)
    long = np.where(u > 0, up, down)
    a = (rng.random(n) < long).astype(int)
    y = 0.5 * a + x + 0.8 * u + rng.normal(size=n)
    mean_u = np.column_stack([(down - up) / (2 - up - down), (up - down) / (up + down)])
    levels = np.array([0.0, 0.5]) + x[:, None] + 0.8 * mean_u
    return x, a, y, ((up + down) / 2, long), (levels, np.array([0.0, 0.5]) + (x + 0.8 * u)[:, None])


def strength() -> tuple[float, float]:
    """C_Y^2 and r of u, by their definitions."""
    _, a, y, (e, long), (levels, levels_long) = hidden_world(1_000, 1_000_000)
    own = np.arange(len(a)), a
    squares = [float((np.where(a, 1 / p, 1 / (1 - p)) ** 2).mean()) for p in (e, long)]
    moved = float(((levels_long[own] - levels[own]) ** 2).mean())
    return moved / float(((y - levels[own]) ** 2).mean()), 1 - squares[0] / squares[1]


def learnt_levels(x: np.ndarray, a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Levels of both arms by a cubic across two folds, (n, 2)."""
    design, fold = np.column_stack([np.ones(len(x)), x, x**2, x**3]), np.arange(len(x)) % 2
    levels = np.empty((len(x), 2))
    for f in (0, 1):
        for arm in (0, 1):
            rows = (fold != f) & (a == arm)
            beta = np.linalg.lstsq(design[rows], y[rows], rcond=None)[0]
            levels[fold == f, arm] = design[fold == f] @ beta
    return levels


def hidden(draws: int) -> list[dict[str, Any]]:
    """Coverage of the bounds and of the estimate's own interval."""
    from equipoise.estimators import LearntPropensity
    from equipoise.evaluation import evaluation_data, hidden_bias

    outcome, treatment = strength()
    held, alone = [], []
    for seed in range(draws):
        x, a, y, _, _ = hidden_world(seed, 2_000)
        e = LearntPropensity(random_state=seed).fit_predict(x[:, None], a, 2)
        data = evaluation_data(y, cell=a, propensity=e, levels=learnt_levels(x, a, y))
        found = hidden_bias(np.zeros(len(y), int), data)
        (low,), (high,) = found.bounds(outcome, treatment)
        held.append(low <= 0.5 <= high)
        alone.append(found.effect[0].low <= 0.5 <= found.effect[0].high)
    return [
        figure("effects_hidden_cover", float(np.mean(held)), against="0.95", n=draws),
        figure("effects_hidden_alone", float(np.mean(alone)), against="0.95", n=draws),
    ]


def effects(form: str) -> list[dict[str, Any]]:
    """All figures."""
    draws = DRAWS[form]
    return [
        *lifts(draws),
        figure("effects_change_false", told_share(KERNELS, 0.0), against="0.05", n=KERNELS),
        figure("effects_change_cochran", cochran(KERNELS), against="0.05", n=KERNELS),
        figure("effects_change_seen", told_share(2_000, 0.16), n=2_000),
        *hidden(draws // 2),
    ]
