"""Estimates of many groups, each drawn towards what all of them show: empirical Bayes with normal
priors.

    theta_c ~ N(mu, diag tau^2),  theta_hat_c | theta_c ~ N(theta_c, V_c)      c = 1..C groups of p
    coefficients
    posterior mean   mu + T (V_c + T)^-1 (theta_hat_c - mu),   T = diag tau^2;    posterior
    covariance  T - T (V_c + T)^-1 T

mu and tau^2 are the same for the coefficients of a block (slopes, curvatures, ...), found by
moments of the block's estimates
over all groups with weights 1 / (v + tau^2), again and again until they stay.     Morris (1983),
JASA 78; Paule & Mandel (1982)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.core.arrays import Floats, Ints

ROUNDS, CLOSE = 200, 1e-6
LEAST = 1e-9  # of the blocks' mean variance


def pooled(theta: Floats, covariance: Floats, blocks: Sequence[Ints]) -> tuple[Floats, Floats]:
    """Posterior means (C, p) and covariances (C, p, p).   theta: (C, p); covariance: (C, p, p).

    blocks : the places that share a prior.

    >>> theta = np.array([[1.0], [3.0]])
    >>> pooled(theta, np.full((2, 1, 1), 1e6), [np.array([0])])[0].round(2).tolist()
    [[2.0], [2.0]]
    """
    mu, tau = np.zeros(theta.shape[1]), np.zeros(theta.shape[1])
    own = np.einsum("cpp->cp", covariance)
    for block in blocks:
        mu[block], tau[block] = _prior(theta[:, block].ravel(), own[:, block].ravel())
    T = np.diag(tau)
    # T (V + T)^-1
    gain = np.linalg.solve(covariance + T, np.broadcast_to(T, covariance.shape)).transpose(0, 2, 1)
    mean: Floats = mu + np.einsum("cpq,cq->cp", gain, theta - mu)
    return mean, T - gain @ T


def _prior(theta: Floats, variance: Floats) -> tuple[float, float]:
    """The mean and the variance of what is drawn, from estimates with variances."""
    least = LEAST * max(float(variance.mean()), np.finfo(float).tiny)
    spread, mean = max(float(theta.var() - variance.mean()), least), float(theta.mean())
    for _ in range(ROUNDS):
        w = 1 / (variance + spread)
        mean = float(w @ theta / w.sum())
        new = max(float(w**2 @ ((theta - mean) ** 2 - variance) / (w @ w)), least)
        close = abs(new - spread) <= CLOSE * spread
        spread = new
        if close:
            break
    return mean, spread
