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
from typing import Protocol

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


class Ground(Protocol):
    """Units, wherever they lie, whose choice at some prices is repaired.

    Attributes
    ----------
    bounds, potential : array (m,)
        Of the rows.
    table : array
        `Rows.table` of the prices.
    """

    bounds: Floats
    potential: Floats
    table: Floats

    def __len__(self) -> int:
        """How many they are."""

    def first_usage(self) -> Floats:
        """What the choice of the prices uses, exactly, (m,)."""

    def near(self, size: int) -> tuple[Problem, Choice]:
        """The units nearest to a tie and their choice, (s,)."""

    def measure(self, choice: Choice) -> tuple[float, Floats]:
        """Value and usage (m,), were this the choice of the units that `near` gave last."""

    def commit(self, choice: Choice) -> None:
        """Let it be their choice."""


class HeldGround:
    """Units in memory at some prices."""

    def __init__(self, problem: Problem, prices: Floats) -> None:
        self.problem, self.bounds = problem, problem.rows.bounds
        self.potential, self.table = problem.potential(), problem.rows.table(prices)
        self.first = problem.choose(prices)
        self.choice, self.places = self.first.choice.copy(), np.arange(0)

    def __len__(self) -> int:
        """How many they are."""
        return len(self.problem)

    def first_usage(self) -> Floats:
        """What the choice of the prices uses."""
        return self.problem.measure(self.first.choice)[1]

    def near(self, size: int) -> tuple[Problem, Choice]:
        """The units nearest to a tie."""
        self.places = nearest_ties(self.first.margin, size)
        return self.problem.take(self.places), self.choice[self.places]

    def measure(self, choice: Choice) -> tuple[float, Floats]:
        """Value and usage (m,)."""
        every = self.choice.copy()
        every[self.places] = choice
        return self.problem.measure(every)

    def commit(self, choice: Choice) -> None:
        """Let it be their choice."""
        self.choice[self.places] = choice


def repair(problem: Problem, prices: Floats, bound: float, tol: float) -> RepairedChoice:
    """A choice that exceeds no row and whose value is near ``bound``; it stops early within a
    relative ``tol``.
    """
    ground = HeldGround(problem, prices)
    value, usage = repair_on(ground, bound, tol)
    switched, kept = ground.choice != ground.first.choice, bool((usage <= ground.bounds).all())
    return RepairedChoice(ground.choice, value, usage, switched, kept)


def repair_on(
    ground: Ground, bound: float, tol: float, most: int | None = None
) -> tuple[float, Floats]:
    """`repair`, wherever the units lie, of at most so many: the value and the usage (m,)."""
    n = len(ground) if most is None else min(most, len(ground))
    scale, first_usage = ground.potential, ground.first_usage()
    size, spare = min(POOL, n), np.zeros(len(first_usage))
    for _ in range(TRIES):
        problem, before = ground.near(size)
        slack = ground.bounds - first_usage - spare
        core = _Core(problem, before.copy(), slack, scale, ground.table)
        core.sweep(MEND)
        if (core.slack >= 0).all():
            core.sweep(FILL)
        value, usage = ground.measure(core.choice)
        over = usage > ground.bounds
        spare = np.where(over, np.maximum(2 * spare, ROUNDING * scale), spare)
        switched = (before != core.choice).sum()
        if not over.any() and (size == n or switched < MANY * size):
            break
        size = min(n, size * GROW)
    ground.commit(core.choice)
    gap = np.inf if over.any() else bound - value
    if not tol * abs(bound) < gap < np.inf:
        return value, usage
    problem, before = ground.near(min(POOL, n))
    core = _Core(problem, before.copy(), ground.bounds - usage, scale, ground.table)
    trade(core.arrays(), core.slack, gap, tol * abs(bound))
    worth, use = ground.measure(core.choice)
    if worth > value and (use <= ground.bounds).all():
        ground.commit(core.choice)
        return worth, use
    return value, usage
