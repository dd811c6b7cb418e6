from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.data import make_criteo_like_world, make_short_video_world
from equipoise.data.simulators.short_video import ShortVideoWorld


def test_outcomes_are_as_expected_on_average():
    world, rng = ShortVideoWorld.draw(0), np.random.default_rng(0)
    requests = world.requests(200_000, rng)
    for which in range(4):
        y = world.outcomes(requests, np.full(len(requests), which), rng)
        np.testing.assert_allclose(
            y.mean(axis=0), requests.levels[:, which].mean(axis=0), rtol=0.01
        )


def test_strategies_conflict_on_average_over_the_prior():
    lifts = []
    for seed in range(30):
        levels = (
            ShortVideoWorld.draw(seed)
            .requests(20_000, np.random.default_rng(seed))
            .levels.sum(axis=0)
        )
        lifts.append(levels[1:] / levels[0] - 1)
    s1, s2, both = np.mean(lifts, axis=0)
    assert s1[0] > 0.01 > -0.01 > s1[1]
    assert s2[1] > 0.01 > -0.01 > s2[0]
    assert both[0] < 0


def test_the_edge_knows_the_intent_better_than_the_ranking():
    world = ShortVideoWorld.draw(1)
    errors = {}
    for stage in ("edge", "ranking"):
        requests = world.requests(20_000, np.random.default_rng(0), stage=stage)
        balance = np.log(requests.levels[:, 0, 0] / requests.levels[:, 0, 1])
        errors[stage] = abs(np.corrcoef(requests.context[:, 0], balance)[0, 1])
    assert errors["edge"] > errors["ranking"] + 0.2
    with pytest.raises(InputError, match="stage must be one of ranking, edge"):
        world.requests(3, np.random.default_rng(0), stage="page")


def test_drift_turns_the_tastes():
    world = ShortVideoWorld.draw(2)
    still, turned = (world.requests(5000, np.random.default_rng(0), drift=d) for d in (0.0, 1.0))
    np.testing.assert_array_equal(still.user, turned.user)
    assert (
        np.corrcoef(
            still.levels[:, 1, 0] / still.levels[:, 0, 0],
            turned.levels[:, 1, 0] / turned.levels[:, 0, 0],
        )[0, 1]
        < 0.7
    )  # 1 without drift


def test_the_log_is_randomised_and_its_truth_known():
    log, truth = make_short_video_world(9000, seed=3)
    assert np.bincount(log.cells).tolist() == [3000, 3000, 3000]
    observed = np.array([log.y[log.cells == a].mean(axis=0) for a in range(3)])
    np.testing.assert_allclose(observed, truth.levels.mean(axis=0), rtol=0.05)
    same, _ = make_short_video_world(9000, seed=3)
    assert same.table.equals(log.table)
    with pytest.raises(InputError, match="n must be at least 3"):
        make_short_video_world(2)


def test_criteo_like_rates_are_criteos():
    """Published: visits 4.70 % (3.82 % without the ad), conversions 0.29 %."""
    log, truth = make_criteo_like_world(200_000, seed=0)
    assert log.y.mean(axis=0) == pytest.approx([0.0470, 0.0030], rel=0.06)
    assert truth.levels.mean(axis=0)[0, 0] == pytest.approx(0.0382, rel=0.03)
    assert np.mean(log.cells) == pytest.approx(0.85, abs=0.005)
    assert (truth.effects().values >= 0).all()
    with pytest.raises(InputError, match="n and treated"):
        make_criteo_like_world(10, treated=1.0)
