"""The front and its volume, by inclusion and exclusion."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError
from equipoise.evaluation import hypervolume, pareto_front


def inclusion_exclusion(points):
    """Volume of the union of the boxes from 0 to each point."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for chosen in itertools.combinations(range(len(points)), size):
            total -= (-1) ** size * points[list(chosen)].min(axis=0).prod()
    return total


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 8))
def test_the_volume_is_that_of_the_union_of_boxes(seed, m, n):
    points = np.random.default_rng(seed).integers(0, 4, (n, m)) / 3  # ties and repeats
    volume = hypervolume(points)
    assert volume == pytest.approx(inclusion_exclusion(points), abs=1e-12)
    assert hypervolume(points[pareto_front(points)]) == pytest.approx(volume, abs=1e-12)
    assert hypervolume(points + 5, np.full(m, 5.0)) == pytest.approx(volume, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 12))
def test_the_front_is_what_no_other_dominates(seed, m, n):
    points = np.random.default_rng(seed).integers(0, 3, (n, m))
    better = (points[None] >= points[:, None]).all(2) & (points[None] > points[:, None]).any(2)
    assert pareto_front(points).tolist() == (~better.any(axis=1)).tolist()


def test_by_hand():
    assert hypervolume([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]) == 6.0
    assert hypervolume([[2.0, 2.0, 1.0], [1.0, 1.0, 2.0]]) == 5.0
    assert hypervolume([[0.7, 0.5]], 0.5) == 0.0  # on the reference's edge
    assert hypervolume([[0.4, 0.9]], [0.5, 0.5]) == 0.0
    assert pareto_front([[1, 1], [1, 1], [0, 2], [0, 1]]).tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("points", "reference", "message"),
    [
        ([1.0, 2.0], 0.0, r"points must have shape \(n, m\)"),
        (np.zeros((2, 11)), 0.0, r"m in 1\.\.10"),
        ([[1.0, np.nan]], 0.0, "points must be finite; got nan at row 0, coordinate 1"),
        ([[1.0, 2.0]], [0.0, 0.0, 0.0], "reference must be a finite number, or 2 of them"),
        ([[1.0, 2.0]], np.nan, "reference must be a finite number"),
    ],
)
def test_bad_points(points, reference, message):
    with pytest.raises(InputError, match=message):
        hypervolume(points, reference)
