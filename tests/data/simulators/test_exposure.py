"""The world of category exposure: its hills, its crowding, its tiring, and how its log misleads."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.data.simulators.exposure import (
    BASE,
    CATEGORIES,
    CROWD,
    KIN,
    PAIRS,
    RISE,
    make_exposure_world,
)


@pytest.fixture(scope="module")
def world():
    return make_exposure_world(4000, seed=0)


def only(world, **shares):
    """The same (unfinished) mix for everyone."""
    mix = np.zeros_like(world.T)
    for name, share in shares.items():
        mix[:, CATEGORIES.index(name)] = share
    return mix


def test_the_log_is_a_log_of_mixes(world):
    np.testing.assert_allclose(world.T.sum(axis=1), 1, atol=1e-9)
    assert (world.T >= 0).all()
    assert (world.interest > 0).all()
    np.testing.assert_allclose(world.interest.sum(axis=1), 1, atol=1e-9)
    assert ((world.y[:, 1] >= 0) & (world.y[:, 1] <= 1)).all()
    error = world.y - world.level(world.T)
    assert np.abs(error.mean(axis=0) / (error.std(axis=0) / 4000**0.5)).max() < 4
    again = make_exposure_world(4000, seed=0)
    assert again.y.tobytes() == world.y.tobytes()


def test_a_category_alone_is_a_hill_by_hand(world):
    """Minutes rise to the point where it tires, then fall; skips grow with what tires."""
    k, rows = CATEGORIES.index("game"), np.arange(4000)
    top = np.zeros_like(world.T)
    top[rows, k] = world.tired[:, k]
    at, less, more = (world.level(scale * top) for scale in (1.0, 0.7, 1.3))
    np.testing.assert_allclose(at[:, 0], BASE + RISE * world.interest[:, k])
    assert (at[:, 0] > np.maximum(less[:, 0], more[:, 0])).all()
    liked = world.interest[:, k] / world.interest.max(axis=1)
    np.testing.assert_allclose(at[:, 1], world.tired[:, k] * (0.5 - 0.4 * liked))
    np.testing.assert_allclose(more[:, 1], 1.3 * at[:, 1] + 0.3 * 0.09 * world.tired[:, k])


@pytest.mark.parametrize(
    ("pair", "kin"), [(KIN[0], True), (KIN[5], True), (("film", "game"), False)]
)
def test_kin_crowd_each_other_out(world, pair, kin):
    one, two, both = (
        world.level(only(world, **s))[:, 0]
        for s in ({pair[0]: 0.5}, {pair[1]: 0.5}, dict.fromkeys(pair, 0.5))
    )
    lost = one + two - BASE - both
    a = world.interest[:, [CATEGORIES.index(name) for name in pair]]
    full = np.minimum(0.5 / world.tired[:, [CATEGORIES.index(name) for name in pair]], 1).prod(
        axis=1
    )
    np.testing.assert_allclose(
        lost, CROWD * full * np.sqrt(a.prod(axis=1)) if kin else 0.0, atol=1e-9
    )


def test_what_a_user_likes_is_shown_where_the_log_leans():
    far = []
    for lean in (0.0, 0.8):
        world = make_exposure_world(20_000, seed=1, lean=lean)
        at = np.corrcoef(world.interest[:, 3], world.T[:, 3])[0, 1]
        far.append(at)
    assert abs(far[0]) < 0.05 < 0.5 < far[1]


def test_the_mood_confounds_though_all_features_are_known():
    calm, moody = (make_exposure_world(20_000, seed=2, mood=mood) for mood in (0.0, 1.0))
    for world, low, high in ((calm, -0.03, 0.03), (moody, 0.1, 1.0)):
        surprise = (world.y - world.level(world.T))[:, 0]
        best = world.T[np.arange(20_000), world.interest.argmax(axis=1)]
        assert low < np.corrcoef(surprise, best)[0, 1] < high


def test_better_mixes_than_the_logged_exist(world):
    tuned = world.tired / world.tired.sum(axis=1, keepdims=True)
    gain = (world.level(tuned) - world.level(world.T)).mean(axis=0)
    assert gain[0] > 5
    assert gain[1] < -0.05
    assert len(np.unique(PAIRS)) == 2 * len(KIN)


def test_bad_settings(world):
    with pytest.raises(InputError, match="n must be at least 1"):
        make_exposure_world(0)
    with pytest.raises(InputError, match="lean and mood"):
        make_exposure_world(5, lean=1.5)
    with pytest.raises(InputError, match="the mixes must be of shape"):
        world.level(world.T[:5])
