"""Streamed Gram matrices: least squares on rows that never stand in memory at once.

Row i of the final regression is the Kronecker product r_i = t_i (x) z_i of the treatment residual
t_i (p,) and the effect features z_i (q,).  Its Gram matrix factors,

    sum_i w_i r_i r_i' = sum_i w_i (t_i t_i') (x) (z_i z_i'),

so one matrix product of the distinct pairs of t (p (p + 1) / 2 of them) with the distinct pairs of
z gives every entry, with about half the arithmetic of forming r.  The sandwich's meat is the same
sum with weights w_i^2 e_i^2 (MacKinnon & White 1985, HC1).  Products of switches are many, so their
effects may vary with fewer features (`Layout`): those rows are written out.

Our kernel for that product keeps 4 x 4 sums in registers while it walks over the rows.  Where a
core has 32 registers (AVX-512, ARM) it is twice as quick as the OpenBLAS of NumPy's wheels (on the
machine of `benchmarks/results/dml.json` 100 to 49 GFLOP/s, and 39 with the 16 of AVX2), and no
thread of a BLAS can change the order in which it adds.

Blocks are stored columns first, (columns, rows), so that every product of two columns runs over
contiguous memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.kernels import njit

BLOCK = 1968  # rows handled by one call of NumPy
# rows whose pairs of a usual problem stay in the second-level cache; powers of two would crowd a
# few of its sets
NEAR = 328
LANES = 8  # rows added at once; a rest of rows would be added one by one, so zeros fill it up
TILE = 4  # 4 x 4 sums and the 8 numbers they are made of fit into 32 registers
REORDER = {"reassoc", "contract", "nsz"}  # a sum over rows may run in lanes


def cuts(length: int, most: int = 0) -> Iterator[slice]:
    """0..length-1 as slices of at most ``most``, or `BLOCK`."""
    step = most or BLOCK
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def cluster_cuts(starts: Ints, length: int) -> Iterator[slice]:
    """The same for rows sorted by cluster: slices of about `BLOCK` that tear no cluster.   starts:
    (G,) rising from 0.
    """
    edges = np.append(starts, length)
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(edges, edges[first] + BLOCK, side="right")) - 1)
        yield slice(int(edges[first]), int(edges[last]))
        first = last


@njit(cache=True)
def turn(columns: Floats, rows: Ints, centre: Floats, unit: Floats, out: Floats) -> None:
    """out_ji = (columns_(rows_i) j - centre_j) unit_j.   columns: (n, c); rows: (b,); centre, unit:
    (c,); out: (c, b).
    """
    place = rows.view(np.uint64)  # else every access asks whether the index is negative
    for i in range(len(place)):
        for j in range(len(centre)):
            out[j, i] = (columns[place[i], j] - centre[j]) * unit[j]


@njit(cache=True)
def pair_products(a: Floats, scaled: Floats, out: Floats) -> None:
    """scaled_i a_j of all i <= j, in the order of `numpy.triu_indices`.   a, scaled: (q, b); out:
    (>= q (q + 1) / 2, >= b).
    """
    place = 0
    for i in range(a.shape[0]):
        for j in range(i, a.shape[0]):
            for n in range(a.shape[1]):
                out[place, n] = scaled[i, n] * a[j, n]
            place += 1


@njit(cache=True, fastmath=REORDER)
def add_product(left: Floats, right: Floats, b: int, out: Floats) -> None:
    """out += left[:, :b] right[:, :b]'.   left: (4 u, .); right: (4 v, .); out: (4 u, 4 v)."""
    for j in range(0, right.shape[0], 4):
        for i in range(0, left.shape[0], 4):
            s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = 0.0
            s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = 0.0
            for n in range(b):
                x, y, z, w = right[j, n], right[j + 1, n], right[j + 2, n], right[j + 3, n]
                t = left[i, n]
                s00, s01, s02, s03 = s00 + t * x, s01 + t * y, s02 + t * z, s03 + t * w
                t = left[i + 1, n]
                s10, s11, s12, s13 = s10 + t * x, s11 + t * y, s12 + t * z, s13 + t * w
                t = left[i + 2, n]
                s20, s21, s22, s23 = s20 + t * x, s21 + t * y, s22 + t * z, s23 + t * w
                t = left[i + 3, n]
                s30, s31, s32, s33 = s30 + t * x, s31 + t * y, s32 + t * z, s33 + t * w
            rows = (
                (s00, s01, s02, s03),
                (s10, s11, s12, s13),
                (s20, s21, s22, s23),
                (s30, s31, s32, s33),
            )
            for k in range(4):
                for m in range(4):
                    out[i + k, j + m] += rows[k][m]


@njit(cache=True)
def add_pairs(
    t: Floats, single: Floats, z: Floats, weights: Floats, left: Floats, right: Floats, out: Floats
) -> None:
    """out_w += sum_i w_i [pairs(t_i), single_i] pairs(z_i)' for every weight.

    t : (p, b).   single : (e, b).   z : (q, b).   weights : (s, b).   left (4 u, NEAR), right (4 v,
        NEAR) : room, 0 at first.   out : (s, 4 u, 4 v).
    """
    pairs = t.shape[0] * (t.shape[0] + 1) // 2
    for start in range(0, t.shape[1], left.shape[1]):
        stop = min(start + left.shape[1], t.shape[1])
        near, features = t[:, start:stop], z[:, start:stop]
        whole = -(-(stop - start) // LANES) * LANES
        pair_products(features, features, right)
        for w in range(weights.shape[0]):
            pair_products(near, near * weights[w, start:stop], left)
            for j in range(single.shape[0]):
                for n in range(stop - start):
                    left[pairs + j, n] = single[j, start + n] * weights[w, start + n]
            left[:, stop - start : whole] = 0.0
            add_product(left, right, whole, out[w])


def unfold(packed: Floats, p: int, q: int) -> Floats:
    """Sums over pairs, (p (p + 1) / 2, q (q + 1) / 2), as the symmetric Gram matrix of Kronecker
    rows, (p q, p q).
    """
    full = packed[_pair_index(p)][:, :, _pair_index(q)]  # (p, p, q, q)
    return np.ascontiguousarray(full.transpose(0, 2, 1, 3)).reshape(p * q, p * q)


def _pair_index(q: int) -> Ints:
    """Where the pair (i, j) stands among the distinct pairs, (q, q)."""
    index = np.empty((q, q), np.int64)
    rows, columns = np.triu_indices(q)
    index[rows, columns] = index[columns, rows] = np.arange(len(rows))
    return index


@dataclass(frozen=True)
class Layout:
    """Which products of encoding and effect features are regressed on.

    Attributes
    ----------
    plain : (p1,) columns of the encoding whose effect varies with all q effect features.
    crossed : (p2,) columns whose effect varies only with those in ``narrow``, (q2,).
    """

    plain: Ints
    crossed: Ints
    q: int
    narrow: Ints

    @cached_property
    def columns(self) -> Ints:
        """All p columns of the encoding, those that vary with all effect features first."""
        return np.concatenate([self.plain, self.crossed])

    @cached_property
    def constants(self) -> Ints:
        """The place among the coefficients of each column's constant effect, (p,), in the order of
        the encoding.
        """
        places = np.flatnonzero(self.slots[:, 1] == 0)
        return places[np.argsort(self.slots[places, 0])]

    @cached_property
    def slots(self) -> Ints:
        """(column of the encoding, effect feature) of each of the P coefficients, (P, 2)."""
        wide = [(j, a) for j in self.plain for a in range(self.q)]
        return np.array(
            wide + [(j, a) for j in self.crossed for a in self.narrow], np.int64
        ).reshape(-1, 2)


def written_out(t: Floats, z: Floats, slots: Ints) -> Floats:
    """The rows of the regression, (P, b).   t: (p, b); z: (q, b); slots: (P, 2)."""
    rows = t[slots[:, 0]]
    rows *= z[slots[:, 1]]
    return rows


class KroneckerSums:
    """sum_i w_i r_i r_i' for several weights at once, fed block by block; and beside them
    sum_i w_i s_i z_i z_i' of ``single`` columns s.
    """

    def __init__(self, layout: Layout, weights: int, single: int = 0) -> None:
        p, q = len(layout.plain), layout.q
        self._layout = layout
        self._wide = p * q
        self._single = single
        self._left = np.zeros((_up(_pairs(p) + single), NEAR))
        self._right = np.zeros((_up(_pairs(q)), NEAR))
        self._sums = np.zeros((weights, len(self._left), len(self._right)))
        self._crosses = np.zeros((weights, len(layout.slots), len(layout.slots) - p * q))

    def add(self, t: Floats, z: Floats, weights: Floats, single: Floats | None = None) -> None:
        """Add a block.   t: (p, b); z: (q, b); weights: (weights, b); single: (single, b)."""
        plain, features = np.ascontiguousarray(t[self._layout.plain]), np.ascontiguousarray(z)
        beside = np.empty((0, z.shape[1])) if single is None else np.ascontiguousarray(single)
        add_pairs(plain, beside, features, weights, self._left, self._right, self._sums)
        if self._crosses.shape[2]:
            every = written_out(t, z, self._layout.slots)
            for j, weight in enumerate(weights):
                self._crosses[j] += every @ (every[self._wide :] * weight).T

    def singles(self) -> Floats:
        """sum_i w_i s_i z_i z_i', (weights, single, q, q)."""
        first, q = _pairs(len(self._layout.plain)), self._layout.q
        out: Floats = self._sums[:, first : first + self._single][:, :, _pair_index(q)]
        return out

    def grams(self) -> Floats:
        """The sums, (weights, P, P)."""
        p, q, wide = len(self._layout.plain), self._layout.q, self._wide
        out = np.empty((len(self._sums), len(self._layout.slots), len(self._layout.slots)))
        for j, packed in enumerate(self._sums):
            out[j, :wide, :wide] = unfold(packed[: _pairs(p), : _pairs(q)], p, q)
        out[:, :, wide:] = self._crosses
        out[:, wide:, :wide] = self._crosses[:, :wide].transpose(0, 2, 1)
        return out


def _pairs(q: int) -> int:
    return q * (q + 1) // 2


def _up(size: int) -> int:
    """The next multiple of `TILE`."""
    return -(-size // TILE) * TILE


def moment(t: Floats, z: Floats, target: Floats, layout: Layout) -> Floats:
    """sum_i r_i y_i', (P, m).   t: (p, b); z: (q, b); target: (m, b), weights inside."""
    plain = t[layout.plain]
    wide = np.stack([(plain * one) @ z.T for one in target], axis=-1).reshape(-1, len(target))
    return np.vstack([wide, written_out(t, z, layout.slots[len(wide) :]) @ target.T])


def cluster_scores(
    t: Floats, z: Floats, error: Floats, starts: Ints, slots: Ints
) -> Iterator[Floats]:
    """The sums of r_i e_i in each cluster, (P, g), metric by metric.   error: (m, b), weights
    inside; starts: (g,) from 0.
    """
    rows = written_out(t, z, slots)
    for one in error:
        yield np.add.reduceat(rows * one, starts, axis=1)


def ridge(gram: Floats, predictors: int, alpha: float) -> Floats:
    """Ridge coefficients of the last columns of ``gram`` on the first ``predictors``, (predictors,
    targets).

    The first column is the intercept, which no penalty shrinks.
    """
    penalty = np.full(predictors, alpha)
    penalty[0] = 0.0
    left = gram[:predictors, :predictors] + np.diag(penalty)
    return pseudo_inverse(left)[0] @ gram[:predictors, predictors:]


def pseudo_inverse(gram: Floats) -> tuple[Floats, int]:
    """The pseudo-inverse of a symmetric matrix >= 0 and its rank: directions that no row speaks of
    get the answer 0.
    """
    value, vector = np.linalg.eigh(gram)
    positive = (
        value > value[-1] * len(gram) * np.finfo(np.float64).eps * 8
        if value[-1] > 0
        else value > np.inf
    )
    basis = vector[:, positive]
    return (basis / value[positive]) @ basis.T, int(positive.sum())
