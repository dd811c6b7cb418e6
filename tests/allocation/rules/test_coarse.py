"""Bins put together: against all divisions there are, edges where gains jump, and no others."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.allocation.rules.coarse import FINE, TOLL, coarse
from equipoise.allocation.rules.demands import Demands
from equipoise.allocation.rules.questions import bins_of, encode
from equipoise.allocation.rules.scorecard import Scorecard


def put_together(table, gains, most=5, fine=FINE):
    bins = bins_of(table, gains, fine)
    codes, start = encode(bins, table)
    return bins, coarse(bins, codes, start, gains, most)


@pytest.mark.parametrize("seed", range(6))
def test_no_division_is_better(seed):
    rng = np.random.default_rng(seed)
    n, k, most = 60, int(rng.integers(1, 3)), int(rng.integers(2, 5))
    x = rng.integers(0, 7, n).astype(float)
    gains = rng.normal(size=(n, k)) + np.where(x[:, None] > 3, 3.0, 0.0) * rng.random()
    (fine,), (one,) = put_together(pa.table({"x": x}), gains, most)
    toll = TOLL * gains.var(axis=0).sum()

    def worth(cuts):
        part = np.searchsorted(cuts, x, side="right")
        parts = [gains[part == p] for p in np.unique(part)]
        return sum((each.sum(axis=0) ** 2).sum() / len(each) for each in parts) - toll * len(cuts)

    every = [cuts for s in range(most) for cuts in combinations(fine.cuts.tolist(), s)]
    best = max(every, key=worth)
    if best:
        assert one.cuts.tolist() == list(best)
    else:  # one feature stays, by its best edge
        assert len(one.cuts) == 1
        assert worth(one.cuts) == pytest.approx(max(worth([cut]) for cut in fine.cuts))


def test_an_edge_stands_where_gains_jump_and_noise_has_none():
    rng = np.random.default_rng(0)
    n = 20_000
    table = pa.table({name: rng.random(n) for name in ("few", *(f"noise{j}" for j in range(9)))})
    few = table["few"].to_numpy()
    gains = np.where(few > 0.9, 1.0, -0.2) + 2 * rng.normal(size=n)
    _, kept = put_together(table, gains[:, None])
    assert [one.column for one in kept] == ["few"]
    assert kept[0].cuts == pytest.approx([0.9], abs=0.01)
    card = Scorecard().fit(table, gains[:, None])
    assert np.mean((card.assign(table) == 0) == (few > 0.9)) > 0.99
    coarser = Scorecard(bins=2).fit(table, gains[:, None])
    assert (coarser.assign(table) == card.assign(table)).all()


def test_gaps_and_levels_stay():
    rng = np.random.default_rng(1)
    x = rng.random(2000)
    x[:400] = np.nan
    table = pa.table({"x": x, "shop": np.where(rng.random(2000) < 0.5, "north", "south")})
    _, kept = put_together(table, rng.normal(size=(2000, 1)))
    assert [one.column for one in kept] == ["x", "shop"]
    assert kept[0].size == 2  # known and missing


def test_a_demand_for_fewer_people_finds_some():
    rng = np.random.default_rng(2)
    n = 5000
    x = rng.random(n)
    gains = (np.where(x > 0.4, 1.0, -1.0) + x)[:, None] + rng.normal(size=(n, 1))
    demands = Demands(np.ones((1, n, 1)), np.array([0.25 * n]), ("offers",))
    card = Scorecard().fit({"x": x}, gains, demands=demands)
    assert 0.15 * n < card.used_[0] <= 0.25 * n
