"""Mix: two price vectors, one drawn at random for each unit, where ties keep one from using what
the demands allow.

Units with equal scores fall on the same side of a price: prices that hold leave all of them out,
slightly lower ones let all of
them in.  Drawing the lower prices for a share of the units uses the demands in full, in
expectation:

    share = the largest with (1 - share) usage(held) + share usage(low) <= bounds

This is the randomised rule by which a fractional knapsack treats ties (Dantzig 1957, Operations
Research 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.allocation.solver.dual import Scale
from equipoise.allocation.solver.problem import Problem
from equipoise.core.arrays import Floats

FIRST, STEPS = 1e-9, 28  # scaled fall of the prices in the first step; each step doubles it


@dataclass(frozen=True)
class PriceMixture:
    """Two price vectors, one drawn at random for each unit.

    Attributes
    ----------
    prices : array, (m,)
        The lower prices.
    share : float
        The share of units that get them.
    value : float
        The expected value of both together.
    usage : array, (m,)
        The expected usage of both together.
    """

    prices: Floats
    share: float
    value: float
    usage: Floats


def mix(problem: Problem, prices: Floats, safe: Floats) -> PriceMixture:
    """The best mixture of the prices that hold with prices at or below the dual's; share 0 where
    none gains.
    """
    value, usage = problem.measure(problem.choose(safe).choice)
    best = PriceMixture(safe, 0.0, value, usage)
    worth, _, _ = problem.evaluate(np.zeros(len(prices)))
    unit = Scale(max(worth, 1e-300), problem.potential()).prices(np.full(len(prices), FIRST))
    for step in (0.0, *(2.0**i for i in range(STEPS))):
        low = np.maximum(prices - step * unit, 0.0)
        more, use = problem.measure(problem.choose(low).choice)
        share = _share(usage, use, problem.rows.bounds)
        expected = (1 - share) * value + share * more
        if expected > best.value:
            best = PriceMixture(low, share, expected, (1 - share) * usage + share * use)
    return best


def _share(safe: Floats, low: Floats, bounds: Floats) -> float:
    """The largest share of units under the lower prices that exceeds no row in expectation; all
    (m,).
    """
    over = low > bounds
    if not over.any():
        return 1.0
    room, more = (bounds - safe)[over], (low - safe)[over]
    if (more <= 0).any():  # the prices that should hold exceed this row too
        return 0.0
    return float(np.clip(room / more, 0.0, 1.0).min())
