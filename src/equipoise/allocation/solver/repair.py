"""Repair: from the choice that prices make to one that exceeds no row, in time linear in the units
but for a sort.

Prices leave a few units near a tie on the wrong side.  With loss = score of the choice - score of
the switch:

    mend   while a row is exceeded: switches by loss per unit of violation removed
    fill   while there is slack: switches that gain value and fit, by loss per unit gained
    trade  then pairs of switches that gain and fit together (`trade`)

A switch is taken only if it lowers the violation (mend) or exceeds nothing (fill, trade).  Only
units near a tie are looked at, more of them while rows are exceeded or many of them are switched;
each time from the choice of the prices anew, since a pool that was too small pays for what units
outside it would have given for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.allocation.solver.kernels import apply_switches, list_switches
from equipoise.allocation.solver.problem import Choice, Problem, nearest_ties
from equipoise.allocation.solver.swaps import Arrays, trade
from equipoise.core.arrays import Bools, Floats

POOL = 4096  # units nearest to a tie, looked at first
GROW = 8
ROUNDS = 60
TRIES = 12
MANY = 0.1  # a pool of which such a part was switched was too small
MEND, FILL = 0, 1
ROUNDING = 1e-12  # of a row's potential usage: kept free when running sums and exact sums disagree


@dataclass(frozen=True)
class RepairedChoice:
    """The choice (n,), its value, its usage (m,), and which units were switched (n,).  No row is
    exceeded if ``feasible``.
    """

    choice: Choice
    value: float
    usage: Floats
    switched: Bools
    feasible: bool


@dataclass
class _Core:
    """The units that may still be switched: their problem, choice (in place), and the slack of the
    whole problem (in place).
    """

    problem: Problem
    choice: Choice
    slack: Floats
    scale: Floats
    table: Floats

    def arrays(self) -> Arrays:
        """What the kernels take first."""
        rows = self.problem.rows
        return (
            *self.problem.arrays(),
            self.table,
            rows.codes,
            *rows.counted(),
            self.choice,
        )

    def sweep(self, task: int) -> None:
        """Switch units while it helps."""
        n = len(self.problem)
        for _ in range(ROUNDS):
            if task == MEND and (self.slack >= 0).all():
                break
            to, key = np.empty(n, np.int16), np.empty(n)
            list_switches(*self.arrays(), self.slack, self.scale, task, to, key)
            order = np.argsort(key, kind="stable")
            order = order[: np.searchsorted(key[order], np.inf)]
            if not apply_switches(*self.arrays(), order, to, self.slack, self.scale, task):
                break


def repair(problem: Problem, prices: Floats, bound: float, tol: float) -> RepairedChoice:
    """A choice that exceeds no row and whose value is near ``bound``; it stops early within a
    relative ``tol``.
    """
    first = problem.choose(prices)
    scale, table = problem.potential(), problem.rows.table(prices)
    n, size = len(problem), min(POOL, len(problem))
    _, first_usage = problem.measure(first.choice)
    spare = np.zeros(len(first_usage))
    for _ in range(TRIES):
        choice = first.choice.copy()
        near = nearest_ties(first.margin, size)
        slack = problem.rows.bounds - first_usage - spare
        core = _Core(problem.take(near), choice[near], slack, scale, table)
        core.sweep(MEND)
        if (core.slack >= 0).all():
            core.sweep(FILL)
        switched = (choice[near] != core.choice).sum()
        choice[near] = core.choice
        value, usage = problem.measure(choice)
        over = usage > problem.rows.bounds
        spare = np.where(over, np.maximum(2 * spare, ROUNDING * scale), spare)
        if not over.any() and (size == n or switched < MANY * size):
            break
        size = min(n, size * GROW)
    gap = np.inf if over.any() else bound - value
    if tol * abs(bound) < gap < np.inf:
        near = nearest_ties(first.margin, min(POOL, n))
        trial = choice.copy()
        core = _Core(problem.take(near), choice[near], problem.rows.bounds - usage, scale, table)
        trade(core.arrays(), core.slack, gap, tol * abs(bound))
        trial[near] = core.choice
        worth, use = problem.measure(trial)
        if worth > value and (use <= problem.rows.bounds).all():
            choice, value, usage = trial, worth, use
    return RepairedChoice(
        choice, value, usage, choice != first.choice, bool((usage <= problem.rows.bounds).all())
    )
