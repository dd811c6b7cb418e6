"""Stages: the minimum of g from full passes and small cores, samples of which are anchored."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import budget, cap, floor, group_budget
from equipoise.allocation.solve import compile_problem, expand
from equipoise.allocation.solver import stages
from equipoise.allocation.solver.minimum import Scale
from equipoise.allocation.solver.problem import Problem
from equipoise.allocation.solver.stages import HeldUnits, refine
from equipoise.core.effects import Effects


def skewed(n: int, shops: int, seed: int) -> Problem:
    """Shops of very different sizes, each with a budget, beside three demands on all units."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(2.0, 1.0, (n, 3, 2))
    effects = Effects(values, np.zeros((n, 2)), ("a", "b", "c"), ("sales", "plays"))
    shop = np.minimum(rng.geometric(0.25, n) - 1, shops - 1)
    cost, groups = rng.uniform(0.5, 1.5, (n, 3)), {"shop": shop}
    own = [group_budget("shop", s, 0.3, per_head=True) for s in np.unique(shop).tolist()]
    rows = expand([budget(0.2 * n), cap("b", 0.1 * n), floor("plays", 0.2 * n), *own], groups)
    return compile_problem(values[:, :, 0].copy(), rows, effects.candidates, cost, effects, groups)


@pytest.mark.parametrize("shops", [1, 12])
def test_samples_lead_to_the_minimum_of_all_units(shops):
    problem = skewed(6000, shops, 1)
    m = len(problem.rows)
    free = problem.evaluate(np.zeros(m))[0]
    scale = Scale(free, problem.potential())
    whole, _ = refine(HeldUnits(problem), scale, np.zeros(m), 1e-9, "level", sampled=1)
    trace: list = []
    few, full = refine(
        HeldUnits(problem), scale, np.zeros(m), 1e-9, "level", sampled=1, most=600, trace=trace
    )
    assert any(what == "sample of near ties" for what, *_ in trace)
    assert few.height == pytest.approx(whole.height, rel=1e-8)
    assert few.low <= whole.height * (1 + 1e-9)
    assert problem.evaluate(scale.prices(few.y))[0] == pytest.approx(full.height, rel=1e-12)
    largest = max(units for what, units, *_ in trace if what == "sample of near ties")
    assert largest <= 2 * 600


def test_a_sample_without_its_anchor_is_no_way_to_the_minimum(monkeypatch):
    """What the units outside the core use belongs to it: without it prices come out far off."""
    problem = skewed(6000, 12, 2)
    m = len(problem.rows)
    scale = Scale(problem.evaluate(np.zeros(m))[0], problem.potential())
    start = np.full(m, 0.02)
    held = HeldUnits(problem)
    right, _ = refine(held, scale, start, 1e-9, "level", sampled=600, most=600)
    ours = stages.minimum_of

    def without(*args, fixed, **more):
        return ours(*args, fixed=(fixed[0], 0.0 * fixed[1]), **more)

    monkeypatch.setattr(stages, "minimum_of", without)
    wrong, _ = refine(held, scale, start, 1e-9, "level", sampled=600, most=600)
    assert wrong.height > right.height * (1 + 1e-5)
