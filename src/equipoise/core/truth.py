"""Truth: the known potential outcomes of a simulator.  Only evaluation takes one, by keyword.

Axes: n units, k candidates (control not among them), K = 1 + k cells (control first), m metrics.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError


@dataclass(frozen=True)
class Truth:
    """What each unit's metrics would be, on average, under control and every candidate.

    Attributes
    ----------
    levels : array, (n, K, m)
        The expected outcome of each metric in each cell.
    propensity : array, (n, K)
        The probability with which the simulator assigned each cell.
    cost : array, (n, k)
        The expected money spent on a unit under each candidate; control costs nothing.
    metrics : tuple of str, (m,)
        The names of the metrics.
    cells : tuple of str, (K,)
        The names of the cells, control first.
    """

    levels: Floats
    propensity: Floats
    cost: Floats
    metrics: tuple[str, ...]
    cells: tuple[str, ...]

    def __post_init__(self) -> None:
        n, cells, metrics = len(self.levels), len(self.cells), len(self.metrics)
        shapes = {"levels": (n, cells, metrics), "propensity": (n, cells), "cost": (n, cells - 1)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise InputError(f"truth.{name}", f"have shape {shape}", getattr(self, name).shape)

    def __len__(self) -> int:
        return len(self.levels)

    def effects(self) -> Effects:
        """The true effect of every candidate against control, as an estimator would say it."""
        base = self.levels[:, 0]
        return Effects(self.levels[:, 1:] - base[:, None], base, self.cells[1:], self.metrics)

    def outcomes(self, choice: Ints) -> Floats:
        """Give the expected metrics of each unit under a choice.

        Parameters
        ----------
        choice : array of int, (n,)
            -1 control, a candidate a.

        Returns
        -------
        array, (n, m)
            In each metric's unit.
        """
        metrics: Floats = self.levels[np.arange(len(self)), np.asarray(choice) + 1]
        return metrics

    def spend(self, choice: Ints) -> Floats:
        """The expected money spent on each unit under a choice, (n,)."""
        every = np.column_stack([np.zeros(len(self)), self.cost])
        money: Floats = every[np.arange(len(self)), np.asarray(choice) + 1]
        return money

    def take(self, rows: Any) -> Truth:
        """The truth of some units, in the order asked."""
        return replace(
            self, levels=self.levels[rows], propensity=self.propensity[rows], cost=self.cost[rows]
        )
