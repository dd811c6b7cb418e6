"""What a net of ids has learnt, as plain arrays: it predicts without torch and is saved without
code.

    score_io = b_o + sum_j table_j[code_ij, o] + sum_r mix_or prod_j factor_j[code_ij, r]

Ids become codes 0..size-1; any other id is the unseen bucket, code = size, whose row is the mean of
the rows that were learnt.

n rows, p id columns, o outputs, r factors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints

CHUNK = 1 << 18  # rows whose factors are gathered at once


@dataclass(frozen=True)
class IdScores:
    """The function above.

    bias : (o,).   tables : p arrays (size_j + 1, o).   factors : p arrays (size_j + 1, r), or none.
        mix : (o, r).
    """

    bias: Floats
    tables: tuple[Floats, ...]
    factors: tuple[Floats, ...] = ()
    mix: Floats = field(default_factory=lambda: np.zeros((1, 0)))

    def __call__(self, codes: Ints) -> Floats:
        """The scores of rows of codes (n, p), (n, o)."""
        total = np.broadcast_to(self.bias, (len(codes), len(self.bias))).copy()
        for j, table in enumerate(self.tables):
            total += table[codes[:, j]]
        if self.factors:
            for start in range(0, len(codes), CHUNK):
                part = slice(start, start + CHUNK)
                total[part] += self._crossed(codes[part])
        return total

    def _crossed(self, codes: Ints) -> Floats:
        product = np.ones((len(codes), self.mix.shape[1]))
        for j, factor in enumerate(self.factors):
            product *= factor[codes[:, j]]
        crossed: Floats = product @ self.mix.T
        return crossed

    def arrays(self) -> dict[str, Any]:
        """What was learnt, as arrays by name."""
        return {
            "bias": self.bias,
            "tables": list(self.tables),
            "factors": list(self.factors),
            "mix": self.mix,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> IdScores:
        """The inverse of `arrays`."""
        return cls(arrays["bias"], tuple(arrays["tables"]), tuple(arrays["factors"]), arrays["mix"])


def with_unseen(table: NDArray[Any]) -> Floats:
    """A table (size, o) with the mean of its rows below it: the row of ids that were never seen."""
    rows = np.asarray(table, np.float64)
    return np.vstack([rows, rows.mean(axis=0, keepdims=True)])


def codes_of(values: NDArray[Any], ids: NDArray[Any]) -> Ints:
    """The place of each value, (n,), among the sorted ``ids``; len(ids), the unseen bucket,
    for any other.

    >>> codes_of(np.array([7, 3, 5]), np.array([3, 7])).tolist()
    [1, 0, 2]
    """
    place = np.searchsorted(ids, values)
    hit = ids[np.minimum(place, len(ids) - 1)] == values
    return np.where(hit, place, len(ids))


def sigmoid(score: Floats) -> Floats:
    """1 / (1 + exp(-score)), without overflow."""
    p: Floats = 0.5 * (1 + np.tanh(0.5 * score))
    return p


def softmax(score: Floats) -> Floats:
    """Probabilities (..., o) of scores (..., o)."""
    raised = np.exp(score - score.max(axis=-1, keepdims=True))
    p: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return p


def elu(x: Floats) -> Floats:
    """x where it is above 0, else exp(x) - 1."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))
