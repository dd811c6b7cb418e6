"""Sums by random groups: from these alone every mean, ratio and difference has its interval, in
memory that does not grow with the rows.

Each independent unit (a row, or a cluster with all its rows) falls by a keyed hash of its label
into one of C blocks.  With A_ca the sum of w x over the rows of block c and arm a, W_ca that of w,
and M_ca that of w / e,

    mean = sum A / sum W        t_ca = A_ca - mean W_ca

are the clusters of `core.effective_size`, which gives the error and its degrees of freedom.  Units
are independent, so a block's variance is the sum of theirs, whatever the clusters: the method of
random groups (Wolter 2007, Introduction to Variance Estimation, ch. 2).  Of C blocks that all hold
many units the standard error is known to a part of 1 / sqrt(2 C) of itself; of fewer units than
blocks it is that of the units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import Units
from equipoise.core.estimates import Estimates, around
from equipoise.core.kernels import njit
from equipoise.core.log import Log

MOST, LEAST = 16_384, 256  # blocks
BYTES = 16 * 2**20  # of the sums of one kind


def block_count(columns: int) -> int:
    """How many blocks sums of so many columns a block have: a power of two, so that fewer blocks
    are those of more put together.

    >>> block_count(10), block_count(1000), block_count(10**6)
    (16384, 2048, 256)
    """
    count = MOST
    while count > LEAST and 8 * count * columns > BYTES:
        count //= 2
    return count


@njit(cache=True, nogil=True)
def add_rows(code, values, sums):  # type: ignore[no-untyped-def]
    """sums (c, d)[code of i] += values (n, d)[i], in the order of the rows."""
    for i in range(len(code)):
        at = code[i]
        for j in range(values.shape[1]):
            sums[at, j] += values[i, j]


@dataclass(frozen=True)
class BlockMeans:
    """Means of rows by the sums of their blocks.

    weight, mass : (C, K) sums of w and of w / e by block and arm.   level : of the intervals.
    """

    weight: Floats
    mass: Floats
    level: float

    @property
    def units(self) -> Units:
        """Blocks as clusters of rows of several arms."""
        blocks, cells = self.mass.shape
        whole = self.mass.sum(axis=0)
        share = np.divide(self.mass, whole, out=np.zeros_like(self.mass), where=whole > 0)
        pair = np.arange(blocks * cells)
        weight = self.weight.ravel()
        return Units(weight, pair, pair % cells, pair // cells, share.ravel(), cells)

    def means(self, sums: Floats) -> Estimates:
        """The means of q columns, whose sums are (C, K, q)."""
        total = float(self.weight.sum())
        if not total > 0:
            unknown = np.full(sums.shape[2], np.nan)
            return Estimates(unknown, unknown, unknown, unknown, unknown)
        value = sums.sum(axis=(0, 1)) / total
        return self.around(value, sums - value * self.weight[:, :, None])

    def around(self, value: Floats, influence: Floats) -> Estimates:
        """Estimates (q,) whose sums of w times centred influence values are (C, K, q)."""
        weight = self.weight[:, :, None]
        psi = np.divide(influence, weight, out=np.zeros_like(influence), where=weight > 0)
        return around(value, *self.units.errors(psi.reshape(-1, len(value))), level=self.level)


def whole_numbers(draw: Floats, blocks: int) -> Ints:
    """The block of each draw in [0, 1), (n,)."""
    return (draw * blocks).astype(np.int64)


def usual_weight(log: Log) -> float:
    """The weight that those of rows are counted in: the median of a log's; 1 where it has none."""
    return 1.0 if log.roles.weight is None else float(np.median(log.numbers(log.roles.weight)))


def row_weights(rows: Log, usual: float) -> Floats:
    """The weights of rows, (n,), in usual ones, so that squares of their sums stay finite, and rows
    that weigh the same weigh 1.
    """
    named = rows.roles.weight
    return np.ones(len(rows)) if named is None else np.asarray(rows.numbers(named) / usual)
