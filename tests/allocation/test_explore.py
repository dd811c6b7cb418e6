"""The explorer: the dual alone has the prices of whole solves, and says what it misses."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import Explorer, UnitScores, allocate, budget, cap, floor, parity
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError, InputError

WEIGHTS = {"sales": 1.0, "plays": 0.2}
OFF = {"floor of plays": None, "cap on large": None}


def explorer_of(market, **options):
    demands = [
        budget(1.0, per_head=True),
        floor("plays", 0.0, per_head=True),
        cap("large", 1.0, per_head=True),
    ]
    scores = UnitScores(("sales", "plays"), market.effects.values)
    options = {"scores": scores, "by": market.groups, "cost": market.cost} | options
    return Explorer(market.effects, demands, groups=market.groups, **options)


def test_three_units_by_hand():
    gain = np.array([3.0, 1.0, 2.0])[:, None, None]
    effects = Effects(gain, np.zeros((3, 1)), ("mail",), ("spend",))
    scores = UnitScores(("spend",), np.array([4.0, 0.0, 8.0])[:, None, None])
    by = {"city": ["a", "b", "a"]}
    explorer = Explorer(effects, [budget(9.0)], cost=[1.0], scores=scores, by=by)
    point = explorer.point({"spend": 1.0}, {"budget": 2.5})
    assert point.counts.tolist() == [1, 2]
    assert explorer.labels == {"city": ("a", "b")}
    assert point.groups["city"].tolist() == [[0, 2], [1, 0]]
    assert point.demands[0]["price"] == pytest.approx(1.0)  # half a unit more: the one worth 1
    assert point.demands[0]["used"] == 2.0
    assert point.value == pytest.approx(5 / 3)
    assert point.gap == pytest.approx(0.5 / 5.5)
    x = np.array([4.0, 0.0, 8.0])
    assert point.values["spend"] == pytest.approx((x.mean(), x.std(ddof=1) / np.sqrt(3)))


@pytest.mark.parametrize("n", [400, 44_000])  # of the second a sample comes first
@pytest.mark.parametrize(
    "bounds",
    [
        {"budget": 0.3, **OFF},
        {"budget": 0.5, "floor of plays": 0.15, "cap on large": 0.1},
        {"budget": None, "floor of plays": 0.2, "cap on large": None},
    ],
)
def test_the_dual_alone_has_the_bound_of_a_whole_solve(market, n, bounds):
    market = market(n)
    point = explorer_of(market).point(WEIGHTS, bounds)
    make = {"budget": budget, "floor of plays": floor, "cap on large": cap}
    first = {"budget": (), "floor of plays": ("plays",), "cap on large": ("large",)}
    demands = [
        make[name](*first[name], bound, per_head=True)
        for name, bound in bounds.items()
        if bound is not None
    ]
    worth = market.effects.values @ [1.0, 0.2]
    whole = allocate(worth, demands, cost=market.cost, effects=market.effects)
    assert point.exact
    assert point.bound * n == pytest.approx(whole.bound, rel=1e-6)
    got = [demand["price"] for demand in point.demands]
    assert got == pytest.approx(whole.prices, abs=0.02 * whole.prices.max())
    assert abs(point.value - point.bound) <= (point.gap + 1e-9) * point.bound
    assert abs(point.value - whole.value / n) <= (point.gap + whole.gap + 1e-7) * point.bound
    assert point.gap < 20 / n  # the few units that are split
    for demand, use in zip(whole.report(), point.demands, strict=True):
        assert use["used"] == pytest.approx(demand["used"], abs=8 / n)
        assert (use["rule"], use["binding"]) == (demand["rule"], demand["binding"])


def test_a_sample_says_how_far_it_may_be_off(market):
    market = market(20_000)
    asked = {"budget": 0.5, "floor of plays": 0.1, "cap on large": 0.1}
    whole = explorer_of(market).point(WEIGHTS, asked)
    misses = []
    for seed in range(12):
        explorer = explorer_of(market, sample=2_000, seed=seed)
        part = explorer.point(WEIGHTS, asked, exact=False)
        assert (part.units, part.of, part.exact) == (2_000, 20_000, False)
        assert np.isin(explorer.sample, explorer_of(market, sample=3_000, seed=seed).sample).all()
        mean, error = part.values["sales"]
        misses.append((mean - whole.values["sales"][0]) / error)
        assert part.demands[0]["used"] == pytest.approx(0.5, abs=0.01)
        assert whole.demands[0]["used_error"] == 0 < part.demands[0]["used_error"]
    assert max(map(abs, misses)) < 3
    assert 0.3 < np.std(misses) < 1.6  # the band is no wider, and no narrower, than it says


def test_errors_are_over_clusters_and_weights(market):
    market = market(600)
    cluster, weight = np.arange(600) // 3, np.where(np.arange(600) % 2, 1.0, 3.0)
    scores = UnitScores(("sales",), market.effects.values[:, :, :1], weight, cluster)
    point = explorer_of(market, scores=scores).point(WEIGHTS, {"budget": None, **OFF})
    choice = (market.effects.values @ [1.0, 0.2]).argmax(axis=1)
    treated = (market.effects.values @ [1.0, 0.2]).max(axis=1) > 0
    x = np.where(treated, market.effects.values[np.arange(600), choice, 0], 0.0)
    mean = np.average(x, weights=weight)
    rest = np.bincount(cluster, weight * (x - mean))
    error = np.sqrt(200 / 199 * (rest**2).sum()) / weight.sum()
    assert point.values["sales"] == pytest.approx((mean, error))


def test_what_cannot_be_is_refused_and_forgotten(market):
    explorer = explorer_of(market(44_000))
    asked = {"budget": 0.3, "floor of plays": 0.05, "cap on large": 0.1}
    before = explorer.point(WEIGHTS, asked)
    for exact in (True, False):
        with pytest.raises(InfeasibleError, match=r"floor of plays.*at most"):
            explorer.point(WEIGHTS, asked | {"floor of plays": 5.0}, exact=exact)
    after = explorer.point(WEIGHTS, asked)
    assert (after.value, after.demands) == (before.value, before.demands)


def test_closed_candidates_are_given_to_nobody_they_are_closed_to(market):
    market = market(500)
    eligible = np.ones((500, 3), np.bool_)
    eligible[:200, 2] = False
    by = {"open": np.where(eligible[:, 2], "yes", "no")}
    explorer = explorer_of(market, eligible=eligible, by=by)
    point = explorer.point(WEIGHTS, {"budget": None, **OFF})
    no, yes = point.groups["open"]
    assert no[3] == 0 < yes[3]
    assert point.counts.tolist() == (no + yes).tolist()


def test_demands_that_are_not_asked_keep_their_own_bounds(market):
    market = market(3_000)
    rows = [budget(0.3, per_head=True), parity("city", 0.02)]
    explorer = Explorer(market.effects, rows, cost=market.cost, groups=market.groups)
    point = explorer.point({"sales": 1.0})
    assert len(point.demands) == 5
    assert all(demand["used"] <= demand["bound"] + 2e-3 for demand in point.demands)


def test_wrong_names_and_numbers(market):
    explorer = explorer_of(market(50))
    with pytest.raises(InputError, match="name demands among budget"):
        explorer.point(WEIGHTS, {"budgets": 1.0})
    with pytest.raises(InputError, match="be a finite number"):
        explorer.point(WEIGHTS, {"budget": float("nan")})
    with pytest.raises(InputError, match="name metrics among"):
        explorer.point({"sale": 1.0})
    with pytest.raises(InputError, match="have gains of shape"):
        explorer_of(market(50), scores=UnitScores(("a",), np.zeros((50, 2, 1))))


def test_a_candidate_may_have_any_name():
    gain = np.array([[[2.0], [1.0]], [[1.0], [3.0]]])
    effects = Effects(gain, np.zeros((2, 1)), ("", "_"), ("spend",))
    point = Explorer(effects, [budget(1.0)], cost=[1.0, 1.0]).point({"spend": 1.0})
    assert point.counts.tolist() == [1, 0, 1]
