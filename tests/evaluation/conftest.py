"""Small experiments for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.evaluation import evaluation_data


def make_trial(
    seed,
    n=400,
    *,
    cells=2,
    effect=0.5,
    ties=False,
    binary=False,
    weighted=False,
    grouped=False,
    share=None,
):
    """(score (n, k), checked rows, true gain (n, k)): unequal arms, one feature, the score is the
    true effect.
    """
    rng = np.random.default_rng(seed)
    design = np.full(cells, 1 / cells) if share is None else np.array([1 - share, share])
    cell = rng.choice(cells, n, p=design)
    cell[:cells] = np.arange(cells)
    x = rng.standard_normal(n)
    x = np.round(x, 1) if ties else x
    if grouped:
        groups = rng.integers(0, n // 4, n)
        x = rng.standard_normal(n)[groups]
    gain = np.stack([effect + (1 + a) * 0.5 * np.tanh(x) for a in range(cells - 1)], axis=1)
    mean = 1 + 0.5 * x + np.column_stack([np.zeros(n), gain])[np.arange(n), cell]
    y = mean + rng.standard_normal(n)
    if binary:
        y = (y > 1.2).astype(np.float64)
        y[:4] = [0, 1, 0, 1]
        cell[:4] = [0, 0, 1, 1]
    weight = rng.integers(1, 4, n).astype(np.float64) if weighted else None
    rows = evaluation_data(
        y, cell=cell, propensity=design, weight=weight, groups=groups if grouped else None
    )
    return gain, rows, gain


@pytest.fixture(scope="session")
def trial():
    """A function that makes an experiment of a seed."""
    return make_trial
