"""The level bundle method: minimise a convex function over a box from its values and subgradients.

Cuts h(y) >= const_i + slope_i . y lie under the function h.  Each step solves two small problems
over them:

    lower bound   min over the box of the largest cut (a linear program)
    next point    the point nearest to the best one where every cut is <= level,   level = low + 0.3
    (best - low)

The path is one of last bits: nothing in it goes through BLAS, so that every CPU takes the same.
Reference: Lemarechal, Nemirovskii and Nesterov (1995), Mathematical Programming 69.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linprog

from equipoise.allocation.solver.envelope import lowest_point
from equipoise.allocation.solver.nearest import nearest_point
from equipoise.core.arrays import Floats

LEVEL = 0.3  # how far between the bounds the next point aims
MOST_CUTS, KEPT_CUTS = 120, 100
LONGEST = 400  # evaluations
BOUND_EVERY = 3  # steps between two lower bounds, which cost more than the points
FEW = 100  # coordinates, up to which our simplex method is quicker than HiGHS
TINY = 1e-9  # heights below this, of 1 the worth without demands, are as good as 0
TIGHT = {
    "primal_feasibility_tolerance": 1e-10,
    "dual_feasibility_tolerance": 1e-10,
    "presolve": False,
}

Function = Callable[[Floats], tuple[float, Floats]]  # y -> h(y), a subgradient


@dataclass
class Cuts:
    """Lines under the function: slopes (c, m), constants (c,)."""

    slopes: list[Floats] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)

    def add(self, y: Floats, height: float, slope: Floats) -> None:
        """The tangent at y; the oldest go when there are too many."""
        self.slopes.append(slope)
        self.constants.append(height - float((slope * y).sum()))
        if len(self.slopes) > MOST_CUTS:
            del self.slopes[:-KEPT_CUTS], self.constants[:-KEPT_CUTS]

    def lowest(self, box: float, simplex: bool) -> tuple[float, Floats]:
        """The least height of the largest cut over 0 <= y <= box (or sum y <= box), and where."""
        slopes, constants = np.array(self.slopes), np.array(self.constants)
        m = slopes.shape[1]
        if m <= FEW:
            return lowest_point(slopes, constants, box, simplex)
        rows, right = np.c_[slopes, -np.ones(len(slopes))], -constants
        if simplex:
            rows, right = np.r_[rows, [[*np.ones(m), 0.0]]], np.r_[right, box]
        objective = np.r_[np.zeros(m), 1.0]
        bounds = [(0.0, box)] * m + [(None, None)]
        program = linprog(
            objective, A_ub=rows, b_ub=right, bounds=bounds, method="highs", options=TIGHT
        )
        if program.x is None:
            return -np.inf, np.zeros(m)
        y = np.clip(program.x[:m], 0.0, box)
        return float((constants + (slopes * y).sum(axis=1)).max()), y

    def project(self, center: Floats, level: float, box: float, simplex: bool) -> Floats | None:
        """The point of the box nearest to ``center`` where every cut is <= level; None where there
        is none.
        """
        m = len(center)
        sides = np.ones((1, m)) if simplex else np.eye(m)
        rows = np.concatenate([np.array(self.slopes), -np.eye(m), sides])
        right = np.concatenate(
            [level - np.array(self.constants), np.zeros(m), np.full(len(sides), box)]
        )
        nearest = nearest_point(rows, right, center)
        return None if nearest is None else np.clip(nearest, 0.0, box)


@dataclass(frozen=True)
class Minimum:
    """The best point, its height, a lower bound of the function over the box, and the number of
    evaluations.
    """

    y: Floats
    height: float
    low: float
    evaluations: int


def minimise(
    function: Function,
    start: Floats,
    cuts: Cuts,
    *,
    tol: float,
    box: float,
    below: float = -np.inf,
    floor: float = TINY,
    simplex: bool = False,
) -> Minimum:
    """Minimise until the bounds are within ``tol`` of each other, relative to the height (or
    ``floor``), or it falls ``below``.

    simplex : the region is y >= 0, sum y <= box, and not the box 0 <= y <= box.
    """
    y, best, at, low = start, np.inf, start, -np.inf
    evaluations = 0
    while evaluations < LONGEST:
        evaluations += 1
        height, slope = function(y)
        cuts.add(y, height, slope)
        if height < best:
            best, at = height, y
        if evaluations % BOUND_EVERY == 1:
            low = max(low, min(cuts.lowest(box, simplex)[0], best))
        nearest = (
            cuts.project(at, low + LEVEL * (best - low), box, simplex) if np.isfinite(low) else None
        )
        if nearest is None or np.array_equal(nearest, at):
            bound, nearest = cuts.lowest(box, simplex)
            low = max(low, min(bound, best))
        if best - low <= tol * max(abs(best), floor) or best < below:
            break
        y = nearest
    return Minimum(at, best, min(low, best), evaluations)


def bisect(
    function: Function, start: Floats, *, tol: float, box: float, below: float = -np.inf
) -> Minimum:
    """`minimise` over one number: halve the interval by the sign of the slope, and step to where
    the end tangents meet.
    """
    ends: list[tuple[float, float, float] | None] = [None, None]  # left and right: y, height, slope
    y, best, at, low = float(start[0]), np.inf, float(start[0]), -np.inf
    evaluations = 0
    while evaluations < LONGEST:
        evaluations += 1
        height, slope = function(np.array([y]))
        right = bool(slope[0] >= 0)
        if height < best or (height == best and right):
            best, at = height, y
        ends[right] = (y, height, float(slope[0]))
        if (y == 0 and right) or (y >= box and not right) or best < below:
            low = best if y == 0 and right else low
            break
        if ends[0] is None:
            y = 0.0
        elif ends[1] is None:
            y = min(2 * y + 1e-3, box)
        else:
            (y0, h0, s0), (y1, h1, s1) = ends[0], ends[1]
            meet = (h1 - s1 * y1 - h0 + s0 * y0) / (s0 - s1)
            low = max(low, min(h0 + s0 * (meet - y0), best))
            y = meet if evaluations % 2 else 0.5 * (y0 + y1)
            if best - low <= tol * max(abs(best), TINY) or not y0 < y < y1:
                break
    return Minimum(np.array([at]), best, min(low, best), evaluations)
