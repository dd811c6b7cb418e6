from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

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
