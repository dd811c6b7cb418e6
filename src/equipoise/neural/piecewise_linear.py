"""Features for nets: each becomes one number, its position, whose piecewise-linear basis a net
embeds.

    position u in 0..T:  linear between knots, which are the values where there are few, else T + 1
    quantiles of training rows
    basis_s(u) = clip(u - s, 0, 1),   s = 0..S-1

so a net that is linear in the basis is piecewise linear in a number, and free at every one of few
values.  A missing value has a position of its own, T + 1, where training rows missed some; else it
is read at the mean position, which for a 0/1 column is the mean answer of its two.  A number beyond
the knots is read as the nearest.   No bucket is cut by maxima: one long tail would press the
others together.

    Gorishniy, Rubachev & Babenko (2022), On Embeddings for Numerical Features in Tabular Deep
    Learning, NeurIPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.kernels import njit

BINS, FEW = 16, 12  # cuts of a number; a feature of at most so many values has a knot at each
SAMPLE = 200_000  # rows that quantiles are taken from
Positions = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Inputs:
    """How d features become positions.   knots : d arrays, increasing.   absent : (d,), the
    position of a missing value.
    """

    knots: list[Floats]
    absent: list[float]

    @classmethod
    def learn(cls, X: Floats, bins: int = BINS) -> Inputs:
        """From training rows (n, d), NaN where missing."""
        part = X[:: max(1, len(X) // SAMPLE)]
        parts = [_column(X[:, j], part[:, j], bins) for j in range(X.shape[1])]
        return cls([knots for knots, _ in parts], [absent for _, absent in parts])

    @property
    def slots(self) -> int:
        """S, the length of the basis."""
        ends = (
            max(len(knots) - 1, absent)
            for knots, absent in zip(self.knots, self.absent, strict=True)
        )
        return max(1, int(np.ceil(max(ends))))

    def positions(self, X: Floats) -> Positions:
        """(n, d) float32."""
        size = max(len(knots) for knots in self.knots)
        table = np.full((len(self.knots), size), np.inf)
        for row, knots in zip(table, self.knots, strict=True):
            row[: len(knots)] = knots
        out = np.empty(X.shape, np.float32)
        place(
            np.asarray(X, np.float64),
            table,
            np.array([len(k) for k in self.knots]),
            np.array(self.absent, np.float64),
            out,
        )
        return out

    def parts(self) -> dict[str, Any]:
        """As plain lists and arrays: the arguments of `Inputs`."""
        return {"knots": list(self.knots), "absent": list(self.absent)}


@njit(cache=True, nogil=True)
def place(X, table, size, absent, out):  # type: ignore[no-untyped-def]
    """out (n, d): the positions of X.   table: (d, T + 1) knots, then infinity; size, absent:
    (d,).   Few knots: counted.
    """
    for i in range(len(X)):
        for j in range(X.shape[1]):
            x = X[i, j]
            if np.isnan(x):
                out[i, j] = absent[j]
                continue
            below = 0
            for t in range(table.shape[1]):
                below += x >= table[j, t]
            if below == 0 or below == size[j]:
                out[i, j] = max(below - 1, 0)
            else:
                low = table[j, below - 1]
                out[i, j] = below - 1 + (x - low) / (table[j, below] - low)


def _column(x: Floats, part: Floats, bins: int) -> tuple[Floats, float]:
    """Knots, and where a missing value stands."""
    present = part[~np.isnan(part)]
    if len(present) == 0:
        return np.zeros(1), 1.0
    values = np.unique(present)
    knots = (
        values
        if len(values) <= FEW
        else np.unique(np.quantile(present, np.linspace(0, 1, bins + 1)))
    )
    if np.isnan(x).any():
        return knots, float(len(knots))
    return knots, float(np.interp(present, knots, np.arange(len(knots), dtype=np.float64)).mean())
