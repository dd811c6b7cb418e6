"""The models of the strata table, each fitted once per seed and kept in a file, so that a run that
was stopped goes on from there.

    y1-or, y0-or     P(Y=1 | T=t), on the rows of an arm       ps   P(T=1)     c1   P(C=1 | T=1)
    c1y1   P(C=1, Y=1 | T=1)
    y1-ips, y0-ips   regressions of T Y / g, (1-T) Y / (1-g)   y1-dr, y0-dr   of the doubly robust
    outcomes; g in [0.1, 0.9]
    cf-mtl, cf-mtl-v1, cf-mle and their ablations              nets of the five strata
    cf-mle-design    ours: likelihood weighted by the known g; its rank is chosen by the reward on
    held-out rows

The first are the estimators of the published code: outcomes in-sample, a sigmoid regressed by
squared error on outcomes that may lie beyond [0, 1].  They live here only; those of the theory are
in `equipoise.estimators.strata`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import DataError
from equipoise.core.snapshot import replacing
from equipoise.core.strata import COUPON, Claims, cells_of, dr_signals
from equipoise.data.ratings.constructed import Constructed
from equipoise.neural.id_probability import PairModel, additive, fit_pairs, squared
from equipoise.neural.id_scores import IdScores, sigmoid, softmax
from equipoise.neural.strata import (
    LISTED,
    OFFICIAL,
    ClaimRows,
    StrataModel,
    fit_cf_mle,
    fit_cf_mtl,
    fit_cf_mtl_v1,
)
from equipoise.neural.train import History, NoGain, SlowGains, Training
from equipoise.reproduce.offer_rules import COST, best_pairs

NUISANCE, JOINT = SlowGains(1e-4), SlowGains(1e-5)
CLIP, DESIGN_CLIP = (0.1, 0.9), (0.05, 0.95)
RANKS, HELD_OUT, PATIENCE = (0, 8, 16), 10, 3  # of our own net: one row in so many is held out
Report = Callable[[str, int], None]  # what is being fitted, epochs done


@dataclass(frozen=True)
class Fitted:
    """A model that was fitted.   scores: its arrays; epochs, converged: of its training; seconds:
    of the whole fit.
    """

    scores: IdScores
    epochs: int
    seconds: float
    converged: bool


class Fits:
    """The models of one seed, fitted when asked for and kept in ``folder``.

    data : to learn from.   seed : of all of them.   epochs : at most so many each.   report : is
        told of every epoch.
    """

    def __init__(
        self,
        data: Constructed,
        seed: int,
        folder: Path,
        epochs: int = 1000,
        report: Report | None = None,
    ) -> None:
        self.data, self.seed, self.folder, self.epochs, self.report = (
            data,
            seed,
            folder,
            epochs,
            report,
        )

    def __call__(self, name: str) -> Fitted:
        """The model of that name: read from its file, or fitted and written."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            start = time.perf_counter()
            model = MODELS[name](self, name)
            history: History = model.history
            _write(
                path,
                Fitted(
                    model.scores, history.epochs, time.perf_counter() - start, history.converged
                ),
            )
        return _read(path)

    def prepare(self, names: Iterable[str], workers: int) -> None:
        """Fit models side by side, so many at once: first those that need no other, the longest
        first.
        """
        wanted = {part for name in names for part in (*NEEDS.get(name, ()), name)}
        alone = sorted(wanted - set(NEEDS), key=lambda name: (not name.startswith("cf-"), name))
        with ThreadPoolExecutor(workers) as pool:
            for wave in (alone, sorted(wanted & set(NEEDS))):
                list(pool.map(self, wave))

    def probability(self, name: str, pairs: Ints) -> Floats:
        """What a model of one probability says of pairs, (n,)."""
        return sigmoid(self(name).scores(pairs)[:, 0])

    def strata(self, name: str, pairs: Ints) -> Floats:
        """What a model of strata says of pairs, (n, 5)."""
        return softmax(self(name).scores(pairs))

    def how(self, name: str, stop: SlowGains) -> Training:
        """The training of a model; its seed is one of its own."""
        state = np.random.SeedSequence([self.seed, *name.encode()]).generate_state(1)
        return Training(stop=stop, seed=int(state[0]), epochs=self.epochs)

    def progress_of(self, name: str) -> Callable[[int, float], None] | None:
        """The progress callback of a model."""
        report = self.report
        return None if report is None else lambda epochs, loss: report(name, epochs)

    def rows(self) -> ClaimRows:
        """All rows to learn from."""
        d = self.data
        return ClaimRows(d.pairs, d.sizes, d.t, d.c, d.y)

    def clipped(self) -> Floats:
        """The fitted propensity of the rows to learn from, clipped, (n,)."""
        return np.clip(self.probability("ps", self.data.pairs), *CLIP)


def _pairs(fits: Fits, name: str, rows: Any, target: Floats) -> PairModel:
    d = fits.data
    how = fits.how(name, NUISANCE)
    return fit_pairs(additive, squared, d.pairs[rows], target, d.sizes, how, fits.progress_of(name))


def _in_arm(column: Callable[[Constructed], Ints], arm: int, fits: Fits, name: str) -> PairModel:
    rows = fits.data.t == arm
    return _pairs(fits, name, rows, column(fits.data)[rows].astype(np.float64))


def _propensity(fits: Fits, name: str) -> PairModel:
    return _pairs(fits, name, slice(None), fits.data.t.astype(np.float64))


def _weighted(arm: int, fits: Fits, name: str) -> PairModel:
    d, g = fits.data, fits.clipped()
    chance = g if arm else 1 - g
    return _pairs(fits, name, slice(None), (d.t == arm) * d.y / chance)


def _robust(arm: int, fits: Fits, name: str) -> PairModel:
    d, g = fits.data, fits.clipped()
    level = fits.probability(f"y{arm}-or", d.pairs)
    chance = g if arm else 1 - g
    return _pairs(fits, name, slice(None), level + (d.t == arm) * (d.y - level) / chance)


def _strata(fit: Callable[..., StrataModel], fits: Fits, name: str) -> StrataModel:
    return fit(fits.rows(), fits.how(name, JOINT), progress=fits.progress_of(name))


def _design(fits: Fits, name: str) -> StrataModel:
    """Weighted likelihood at each rank, stopped by held-out rows; the one whose policy is worth
    most there, by signals.
    """
    g = np.clip(fits.data.g, *DESIGN_CLIP)
    chance = np.where(fits.data.t == 1, g, 1 - g)
    train, valid = replace(fits.rows(), weight=1 / chance).split(HELD_OUT, fits.seed)
    g_held = g[_held_rows(fits)]
    how = replace(fits.how(name, JOINT), stop=NoGain(PATIENCE), decay=0.0)
    models = [
        fit_cf_mle(
            train, how, rank=rank, holdout=valid, progress=fits.progress_of(f"{name}, rank {rank}")
        )
        for rank in RANKS
    ]
    return max(models, key=lambda model: _worth(softmax(model.scores(valid.codes)), valid, g_held))


def _held_rows(fits: Fits) -> Ints:
    return np.random.default_rng(fits.seed).permutation(len(fits.data.t))[
        : max(1, len(fits.data.t) // HELD_OUT)
    ]


def _worth(strata: Floats, valid: ClaimRows, g: Floats) -> float:
    """The estimated coupon reward of the policy that strata (n, 5) make for held-out rows, a
    row.
    """
    worth = COUPON.reward(1.0, COST)
    signal = dr_signals(Claims(valid.t, valid.c, valid.y, g), *cells_of(strata))
    return float((signal @ worth)[best_pairs(strata @ worth)].sum() / len(strata))


def _without(weights: tuple[float, ...], *terms: int) -> tuple[float, ...]:
    return tuple(0.0 if k in terms else weight for k, weight in enumerate(weights))


L001, L000 = 4, 5  # the terms of the ablation: bought without an offer, and did not
MODELS: dict[str, Callable[[Fits, str], Any]] = {
    "y0-or": partial(_in_arm, lambda d: d.y, 0),
    "y1-or": partial(_in_arm, lambda d: d.y, 1),
    "c1": partial(_in_arm, lambda d: d.c, 1),
    "c1y1": partial(_in_arm, lambda d: d.c * d.y, 1),
    "ps": _propensity,
    "y0-ips": partial(_weighted, 0),
    "y1-ips": partial(_weighted, 1),
    "y0-dr": partial(_robust, 0),
    "y1-dr": partial(_robust, 1),
    "cf-mle": partial(_strata, fit_cf_mle),
    "cf-mle-design": _design,
}
for _kind, _fit, _weights in (
    ("cf-mtl", fit_cf_mtl, OFFICIAL),
    ("cf-mtl-v1", fit_cf_mtl_v1, LISTED),
):
    for _end, _terms in (
        ("", ()),
        ("-no-001", (L001,)),
        ("-no-000", (L000,)),
        ("-no-both", (L001, L000)),
    ):
        MODELS[_kind + _end] = partial(_strata, partial(_fit, weights=_without(_weights, *_terms)))


NEEDS = {
    "y0-ips": ("ps",),
    "y1-ips": ("ps",),
    "y0-dr": ("ps", "y0-or"),
    "y1-dr": ("ps", "y1-or"),
}


def _write(path: Path, fitted: Fitted) -> None:
    scores = fitted.scores
    arrays: dict[str, Any] = {"bias": scores.bias, "mix": scores.mix}
    arrays |= {f"table-{j}": table for j, table in enumerate(scores.tables)}
    arrays |= {f"factor-{j}": factor for j, factor in enumerate(scores.factors)}
    training = np.array([fitted.epochs, fitted.seconds, fitted.converged], np.float64)
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, training=training, **arrays)


def _read(path: Path) -> Fitted:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        tables = tuple(arrays[name] for name in sorted(arrays) if name.startswith("table-"))
        factors = tuple(arrays[name] for name in sorted(arrays) if name.startswith("factor-"))
        epochs, seconds, converged = arrays["training"].tolist()
        return Fitted(
            IdScores(arrays["bias"], tables, factors, arrays["mix"]),
            int(epochs),
            seconds,
            bool(converged),
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            "a fitted model", "be readable", repr(error)[:100], str(path), "delete it and run again"
        ) from error
