"""Ways through the unit cube of schedules: at random, over a grid, and by samplers of Optuna.

A way gives the next point, and hears what came of it: a value, or that a rule refused it.  A new
one is a class and a line of `WAYS`.  The last three need the extra ``search``:

    genetic   NSGA-II (Deb et al. 2002) with one objective
    tpe       tree-structured Parzen estimators (Bergstra et al. 2011)
    cma       evolution strategy with covariance adaptation (Hansen & Ostermeier 2001)
"""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import MissingExtra
from equipoise.core.registry import Registry
from equipoise.operations.bounds import COUNT, Bounds
from equipoise.treatments.strategy import NUMBERS, PARTS

WAYS = Registry(
    "way of search",
    {
        "random": "equipoise.operations.ways:Random",
        "grid": "equipoise.operations.ways:Grid",
        "genetic": "equipoise.operations.ways:Genetic",
        "tpe": "equipoise.operations.ways:TPE",
        "cma": "equipoise.operations.ways:CMA",
    },
)
MIDDLE = np.full(len(NUMBERS), 0.5)


class Way(ABC):
    """A walk through the unit cube that looks for large values.

    Parameters
    ----------
    bounds : Bounds
        Which numbers vary, and which of them are whole.
    tries : int
        How many points will be asked for.
    seed : int
        Of its randomness.
    """

    def __init__(self, bounds: Bounds, tries: int, seed: int) -> None:
        self.bounds, self.tries = bounds, tries
        self.rng = np.random.default_rng(seed)

    @abstractmethod
    def point(self) -> Floats | None:
        """The next point, (7,), or None where there is none left."""

    @abstractmethod
    def heard(self, value: float | None) -> None:
        """What came of the last point: its value, or None where it was refused."""


class Random(Way):
    """Even draws, independent of what came before."""

    def point(self) -> Floats:
        return self.rng.random(len(NUMBERS))

    def heard(self, value: float | None) -> None:
        pass


class Grid(Way):
    """Total, count and interval in even steps, waves flat, in random order.  Where rules refuse
    some, a finer grid follows.
    """

    def __init__(self, bounds: Bounds, tries: int, seed: int) -> None:
        super().__init__(bounds, tries, seed)
        varied = len([j for j in bounds.free if j < PARTS])
        self._steps = int(np.ceil(tries ** (1 / max(varied, 1)) - 1e-9))
        self._left: list[Floats] = []

    def point(self) -> Floats | None:
        if not self._left:
            if self._steps > self.tries + 1:  # even one number would have had steps enough
                return None
            self._left = self._points()
            self._steps += 1
        return self._left.pop()

    def _points(self) -> list[Floats]:
        axes = []
        for j in range(PARTS):
            steps = self._steps if j in self.bounds.free else 1
            if j == COUNT:
                low, high = self.bounds.count
                steps = min(steps, high - low + 1)
            axes.append(np.linspace(0, 1, steps) if steps > 1 else [0.5])
        points = [np.r_[one, MIDDLE[PARTS:]] for one in product(*axes)]
        return [points[i] for i in self.rng.permutation(len(points))]

    def heard(self, value: float | None) -> None:
        pass


class Sampled(Way):
    """A sampler of Optuna, asked and told one by one; refused points are told as pruned."""

    def __init__(self, bounds: Bounds, tries: int, seed: int) -> None:
        super().__init__(bounds, tries, seed)
        optuna = extra("optuna")
        self._optuna = optuna
        real = optuna.distributions.FloatDistribution(0.0, 1.0)
        self._axes = {NUMBERS[j]: real for j in bounds.free}
        with quiet(optuna):
            sampler = self.sampler(optuna.samplers, seed)
            self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._trial: Any = None

    @abstractmethod
    def sampler(self, samplers: Any, seed: int) -> Any:
        """The sampler, of the module ``optuna.samplers``."""

    def point(self) -> Floats:
        with quiet(self._optuna):
            self._trial = self._study.ask(self._axes)
        out = MIDDLE.copy()
        for name, value in self._trial.params.items():
            out[NUMBERS.index(name)] = value
        return out

    def heard(self, value: float | None) -> None:
        states = self._optuna.trial.TrialState
        with quiet(self._optuna):
            if value is None:
                self._study.tell(self._trial, state=states.PRUNED)
            else:
                self._study.tell(self._trial, value)


class Genetic(Sampled):
    """NSGA-II; a generation is a quarter of the tries, of 8 to 50."""

    def sampler(self, samplers: Any, seed: int) -> Any:
        size = int(np.clip(self.tries // 4, 8, 50))
        return samplers.NSGAIISampler(population_size=size, seed=seed)


class TPE(Sampled):
    """Tree-structured Parzen estimators after random draws for half of the tries: values are noisy,
    and what looked best by chance early would keep the rest near it.
    """

    def sampler(self, samplers: Any, seed: int) -> Any:
        return samplers.TPESampler(seed=seed, n_startup_trials=min(self.tries // 2, 50))


class CMA(Sampled):
    """CMA-ES, from the middle of the cube."""

    def sampler(self, samplers: Any, seed: int) -> Any:
        extra("cmaes")
        return samplers.CmaEsSampler(seed=seed)


def extra(name: str) -> Any:
    """A module of the extra ``search``, or an error that says how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        fix = 'pip install "equipoise[search]"'
        raise MissingExtra(name, "be installed to search", "no such module", fix=fix) from error


@contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Optuna says errors only, for a while: that a sampler falls back is no news to a user."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
