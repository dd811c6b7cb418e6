"""Efficient policy learning with continuous actions: Demirer, Syrgkanis, Lewis & Chernozhukov
(2019), NeurIPS.

    y = <theta(x), phi(t)> + e
    theta_i = theta^(x_i) + Sigma^(x_i)^-1 phi(t_i) (y_i - <theta^(x_i), phi(t_i)>),   Sigma(x) =
    E[phi phi' | x]    doubly robust
    policy    the one of a class that makes sum_i <theta_i, phi(pi(x_i))> largest

The paper leaves open what phi, the nuisances and the class are.  Here phi is 1, t_k and t_k^2;
theta^ is a ridge on phi times [1, x, x^2]; Sigma^ is a mean within cells of x by k-means; both come
from the other half of the rows; the class is trees with a mix per leaf, grown greedily by what the
best mixes of both sides are worth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from equipoise.core.arrays import Floats, Ints
from equipoise.core.folds import fold_ids
from equipoise.estimators.forests.simplex import best_mix

CELLS, RIDGE, STEPS = 24, 10.0, 50
DEPTH, LEAST, CUTS = 4, 100, 15  # chosen on seed 102


@dataclass(frozen=True)
class Node:
    """A leaf with its mix, or a cut of one feature with two sides."""

    mix: Floats
    feature: int = -1
    at: float = 0.0
    low: Node | None = None
    high: Node | None = None

    def mixes(self, X: Floats) -> Floats:
        """The mix of each row, (n, K)."""
        if self.low is None or self.high is None:
            return np.broadcast_to(self.mix, (len(X), len(self.mix)))
        side = X[:, self.feature] <= self.at
        mixes = np.empty((len(X), len(self.mix)))
        mixes[side], mixes[~side] = self.low.mixes(X[side]), self.high.mixes(X[~side])
        return mixes


def efficient_policy(X: Floats, T: Floats, y: Floats, seed: int) -> Node:
    """A tree of mixes."""
    low, high = np.quantile(T, [0.005, 0.995], axis=0)
    theta = doubly_robust(X, features(T), y, seed)
    return _grown(X, theta, (low, high), DEPTH)


def features(T: Floats) -> Floats:
    """phi(t): 1, t_k and t_k^2, (n, 1 + 2 K)."""
    return np.hstack([np.ones((len(T), 1)), T, T**2])


def doubly_robust(X: Floats, phi: Floats, y: Floats, seed: int) -> Floats:
    """theta_i, (n, p)."""
    fold, scores = fold_ids(len(X), 2, seed), np.empty_like(phi)
    z = StandardScaler().fit_transform(X)
    wide = np.hstack([np.ones((len(z), 1)), z, z**2])
    scale = np.maximum(phi.std(axis=0), 1e-12)
    scale[0] = 1.0
    scaled = phi / scale
    for f in range(2):
        there, here = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        rows = (scaled[there, :, None] * wide[there, None]).reshape(len(there), -1)
        slopes = (
            Ridge(RIDGE, fit_intercept=False).fit(rows, y[there]).coef_.reshape(phi.shape[1], -1)
        )
        theta = wide[here] @ slopes.T
        cells = KMeans(CELLS, n_init=2, random_state=seed).fit(z[there])
        inverse = _inverses(scaled[there], cells.labels_)[cells.predict(z[here])]
        miss = y[here] - (theta * scaled[here]).sum(axis=1)
        scores[here] = (
            theta + np.einsum("npq,nq->np", inverse, scaled[here]) * miss[:, None]
        ) / scale
    return scores


def _inverses(phi: Floats, cell: Ints) -> Floats:
    """Sigma^-1 of each cell, (CELLS, p, p); a little of the mean over all cells steadies it."""
    whole = phi.T @ phi / len(phi)
    inverses = []
    for c in range(CELLS):
        part = phi[cell == c]
        inverses.append(
            np.linalg.pinv(
                (part.T @ part + LEAST * whole) / (len(part) + LEAST), rcond=1e-8, hermitian=True
            )
        )
    return np.stack(inverses)


def _grown(X: Floats, theta: Floats, reach: tuple[Floats, Floats], depth: int) -> Node:
    """The best cut of these rows, and of its sides; a leaf where none gains."""
    mix, worth = _best(theta.sum(axis=0)[None], reach)
    if depth == 0 or len(X) < 2 * LEAST:
        return Node(mix[0])
    cuts = [
        (j, at)
        for j in range(X.shape[1])
        for at in np.unique(np.quantile(X[:, j], np.linspace(0.05, 0.95, CUTS)))
    ]
    sides = np.stack([X[:, j] <= at for j, at in cuts])
    sums = sides.astype(np.float64) @ theta
    gains = _best(sums, reach)[1] + _best(theta.sum(axis=0) - sums, reach)[1] - worth[0]
    count = sides.sum(axis=1)
    gains[(count < LEAST) | (len(X) - count < LEAST)] = -np.inf
    best = int(np.argmax(gains))
    if gains[best] <= 0:
        return Node(mix[0])
    (feature, at), side = cuts[best], sides[best]
    low, high = (_grown(X[rows], theta[rows], reach, depth - 1) for rows in (side, ~side))
    return Node(mix[0], feature, float(at), low, high)


def _best(sums: Floats, reach: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """The best mixes (n, K) for sums of theta (n, p), and what they are worth (n,)."""
    K, grid = (sums.shape[1] - 1) // 2, np.linspace(0, 1, STEPS + 1)
    curves = sums[:, 1 : K + 1, None] * grid + sums[:, K + 1 :, None] * grid**2
    mix = best_mix(curves, *reach)
    return mix, (features(mix) * sums).sum(axis=1)
