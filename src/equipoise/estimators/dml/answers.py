"""The answers of linear double machine learning: a' Theta z of units, candidates and metrics, and
its standard errors; and their means over units.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import Units
from equipoise.core.errors import InputError
from equipoise.core.weights import check_weights
from equipoise.estimators.dml import gram
from equipoise.estimators.training_data import group_codes


def standardise(X: Floats, centre: Floats, scale: Floats) -> Floats:
    """[1, (X - centre) / scale], columns first, (1 + d, n)."""
    z = np.empty((1 + X.shape[1], len(X)))
    z[0] = 1.0
    np.subtract(X.T, centre[:, None], out=z[1:])
    z[1:] /= scale[:, None]
    return z


def effect_errors(a: Floats, z: Floats, covariance: Floats, slots: Ints) -> Floats:
    """Standard error of a' Theta z for each unit, candidate and metric, (n, k, m).

    a : (k, p).   z : (q, n).   covariance : (m, P, P) of the coefficients at ``slots`` (P, 2).
    """
    (k, _), (q, n), m = a.shape, z.shape, len(covariance)
    weigh = a[:, None, slots[:, 0]] * (slots[:, 1] == np.arange(q)[:, None])  # (k, q, P)
    # (m, k, q, q)
    form = (weigh.reshape(k * q, -1) @ covariance).reshape(m, k, q, -1) @ weigh.transpose(0, 2, 1)
    rows, columns = np.triu_indices(q)
    # z' V z by distinct pairs
    packed = form[:, :, rows, columns] * np.where(rows == columns, 1.0, 2.0)
    packed = packed.transpose(1, 0, 2).reshape(k * m, -1)
    out, pairs = np.empty((n, k * m)), np.empty((len(rows), gram.NEAR))
    for part in gram.cuts(n, gram.NEAR):
        near = z[:, part]
        gram.pair_products(near, near, pairs)
        out[part] = (packed @ pairs[:, : near.shape[1]]).T
    return np.sqrt(np.maximum(out, 0.0)).reshape(-1, k, m)


def paired_errors(a: Floats, base: Floats, z: Floats, covariance: Floats, slots: Ints) -> Floats:
    """Standard errors (n, k, m) where each unit has a base of its own.

    a : (k, p).   base : (n, p).   z : (q, n).   covariance : (m, P, P) of the coefficients at
        ``slots`` (P, 2).
    """
    out = np.empty((len(base), len(a), len(covariance)))
    for rows in gram.cuts(len(base)):
        for c, one in enumerate(a):
            r = gram.written_out(one[:, None] - base[rows].T, z[:, rows], slots)
            out[rows, c] = np.maximum((covariance @ r * r).sum(axis=1), 0.0).T
    return np.sqrt(out)


def by_feature(a: Floats, theta: Floats) -> Floats:
    """a' Theta, (q, k m).   a: (k, p); theta: (p, q, m)."""
    out: Floats = np.einsum("kp,pqm->qkm", a, theta, optimize=True).reshape(theta.shape[1], -1)
    return out


def row_weights(n: int, sample_weight: Any, groups: Any) -> tuple[Floats, Ints | None]:
    """Weights of the n rows of a mean, (n,), and the codes of their clusters, (n,), or None."""
    weight, codes = check_weights(sample_weight, n), None
    if groups is not None:
        codes = group_codes(groups)
        if len(codes) != n:
            raise InputError("groups", f"have one entry per row of X ({n})", len(codes))
    return np.ones(n) if weight is None else weight, codes


def mean_basis(a: Floats, base: Floats, z: Floats, weight: Floats, slots: Ints) -> Floats:
    """The weighted mean over units of the Kronecker rows (a - base) (x) z, (k, P).

    a : (k, p).   base : (1, p) or (n, p).   z : (q, n).   weight : (n,).   slots : (P, 2).
    """
    share = weight / weight.sum()
    mean, (column, feature) = z @ share, slots.T
    if len(base) == 1:
        return np.asarray((a - base)[:, column] * mean[feature])
    return np.asarray(a[:, column] * mean[feature] - ((base.T * share) @ z.T)[column, feature])


def sampling_variance(rows: Floats, units: Units) -> tuple[Floats, Floats]:
    """The variance of the mean of rows (n, k, m), centred, and its degrees of freedom, (k, m)."""
    if units.count[0] < 2:
        fix = "say population=False: these very rows are meant"
        raise InputError("a sample of a population", "have two or more units", 1, fix=fix)
    error, df = units.errors(rows.reshape(len(rows), -1))
    return error.reshape(rows.shape[1:]) ** 2, df.reshape(rows.shape[1:])
