"""A market to allocate in: n units, three candidates, two metrics, costs, one group column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from equipoise.core.effects import Effects


@dataclass(frozen=True)
class Market:
    """effects (n, 3, 2) on "sales" and "plays", with std errors; cost (n, 3); groups {"city": n
    labels}.
    """

    effects: Effects
    cost: np.ndarray
    groups: dict

    @property
    def value(self):
        return self.effects.metric("sales")

    def take(self, rows):
        return Market(
            self.effects.take(rows),
            self.cost[rows],
            {c: labels[rows] for c, labels in self.groups.items()},
        )


@pytest.fixture
def market():
    """market(n, seed) makes one."""

    def make(n=400, seed=0):
        rng = np.random.default_rng(seed)
        taste = rng.lognormal(0, 0.7, (n, 1))
        sales = taste * np.array([0.6, 1.0, 1.3]) + rng.normal(0, 0.3, (n, 3))
        plays = rng.normal(0.05, 0.4, (n, 3))
        cost = np.array([0.5, 1.0, 2.0]) * rng.uniform(0.5, 1.5, (n, 1))
        values = np.stack([sales, plays], axis=2)
        effects = Effects(
            values,
            np.ones((n, 2)),
            ("small", "medium", "large"),
            ("sales", "plays"),
            0.1 + 0.1 * np.abs(values),
        )
        return Market(effects, cost, {"city": np.where(rng.random(n) < 0.3, "north", "south")})

    return make
