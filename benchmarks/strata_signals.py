"""Strata by signals: bias and coverage of CF-DR with nuisances right and wrong, errors, and its
time on 1e6 rows.

The incentive world: confounded offers, 5 % overlap, known strata.  An oracle knows q and m0; wrong
outcome models say the same to everybody; a wrong propensity says one half to everybody.  Each
simulation has its own rows.

    max_z_*         largest |z| over the strata of mean signal against mean stratum, pooled over
    simulations (N(0, 1) if unbiased)
    coverage_cfdr   share of the 95 % intervals of the mean coupon reward of an offer to everybody
    that cover its true value in
                    the population; CF-DR with boosted trees (or, q_wrong, with constant outcome
                    models) and the known propensity
    rmse_*          root mean squared error of strata on 20,000 new rows, learnt from 20,000
    cfdr_fit_ratio  CPU time of CF-DR on 1e6 rows over that of the fits it needs, called straight on
    LightGBM's binned rows
                    (3 of the claim cells, 3 of the level, 5 of what these missed); best of the runs
                    of each, one thread
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import lightgbm  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.dummy import DummyClassifier, DummyRegressor  # noqa: E402

from equipoise.core.strata import COUPON, Claims, cells_of, dr_signals  # noqa: E402
from equipoise.data import make_incentive_world  # noqa: E402
from equipoise.estimators.strata import CFDR, STRATA_ESTIMATORS  # noqa: E402
from equipoise.estimators.strata.cells import default_classes, default_level, default_missed  # noqa: E402
from equipoise.evaluation.strata import offer_value  # noqa: E402

SIMULATIONS, ROWS, NEW_ROWS, LARGE = 200, 2_000, 20_000, 1_000_000
SEEDS = range(5)
REWARD = COUPON.reward(1, 0.4)


class World:
    """Columns of an incentive world."""

    def __init__(self, n: int, seed: int) -> None:
        log, truth = make_incentive_world(n, seed=seed)
        self.X = np.column_stack([log.numbers(name) for name in log.roles.features])
        self.y, self.treatment, self.claimed = log.y[:, 0], log.cells, log.numbers("claimed")
        self.g, self.strata = truth.propensity[:, 1], truth.strata()

    def fit(self, estimator: Any, propensity: Any = None) -> Any:
        """The estimator, fitted."""
        g = self.g if propensity is None else propensity
        return estimator.fit(
            self.X, self.y, treatment=self.treatment, claimed=self.claimed, propensity=g
        )

    def signals(self, q: Any, m0: Any, g: Any) -> Any:
        """Doubly robust signals by given nuisances."""
        claims = Claims(self.treatment, self.claimed.astype(np.int64), self.y.astype(np.int64), g)
        return dr_signals(claims, q, m0)


def z_of(gap: Any) -> Any:
    """z of the mean of each column."""
    return gap.mean(axis=0) / (gap.std(axis=0) / np.sqrt(len(gap)))


def biases() -> list[dict[str, Any]]:
    """|z| of the signals with nuisances right and wrong."""
    z: dict[str, list[Any]] = {
        name: [] for name in ("both_right", "q_wrong", "g_wrong", "both_wrong")
    }
    for seed in range(SIMULATIONS):
        world = World(ROWS, seed)
        right, half = cells_of(world.strata), np.full(ROWS, 0.5)
        wrong = (np.full((ROWS, 4), 0.25), np.full(ROWS, 0.9))
        cases = {
            "both_right": (*right, world.g),
            "q_wrong": (*wrong, world.g),
            "g_wrong": (*right, half),
        }
        for name, nuisances in (cases | {"both_wrong": (*wrong, half)}).items():
            z[name].append(z_of(world.signals(*nuisances) - world.strata))
    found = []
    for name, each in z.items():
        pooled = np.abs(np.sum(each, axis=0)) / np.sqrt(SIMULATIONS)
        found.append(figure(f"max_z_{name}", float(pooled.max()), unit="z", n=SIMULATIONS))
    return found


def coverage() -> list[dict[str, Any]]:
    """Whether intervals of the mean reward cover the population's; CF-DR learns its outcome models,
    or is given wrong ones.
    """
    population = float(np.mean(World(2 * LARGE, 12345).strata @ REWARD))
    constant = CFDR(DummyClassifier(), DummyRegressor(strategy="constant", constant=0.9))
    found = []
    for name, estimator in {"coverage_cfdr": CFDR(), "coverage_cfdr_q_wrong": constant}.items():
        inside = []
        for seed in range(SIMULATIONS):
            signals = World(ROWS, 1000 + seed).fit(estimator).signals()
            value = offer_value(np.ones(ROWS), signals, REWARD).estimate
            inside.append(value.low <= population <= value.high)
        share = 100 * float(np.mean(inside))
        reach = 100 * 1.96 * float(np.std(inside)) / np.sqrt(SIMULATIONS)
        found.append(
            figure(
                name,
                share,
                low=share - reach,
                high=share + reach,
                unit="%",
                against="95",
                n=SIMULATIONS,
            )
        )
    return found


def errors() -> list[dict[str, Any]]:
    """Root mean squared error of each tabular estimator's strata."""
    new = World(NEW_ROWS, 99)
    found = []
    for name in ("cf-or", "cf-ips", "cf-dr", "cf-mle"):
        runs = []
        for seed in SEEDS:
            fitted = World(NEW_ROWS, seed).fit(STRATA_ESTIMATORS.load(name)())
            runs.append(float(np.sqrt(np.mean((fitted.strata(new.X) - new.strata) ** 2))))
        found.append(
            figure(
                f"rmse_{name}",
                float(np.mean(runs)),
                low=min(runs),
                high=max(runs),
                unit="RMSE",
                n=NEW_ROWS,
            )
        )
    return found


def straight(world: World, folds: int = 3) -> float:
    """CPU seconds of the fits that CF-DR needs, on LightGBM's own binned rows and with nothing
    around them.
    """
    start = time.process_time()
    n, offered = len(world.y), world.treatment == 1
    cells, level, missed = (
        default_classes(float(offered.sum())),
        default_level(float((~offered).sum())),
        default_missed(),
    )
    settings = cells.settings(1)
    whole = lightgbm.Dataset(world.X, np.zeros(n), params=settings).construct()
    fold = np.arange(n) % folds
    code = 2 * world.claimed + world.y
    psi = world.signals(np.full((n, 4), 0.25), np.full(n, 0.5), world.g)
    for f in range(folds):
        _train(
            whole,
            np.flatnonzero(offered & (fold != f)),
            code,
            settings | {"objective": "multiclass", "num_class": 4},
            100,
        )
        _train(whole, np.flatnonzero(~offered & (fold != f)), world.y, level.settings(1), 100)
    for column in psi.T:
        _train(whole, None, column, missed.settings(1), 50)
    return time.process_time() - start


def _train(whole: Any, rows: Any, target: Any, settings: dict[str, Any], trees: int) -> None:
    part = whole if rows is None else whole.subset(rows, params=settings).construct()
    part.params = settings
    part.set_label(np.ascontiguousarray(target if rows is None else target[rows]))
    booster = lightgbm.Booster(settings, part)
    for _ in range(trees):
        booster.update()


def speed() -> list[dict[str, Any]]:
    """CF-DR on many rows beside the fits it needs, in turns."""
    world = World(LARGE, 7)
    World(2_000, 1).fit(CFDR())  # compile first
    ours, bare = [], []
    for _ in range(3 if full() else 2):
        start = time.process_time()
        world.fit(CFDR())
        ours.append(time.process_time() - start)
        bare.append(straight(world))
    ratio = min(ours) / min(bare)
    return [
        figure("cfdr_fit_ratio", ratio, unit="x", against="the fits it needs", n=LARGE),
        figure("cfdr_seconds", min(ours), low=min(ours), high=max(ours), unit="CPU s", n=LARGE),
        figure(
            "cfdr_fits_seconds", min(bare), low=min(bare), high=max(bare), unit="CPU s", n=LARGE
        ),
    ]


def main() -> None:
    """Measure and record."""
    figures = []
    for part in (biases, coverage, errors, speed):
        found = part()
        figures += found
        print(*(f"{one['name']} {one['value']:.4g}" for one in found), sep="\n", flush=True)
    record(
        "strata_signals",
        str(__doc__),
        versions("equipoise", "numpy", "lightgbm"),
        list(SEEDS),
        figures,
    )


if __name__ == "__main__":
    main()
