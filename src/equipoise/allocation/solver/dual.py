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

from equipoise.allocation.solver.bundle import TINY, Cuts, Function, Minimum, bisect, minimise
from equipoise.allocation.solver.problem import Problem
from equipoise.allocation.solver.separable import Reduced, separate
from equipoise.core.arrays import Floats

SAMPLE = 20_000  # units; below twice as many the whole problem is used at once
ROUGH = 1e-5  # relative tolerance on the sample
CORE = 0.08  # first share of units that may still change
WIDEST = 1e9  # scaled price at which a demand is taken to have none
ROUNDS = 30


Stage = tuple[str, int, int, float]  # what, units, evaluations, bound


@dataclass(frozen=True)
class Dual:
    """prices (m,), the bound g(prices), a lower bound of min g, and one line a stage."""

    prices: Floats
    bound: float
    low: float
    trace: tuple[Stage, ...]


@dataclass(frozen=True)
class Scale:
    """Units in which prices and heights are near 1: price = y * worth / potential usage."""

    worth: float
    potential: Floats

    def prices(self, y: Floats) -> Floats:
        """Scaled prices as prices, (m,)."""
        prices: Floats = y * (self.worth / self.potential)
        return prices

    def scaled(self, prices: Floats) -> Floats:
        """The inverse of `prices`."""
        y: Floats = prices * (self.potential / self.worth)
        return y

    def function(
        self, problem: Problem, worth: float = 0.0, usage: Floats | None = None
    ) -> Function:
        """g of the problem, plus units with a fixed choice of this ``worth`` and usage ``usage``
        (m,).
        """
        constant = np.zeros(len(problem.rows)) if usage is None else usage

        def height(y: Floats) -> tuple[float, Floats]:
            prices = self.prices(y)
            g, slope, _ = problem.evaluate(prices)
            g += worth - float((prices * constant).sum())
            return g / self.worth, (slope - constant) / self.potential

        return height


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
        minimum = _minimum(problem, scale, y, Cuts(), tol, method, least / scale.worth)
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
        minimum = _minimum(few, part, y, Cuts(), ROUGH, method)
        trace.append(("sample", len(units), minimum.evaluations, minimum.height * scale.worth))
        y = minimum.y
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
        minimum = _minimum(core, scale, y, cuts, tol / 10, method, least, fixed)
        trace.append(("near ties", len(near), minimum.evaluations, minimum.height * scale.worth))
        low, y = max(low, min(minimum.low, best)), minimum.y
        if size >= n:
            best, at = min((best, at), (minimum.height, minimum.y), key=lambda pair: pair[0])
            break
    return Dual(scale.prices(at), best * scale.worth, low * scale.worth, tuple(trace))


def _minimum(
    problem: Problem,
    scale: Scale,
    start: Floats,
    cuts: Cuts,
    tol: float,
    method: str,
    least: float = -np.inf,
    fixed: tuple[float, Floats] | None = None,
) -> Minimum:
    """The minimum of g over the scaled prices, beside units with a fixed choice of this worth and
    usage (m,); rows that share no unit are minimised out.
    """
    worth, usage = fixed or (0.0, np.zeros(len(start)))
    separation = separate(problem.rows.support)
    if separation is None:
        function = scale.function(problem, worth, usage)
        return _widen(function, start, cuts, tol, method, least)
    unit = scale.prices(np.ones(len(start)))
    own, other = separation.own, separation.other
    reduced = Reduced(problem, separation, usage, unit, scale.worth, WIDEST)
    best = start[own] * unit[own]

    def height(y: Floats) -> tuple[float, Floats]:
        nonlocal best
        h, slope, best = reduced.evaluate(y * unit[other], best)
        return (h + worth) / scale.worth, slope / scale.potential[other]

    if len(other):
        minimum = _widen(height, start[other], Cuts(), tol, "level", least)
    else:
        h, _ = height(start[other])
        minimum = Minimum(start[other], h, h, 1)
    h, _ = height(minimum.y)
    y = start.copy()
    y[own], y[other] = best / unit[own], minimum.y
    return Minimum(y, h, min(minimum.low, h), reduced.passes)


def _widen(
    function: Function, start: Floats, cuts: Cuts, tol: float, method: str, least: float = -np.inf
) -> Minimum:
    """Minimise over a box that grows while the best point lies on its side."""
    box, evaluations = max(10.0, 4.0 * float(start.max())), 0
    while True:
        if method == "bisect":
            minimum = bisect(function, start, tol=tol, box=box, below=least)
        else:
            minimum = minimise(function, start, cuts, tol=tol, box=box, below=least)
        evaluations += minimum.evaluations
        if minimum.y.max() < 0.99 * box or box >= WIDEST or minimum.height < least:
            return Minimum(minimum.y, minimum.height, minimum.low, evaluations)
        box, start = box * 100, minimum.y
