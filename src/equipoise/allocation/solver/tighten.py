"""Hold: prices whose choice by the one rule exceeds no row, with no repair, so that a policy keeps
its demands by prices alone.

At the dual's minimum the rule may be off by the few units that are split between candidates.  First
the prices of the exceeded rows are raised, by steps that double; where rows pull against each other
and that does not end, the dual is solved again with the exceeded rows tightened by what was
exceeded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from equipoise.allocation.solver.dual import solve_dual
from equipoise.allocation.solver.minimum import Scale
from equipoise.allocation.solver.problem import Problem
from equipoise.core.arrays import Floats

FIRST, RAISES = 1e-9, 24  # scaled price of the first step; the last is FIRST * 2 ** RAISES = 0.017
TIGHTENINGS, GROWTH = 25, 0.3
TOLERANCE = 1e-9


def hold(problem: Problem, prices: Floats) -> Floats:
    """The prices, changed by little until the choice they make exceeds no row; as they were if none
    such are found.
    """
    higher = _raise(problem, prices)
    return higher if higher is not None else _tighten(problem, prices)


def _over(problem: Problem, prices: Floats) -> Floats:
    """By how much the choice by prices exceeds each row, (m,)."""
    _, usage = problem.measure(problem.choose(prices).choice)
    excess: Floats = np.maximum(usage - problem.rows.bounds, 0.0)
    return excess


def _raise(problem: Problem, prices: Floats) -> Floats | None:
    """Raise the prices of exceeded rows by steps that double."""
    worth, _, _ = problem.evaluate(np.zeros(len(prices)))
    first = Scale(max(worth, 1e-300), problem.potential()).prices(np.full(len(prices), FIRST))
    higher, step = prices, np.zeros(len(prices))
    for _ in range(RAISES):
        over = _over(problem, higher) > 0
        if not over.any():
            return higher
        step = np.where(over, np.maximum(2 * step, first), step)
        higher = higher + np.where(over, step, 0.0)
    return None


def _tighten(problem: Problem, prices: Floats) -> Floats:
    """Prices of a dual with exceeded rows tightened."""
    for now in tightened_prices(problem, prices):
        if not _over(problem, now).any():
            return now
    return prices


def tightened_prices(problem: Problem, prices: Floats) -> Iterator[Floats]:
    """The prices, then those of duals whose exceeded rows are tightened more and more, while any
    is exceeded.

    Parameters
    ----------
    problem : Problem
        The units and their rows.
    prices : array (m,)
        Where to start.

    Yields
    ------
    array (m,)
        Prices.
    """
    tight, now = np.zeros(len(prices)), prices
    least = float(np.minimum(problem.value.min(axis=1), 0.0).sum()) - 1e-9
    for step in range(TIGHTENINGS):
        yield now
        over = _over(problem, now)
        if not over.any():
            return
        tight = tight + (1 + GROWTH * step) * over
        narrow = replace(problem, rows=replace(problem.rows, bounds=problem.rows.bounds - tight))
        now = solve_dual(narrow, TOLERANCE, warm=now, least=least).prices
