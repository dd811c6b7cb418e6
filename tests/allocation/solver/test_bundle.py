from __future__ import annotations

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

    def gives_up(*_, **__):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr(bundle, "nnls", gives_up)
    function, least = piecewise(0, m=2)
    found = minimise(function, np.ones(2), Cuts(), tol=1e-9, box=10.0)
    assert found.height == pytest.approx(least, abs=1e-8)


def test_cuts_without_a_lowest_point_bound_nothing(monkeypatch):
    """As when the linear program fails: the bound is none, never a wrong one."""
    monkeypatch.setattr(bundle, "linprog", lambda *_, **__: SimpleNamespace(x=None))
    cuts = Cuts()
    cuts.add(np.zeros(2), 1.0, np.array([-1.0, -1.0]))
    assert cuts.lowest(10.0, False)[0] == -np.inf
