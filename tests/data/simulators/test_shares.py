from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.data.simulators.shares import make_mdp2_world, make_shares_standin


def test_the_public_world_by_hand_and_by_its_published_regrets():
    world = make_mdp2_world(20_000, seed=0)
    old, taught, keen = world.X[:, 0] > 45, world.X[:, 2] > 1, world.X[:, 5] > 0.5
    np.testing.assert_array_equal(world.best[:, 3] == 0.35, old)
    np.testing.assert_array_equal(world.best[:, 0] == 0.25, taught)
    np.testing.assert_array_equal(world.best[:, 1] == 0.25, keen)
    np.testing.assert_allclose(world.best.sum(axis=1), 1)
    np.testing.assert_allclose(world.T.sum(axis=1), 1)
    assert world.y.max() <= 0.255 + 1e-12
    uniform = np.full((20_000, 6), 1 / 6)
    assert world.regret(uniform) == pytest.approx(0.0475, abs=0.001)
    assert world.squared_error(uniform) == pytest.approx(0.0883, abs=0.001)
    assert world.regret(world.T) == pytest.approx(0.0730, abs=0.002)


@pytest.mark.parametrize(("kind", "uniform"), [("gauss", 0.83), ("quad", 0.188)])
def test_the_stand_in_by_its_uniform_regret(kind, uniform):
    world = make_shares_standin(4000, seed=1, kind=kind)
    assert world.regret(np.full((4000, 10), 0.1)) == pytest.approx(uniform, rel=0.02)
    assert world.regret(world.best) == pytest.approx(0, abs=1e-12)


def test_options_of_the_public_world():
    plain, more = (
        make_mdp2_world(5000, seed=3),
        make_mdp2_world(5000, seed=3, noise=0.05, base=True, confounded=True),
    )
    assert np.corrcoef(plain.X[:, 6], ((plain.T - plain.best) ** 2).sum(axis=1))[0, 1] > -0.05
    assert np.corrcoef(more.X[:, 6], ((more.T - more.best) ** 2).sum(axis=1))[0, 1] < -0.3
    assert np.std(more.y - more.level(more.T)) == pytest.approx(0.05, rel=0.05)


def test_bad_settings():
    with pytest.raises(InputError, match="n and noise"):
        make_mdp2_world(0)
    with pytest.raises(InputError, match="kind must be one of gauss, quad"):
        make_shares_standin(5, kind="cubic")
