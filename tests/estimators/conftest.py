"""Experiments whose effects are known, small enough for many fits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest


def make_experiment(n=4000, arms=2, seed=0, shares=None, confounded=False, noise=1.0):
    """X (n, 4), two metrics, cells (n,), propensity (n, K), tau (n, k, 2): metric 1 is minus half
    of metric 0 in effect.

    tau_a = a (1 + x1) / 2; the level is 2 x0.  Confounded: P(control) falls with x0.
    """
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 4))
    tau = np.arange(1, arms)[None, :] * (1 + X[:, [1]]) / 2
    e = np.broadcast_to(
        np.full(arms, 1 / arms) if shares is None else np.asarray(shares, float), (n, arms)
    ).copy()
    if confounded:
        e[:, 0] = 1 / (1 + np.exp(2 * X[:, 0]))
        e[:, 1:] = ((1 - e[:, 0]) / (arms - 1))[:, None]
    cell = (rng.random(n)[:, None] > np.cumsum(e, axis=1)[:, :-1]).sum(axis=1)
    gain = np.column_stack([np.zeros(n), tau])[np.arange(n), cell]
    y = np.column_stack([2 * X[:, 0] + gain, X[:, 0] - gain / 2]) + noise * rng.normal(size=(n, 2))
    return SimpleNamespace(X=X, y=y, cell=cell, e=e, tau=np.stack([tau, -tau / 2], axis=2))


@pytest.fixture
def experiment():
    return make_experiment


@pytest.fixture
def pehe():
    """The root of the mean squared distance of effects from the truth."""

    def distance(estimator, world, metric=0):
        gap = estimator.effects(world.X).values[:, :, metric] - world.tau[:, :, metric]
        return float(np.sqrt(np.mean(gap**2)))

    return distance
