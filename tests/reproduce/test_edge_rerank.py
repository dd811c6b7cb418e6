"""Two ensembles of a live shop's log as strategies: each wins its own metric, and what is drawn is
what is expected.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.reproduce.closed_loop import STRATEGIES, Loop, one_world
from equipoise.reproduce.edge_rerank import RankedShop
from equipoise.reproduce.live_shop import Shop


@pytest.fixture(scope="module")
def shop():
    return RankedShop.learn(Shop(requests=1_500, viewers=600, trials=12, epochs=4), 200)


def test_each_ensemble_wins_its_own_metric_from_the_other(shop):
    pages = shop.requests(1_500, np.random.default_rng(0))
    watch, purchase = pages.levels.mean(axis=0).T
    assert watch[1] > watch[2]
    assert purchase[2] > 1.2 * purchase[1]
    expected = shop.log.world.expected(pages.shop, pages.lists[:, 2])
    assert pages.levels[:, 2].tolist() == expected[:, [0, 4]].tolist()
    assert pages.user.shape[0] == pages.context.shape[0] == 1_500


def test_what_is_drawn_is_what_is_expected(shop):
    pages = shop.requests(1_500, np.random.default_rng(1))
    which = np.arange(1_500) % 4
    level = pages.levels[np.arange(1_500), which]
    drawn = [shop.outcomes(pages, which, np.random.default_rng(s)) for s in range(20)]
    error = np.mean(drawn, axis=(0, 1)) - level.mean(axis=0)
    assert (np.abs(error) < 4 * np.std(drawn, axis=(0, 1)) / np.sqrt(20 * 1_500)).all()


def test_the_closed_loop_decides_between_them(shop):
    loop = Loop(log=1_500, test=600, strategies="rankers")
    world = one_world(loop, shop, 0)
    assert world["lifts"]["none"] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert {"s1", "s2", "s1+s2", "HMUM", "oracle"} <= set(world["lifts"])
    assert STRATEGIES.load("rankers") is RankedShop


def test_there_is_no_other_stage(shop):
    with pytest.raises(InputError, match="stage and drift must be edge and 0"):
        shop.requests(3, np.random.default_rng(0), stage="ranking")
