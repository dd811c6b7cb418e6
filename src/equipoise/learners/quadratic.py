"""Squares and products of the features that trees split by most: what a linear calibration needs to
mend trees, which are flat where a surface bends smoothly, most of all in its tails.

    z = clip((x - mean) / sd, -4, 4),   0 where x is missing
    q(x) = [z_j, z_j z_l for j <= l],   each less its mean, over its standard deviation
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.learners.tree_scoring import Trees

FAR = 4.0  # standard deviations: a wild value counts no more than that
MOST = 90  # columns of q over all cells but control

Basis = dict[str, Floats]  # "columns", "centre", "scale" (c,); "mean", "sd" (P,): what JSON keeps


def split_counts(models: Sequence[Trees], features: int) -> Ints:
    """How often trees split by each feature, (d,)."""
    counts: Ints = np.bincount(
        np.concatenate([model.feature for model in models]), minlength=features
    )
    return counts


def learn_basis(X: Floats, used: Ints, most: int = MOST) -> Basis:
    """The basis of the features that are ``used`` (d,) most, so many that it has at most ``most``
    columns.   X: (n, d), NaN where missing.

    >>> basis = learn_basis(np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([3, 0]))
    >>> basis["columns"].tolist(), quadratic(basis, np.array([[2.0, 5.0]])).tolist()
    ([0.0], [[1.0, 0.0]])
    """
    wide = int((np.sqrt(9 + 8 * most) - 3) / 2)  # c (c + 3) / 2 <= most
    order = np.argsort(-used, kind="stable")[:wide]
    columns = np.sort(order[used[order] > 0])
    part = X[:, columns]
    present = np.isfinite(part)
    count = np.maximum(present.sum(axis=0), 1)
    centre = np.where(present, part, 0.0).sum(axis=0) / count
    scale = np.sqrt(np.square(np.where(present, part - centre, 0.0)).sum(axis=0) / count)
    basis = {
        "columns": columns.astype(np.float64),
        "centre": centre,
        "scale": np.where(scale > 0, scale, 1.0),
    }
    products = _products(basis, X)
    sd = products.std(axis=0)
    return basis | {"mean": products.mean(axis=0), "sd": np.where(sd > 1e-9, sd, 1.0)}


def quadratic(basis: Basis, X: Floats) -> Floats:
    """q(x), (n, P)."""
    q = _products(basis, X)
    q -= basis["mean"]
    q /= basis["sd"]
    return q


def _products(basis: Basis, X: Floats) -> Floats:
    z = (X[:, basis["columns"].astype(np.int64)] - basis["centre"]) / basis["scale"]
    z = np.nan_to_num(np.clip(z, -FAR, FAR))
    c = z.shape[1]
    products = np.empty((len(z), c + c * (c + 1) // 2))
    products[:, :c], end = z, c
    for j in range(c):
        np.multiply(z[:, j:], z[:, j, None], out=products[:, end : end + c - j])
        end += c - j
    return products
