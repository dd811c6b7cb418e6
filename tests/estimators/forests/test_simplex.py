from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.estimators.forests.simplex import best_mix, within_bounds


def every_mix(K, G):
    return np.array([m for m in np.ndindex(*(G + 1,) * K) if sum(m) == G])


@pytest.mark.parametrize("seed", range(5))
def test_the_best_mix_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    curves, G = rng.standard_normal((6, 3, 9)), 8
    low, high = np.array([0.0, 0.125, 0.0]), np.array([0.75, 1.0, 0.5])
    mixes = every_mix(3, G)
    fits = ((mixes >= low * G) & (mixes <= high * G)).all(axis=1)
    found = best_mix(curves, low, high)
    for i in range(6):
        worth = curves[i][np.arange(3), mixes].sum(axis=1)
        got = curves[i][np.arange(3), (found[i] * G).round().astype(int)].sum()
        assert got == pytest.approx(worth[fits].max())
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_bounds_that_leave_no_mix():
    with pytest.raises(
        InputError, match="bounds of shares must leave a mix that sums to 1; .*row 0"
    ):
        best_mix(np.zeros((1, 2, 11)), low=np.array([0.6, 0.6]))


def test_the_nearest_mix_within_bounds():
    """By the conditions of the projection: inside, sums to 1, and one shift for every share that no
    bound holds.
    """
    rng = np.random.default_rng(0)
    mix, low, high = (
        rng.dirichlet(np.ones(4), 50),
        np.array([0.1, 0.0, 0.2, 0.0]),
        np.array([0.5, 0.3, 1.0, 0.4]),
    )
    found = within_bounds(mix, low, high)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)
    assert ((found >= low - 1e-12) & (found <= high + 1e-12)).all()
    free = (found > low + 1e-9) & (found < high - 1e-9)
    for row in range(50):
        moved = (found - mix)[row, free[row]]
        assert len(moved) == 0 or np.ptp(moved) < 1e-9
