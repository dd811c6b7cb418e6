"""Features for nets: each becomes one number, its position, whose piecewise-linear basis a net embeds.

    position u in 0..T:  linear between the T + 1 quantiles of the training rows           numeric
                         0, 1, ..., L - 1: the place among the L levels; L: any other      of few levels
    basis_s(u) = clip(u - s, 0, 1),   s = 0..S-1

so a net that is linear in the basis is piecewise linear in a number, and free at every level.  A missing value has a position of
its own where training rows missed some, else it is read as the median, or the most frequent level.   No bucket is cut by maxima:
one long tail would press the others together.

    Gorishniy, Rubachev & Babenko (2022), On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats

BINS, LEVELS = 16, 12  # cuts of a number; a feature of at most so many values is a feature of levels
SAMPLE = 200_000  # rows that quantiles are taken from


@dataclass(frozen=True)
class Inputs:
    """How d features become positions.

    knots : d arrays, increasing: quantiles, or levels.   levels : (d,), whether they are levels.
    absent : (d,), the position of a missing value.
    """

    knots: list[Floats]
    levels: list[bool]
    absent: list[float]

    @classmethod
    def learn(cls, X: Floats, bins: int = BINS) -> Inputs:
        """From training rows (n, d), NaN where missing."""
        part = X[:: max(1, len(X) // SAMPLE)]
        parts = [_column(X[:, j], part[:, j], bins) for j in range(X.shape[1])]
        return cls([p[0] for p in parts], [p[1] for p in parts], [p[2] for p in parts])

    @property
    def slots(self) -> int:
        """S, the length of the basis."""
        return max(1, int(np.ceil(max(max(len(knots), here) for knots, here in zip(self.knots, self.absent, strict=True)))))

    def positions(self, X: Floats) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(n, d) float32."""
        made = np.empty(X.shape, np.float32)
        for j, (knots, levels, absent) in enumerate(zip(self.knots, self.levels, self.absent, strict=True)):
            x = X[:, j]
            place = np.interp(x, knots, np.arange(len(knots), dtype=np.float64)) if len(knots) > 1 else np.zeros(len(x))
            if levels:
                near = np.minimum(np.searchsorted(knots, x), len(knots) - 1)
                place = np.where(knots[near] == x, near.astype(np.float64), float(len(knots)))
            made[:, j] = np.where(np.isnan(x), absent, place)
        return made

    def parts(self) -> dict[str, Any]:
        """As plain lists and arrays."""
        return {"knots": list(self.knots), "levels": list(self.levels), "absent": list(self.absent)}


def _column(x: Floats, part: Floats, bins: int) -> tuple[Floats, bool, float]:
    """Knots, whether they are levels, and where a missing value stands."""
    seen = part[~np.isnan(part)]
    values, counts = np.unique(seen, return_counts=True)
    missing = bool(np.isnan(x).any())
    if len(values) == 0:
        return np.zeros(1), True, 1.0
    if len(values) <= LEVELS:
        return values, True, float(len(values) + 1) if missing else float(np.argmax(counts))
    knots = np.unique(np.quantile(seen, np.linspace(0, 1, bins + 1)))
    return knots, False, float(len(knots)) if missing else float(np.interp(np.median(seen), knots, np.arange(len(knots))))
