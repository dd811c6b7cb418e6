"""The covariance of weighted means of row values that do not fit into memory: errors are those of
`Units.errors`, clusters whole, and correlations are those of rows.

    C = sum_i (w_i psi_i)(w_i psi_i)'        covariance_jk = C_jk / sqrt(C_jj C_kk) error_j error_k

Rows are asked for in batches, twice: for the means, and for the squares about them.  Clusters come
one after another, so that no more than one waits for its other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effective_size import Units
from equipoise.pipeline.bounded.blocks import add_rows

LEAST = 1e-9  # of the largest influence value: a smaller one has no part in an estimate


def mean_covariance(values: Callable[[Ints], Floats], units: Units, batch: int) -> Floats:
    """The covariance, (q, q).   values: of the rows that are asked for, (r, q).   batch: rows at a
    time.
    """
    parts, n, size = units.parts(), len(units.weight), float(units.weight.max())
    order = None if parts.unit is None else np.argsort(parts.unit, kind="stable")
    weight = units.weight / size  # squares stay finite

    def batches() -> Iterator[tuple[Ints, Floats]]:
        for start in range(0, n, batch):
            at = np.arange(start, min(start + batch, n))
            at = at if order is None else order[at]
            yield at, values(at)

    centre = next(batches())[1].mean(axis=0)  # of sums about it little is rounded off
    total = sum(weight[at] @ (rows - centre) for at, rows in batches())
    mean = centre + total / weight.sum()
    together, sums = np.zeros((len(mean), len(mean))), _Squares(len(mean))
    for at, rows in batches():
        psi = rows - mean
        weighted = weight[at, None] * psi
        together += weighted.T @ weighted
        sums.look(psi, parts.alone[at])
        psi *= (parts.factor[at] / size)[:, None]
        sums.add(psi, at if parts.unit is None else parts.unit[at])
    plain, error = np.sqrt(np.diag(together)), sums.root() / weight.sum()
    scale = np.divide(error, plain, out=np.zeros_like(error), where=plain > 0)
    covariance: Floats = together * np.multiply.outer(scale, scale)
    return covariance


@dataclass
class _Squares:
    """Squares of sums by unit, whose rows come together.   columns : q."""

    columns: int
    total: Floats = field(init=False)
    last: Floats = field(init=False)
    unit: int = -1
    most: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.total, self.last = np.zeros((2, self.columns))
        self.most = np.zeros((2, self.columns))  # of all rows; of those alone in their arm

    def look(self, psi: Floats, alone: Bools) -> None:
        """See whether an estimate hangs on an arm of one unit.   psi: (r, q);  alone: (r,)."""
        size = np.abs(psi)
        largest = size.max(axis=0), size[alone].max(axis=0, initial=0.0)
        self.most = np.maximum(self.most, np.stack(largest))

    def add(self, part: Floats, unit: Ints) -> None:
        """Add rows.   part: (r, q);  unit: (r,), of which that of the batch before may be first."""
        code = np.cumsum(np.r_[False, unit[1:] != unit[:-1]])
        sums = np.zeros((1 + code[-1], self.columns))
        add_rows(code, part, sums)
        if unit[0] == self.unit:
            sums[0] += self.last
        else:
            self.total += self.last**2
        self.total += (sums[:-1] ** 2).sum(axis=0)
        self.last, self.unit = sums[-1], int(unit[-1])

    def root(self) -> Floats:
        """The root of the sum, (q,); NaN where an arm of one unit has a part in it."""
        unknown = self.most[1] > LEAST * self.most[0]
        return np.where(unknown, np.nan, np.sqrt(self.total + self.last**2))
