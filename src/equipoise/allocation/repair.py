"""Repair: from the choice that prices make to one that exceeds no row, in time linear in the units but for a sort.

Prices leave a few units near a tie on the wrong side.  With loss = score of the choice - score of the switch:

    mend   while a row is exceeded: switches by loss per unit of violation removed
    fill   while there is slack: switches that gain value and fit, by loss per unit gained
    trade  then pairs of switches that gain and fit together (`trade`)

A switch is taken only if it lowers the violation (mend) or exceeds nothing (fill, trade).  Only units near a tie are looked at,
more of them while it helps: a switch that loses more than the gap to the bound cannot be part of a better choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from equipoise.allocation.problem import Choice, Problem
from equipoise.allocation.rule import priced
from equipoise.allocation.trade import Arrays, trade
from equipoise.core.arrays import Bools, Floats, Ints

POOL = 4096  # units nearest to a tie, looked at first
GROW = 8
ROUNDS = 60
TRIES = 12
WORTH_IT = 0.9  # looking at more units must bring the gap to this part of what it was, or they are not looked at
MEND, FILL = 0, 1
ROUNDING = 1e-12  # of a row's potential usage: kept free when running sums and exact sums disagree


@dataclass(frozen=True)
class Repaired:
    """The choice (n,), its value, its usage (m,), and which units were switched (n,).  No row is exceeded if ``feasible``."""

    choice: Choice
    value: float
    usage: Floats
    switched: Bools
    feasible: bool


@dataclass
class _Core:
    """The units that may still be switched: their problem, choice (in place), and the slack of the whole problem (in place)."""

    problem: Problem
    choice: Choice
    slack: Floats
    scale: Floats
    table: Floats

    def arrays(self) -> Arrays:
        """What the kernels take first."""
        rows = self.problem.rows
        return (*self.problem.arrays(), self.table, rows.codes, rows.coefficient, rows.quantity, self.choice)

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


def repair(problem: Problem, prices: Floats, bound: float, tol: float) -> Repaired:
    """A choice that exceeds no row and whose value is near ``bound``; it stops early within a relative ``tol``."""
    first = problem.choose(prices)
    choice, scale, table = first.choice.copy(), problem.potential(), problem.rows.table(prices)
    n, size, gap = len(problem), min(POOL, len(problem)), np.inf
    value, usage = problem.measure(choice)
    spare = np.zeros(len(usage))
    for _ in range(TRIES):
        near = nearest_ties(first.margin, size)
        core = _Core(problem.take(near), choice[near], problem.rows.bounds - usage - spare, scale, table)
        core.sweep(MEND)
        if (core.slack >= 0).all():
            core.sweep(FILL)
        choice[near] = core.choice
        value, usage = problem.measure(choice)
        over = usage > problem.rows.bounds
        spare = np.where(over, np.maximum(2 * spare, ROUNDING * scale), spare)
        last, gap = gap, np.inf if over.any() else bound - value
        near_enough = gap <= tol * abs(bound) or (np.isfinite(last) and gap > WORTH_IT * last)
        if near_enough or (size == n and not over.any()):
            break
        size = min(n, size * GROW)
    if tol * abs(bound) < gap < np.inf:
        near = nearest_ties(first.margin, min(POOL, n))
        traded = choice.copy()
        core = _Core(problem.take(near), choice[near], problem.rows.bounds - usage, scale, table)
        trade(core.arrays(), core.slack, gap, tol * abs(bound))
        traded[near] = core.choice
        worth, used = problem.measure(traded)
        if worth > value and (used <= problem.rows.bounds).all():
            choice, value, usage = traded, worth, used
    return Repaired(choice, value, usage, choice != first.choice, bool((usage <= problem.rows.bounds).all()))


def nearest_ties(margin: Floats, size: int) -> Ints:
    """The ``size`` units whose choice is nearest to another, in order, (size,)."""
    if size >= len(margin):
        return np.arange(len(margin))
    return np.sort(np.argpartition(margin, size - 1)[:size])


@njit(cache=True)
def amount(cost, cube, columns, coefficient, quantity, r, u, c, a):  # type: ignore[no-untyped-def]
    """The usage of row r by unit u under candidate a (-1: control, none)."""
    if a < 0:
        return 0.0
    q = quantity[r]
    if q == 0:
        return coefficient[r, c, a]
    if q == 1:
        return coefficient[r, c, a] * cost[u if cost.shape[0] > 1 else 0, a]
    return coefficient[r, c, a] * cube[u, a, columns[q - 2]]


@njit(cache=True)
def list_switches(  # type: ignore[no-untyped-def]
    value, cost, cube, columns, table, codes, coefficient, quantity, choice, slack, scale, task, to, key
):
    """The best switch of each unit: to (n,) and key (n,), the smaller the better, inf for none."""
    for u in range(len(choice)):
        c, now = codes[u], choice[u]
        key[u], to[u] = np.inf, now
        score_now = priced(value, cost, cube, columns, table, u, now, c) if now >= 0 else 0.0
        worth_now = value[u, now] if now >= 0 else 0.0
        for a in range(-1, value.shape[1]):
            loss = score_now - (priced(value, cost, cube, columns, table, u, a, c) if a >= 0 else 0.0)
            gain = (value[u, a] if a >= 0 else 0.0) - worth_now
            if a == now or (task == 1 and (gain <= 0.0 or loss >= key[u] * gain)):
                continue
            fits = True
            removed = 0.0
            for r in range(len(slack)):
                more = amount(cost, cube, columns, coefficient, quantity, r, u, c, a)
                more -= amount(cost, cube, columns, coefficient, quantity, r, u, c, now)
                fits = fits and more <= slack[r]
                if slack[r] < 0.0:
                    removed -= max(more, slack[r]) / scale[r]
            if task == 1 and fits:
                key[u], to[u] = loss / gain, a
            elif task == 0 and removed > 0.0 and max(loss, 0.0) < key[u] * removed:
                key[u], to[u] = max(loss, 0.0) / removed, a


@njit(cache=True)
def apply_switches(  # type: ignore[no-untyped-def]
    value, cost, cube, columns, table, codes, coefficient, quantity, choice, order, to, slack, scale, task
):
    """Take the switches in order where they help; how many were taken."""
    m = len(slack)
    taken = 0
    more = np.empty(m)
    for u in order:
        change = 0.0
        fits = True
        for r in range(m):
            more[r] = amount(cost, cube, columns, coefficient, quantity, r, u, codes[u], to[u])
            more[r] -= amount(cost, cube, columns, coefficient, quantity, r, u, codes[u], choice[u])
            fits = fits and more[r] <= slack[r]
            change += (max(more[r] - slack[r], 0.0) - max(-slack[r], 0.0)) / scale[r]
        if (task == 0 and change < 0.0) or (task == 1 and fits):
            choice[u] = to[u]
            slack -= more
            taken += 1
    return taken
