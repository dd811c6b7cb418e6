from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.operations import Bounds, Rules, Search, Trials, propose, shortlist
from equipoise.operations.search import Surrogate, spread_out
from equipoise.operations.ways import WAYS

NEEDS_CMAES = pytest.mark.skipif(find_spec("cmaes") is None, reason="extra search")
EVERY_WAY = [pytest.param(way, marks=NEEDS_CMAES if way == "cma" else ()) for way in WAYS]
RULES = Rules(packet=(0.1, 1.0), last=22.0, gap=0.6)


def worth(schedules):
    """Best at 1.5 yuan in 4 packets."""
    return -np.square(np.log(schedules[:, 0] / 1.5)) - 0.1 * np.square(schedules[:, 1] - 4)


def trials(n=40, noise=0.05, seed=0):
    bounds, rng = Bounds(wave=0.4), np.random.default_rng(seed)
    cube = rng.random((20 * n, 7))
    schedules = bounds.schedules(cube)
    schedules = schedules[RULES.allowed(schedules)][:n]
    value = worth(schedules) + noise * rng.normal(size=n)
    return bounds, Trials(schedules, value, np.full(n, noise))


@pytest.mark.parametrize("way", EVERY_WAY)
def test_every_way_asks_for_allowed_schedules_once_and_again_by_its_seed(way):
    def walk():
        search = Search(Bounds(wave=0.4), RULES, way, tries=60, seed=3)
        for _ in range(60):
            search.tell(float(worth(search.ask()[None])[0]))
        return search

    search = walk()
    assert RULES.allowed(search.schedules).all()
    assert len(np.unique(search.schedules.round(6), axis=0)) == 60
    assert sum(search.refusals.values()) > 0
    if way != "grid":
        np.testing.assert_array_equal(search.schedules, walk().schedules)
    if way in ("genetic", "tpe", "cma"):  # they learn
        assert search.values[40:].mean() > search.values[:20].mean()


def test_a_grid_is_refined_until_it_has_enough():
    search = Search(Bounds(), Rules(never=[{"count": (1, 7)}]), "grid", tries=30, seed=0)
    for _ in range(30):
        search.tell(float(search.ask()[0]))
    assert (search.schedules[:, 1] == 8).all()
    small = Search(Bounds((1, 1), (1, 3), (1, 1)), None, "grid", tries=9)
    for _ in range(3):
        small.tell(float(small.ask()[1]))
    assert sorted(small.schedules[:, 1]) == [1, 2, 3]
    with pytest.raises(InputError, match="none after 3"):
        small.ask()


def test_a_search_out_of_order_is_refused():
    search = Search(Bounds(), None, "random", tries=5)
    with pytest.raises(InputError, match="one finite value"):
        search.tell(1.0)
    search.ask()
    with pytest.raises(InputError, match="last value first"):
        search.ask()
    with pytest.raises(InputError, match="one finite value"):
        search.tell(np.nan)
    with pytest.raises(InputError, match="must be a registered name"):
        Search(Bounds(), None, "hill", tries=5)
    with pytest.raises(InputError, match="whole number >= 1"):
        Search(Bounds(), None, "random", tries=0)
    with pytest.raises(InputError, match="packet refuses"):
        Search(Bounds(), {"packet": [5.0, 6.0]}, "random")


@pytest.mark.parametrize("way", ["random", "genetic"])
def test_proposals_are_near_the_optimum_and_apart(way):
    bounds, tested = trials()
    found = propose(tested, bounds, RULES, way=way, tries=150, take=4, spread=0.5, seed=1)
    assert RULES.allowed(found.schedules).all()
    assert (np.diff(found.value) <= 0).all()
    assert worth(found.schedules).max() > -0.05
    assert worth(found.schedules).max() > worth(tested.schedules).max() - 0.02
    model = Surrogate(tested, bounds, 1)
    places = model.places(found.schedules)
    gaps = np.linalg.norm(places[:, None] - places, axis=2)[np.triu_indices(4, 1)]
    assert gaps.min() >= found.spread > 0
    assert found.tries == 150
    assert list(found.menu())[0] == "new1"


def test_the_rule_of_cost_asks_a_surrogate_of_the_cost_where_it_is_known():
    bounds, tested = trials()
    claims = Trials(tested.schedules, tested.value, tested.std_error, tested.schedules[:, 0] / 3)
    rules = {"cost_per_head": 0.4}
    by_total = propose(tested, bounds, rules, way="random", tries=60, take=5)
    by_cost = propose(claims, bounds, rules, way="random", tries=60, take=5)
    assert by_total.schedules[:, 0].max() <= 0.4
    assert 0.4 < by_cost.schedules[:, 0].max() < 1.5


def test_a_shortlist_forgives_noise():
    bounds, tested = trials(60, noise=0.5)
    rows = shortlist(tested, bounds, take=5)
    loudest = np.argsort(-tested.value)[:5]
    assert worth(tested.schedules[rows]).mean() > worth(tested.schedules[loudest]).mean()
    again = shortlist(tested.take(np.arange(60)), bounds, take=5)
    np.testing.assert_array_equal(rows, again)


def test_spread_by_hand():
    value, places = np.array([3.0, 2.9, 1.0, 2.0]), np.array([[0.0], [0.1], [5.0], [1.0]])
    rows, room = spread_out(value, places, 3, 1.0)
    assert (rows.tolist(), room) == ([0, 3, 2], 1.0)
    assert spread_out(value, places, 3, 0.0)[0].tolist() == [0, 1, 3]
    rows, room = spread_out(value, places, 4, 1.0)  # 0.1 apart has room at 1 / 16
    assert (rows.tolist(), room) == ([0, 1, 3, 2], 1 / 16)


def test_bad_trials_are_refused():
    bounds, tested = trials(6)
    with pytest.raises(InputError, match=r"std_error.*> 0.*row 2"):
        Trials(tested.schedules, tested.value, [1, 1, 0, 1, 1, 1])
    with pytest.raises(InputError, match="one entry per schedule"):
        Trials(tested.schedules, tested.value[:3], tested.std_error)
    with pytest.raises(InputError, match="5 or more"):
        propose(tested.take(np.arange(4)), bounds)
    with pytest.raises(InputError, match="surrogate"):
        propose(tested, bounds, surrogate="net")
    with pytest.raises(InputError, match="take"):
        propose(tested, bounds, way="random", tries=5, take=6)
    with pytest.raises(InputError, match="take"):
        shortlist(tested, bounds, take=7)
    with pytest.raises(InputError, match="some number vary"):
        propose(tested, Bounds((1, 1), (2, 2), (1, 1)))


def test_constant_values_and_values_far_away_are_no_fault():
    bounds, tested = trials(12)
    flat = Trials(tested.schedules, np.full(12, 7.0), np.full(12, 0.1))
    found = propose(flat, bounds, way="random", tries=20, take=3)
    np.testing.assert_allclose(found.value, 7.0, atol=1e-6)
