"""Lasso on a Gram matrix by coordinate descent, and the approximate inverse that takes its bias
away.

    theta = argmin theta' G theta / 2 - c' theta + sum_j lambda_j |theta_j|
    Theta_j = (1, -gamma_j) / tau_j,   gamma_j the lasso of column j on the others (nodewise)
    debiased = theta + Theta (c - G theta)

A row of the nodewise inverse is chosen by the columns alone, never by the outcome.

    Friedman, Hastie & Tibshirani (2010), Regularization paths for generalized linear models via
    coordinate descent; van de Geer, Buehlmann, Ritov & Dezeure (2014), On asymptotically optimal
    confidence regions and tests for high-dimensional models, Annals of Statistics 42.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.kernels import njit

TOLERANCE = 1e-10  # of the largest gain of a step, in the units of the first
SWEEPS = 2000  # over the columns that move


@njit(cache=True)
def descend(G: Floats, penalty: Floats, theta: Floats, rest: Floats, skip: int) -> None:
    """Minimise in place, from theta (P,) with rest = c - G theta (P,).   G: (P, P); penalty: (P,);
    skip: a column that stays as it is, or -1.
    """
    size = len(theta)
    moving = np.ones(size, np.bool_)
    first = 0.0
    every = True
    for _ in range(SWEEPS):
        most = 0.0
        for j in range(size):
            if j == skip or not (every or moving[j]) or G[j, j] <= 0.0:
                continue
            own = rest[j] + G[j, j] * theta[j]
            new = 0.0
            if own > penalty[j]:
                new = (own - penalty[j]) / G[j, j]
            elif own < -penalty[j]:
                new = (own + penalty[j]) / G[j, j]
            change = new - theta[j]
            moving[j] = new != 0.0
            if change != 0.0:
                theta[j] = new
                for i in range(size):
                    rest[i] -= change * G[j, i]
                most = max(most, change * change * G[j, j])
        first = max(first, most)
        if most <= TOLERANCE * TOLERANCE * first:
            if every:
                return
            every = True  # once more over all columns
        else:
            every = False


def paths(G: Floats, c: Floats, weights: Floats, penalties: Floats) -> Floats:
    """The lasso of each metric and penalty, (penalties, P, m), from the largest penalty down.

    G : (P, P).   c : (P, m).   weights : (P,) of a penalty.   penalties : (l, m), falling.
    """
    out = np.empty((len(penalties), *c.shape))
    for k in range(c.shape[1]):
        theta, rest = np.zeros(len(c)), c[:, k].copy()
        for i, penalty in enumerate(penalties[:, k]):
            descend(G, penalty * weights, theta, rest, -1)
            out[i, :, k] = theta
    return out


@njit(cache=True)
def nodewise_inverse(G: Floats, penalty: float) -> Floats:
    """Theta, (P, P), near the inverse of G, whose diagonal is 1: row j is 0 where column j is."""
    size = len(G)
    out = np.zeros((size, size))
    penalties = np.full(size, penalty)
    for j in range(size):
        if G[j, j] <= 0.0:
            continue
        gamma, rest = np.zeros(size), G[j].copy()
        descend(G, penalties, gamma, rest, j)
        left = rest[j]  # G_jj - G_j gamma
        if left <= 0.0:
            continue
        out[j] = -gamma / left
        out[j, j] = 1.0 / left
    return out
