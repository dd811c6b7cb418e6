"""Nets of a dose beside trees: worlds whose levels are known, other than the nets' own simulation.

Six normal features; a dose in [0, 1] that follows three of them, and the level with it; noise of
half a unit.  mu(x, t) = level(x) + what the dose does:

    smooth      a parabola around a best dose that moves with x
    threshold   nothing below a threshold that lies at .35 or .65 by a feature, a jump at it, and a
                price of .6 a unit of dose
    hill        Emax, t^4 / (K(x)^4 + t^4), K in .2 to .6, with a price of .5: a best dose inside

Learnt from 2,000 and from 10,000 rows, judged on 2,000 new ones at 41 doses:

    dose_regret_ratio   what the dose that is promised most loses, of a net over that of
                        `dose-s-learner`; `_worst` the worst of worlds, sizes and nets, and
                        `_worst_of_better` of the better net of each world and size
    curve_error_ratio   root of the mean squared error of the average curve, over the doses that
                        99 % of rows had, likewise
    cpu_ratio           CPU time of the fit, likewise
    regret_, error_     the two themselves, by learner

Ratios are of means over seeds; their 95 % intervals are Student's, by the jackknife over seeds.
The nets' and the trees' defaults as they are; one thread, after a fit of 200 rows that does not
count.  Quick: 3 seeds; FULL=1: 10.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.record import figure, full, interval, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402
from scipy.special import expit  # noqa: E402
from scipy.stats import t as student  # noqa: E402

from equipoise.estimators import ESTIMATORS  # noqa: E402
from equipoise.treatments import Dose  # noqa: E402

SIZES, NEW, NOISE = (2_000, 10_000), 2_000, 0.5
GRID = np.linspace(0, 1, 41)
LEARNERS = ("dose-s-learner", "vcnet", "drnet")
SEEDS, FULL_SEEDS = range(3), range(10)
Numbers = np.ndarray


def smooth(X: Numbers, t: Numbers) -> Numbers:
    """A parabola around a best dose that moves with x."""
    best = 0.2 + 0.6 * expit(1.5 * X[:, 0] - X[:, 3])
    height = 4 * (1 + 0.5 * np.tanh(X[:, 1]))
    bend: Numbers = -height[:, None] * (t - best[:, None]) ** 2
    return bend


def threshold(X: Numbers, t: Numbers) -> Numbers:
    """A jump, and a price of the dose."""
    start, jump = np.where(X[:, 1] > 0, 0.35, 0.65), 1 + 0.8 * np.tanh(X[:, 0])
    step: Numbers = jump[:, None] * (t >= start[:, None]) - 0.6 * t
    return step


def hill(X: Numbers, t: Numbers) -> Numbers:
    """Emax with a price of the dose."""
    half, most = (0.2 + 0.4 * expit(X[:, 1]))[:, None], (1.5 + np.tanh(X[:, 0]))[:, None]
    curve: Numbers = most * t**4 / (half**4 + t**4) - 0.5 * t
    return curve


WORLDS: dict[str, Callable[[Numbers, Numbers], Numbers]] = {
    "smooth": smooth,
    "threshold": threshold,
    "hill": hill,
}


def draw(world: str, n: int, seed: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """X (n, 6), doses (n,), outcomes (n,), and the truth at the grid's doses, (n, 41)."""
    rng = np.random.default_rng([seed, list(WORLDS).index(world)])
    X = rng.standard_normal((n, 6))
    t = expit(0.8 * X[:, 0] + 0.5 * X[:, 1] - 0.4 * X[:, 2] + rng.standard_normal(n))
    level = 0.5 * X[:, 0] + np.sin(X[:, 1]) + 0.3 * X[:, 2] ** 2
    does = WORLDS[world]
    own = level + does(X, t[:, None])[:, 0]
    y = own + NOISE * rng.standard_normal(n)
    return X, t, y, level[:, None] + does(X, np.broadcast_to(GRID, (n, len(GRID))))


def judged(name: str, world: str, n: int, seed: int) -> tuple[float, float, float]:
    """Dose regret, error of the average curve at the doses of the middle 99 % of rows, and CPU
    seconds of the fit.
    """
    X, t, y, _ = draw(world, n, seed)
    new, _, _, truth = draw(world, NEW, 1_000 + seed)
    learner = ESTIMATORS.load(name)(space=Dose(0, 1, levels=GRID.tolist()), random_state=seed)
    start = time.process_time()
    learner.fit(X, y, treatment=t)
    cpu = time.process_time() - start
    effects = learner.effects(new)
    said = effects.baseline[:, :1] + np.hstack([np.zeros((NEW, 1)), effects.values[:, :, 0]])
    chosen = np.take_along_axis(truth, said.argmax(axis=1)[:, None], axis=1)[:, 0]
    regret = float((truth.max(axis=1) - chosen).mean())
    low, high = np.quantile(t, [0.005, 0.995])
    miss = (said - truth).mean(axis=0)[(low <= GRID) & (high >= GRID)]
    print(f"{world:10s} {n:6d} seed {seed}  {name:15s} {regret:.4f}  {cpu:.2f} s", flush=True)
    return regret, float(np.sqrt(np.mean(miss**2))), cpu


def ratio(name: str, mine: Numbers, other: Numbers, n: int) -> dict[str, Any]:
    """The ratio of two means over seeds, with its interval by the jackknife."""
    seeds = len(mine)
    value = mine.sum() / other.sum()
    without = (mine.sum() - mine) / (other.sum() - other)
    error = np.sqrt((seeds - 1) / seeds * np.sum((without - without.mean()) ** 2))
    reach = student.ppf(0.975, seeds - 1) * error
    return figure(
        name, value, low=value - reach, high=value + reach, unit="x", against=LEARNERS[0], n=n
    )


def main() -> None:
    """Measure and record."""
    seeds = FULL_SEEDS if full() else SEEDS
    warnings.simplefilter("ignore")  # doses at the ends of the grid are extrapolations
    ratios, rest = [], []
    for name in LEARNERS:  # imports and compilation do not count
        judged(name, "smooth", 200, 0)
    for world in WORLDS:
        for n in SIZES:
            each = {  # learner: (seeds, 3)
                name: np.array([judged(name, world, n, seed) for seed in seeds])
                for name in LEARNERS
            }
            trees = each[LEARNERS[0]]
            for name in LEARNERS[1:]:
                for part, kind in enumerate(("dose_regret", "curve_error", "cpu")):
                    key = f"{kind}_ratio_{world}_{n}_{name}"
                    ratios.append(ratio(key, each[name][:, part], trees[:, part], n))
            for name, found in each.items():
                rest += [
                    interval(f"{kind}_{world}_{n}_{name}", found[:, part], "of y")
                    for part, kind in enumerate(("regret", "error"))
                ]
    figures = [*worst(ratios), *ratios, *rest]
    form = "FULL form" if full() else "Quick form"
    known = versions("equipoise", "lightgbm", "numpy", "torch")
    record("truth_doses", f"{__doc__}\n{form}.", known, list(seeds), figures)
    for one in figures[:4]:
        print(f"{one['name']:36s} {one['value']:.3f}")


def worst(ratios: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst ratio of each kind, with its interval, and that of the better net."""
    found = []
    for kind in ("dose_regret", "curve_error", "cpu"):
        of_kind = [one for one in ratios if one["name"].startswith(kind)]
        found.append(max(of_kind, key=lambda one: one["value"]) | {"name": f"{kind}_ratio_worst"})
    pairs = [one for one in ratios if one["name"].startswith("dose_regret")]
    better = [min(pairs[i : i + 2], key=lambda one: one["value"]) for i in range(0, len(pairs), 2)]
    top = max(better, key=lambda one: one["value"])
    return [*found, top | {"name": "dose_regret_ratio_worst_of_better"}]


if __name__ == "__main__":
    main()
