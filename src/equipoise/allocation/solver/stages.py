"""Stages: full passes over the units and, between them, a minimum over those near a tie.

Units may be many and far away, so only sums come back from a full pass, and from those near a tie a
sample where they are too many.  A sample of rate s is anchored in the full pass at prices p0,

    g(p) ~ g(p0) + slope(p0) . (p - p0) + (1 / s) sum over the sample of what bends:
    best_u(p) - best_u(p0) + usage_u(p0) . (p - p0)

so its error is one of curvature only, and falls with each stage as the prices get nearer; once all
units near a tie are taken, cuts are certified as those of `dual` are.  The idea of an anchor:
Johnson and Zhang (2013), Accelerating Stochastic Gradient Descent using Predictive Variance
Reduction.
"""

from __future__ import annotations

import math
from typing import Protocol, TypeVar

import numpy as np

from equipoise.allocation.solver.bundle import TINY, Cuts, Minimum
from equipoise.allocation.solver.minimum import Scale, minimum_of
from equipoise.allocation.solver.problem import PricedChoice, Problem, nearest_ties
from equipoise.core.arrays import Floats

MOST = 60_000  # units near a tie that are taken at once
WIDER = 4.0  # a core is so many standard errors of its prices wide
ROUGH = 1e-6  # relative tolerance on a sample
ROUNDS = 30
LIMIT, STEP = 4.0, 1e-2  # prices of few units rise at most so many times, and by this scaled step


Stage = tuple[str, int, int, float]  # what, units, evaluations, bound


class Pass(Protocol):
    """A full pass: g and the usage (m,) of the choices at some prices."""

    @property
    def height(self) -> float:
        """The bound g."""

    @property
    def usage(self) -> Floats:
        """What the choices use."""


P = TypeVar("P", bound=Pass)


class Units(Protocol[P]):
    """Units, wherever they lie."""

    def __len__(self) -> int:
        """How many they are."""

    def choose(self, prices: Floats) -> P:
        """A full pass."""

    def near(self, full: P, size: int, most: int) -> tuple[Problem, float]:
        """About ``size`` units nearest to a tie, of which at most about ``most``; and which part
        of them that is, by which bounds are multiplied.
        """


class HeldUnits:
    """Units in memory.   problem : of all of them."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def __len__(self) -> int:
        """How many they are."""
        return len(self.problem)

    def choose(self, prices: Floats) -> PricedChoice:
        """A full pass."""
        return self.problem.choose(prices)

    def near(self, full: PricedChoice, size: int, most: int) -> tuple[Problem, float]:
        """The units nearest to a tie, every s-th of them where they are many."""
        near = nearest_ties(full.margin, size)
        part = near[:: math.ceil(len(near) / most)]
        rate = len(part) / len(near)
        return self.problem.take(part, rate), rate


def refine(
    units: Units[P],
    scale: Scale,
    y: Floats,
    tol: float,
    method: str,
    *,
    sampled: int,
    least: float = -np.inf,
    trace: list[Stage] | None = None,
    most: int = MOST,
    widest: int | None = None,
) -> tuple[Minimum, P]:
    """Minimise g from scaled prices ``y`` that a sample of so many units gave; the minimum, and the
    full pass at it.

    most : units near a tie that are taken at once, at first.   widest : where that did not help.
    """
    n, m, cuts, low = len(units), len(y), Cuts(), -np.inf
    said = [] if trace is None else trace
    full, evaluations = units.choose(scale.prices(y)), 1
    said.append(("full pass", n, 1, full.height))
    share = min(1.0, WIDER / math.sqrt(sampled / m))
    for _ in range(ROUNDS):
        best = full.height / scale.worth
        if best - low <= tol * max(abs(best), TINY) or best < least:
            break
        size = min(n, max(int(share * n), most // 2))
        core, rate = units.near(full, size, most)
        minimum = _near_minimum(core, rate, full, scale, y, tol, method, cuts, least, size < n)
        what = "near ties" if rate == 1 else "sample of near ties"
        said.append((what, len(core), minimum.evaluations, minimum.height * scale.worth))
        low = max(low, min(minimum.low, best))
        if rate < 1 and best - minimum.height <= ROUGH * abs(best):
            share /= WIDER  # a sample tells no more: fewer units, all of them
            continue
        new = units.choose(scale.prices(minimum.y))
        said.append(("full pass", n, 1, new.height))
        evaluations += 1
        if new.height < full.height:
            full, y = new, minimum.y
            share *= min(0.5, WIDER / math.sqrt(len(core) / m))
        elif rate == 1 and size == n:
            break
        else:
            share = min(1.0, 4 * share)
            most = most if rate == 1 else min(2 * most, widest or n)
    best = full.height / scale.worth
    return Minimum(y, best, min(low, best), evaluations), full


def _near_minimum(
    core: Problem,
    rate: float,
    full: Pass,
    scale: Scale,
    y: Floats,
    tol: float,
    method: str,
    cuts: Cuts,
    least: float,
    few: bool,
) -> Minimum:
    """The minimum over units near a tie, the others with a fixed choice; without a lower bound
    where they are a sample or a price met its limit.
    """
    prices = scale.prices(y)
    g, _, own = core.evaluate(prices)
    usage = rate * full.usage - own
    fixed = rate * full.height - g + float((prices * usage).sum()), usage
    limit = LIMIT * y + STEP if few else None
    if rate < 1:
        part = Scale(scale.worth * rate, scale.potential * rate)
        minimum = minimum_of(core, part, y, Cuts(), ROUGH, method, fixed=fixed, limit=limit)
        return Minimum(minimum.y, minimum.height, -np.inf, minimum.evaluations)
    minimum = minimum_of(core, scale, y, cuts, tol / 10, method, least, fixed=fixed, limit=limit)
    if limit is not None and (minimum.y >= limit).any():
        return Minimum(minimum.y, minimum.height, -np.inf, minimum.evaluations)
    return minimum
