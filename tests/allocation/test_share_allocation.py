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
    with pytest.raises(InfeasibleError, match="meet all demands at once; got Time limit reached"):
        best_mixes(problem(np.stack([valley, 0.9 * valley, np.zeros(11)])[None]))
