"""The minimum of g over scaled prices, for units that are all at hand: by the level method, by
bisection where there is one price, and with rows that share no unit minimised out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.allocation.solver.bundle import Cuts, Function, Minimum, bisect, minimise
from equipoise.allocation.solver.problem import Problem
from equipoise.allocation.solver.separable import Reduced, separate
from equipoise.core.arrays import Floats

WIDEST = 1e9  # scaled price at which a demand is taken to have none
EXACT = 1e-12  # of the worth: what prices that are minimised out may leave, at least


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


def minimum_of(
    problem: Problem,
    scale: Scale,
    start: Floats,
    cuts: Cuts,
    tol: float,
    method: str,
    least: float = -np.inf,
    fixed: tuple[float, Floats] | None = None,
    limit: Floats | None = None,
) -> Minimum:
    """The minimum of g over the scaled prices, beside units with a fixed choice of this worth and
    usage (m,); rows that share no unit are minimised out, up to ``limit`` (m,).
    """
    worth, usage = fixed or (0.0, np.zeros(len(start)))
    separation = separate(problem.rows.support)
    if separation is None:
        function = scale.function(problem, worth, usage)
        return widened(function, start, cuts, tol, method, least)
    unit = scale.prices(np.ones(len(start)))
    own, other = separation.own, separation.other
    most = (np.full(len(start), WIDEST) if limit is None else limit) * unit
    exact = max(0.01 * tol, EXACT)
    reduced = Reduced(problem, separation, usage, unit, scale.worth, most[own], exact)
    best = start[own] * unit[own]

    def height(y: Floats) -> tuple[float, Floats]:
        nonlocal best
        h, slope, best = reduced.evaluate(y * unit[other], best)
        return (h + worth) / scale.worth, slope / scale.potential[other]

    if len(other):
        minimum = widened(height, start[other], Cuts(), tol, "level", least)
    else:
        h, _ = height(start[other])
        minimum = Minimum(start[other], h, h, 1)
    h, _ = height(minimum.y)
    y = start.copy()
    y[own], y[other] = np.minimum(best, most[own]) / unit[own], minimum.y
    return Minimum(y, h, min(minimum.low, h), reduced.passes)


def method_of(rows: int) -> str:
    """How a minimum over the prices of so many rows is found.

    >>> method_of(1), method_of(2)
    ('bisect', 'level')
    """
    return "bisect" if rows == 1 else "level"


def widened(
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
