"""The live shop: truth against samples, positions, the conflict, and whom weights are best for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.data import make_live_shop_world
from equipoise.data.simulators.live_shop import KINDS, METRICS, RATES, examined

WATCH, COMMENT, FOLLOW, GIFT, PURCHASE = range(5)


@pytest.fixture(scope="module")
def world():
    return make_live_shop_world(seed=3, viewers=400)


@pytest.fixture(scope="module")
def requests(world):
    return world.requests(4_000, seed=1)


@pytest.fixture(scope="module")
def chance(world, requests):
    """Of every candidate, (N, 5)."""
    return world.chance[requests.asker, requests.room]


def test_same_seed_same_world_and_log(world, requests):
    again = make_live_shop_world(seed=3, viewers=400)
    assert again.chance.tobytes() == world.chance.tobytes()
    assert again.profile.equals(world.profile)
    assert again.rooms.equals(world.rooms)
    few = world.requests(50, seed=1)
    assert again.log(again.requests(50, seed=1), seed=2).equals(world.log(few, seed=2))
    assert not world.log(few, seed=3).equals(world.log(few, seed=2))
    assert not np.array_equal(make_live_shop_world(seed=4, viewers=400).chance, world.chance)


def test_candidates_are_different_rooms(requests):
    size = np.diff(requests.start)
    assert (size.min(), size.max()) == (20, 60)
    pair = requests.request * 401 + requests.room
    assert len(np.unique(pair)) == len(pair)
    assert (np.diff(requests.day) >= 0).all()
    assert set(requests.day) == set(range(14))
    share = np.bincount(requests.room, minlength=401) / len(requests.room)
    assert np.abs(share - 1 / 401).max() < 5 * (len(requests.room) * 401) ** -0.5


def test_a_page_is_the_best_ten_and_ties_go_by_row(requests):
    scores = np.random.default_rng(0).integers(0, 9, len(requests.room))
    lists = requests.top(scores, 7)
    for i in range(0, 4_000, 400):
        rows = np.arange(requests.start[i], requests.start[i + 1])
        best = rows[np.argsort(-scores[rows], kind="stable")[:7]]
        assert lists[i].tolist() == best.tolist()


def test_expectations_are_by_hand_and_what_is_drawn_on_average(world, requests, chance):
    lists = requests.top(np.random.default_rng(0).random(len(requests.room)))
    expected = world.expected(requests, lists)
    by_hand = sum(chance[lists[7, p]] / (1 + p) ** 0.5 for p in range(10))
    np.testing.assert_allclose(expected[7], by_hand)
    drawn = np.mean([world.outcomes(requests, lists, seed=s).sum(axis=1) for s in range(6)], axis=0)
    error = drawn.std(axis=0) / len(drawn) ** 0.5
    assert np.abs((drawn - expected).mean(axis=0) / error).max() < 4


def test_nothing_happens_where_nobody_watches(world, requests):
    happened = world.outcomes(requests, requests.top(world.old_scores(requests)))
    assert happened[..., WATCH].any()
    assert not (happened[..., 1:] & ~happened[..., :1]).any()


def test_rates_are_as_stated_and_purchases_rare(world, requests):
    every = world.chance.reshape(-1, 5).mean(axis=0)
    np.testing.assert_allclose(every, RATES, rtol=0.03)
    log = world.log(requests)
    assert 0.0005 < log["purchase"].to_numpy().mean() < 0.01
    assert log.num_rows == 40_000


def test_positions_lose_attention_in_the_log(world, requests):
    """Among pages in random order rooms are alike in all places; only being looked at differs."""
    lists = requests.top(np.random.default_rng(1).random(len(requests.room)))
    seen = world.outcomes(requests, lists)[..., WATCH].mean(axis=0)
    np.testing.assert_allclose(seen / seen[0], examined(10), atol=0.12)
    log = world.log(requests)
    place, watch = log["position"].to_numpy(), log["watch"].to_numpy()
    assert watch[place == 0].mean() > 2 * watch[place == 9].mean()
    shuffled = log["shuffled"].to_numpy()
    assert 0.08 < shuffled.mean() < 0.12
    score = log["score"].to_numpy().reshape(-1, 10)
    shown = shuffled.reshape(-1, 10)[:, 0]
    assert score[~shown].mean() > score[shown].mean() + 0.5
    down = (np.diff(score, axis=1) < 0).mean(axis=1)
    assert abs(down[shown].mean() - 0.5) < 0.03 < 0.06 < down[~shown].mean() - 0.5


def test_gifts_and_purchases_conflict_and_the_others_go_along(world, requests, chance):
    pages = {m: requests.top(chance[:, m]) for m in range(5)}
    got = {m: world.expected(requests, page).mean(axis=0) for m, page in pages.items()}
    assert got[GIFT][PURCHASE] < 0.6 * got[PURCHASE][PURCHASE]
    assert got[PURCHASE][GIFT] < 0.6 * got[GIFT][GIFT]
    at_random = world.expected(requests, requests.top(np.zeros(len(chance)))).mean(axis=0)
    for m in (COMMENT, FOLLOW, GIFT):
        assert (got[WATCH][m] > 1.1 * at_random[m]).all()


def test_the_oracle_is_best_and_the_best_fixed_weights_differ_by_kind(world, requests, chance):
    """Worth 40 a purchase, 20 a gift, 4 a follow; weights of log-chances on a grid."""
    worth, score = np.array([0.1, 1, 4, 20, 40]), np.log(chance)
    grid = [w for w in itertools.product((0, 1, 3), repeat=3) if any(w)]
    value = np.array(
        [
            world.expected(requests, requests.top(score[:, [WATCH, GIFT, PURCHASE]] @ w)) @ worth
            for w in np.array(grid, float)
        ]
    )
    best = value.mean(axis=1).argmax()
    oracle = world.expected(requests, requests.top(world.oracle(requests, worth))) @ worth
    assert (value <= oracle + 1e-9).all()
    kind = world.kind[requests.viewer]
    own = [value[:, kind == j].mean(axis=1).argmax() for j in range(len(KINDS))]
    personal = np.sum([value[own[j], kind == j].sum() for j in range(3)]) / len(kind)
    assert personal > 1.05 * value[best].mean()
    gift, purchase = (np.array([grid[i][j] for i in own[:2]]) for j in (1, 2))
    assert gift[1] / gift.max() > purchase[1] / purchase.max()  # a fan's page follows gifts


def test_what_is_known_tells_something_of_all_that_counts(world, requests):
    table = world.features(requests.asker, requests.room)
    assert table.num_rows == len(requests.room)
    assert {"affinity", "price_gap", "tenure", "category"} <= set(table.column_names)
    assert not set(METRICS) & set(table.column_names)
    fits = np.log(world.chance[requests.asker, requests.room, WATCH])
    assert 0.3 < np.corrcoef(table["affinity"].to_numpy(), fits)[0, 1] < 0.9
    orders = world.profile["orders"].to_numpy()
    assert orders[world.kind == 0].mean() > 3 * orders[world.kind != 0].mean()


def test_bad_settings(world, requests):
    for call, message in (
        (lambda: make_live_shop_world(viewers=0), "viewers must be at least 1"),
        (lambda: make_live_shop_world(rooms=400), "rooms must be a prime number > 60; got 400"),
        (lambda: world.requests(0), "n must be at least 1"),
        (lambda: requests.top(np.zeros(5)), "scores must have shape"),
        (lambda: requests.top(np.zeros(len(requests.room)), 21), r"k must lie in 1\.\.20"),
        (lambda: requests.top(np.full(len(requests.room), np.nan)), "scores must be numbers"),
        (lambda: world.expected(requests, np.zeros((4_000, 3), int)), "the lists must hold rows"),
        (lambda: world.expected(requests, np.zeros((3, 3), int)), "the lists must hold rows"),
    ):
        with pytest.raises(InputError, match=message):
            call()
