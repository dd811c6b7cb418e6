"""Mixes of clusters: exact on small problems by trying every mix of a grid, prices, products, bad
input.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import share_allocation
from equipoise.allocation.share_allocation import MixDemand, MixProblem, best_mixes
from equipoise.core.errors import InfeasibleError, InputError

GRID = np.linspace(0, 1, 11)


def problem(curves, demands=(), **more):
    C, K, G = curves.shape
    grid = np.broadcast_to(GRID, (C, K, G)).copy()
    return MixProblem(grid, curves, np.full(C, 1 / C), np.full((C, K), 1 / K), demands, **more)


def every_mix(K):
    return np.array([m for m in itertools.product(GRID, repeat=K) if abs(sum(m) - 1) < 1e-9])


def worth_of(curves, mix):
    return sum(np.interp(s, GRID, c) for s, c in zip(mix, curves, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_hills_and_valleys_are_solved_exactly(seed):
    rng = np.random.default_rng(seed)
    curves = rng.normal(size=(2, 3, 11)).cumsum(axis=2)  # neither concave nor convex
    found = best_mixes(problem(curves))
    for c in range(2):
        best = max(worth_of(curves[c], mix) for mix in every_mix(3))
        assert worth_of(curves[c], found.shares[c]) >= best - 1e-6
    assert found.bound >= found.value - 1e-9
    np.testing.assert_allclose(found.shares.sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_demand_over_clusters_holds_and_nothing_on_the_grid_is_better(seed):
    rng = np.random.default_rng(seed)
    curves = rng.normal(size=(2, 2, 11)).cumsum(axis=2)
    usage = np.zeros((2, 2, 11))
    usage[:, 0] = GRID
    found = best_mixes(problem(curves, [MixDemand("stock", usage, 0.4)]))
    assert found.shares[:, 0].mean() <= 0.4 + 1e-7
    tried = [
        (worth_of(curves[0], a) + worth_of(curves[1], b)) / 2
        for a in every_mix(2)
        for b in every_mix(2)
        if (a[0] + b[0]) / 2 <= 0.4 + 1e-9
    ]
    assert found.value >= max(tried) - 1e-6


def test_prices_are_what_one_more_unit_is_worth():
    hill = -((GRID - 0.9) ** 2)
    curves = np.stack([np.stack([hill, np.zeros(11)])] * 2)
    usage = np.zeros((2, 2, 11))
    usage[:, 0] = GRID

    def value(bound):
        return best_mixes(problem(curves, [MixDemand("stock", usage, bound)]))

    slope = (value(0.46).value - value(0.45).value) / 0.01
    assert value(0.45).prices[0][0] == pytest.approx(slope, rel=1e-3)
    assert value(1.0).prices[0][0] == 0.0


def test_a_demand_in_every_cluster_holds_in_every_cluster():
    rising = np.stack([GRID, np.zeros(11)])
    usage = np.zeros((2, 2, 11))
    usage[:, 0] = GRID
    found = best_mixes(
        problem(np.stack([rising, 3 * rising]), [MixDemand("cap", usage, 0.3, each=True)])
    )
    np.testing.assert_allclose(found.shares[:, 0], 0.3)
    np.testing.assert_allclose(found.prices[0], [0.5, 1.5])


@pytest.mark.parametrize("seed", range(5))
def test_products_find_the_best_of_a_grid_or_nearly(seed):
    rng = np.random.default_rng(seed)
    curves = -np.stack([rng.uniform(1, 3) * (GRID - top) ** 2 for top in rng.uniform(0.2, 0.8, 3)])[
        None
    ]
    cross, pairs = np.array([[-2.0]]), np.array([[0, 1]])
    found = best_mixes(problem(curves, pairs=pairs, cross=cross))

    def full(mix):
        move = mix - 1 / 3
        return worth_of(curves[0], mix) + cross[0, 0] * move[0] * move[1]

    assert found.value == pytest.approx(full(found.shares[0]))
    assert found.value >= max(full(mix) for mix in every_mix(3)) - 0.01


def test_crowding_keeps_kin_apart():
    curves = np.stack([-((GRID - 0.5) ** 2)] * 2 + [-((GRID - 0.4) ** 2)])[None]
    today = np.array([[0.1, 0.1, 0.8]])
    alone = best_mixes(replace(problem(curves), today=today)).shares[0]
    crowded = best_mixes(
        replace(problem(curves, pairs=np.array([[0, 1]]), cross=np.array([[-3.0]])), today=today)
    ).shares[0]
    assert crowded[:2].prod() < alone[:2].prod() - 0.01


def test_bad_input_is_told():
    flat = np.zeros((1, 2, 11))
    usage = np.ones((1, 2, 11))
    with pytest.raises(InfeasibleError, match="meet all demands"):
        best_mixes(problem(flat, [MixDemand("none", usage, 0.5)]))
    with pytest.raises(InputError, match="worth"):
        best_mixes(
            MixProblem(np.zeros((1, 2, 11)), np.zeros((1, 2, 10)), np.ones(1), np.full((1, 2), 0.5))
        )
    with pytest.raises(InputError, match="rise"):
        best_mixes(MixProblem(np.zeros((1, 2, 11)) - GRID, flat, np.ones(1), np.full((1, 2), 0.5)))
    with pytest.raises(InputError, match="sum to 1"):
        best_mixes(MixProblem(np.zeros((1, 2, 11)) + GRID, flat, np.ones(1), np.full((1, 2), 0.6)))


def test_a_walk_of_one_step_is_never_worse_than_where_it_began(monkeypatch):
    """And better where products matter; more steps bring no less."""
    curves = np.stack([-((GRID - 0.5) ** 2)] * 2 + [-((GRID - 0.4) ** 2)])[None]
    crowded = problem(curves, pairs=np.array([[0, 1]]), cross=np.array([[-3.0]]))
    crowded = replace(crowded, today=np.array([[0.1, 0.1, 0.8]]))
    values = []
    for steps in (0, 1, 1000):
        monkeypatch.setattr(share_allocation, "WALKS", steps)
        values.append(best_mixes(crowded).value)
    assert values[0] < values[1] <= values[2]


def test_without_rounds_on_whole_pieces_a_mix_is_within_its_bound(monkeypatch):
    """A valley between two hills splits the first program's mix; the bound holds it anyway."""
    valley = np.abs(GRID - 0.5)
    curves = np.stack([valley, 0.9 * valley, np.zeros(11)])[None]
    best = best_mixes(problem(curves))
    monkeypatch.setattr(share_allocation, "ROUNDS", 0)
    rough = best_mixes(problem(curves))
    assert rough.bound == pytest.approx(best.bound)
    assert rough.value <= best.value + 1e-9 <= best.bound + 2e-9


def test_a_search_without_time_says_so(monkeypatch):
    """Rather than that of a mix which the grid does not have."""
    monkeypatch.setattr(share_allocation, "SECONDS", 0.0)
    valley = np.abs(GRID - 0.5)
    with pytest.raises(InputError, match="whole mixes must end in 0 s; got no mix yet") as error:
        best_mixes(problem(np.stack([valley, 0.9 * valley, np.zeros(11)])[None]))
    assert not isinstance(error.value, InfeasibleError)


def two_clusters(seed, cross, bound=0.45):
    """Hills in two clusters of unequal size, with a demand over both and one in each."""
    rng = np.random.default_rng(seed)
    tops, steep = rng.uniform(0.2, 0.9, (2, 2, 1)), rng.uniform(1, 3, (2, 2, 1))
    usage, other = np.zeros((2, 2, 11)), np.zeros((2, 2, 11))
    usage[:, 0], other[:, 1] = GRID**2, np.array([[0.5], [1.0]]) * GRID
    demands = [MixDemand("each", other, 0.6, each=True), MixDemand("both", usage, bound)]
    made = problem(
        -steep * (GRID - tops) ** 2, demands, pairs=np.array([[0, 1]]), cross=np.array(cross)
    )
    return replace(made, size=np.array([0.25, 0.75]), today=np.array([[0.5, 0.5], [0.6, 0.4]]))


def counted(made, shares):
    """The objective, and what the demands of `two_clusters` count, by loops over the formulas."""
    value, both, each = 0.0, 0.0, []
    for c, size in enumerate(made.size):
        move = shares[c] - made.today[c]
        joint = sum(
            made.cross[c, p] * move[i] * move[j] for p, (i, j) in enumerate(made.pairs.tolist())
        )
        value += size * (worth_of(made.worth[c], shares[c]) + joint)
        each.append(np.interp(shares[c, 1], GRID, made.demands[0].usage[c, 1]))
        both += size * np.interp(shares[c, 0], GRID, GRID**2)
    return value, both, each


@pytest.mark.parametrize("cross", [[[0.0], [0.0]], [[2.0], [0.5]]])
@pytest.mark.parametrize("seed", range(4))
def test_sizes_products_and_demands_at_once(seed, cross):
    """No mixes of the grid that keep both demands are better, but for the steps of a walk."""
    made = two_clusters(seed, cross)
    found = best_mixes(made)
    value, both, each = counted(made, found.shares)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.used[0].tolist() == pytest.approx(each, abs=1e-12)
    assert found.used[1].tolist() == pytest.approx([both], abs=1e-12)
    assert max(each) <= 0.6 + 1e-7
    assert both <= 0.45 + 1e-7
    tried = []
    for a, b in itertools.product(every_mix(2), repeat=2):
        value, both, each = counted(made, np.array([a, b]))
        if max(each) <= 0.6 + 1e-9 and both <= 0.45 + 1e-9:
            tried.append(value)
    assert found.value >= max(tried) - 1e-6
    assert (found.bound is None) == bool(np.any(cross))
    assert [len(prices) for prices in found.prices] == [2, 1]


def test_a_price_belongs_to_its_demand():
    """What the value gains for a little more of one bound, the others as they are."""
    made = two_clusters(0, [[0.0], [0.0]], bound=0.2)
    made = replace(made, demands=[replace(made.demands[0], bound=0.52), made.demands[1]])
    found = best_mixes(made)
    more = replace(made, demands=[made.demands[0], replace(made.demands[1], bound=0.2001)])
    assert found.prices[1][0] == pytest.approx((best_mixes(more).value - found.value) / 1e-4)
    assert found.prices[1][0] > 0
    more = replace(made, demands=[replace(made.demands[0], bound=0.5201), made.demands[1]])
    assert found.prices[0].sum() == pytest.approx((best_mixes(more).value - found.value) / 1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_walk_is_no_worse_than_its_starts(seed):
    """The best mixes without products, and today's where it meets the demands."""
    made = two_clusters(seed, [[-2.0], [-1.0]])
    found = best_mixes(made)
    alone = best_mixes(replace(made, cross=None))
    assert found.value >= counted(made, alone.shares)[0] - 1e-9
    assert found.value >= counted(made, made.today)[0] - 1e-9


def test_today_s_mix_is_no_answer_where_it_exceeds_a_demand():
    """Though it is worth most of all, in sum or in one of two clusters."""
    made = two_clusters(0, [[-2.0], [-1.0]])
    made = replace(made, worth=-np.abs(GRID - made.today[:, :, None]))
    assert best_mixes(made).shares == pytest.approx(made.today, abs=1e-9)
    for each, bound in ((0.6, 0.2), (0.3, 0.45)):
        tight = [replace(d, bound=b) for d, b in zip(made.demands, (each, bound), strict=True)]
        found = best_mixes(replace(made, demands=tight))
        assert found.used[0].max() <= each + 1e-7
        assert found.used[1][0] <= bound + 1e-7
        assert found.value < -1e-3


@pytest.mark.parametrize("each", [False, True])
def test_a_usage_that_flattens_is_counted_on_its_curve(each):
    """Half of two grid points would use less than the curve between them does."""
    usage = np.zeros((2, 2, 11))
    usage[:, 0] = np.sqrt(GRID)
    rising = np.stack([GRID, np.zeros(11)])
    found = best_mixes(problem(np.stack([rising, rising]), [MixDemand("u", usage, 0.5, each)]))
    used = np.interp(found.shares[:, 0], GRID, np.sqrt(GRID))
    assert (used if each else used.mean()) == pytest.approx(0.5, abs=1e-6)
    # sqrt(0.2) + (sqrt(0.3) - sqrt(0.2)) x 10 (s - 0.2) = 0.5 in both;  or 1 in one, 0 in the other
    best = 0.2 + 0.1 * (0.5 - 0.2**0.5) / (0.3**0.5 - 0.2**0.5)
    assert found.value == pytest.approx(best if each else 0.5, abs=1e-6)


def test_a_grid_of_each_category_and_cluster():
    """Shares stay within their grids, whatever lies outside would be worth."""
    grid = np.array([[[0.2, 0.3, 0.6], [0.4, 0.7, 0.8]], [[0.0, 0.1, 0.9], [0.1, 0.5, 1.0]]])
    worth = np.stack([grid[:, 0], 0 * grid[:, 1]], axis=1)
    today = np.array([[0.3, 0.7], [0.5, 0.5]])
    found = best_mixes(MixProblem(grid, worth, np.array([0.5, 0.5]), today))
    np.testing.assert_allclose(found.shares, [[0.6, 0.4], [0.9, 0.1]], atol=1e-9)
    assert (found.value, found.bound) == (pytest.approx(0.75), pytest.approx(0.75))
    assert (found.used, found.prices) == ([], [])


def test_shapes_that_do_not_fit_are_named():
    good = two_clusters(0, [[0.0], [0.0]])
    for part, shape, must in (
        ("worth", (2, 2, 10), "(2, 2, 11)"),
        ("size", (3,), "(2,)"),
        ("today", (2, 3), "(2, 2)"),
    ):
        with pytest.raises(InputError) as error:
            best_mixes(replace(good, **{part: np.ones(shape)}))
        assert str(error.value) == f"{part} must have shape {must}; got {shape}"
    bad = replace(good.demands[1], usage=np.ones((2, 2, 12)))
    with pytest.raises(InputError, match="the usage of 'both' must have shape"):
        best_mixes(replace(good, demands=[good.demands[0], bad]))
    for second in (0.6, 0.4):  # of the second cluster alone
        with pytest.raises(InputError, match="today's mixes must sum to 1; got"):
            best_mixes(replace(good, today=np.array([[0.5, 0.5], [0.5, second]])))
    flat = replace(good, grid=good.grid * [[[1.0], [1.0]], [[1.0], [-1.0]]])
    with pytest.raises(InputError, match="the grid must rise"):
        best_mixes(flat)


@pytest.mark.parametrize("seed", range(20))
def test_curves_at_shares_are_those_of_numpy(seed):
    """To the last bit: where points of a grid coincide, at its points, and beyond its ends."""
    rng = np.random.default_rng(seed)
    grid = np.sort(rng.integers(0, 8, (2, 3, 6)) / 7, axis=2)
    curves, shares = rng.normal(size=grid.shape), rng.uniform(-0.1, 1.1, (2, 3))
    shares[0] = grid[0, :, rng.integers(0, 6)]
    expected = [
        np.interp(*parts)
        for parts in zip(shares.ravel(), grid.reshape(-1, 6), curves.reshape(-1, 6), strict=True)
    ]
    np.testing.assert_array_equal(share_allocation._at(grid, curves, shares).ravel(), expected)
