"""Streamed Gram matrices: least squares on rows that never stand in memory at once.

Row i of the final regression is the Kronecker product r_i = t_i (x) z_i of the treatment residual t_i (p,) and the effect
features z_i (q,).  Its Gram matrix factors,

    sum_i w_i r_i r_i' = sum_i w_i (t_i t_i') (x) (z_i z_i'),

so one matrix product of the distinct pairs of t (p (p + 1) / 2 of them) with the distinct pairs of z gives every entry, with
about half the arithmetic of forming r.  The sandwich's meat is the same sum with weights w_i^2 e_i^2 (MacKinnon & White 1985,
HC1).

The ridge nuisances of all folds come from one pass: the Gram matrix that excludes a fold is the total less the fold's own.

Blocks are stored columns first, (columns, rows), so that every product of two columns runs over contiguous memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from equipoise.core.arrays import Floats, Ints

BLOCK = 4096  # rows; the blocks of a usual problem then fit into the second-level cache


def blocks(n: int) -> Iterator[slice]:
    """The rows 0..n-1 as slices of at most `BLOCK`."""
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


def cluster_blocks(starts: Ints, n: int) -> Iterator[tuple[slice, Ints]]:
    """Rows sorted by cluster as slices of about `BLOCK` that tear no cluster, with the starts of the clusters inside, from 0.

    starts : (G,) the first row of each cluster, rising from 0.
    """
    edges = np.append(starts, n)
    first = 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(edges, edges[first] + BLOCK, side="right")) - 1)
        yield slice(int(edges[first]), int(edges[last])), edges[first:last] - edges[first]
        first = last


def pair_products(a: Floats) -> Floats:
    """The products of all distinct pairs of rows of ``a`` (q, b), (q (q + 1) / 2, b), in the order of `numpy.triu_indices`.

    >>> pair_products(np.array([[2.0], [3.0]])).ravel().tolist()
    [4.0, 6.0, 9.0]
    """
    q = len(a)
    out = np.empty((q * (q + 1) // 2, a.shape[1]))
    start = 0
    for i in range(q):
        np.multiply(a[i], a[i:], out=out[start : start + q - i])
        start += q - i
    return out


def unfold(packed: Floats, p: int, q: int) -> Floats:
    """Sums over pairs, (p (p + 1) / 2, q (q + 1) / 2), as the symmetric Gram matrix of Kronecker rows, (p q, p q)."""
    full = packed[_pair_index(p)][:, :, _pair_index(q)]  # (p, p, q, q)
    return np.ascontiguousarray(full.transpose(0, 2, 1, 3)).reshape(p * q, p * q)


def _pair_index(q: int) -> Ints:
    """Where the pair (i, j) stands among the distinct pairs, (q, q)."""
    index = np.empty((q, q), np.int64)
    rows, columns = np.triu_indices(q)
    index[rows, columns] = index[columns, rows] = np.arange(len(rows))
    return index


def kronecker_gram(t: Floats, z: Floats, weight: Floats) -> Floats:
    """sum_i w_i (t_i (x) z_i)(t_i (x) z_i)' for several weights at once, (s, p q, p q).

    t: (n, p); z: (n, q); weight: (n, s).
    """
    p, q, s = t.shape[1], z.shape[1], weight.shape[1]
    packed = np.zeros((s, p * (p + 1) // 2, q * (q + 1) // 2))
    for rows in blocks(len(t)):
        left, right = pair_products(np.ascontiguousarray(t[rows].T)), pair_products(np.ascontiguousarray(z[rows].T))
        for j in range(s):
            packed[j] += (left * weight[rows, j]) @ right.T
    return np.stack([unfold(part, p, q) for part in packed])


def kronecker_moment(t: Floats, z: Floats, target: Floats) -> Floats:
    """sum_i (t_i (x) z_i) y_i', (p q, m).   t: (n, p); z: (n, q); target: (n, m), weights inside."""
    p, q, m = t.shape[1], z.shape[1], target.shape[1]
    moment = np.zeros((p * m, q))
    for rows in blocks(len(t)):
        moment += (t[rows, :, None] * target[rows, None, :]).reshape(-1, p * m).T @ z[rows]
    return moment.reshape(p, m, q).transpose(0, 2, 1).reshape(p * q, m)


def cluster_meat(t: Floats, z: Floats, error: Floats, groups: Ints) -> Floats:
    """sum over clusters g of s_g s_g' with s_g = sum_{i in g} (t_i (x) z_i) e_i, (m, p q, p q).

    t: (n, p); z: (n, q); error: (n, m), weights inside; groups: (n,).
    """
    order = np.argsort(groups, kind="stable")
    codes = groups[order]
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]])).astype(np.int64)
    size, m = t.shape[1] * z.shape[1], error.shape[1]
    meat = np.zeros((m, size, size))
    for rows, inside in cluster_blocks(starts, len(order)):
        index = order[rows]
        row = (t[index, :, None] * z[index, None, :]).reshape(len(index), size)
        for j in range(m):
            score = np.add.reduceat(row * error[index, j : j + 1], inside, axis=0)
            meat[j] += score.T @ score
    return meat


def fold_grams(parts: Sequence[Floats], weight: Floats, fold: Ints, folds: int) -> Floats:
    """The weighted Gram matrix of the columns of all parts in each fold, (folds, c, c).

    parts: (n, .) each; weight, fold: (n,).
    """
    width = sum(part.shape[1] for part in parts)
    grams = np.zeros((folds, width, width))
    for f in range(folds):
        member = np.flatnonzero(fold == f)
        for rows in blocks(len(member)):
            index = member[rows]
            columns = np.hstack([part[index] for part in parts]) * np.sqrt(weight[index])[:, None]
            grams[f] += columns.T @ columns
    return grams


def ridge(gram: Floats, predictors: int, alpha: float) -> Floats:
    """Ridge coefficients of the last columns of ``gram`` on the first ``predictors``, (predictors, targets).

    The first column is the intercept, which no penalty shrinks.
    """
    penalty = np.full(predictors, alpha)
    penalty[0] = 0.0
    left = gram[:predictors, :predictors] + np.diag(penalty)
    return pseudo_inverse(left)[0] @ gram[:predictors, predictors:]


def pseudo_inverse(gram: Floats) -> tuple[Floats, int]:
    """The pseudo-inverse of a symmetric matrix >= 0 and its rank: directions that no row speaks of get the answer 0."""
    value, vector = np.linalg.eigh(gram)
    kept = value > value[-1] * len(gram) * np.finfo(np.float64).eps * 8 if value[-1] > 0 else value > np.inf
    basis = vector[:, kept]
    return (basis / value[kept]) @ basis.T, int(kept.sum())
