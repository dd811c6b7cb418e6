"""Bins of features and shares: equally heavy, so that a histogram sees each part of a range by as
many rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats

SKETCH = 200_000  # rows that quantiles are taken from
MISSING = 255  # the bin of missing values, after the last that others may have


def quantiles(x: Floats, weight: Floats, bins: int) -> Floats:
    """The inner edges of equally heavy bins, increasing.   x, weight: (n,), none of them nan.

    >>> quantiles(np.arange(1.0, 9.0), np.ones(8), 4).tolist()
    [2.0, 4.0, 6.0]
    """
    step = max(1, len(x) // SKETCH)
    part = x[::step]
    levels = np.linspace(0, 1, bins + 1)[1:-1]
    order = np.argsort(part, kind="stable")
    mass = np.cumsum(weight[::step][order])
    return np.unique(part[order][np.searchsorted(mass, levels * mass[-1])])


def binned(X: Floats, knots: list[Floats]) -> Any:
    """The bin of each feature, (n, d) uint8; a value on an edge is in the bin below it."""
    bins = np.empty(X.shape, np.uint8)
    for j, edges in enumerate(knots):
        bins[:, j] = np.searchsorted(edges, X[:, j], side="left")
        bins[np.isnan(X[:, j]), j] = MISSING
    return bins
