"""Means by sums of random groups: those of the rows, with intervals of clusters."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.effective_size import Assignment, effective_units
from equipoise.core.estimates import around
from equipoise.evaluation.base import weighted_means
from equipoise.pipeline.bounded.blocks import BlockMeans, add_rows, block_count

BLOCKS, CELLS = 64, 3


def rows_of(seed: int, n: int = 3000):
    rng = np.random.default_rng(seed)
    cell = rng.choice(CELLS, n, p=[0.5, 0.3, 0.2])
    p = np.array([0.5, 0.3, 0.2])[cell] * rng.uniform(0.5, 1, n)
    return rng, cell, p, rng.uniform(0.5, 2, n)


def sums_of(block, cell, columns):
    sums = np.zeros((BLOCKS * CELLS, columns.shape[1]))
    add_rows(block * CELLS + cell, columns, sums)
    return sums.reshape(BLOCKS, CELLS, -1)


def test_means_and_intervals_are_those_of_blocks_as_clusters():
    rng, cell, p, w = rows_of(0)
    block = rng.integers(0, BLOCKS, len(cell))
    x = np.column_stack([rng.normal(3, 1, len(cell)), rng.exponential(2, len(cell))])
    sums = sums_of(block, cell, np.column_stack([w, w / p, w[:, None] * x]))
    found = BlockMeans(sums[:, :, 0], sums[:, :, 1], 0.95).means(sums[:, :, 2:])
    got = Assignment(cell, p, CELLS, fixed=False)
    value = weighted_means(x, w)
    error, df = effective_units(w, groups=block, assignment=got).errors(x - value)
    want = around(value, error, df, level=0.95)
    for one, other in ((found.value, want.value), (found.low, want.low), (found.df, want.df)):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def covered(trials: int, *, whole: bool) -> float:
    """How often the interval of a mean of 0 holds it: rows of one cluster share half of their
    variance; blocks take clusters whole, or part them.
    """
    held = 0
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        cluster = rng.integers(0, 500, 2000)
        x = rng.normal(size=500)[cluster] + rng.normal(size=2000)
        cell = rng.integers(0, CELLS, 2000)
        block = rng.integers(0, BLOCKS, 500)[cluster] if whole else rng.integers(0, BLOCKS, 2000)
        sums = sums_of(block, cell, np.column_stack([np.ones(2000), np.full(2000, 3.0), x]))
        found = BlockMeans(sums[:, :, 0], sums[:, :, 1], 0.95).means(sums[:, :, 2:])[0]
        held += found.low <= 0 <= found.high
    return held / trials


def test_intervals_hold_the_truth_where_clusters_stay_whole():
    assert covered(400, whole=True) == pytest.approx(0.95, abs=0.03)
    assert covered(400, whole=False) < 0.85


def test_fewer_blocks_where_there_is_more_to_sum():
    assert block_count(1) == 16_384
    assert block_count(10**9) == 256
    assert all(block_count(c) >= block_count(c + 100) for c in range(1, 3000, 100))


def test_no_rows_have_no_mean():
    empty = np.zeros((BLOCKS, CELLS))
    assert np.isnan(BlockMeans(empty, empty, 0.95).means(np.zeros((BLOCKS, CELLS, 2))).value).all()


@pytest.mark.parametrize("seed", range(3))
def test_parts_added_are_the_whole(seed):
    rng, cell, _, w = rows_of(seed)
    block = rng.integers(0, BLOCKS, len(cell))
    whole = sums_of(block, cell, w[:, None])
    parts = sum(sums_of(block[s], cell[s], w[s, None]) for s in (slice(0, 900), slice(900, None)))
    np.testing.assert_allclose(parts, whole, rtol=1e-13)
