from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import linprog

from equipoise.allocation.solver import bundle
from equipoise.allocation.solver.bundle import Cuts, bisect, minimise


def piecewise(seed, lines=40, m=4):
    """A random convex piecewise-linear function over y >= 0 and its minimum over the box y <= 10,
    by HiGHS.
    """
    rng = np.random.default_rng(seed)
    slopes, constants = rng.normal(size=(lines, m)) + 0.2, rng.normal(size=lines)

    def function(y):
        heights = constants + slopes @ y
        top = int(heights.argmax())
        return float(heights[top]), slopes[top]

    rows, objective = np.c_[slopes, -np.ones(lines)], np.r_[np.zeros(m), 1.0]
    bounds = [(0, 10)] * m + [(None, None)]
    return function, float(linprog(objective, A_ub=rows, b_ub=-constants, bounds=bounds).fun)


def test_nearest_point_by_hand():
    cuts = Cuts()
    cuts.add(np.zeros(2), 1.0, np.array([-1.0, -1.0]))  # 1 - y0 - y1
    got = cuts.project(np.zeros(2), 0.0, 10.0, False)
    assert np.allclose(got, [0.5, 0.5], atol=1e-12)
    assert cuts.project(np.zeros(2), 2.0, 10.0, False).tolist() == [0, 0]
    assert cuts.project(np.zeros(2), -100.0, 10.0, False) is None
    low, at = cuts.lowest(10.0, False)
    assert (low, at.tolist()) == (-19.0, [10.0, 10.0])
    assert cuts.lowest(10.0, True)[0] == pytest.approx(-9.0)


@pytest.mark.parametrize("seed", range(6))
def test_the_minimum_is_that_of_the_linear_program(seed):
    function, least = piecewise(seed)
    found = minimise(function, np.ones(4), Cuts(), tol=1e-9, box=10.0)
    assert found.height == pytest.approx(least, abs=1e-8)
    assert found.low <= found.height
    assert found.evaluations <= 28  # worst of 20 seeds: 23
    assert found.low == pytest.approx(least, abs=1e-8)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("start", [0.0, 0.3, 9.0])
def test_bisection_finds_the_same(seed, start):
    function, least = piecewise(seed, m=1)
    found = bisect(function, np.array([start]), tol=1e-9, box=10.0)
    assert found.height == pytest.approx(least, abs=1e-8)


def test_it_stops_below():
    function, _ = piecewise(0)
    assert minimise(function, np.ones(4), Cuts(), tol=1e-9, box=10.0, below=1e9).evaluations == 1


@pytest.mark.parametrize("method", [minimise, bisect])
def test_stopped_early_the_bounds_still_hold_the_minimum(monkeypatch, method):
    monkeypatch.setattr(bundle, "LONGEST", 4)
    for seed in range(6):
        function, least = piecewise(seed, m=1)
        options = {} if method is bisect else {"cuts": Cuts()}
        found = method(function, np.ones(1), tol=0.0, box=10.0, **options)
        assert found.evaluations <= 4
        assert found.low - 1e-9 <= least <= found.height + 1e-9


def test_the_minimum_is_found_without_projections(monkeypatch):
    """Where no nearest point is found in time, the lowest point of the cuts is the next one."""
    monkeypatch.setattr(bundle, "nearest_point", lambda *_: None)
    function, least = piecewise(0, m=2)
    found = minimise(function, np.ones(2), Cuts(), tol=1e-9, box=10.0)
    assert found.height == pytest.approx(least, abs=1e-8)


def test_cuts_without_a_lowest_point_bound_nothing(monkeypatch):
    """As when the linear program fails: the bound is none, never a wrong one."""
    monkeypatch.setattr(bundle, "FEW", 0)
    monkeypatch.setattr(bundle, "linprog", lambda *_, **__: SimpleNamespace(x=None))
    cuts = Cuts()
    cuts.add(np.zeros(2), 1.0, np.array([-1.0, -1.0]))
    assert cuts.lowest(10.0, False)[0] == -np.inf


def recorded(function):
    """The function, and the list of the (y, height, slope) it was asked for."""
    asked = []

    def ask(y):
        height, slope = function(y)
        asked.append((y.copy(), height, slope))
        return height, slope

    return ask, asked


def corners(rows, right):
    """All corners of {y in the plane: rows y <= right}."""
    for i, j in itertools.combinations(range(len(rows)), 2):
        pair = rows[[i, j]]
        if abs(np.linalg.det(pair)) > 1e-9:
            y = np.linalg.solve(pair, right[[i, j]])
            if (rows @ y <= right + 1e-9).all():
                yield y


@pytest.mark.parametrize("simplex", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_projection_sees_every_corner_at_a_right_angle_or_more(seed, simplex):
    """(center - p) . (corner - p) <= 0 for every corner of the region: then no point is nearer."""
    rng = np.random.default_rng(seed)
    cuts, box, level = Cuts(), 1.5, float(rng.uniform(-0.5, 0.5))
    for _ in range(3):
        cuts.add(rng.random(2), float(rng.normal()), rng.normal(size=2))
    cuts.add(np.ones(2), level, np.zeros(2))  # a flat cut excludes nothing
    slopes, constants = np.array(cuts.slopes), np.array(cuts.constants)
    sides = np.ones((1, 2)) if simplex else np.eye(2)
    rows = np.concatenate([slopes[:3], -np.eye(2), sides])
    right = np.concatenate([level - constants[:3], np.zeros(2), np.full(len(sides), box)])
    center, all_corners = rng.random(2), list(corners(rows, right))
    nearest = cuts.project(center, level, box, simplex)
    assert (nearest is None) == (not all_corners)
    if nearest is not None:
        assert (rows @ nearest <= right + 1e-9).all()
        assert max((center - nearest) @ (corner - nearest) for corner in all_corners) <= 1e-9


@pytest.mark.parametrize("few", [0, bundle.FEW])
@pytest.mark.parametrize("simplex", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_lowest_height_is_at_a_corner(monkeypatch, seed, simplex, few):
    monkeypatch.setattr(bundle, "FEW", few)
    rng = np.random.default_rng(seed)
    cuts = Cuts()
    for _ in range(5):
        cuts.add(rng.random(2), float(rng.normal()), rng.normal(size=2))
    slopes, constants = np.array(cuts.slopes), np.array(cuts.constants)
    # the corners where the highest cut may be least: of the region, and where two cuts meet in it
    sides = np.ones((1, 2)) if simplex else np.eye(2)
    region = np.concatenate([-np.eye(2), sides]), np.append(np.zeros(2), np.full(len(sides), 2.0))
    kinks = [
        (slopes[i] - slopes[j], constants[j] - constants[i]) for i in range(5) for j in range(i)
    ]
    lines = np.concatenate([region[0], [line for line, _ in kinks]])
    at = np.append(region[1], [place for _, place in kinks])
    heights = []
    for i, j in itertools.combinations(range(len(lines)), 2):
        if abs(np.linalg.det(lines[[i, j]])) > 1e-9:
            y = np.linalg.solve(lines[[i, j]], at[[i, j]])
            if (region[0] @ y <= region[1] + 1e-9).all():
                heights.append((constants + slopes @ y).max())
    low, y = cuts.lowest(2.0, simplex)
    assert low == pytest.approx(min(heights), abs=1e-8)
    assert low == pytest.approx((constants + slopes @ y).max(), abs=1e-15)
    assert (region[0] @ y <= region[1] + 1e-9).all()


def test_too_many_cuts_leave_the_newest(monkeypatch):
    monkeypatch.setattr(bundle, "MOST_CUTS", 3)
    monkeypatch.setattr(bundle, "KEPT_CUTS", 2)
    cuts, counts = Cuts(), []
    for height in range(6):
        cuts.add(np.array([2.0]), float(height), np.array([10.0 + height]))
        counts.append(len(cuts.constants))
    assert counts == [1, 2, 3, 2, 3, 2]
    assert [slope.tolist() for slope in cuts.slopes] == [[14.0], [15.0]]
    assert cuts.constants == [4 - 28.0, 5 - 30.0]


@pytest.mark.parametrize("offset", [-7.0, 0.0, 7.0])
@pytest.mark.parametrize("method", [minimise, bisect])
def test_the_best_point_asked_for_is_the_answer_and_the_bounds_close(method, offset):
    """In few steps: worst of 40 seeds, 8 by bisection and 19 by the level method."""
    for seed in range(3):
        plain, _ = piecewise(seed, m=1)
        function, asked = recorded(lambda y, plain=plain: (plain(y)[0] + offset, plain(y)[1]))
        options = {} if method is bisect else {"cuts": Cuts()}
        found = method(function, np.array([0.1]), tol=1e-9, box=10.0, **options)
        heights = [height for _, height, _ in asked]
        assert found.height == min(heights)
        assert found.height in [height for y, height, _ in asked if y.tolist() == found.y.tolist()]
        assert found.evaluations == len(asked) <= (10 if method is bisect else 22)
        assert all(0 <= y[0] <= 10 for y, _, _ in asked)
        if found.y[0] < 10:
            assert 0 <= found.height - found.low <= 1e-9 * max(abs(found.height), bundle.TINY)


@pytest.mark.parametrize("method", [minimise, bisect])
def test_a_wide_tolerance_ends_the_search_early(method):
    for seed in range(3):
        function, least = piecewise(seed, m=1)
        steps = []
        for tol in (0.3, 1e-9):
            options = {} if method is bisect else {"cuts": Cuts()}
            found = method(function, np.array([3.0]), tol=tol, box=10.0, **options)
            steps.append(found.evaluations)
            if found.y[0] < 10:
                assert found.height - least <= tol * abs(found.height) + 1e-8
        assert steps[0] <= steps[1]


def test_a_floor_of_heights_is_what_a_tolerance_is_part_of():
    """The height at its least is 0, so of 0 no part is left; of 1 a tenth is."""

    def hill(y):
        return float(((y - 0.7) ** 2).sum()), 2 * (y - 0.7)

    exact, rough = (
        minimise(hill, np.zeros(2), Cuts(), tol=0.1, box=10.0, floor=floor) for floor in (1e-6, 1.0)
    )
    assert 0 <= rough.height - rough.low <= 0.1
    assert rough.height > exact.height
    assert 0 <= exact.height - exact.low <= 1e-7


def test_bisection_ends_where_the_slope_points_out():
    def rising(y):
        return 3.0 + 2.0 * y[0], np.array([2.0])

    def falling(y):
        return 3.0 - 2.0 * y[0], np.array([-2.0])

    found = bisect(rising, np.zeros(1), tol=1e-9, box=4.0)
    assert (found.y.tolist(), found.height, found.low, found.evaluations) == ([0.0], 3.0, 3.0, 1)
    found = bisect(rising, np.ones(1), tol=1e-9, box=4.0)  # the left end is looked at next
    assert (found.y.tolist(), found.height, found.low, found.evaluations) == ([0.0], 3.0, 3.0, 2)
    found = bisect(falling, np.array([4.0]), tol=1e-9, box=4.0)
    assert (found.y.tolist(), found.height, found.evaluations) == ([4.0], -5.0, 1)
    function, asked = recorded(falling)
    assert bisect(function, np.zeros(1), tol=1e-9, box=4.0).y.tolist() == [4.0]
    assert [y[0] for y, _, _ in asked][:4] == pytest.approx([0.0, 0.001, 0.003, 0.007])
    assert asked[-1][0].tolist() == [4.0]


def test_bisection_below_bounds_nothing_that_it_has_not_seen():
    """It stops at 0 on a slope that falls: the minimum lies further on."""
    found = bisect(lambda y: (3.0 - y[0], np.array([-1.0])), np.zeros(1), tol=0, box=4.0, below=5.0)
    assert (found.height, found.low, found.evaluations) == (3.0, -np.inf, 1)


def test_of_equal_heights_bisection_takes_the_side_that_keeps_the_row(monkeypatch):
    """A slope >= 0 is a bound that is not exceeded."""
    monkeypatch.setattr(bundle, "LONGEST", 2)

    def valley(y):
        return abs(float(y[0]) - 0.5e-3), np.sign(y - 0.5e-3)

    for start, end in ((0.0, 1e-3), (1e-3, 1e-3)):
        assert bisect(valley, np.array([start]), tol=0.0, box=1.0).y.tolist() == [end]


def test_the_level_method_starts_from_the_cuts_it_is_given_and_leaves_its_own():
    function, least = piecewise(3, m=2)
    cuts = Cuts()
    first = minimise(function, np.ones(2), cuts, tol=1e-9, box=10.0)
    assert len(cuts.constants) == first.evaluations
    again = minimise(function, first.y, cuts, tol=1e-9, box=10.0)
    assert (again.evaluations, again.height) == (1, first.height)
    assert again.height == pytest.approx(least, abs=1e-8)
