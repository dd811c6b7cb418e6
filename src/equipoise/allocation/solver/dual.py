"""The dual: prices >= 0 that make the certified bound g as small as it gets.

g is convex and piecewise linear, and g at its minimum is the linear-programming bound: at most m
units are split between
candidates there.  Three things make it cheap on millions of units:

1. a sample of the units, with bounds in proportion, gives prices that are nearly right;
2. only units near a tie can still change their choice: the others enter as one constant line, which
keeps every cut valid
   (a fixed choice is never worth more than the best one), so bounds stay certified;
3. a full pass then confirms the height, or shows which units to look at next.

Rows that share no unit are minimised out first (`separable`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.allocation.solver.bundle import TINY, Cuts
from equipoise.allocation.solver.minimum import Scale, minimum_of
from equipoise.allocation.solver.problem import Problem
from equipoise.allocation.solver.separable import separate
from equipoise.allocation.solver.stages import HeldUnits, Stage, refine
from equipoise.core.arrays import Floats

SAMPLE = 20_000  # units; below twice as many the whole problem is used at once
ROUGH = 1e-5  # relative tolerance on the sample
CORE = 0.08  # first share of units that may still change
ROUNDS = 30


@dataclass(frozen=True)
class Dual:
    """prices (m,), the bound g(prices), a lower bound of min g, and one line a stage."""

    prices: Floats
    bound: float
    low: float
    trace: tuple[Stage, ...]


def solve_dual(
    problem: Problem,
    tol: float,
    *,
    warm: Floats | None = None,
    method: str = "level",
    least: float = -np.inf,
) -> Dual:
    """Minimise g to a relative ``tol`` by ``method`` "level" or, with one row, "bisect".

    least : no feasible choice is worth less, so a g below it proves that there is none; the search
        ends there.
    """
    m = len(problem.rows)
    free, _, _ = problem.evaluate(np.zeros(m))
    if m == 0:
        return Dual(np.zeros(0), free, free, (("no demand", len(problem), 1, free),))
    scale = Scale(free if free > 0 else 1.0, problem.potential())
    y = np.zeros(m) if warm is None else np.maximum(scale.scaled(warm), 0.0)
    trace: list[Stage] = []
    n = len(problem)
    if n < 2 * SAMPLE:
        minimum = minimum_of(problem, scale, y, Cuts(), tol, method, least / scale.worth)
        trace.append(("all", n, minimum.evaluations, minimum.height * scale.worth))
        return Dual(
            scale.prices(minimum.y),
            minimum.height * scale.worth,
            minimum.low * scale.worth,
            tuple(trace),
        )
    if warm is None:
        units = np.arange(0, n, n // SAMPLE)
        share = len(units) / n
        few = problem.take(units, share)
        part = Scale(scale.worth * share, scale.potential * share)
        minimum = minimum_of(few, part, y, Cuts(), ROUGH, method)
        trace.append(("sample", len(units), minimum.evaluations, minimum.height * scale.worth))
        y = minimum.y
    if separate(problem.rows.support) is not None:
        held = HeldUnits(problem)
        minimum, full = refine(
            held, scale, y, tol, method, sampled=SAMPLE, least=least / scale.worth, trace=trace
        )
        low = minimum.low * scale.worth
        return Dual(scale.prices(minimum.y), full.height, low, tuple(trace))
    return _shrink(problem, scale, y, tol, method, least / scale.worth, trace)


def _shrink(
    problem: Problem,
    scale: Scale,
    y: Floats,
    tol: float,
    method: str,
    least: float,
    trace: list[Stage],
) -> Dual:
    """Full passes and, between them, minimisation over the units near a tie."""
    n, cuts, share = len(problem), Cuts(), CORE
    best, at, low = np.inf, y, -np.inf
    for _ in range(ROUNDS):
        prices = scale.prices(y)
        full = problem.choose(prices)
        height = full.height / scale.worth
        cuts.add(y, height, (problem.rows.bounds - full.usage) / scale.potential)
        trace.append(("full pass", n, 1, full.height))
        share = share / 4 if height < best else min(1.0, share * 8)
        if height < best:
            best, at = height, y
        if best - low <= tol * max(abs(best), TINY) or best < least:
            break
        size = int(max(SAMPLE, share * 4 * n))
        near = np.arange(n) if size >= n else np.sort(np.argpartition(full.margin, size - 1)[:size])
        core = problem.take(near)
        g, _, own = core.evaluate(prices)
        worth = full.height - g + float((prices * (full.usage - own)).sum())
        fixed = worth, full.usage - own
        minimum = minimum_of(core, scale, y, cuts, tol / 10, method, least, fixed)
        trace.append(("near ties", len(near), minimum.evaluations, minimum.height * scale.worth))
        low, y = max(low, min(minimum.low, best)), minimum.y
        if size >= n:
            best, at = min((best, at), (minimum.height, minimum.y), key=lambda pair: pair[0])
            break
    return Dual(scale.prices(at), best * scale.worth, low * scale.worth, tuple(trace))
