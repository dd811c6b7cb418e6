"""The final regression of linear double machine learning where few of many features move the
effect: a lasso chosen on held-out rows, and its bias taken away so that intervals hold.

    theta = lasso of residuals on Kronecker rows r = (phi - E[phi | x]) (x) z, averages free
    debiased = theta + M sum_i r_i (e_i),   e_i the residual of the lasso,   M the nodewise inverse
    covariance = M sum_i r_i r_i' e_i^2 M'  (HC1, or by clusters)

Least squares is the limit of M without penalties.  With one, its rows are shorter and so are the
intervals, and there may be more coefficients than rows.

    Semenova, Goldman, Chernozhukov & Taddy (2023), Inference on heterogeneous treatment effects in
    high-dimensional dynamic panels, Quantitative Economics 14 (the orthogonal lasso, debiased).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.estimators.dml import gram
from equipoise.estimators.dml.lasso import nodewise_inverse, paths
from equipoise.estimators.dml.passes import (
    Normal,
    Ridges,
    Sums,
    Walk,
    fold_sums,
    residual_scale,
    third_pass,
)

PENALTIES, LEAST = 30, 5e-3  # penalties that are tried, from the largest that matters down
NODEWISE = 0.25  # times sqrt(log P / n), of columns in standard units: wider ones leave a bias


@dataclass(frozen=True)
class Sparse:
    """What was learnt.

    Attributes
    ----------
    normal : with the debiased coefficients.   lasso : (P, m) those of the lasso, in the same units.
    penalty : (m,).   covariance : (m, P, P) of the debiased ones, df : its degrees of freedom.
    control : (1 + d, m) moments of the level under control.
    """

    normal: Normal
    lasso: Floats
    penalty: Floats
    covariance: Floats
    control: Floats
    df: float


def learn(
    walk: Walk, ridges: Ridges, layout: gram.Layout, support: Floats | None, debias: bool
) -> Sparse:
    """The coefficients with their covariance; not debiased, it is 0.   support: as of
    `passes.second_pass`.
    """
    p, rows, mean = len(layout.columns), ridges.sums.rows, ridges.sums.weight
    idle = np.zeros(p, np.bool_)
    sums, moments, squares = fold_sums(walk, ridges, layout, idle, False, support)
    grams = np.stack([each.grams()[0] for each in sums]) / mean
    square = np.diagonal(grams, axis1=1, axis2=2).sum(axis=0) / rows
    scale = residual_scale(square[layout.constants], ridges.sums)
    size = np.sqrt(np.where(square > 0, square, 1.0))
    grams, moments = grams / (size[:, None] * size), moments / mean / size[:, None]
    G, c = grams.sum(axis=0) / rows, moments.sum(axis=0) / rows
    free = layout.slots[:, 1] == 0
    theta, penalty = choose(grams, moments, squares / mean, ridges.sums.grams[:, 0, 0], free)
    inverse = np.zeros(G.shape)
    if debias:
        inverse = nodewise_inverse(G, NODEWISE * np.sqrt(np.log(max(len(G), 2)) / rows))
    unit = scale[layout.slots[:, 0]] / size
    used = int(np.count_nonzero(theta, axis=0).max())
    bread = inverse * (unit[:, None] * unit) / (rows * mean)
    normal = Normal(theta * unit[:, None], bread, scale, min(used, rows - 1), rows)
    covariance, control, df = third_pass(walk, ridges, layout, normal)
    debiased = (theta + inverse @ (c - G @ theta)) * unit[:, None]
    whole = replace(normal, theta=debiased)
    return Sparse(whole, normal.theta, penalty, covariance, control, df)


def learn_lassos(sums: Sums, modifiers: Ints) -> Ridges:
    """Lasso models of phi and y for every fold from the Gram matrices of the others, in the place
    of ridges.  One penalty a target, of least squared error over all folds.
    """
    q, rows = 1 + len(sums.centre), sums.grams[:, 0, 0]
    squares = np.diagonal(sums.grams, axis1=1, axis2=2)[:, q:]
    theta, error, _ = held_out(
        sums.grams[:, :q, :q], sums.grams[:, :q, q:], squares, rows, np.arange(q) == 0
    )
    target = np.arange(error.shape[1])
    return Ridges(sums, theta[:, error.argmin(axis=0), :, target].swapaxes(0, 1), modifiers)


def choose(
    grams: Floats, moments: Floats, squares: Floats, rows: Floats, free: Bools
) -> tuple[Floats, Floats]:
    """The lasso of all rows (P, m) with the penalties (m,) of least squared error on held-out rows,
    given the parts of `held_out`.
    """
    _, error, penalties = held_out(grams, moments, squares, rows, free)
    best, metrics = error.argmin(axis=0), np.arange(error.shape[1])
    G, c = grams.sum(axis=0) / rows.sum(), moments.sum(axis=0) / rows.sum()
    every = paths(G, c, (~free).astype(np.float64), penalties[: best.max() + 1])
    return every[best, :, metrics].T, penalties[best, metrics]


def held_out(
    grams: Floats, moments: Floats, squares: Floats, rows: Floats, free: Bools
) -> tuple[Floats, Floats, Floats]:
    """The lasso without each fold (folds, l, P, m), its squared error there (l, m), and the
    penalties (l, m).

    grams : (folds, P, P).   moments : (folds, P, m).   squares : (folds, m), of the outcomes.
    rows : (folds,), weighted.   free : (P,) columns without a penalty.
    """
    G, c, weights = grams.sum(axis=0), moments.sum(axis=0), (~free).astype(np.float64)
    first = np.zeros(c.shape)
    first[free] = gram.pseudo_inverse(G[np.ix_(free, free)])[0] @ c[free]
    most = np.abs((c - G @ first) * weights[:, None]).max(axis=0) / rows.sum()
    penalties = most * np.geomspace(1, LEAST, PENALTIES)[:, None]
    error, thetas = np.zeros((PENALTIES, c.shape[1])), []
    for inside, moment, square, n in zip(grams, moments, squares, rows, strict=True):
        left = rows.sum() - n
        theta = paths((G - inside) / left, (c - moment) / left, weights, penalties)
        error += square - 2 * np.einsum("lpm,pm->lm", theta, moment)
        error += np.einsum("lpm,pq,lqm->lm", theta, inside, theta, optimize=True)
        thetas.append(theta)
    return np.stack(thetas), error, penalties
