"""The allocation problem, and one fused pass over its units.

maximise  sum_u value[u, x_u]   over one candidate or control (worth 0) a unit,   subject to usage_r(x) <= bound_r
g(prices) = prices . bounds + sum_u max(0, max_a score_ua)   is never below the optimum, whatever the prices >= 0
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from equipoise.allocation.rows import Rows
from equipoise.allocation.rule import priced
from equipoise.core.arrays import Floats, Ints

Choice = NDArray[np.int16]


@dataclass(frozen=True)
class Problem:
    """value (n, k); cost (n, k) or (1, k); cube (n, k, M) of effects, of which the rows' columns count; the rows."""

    value: Floats
    cost: Floats
    cube: Floats
    columns: Ints
    rows: Rows

    def __len__(self) -> int:
        return len(self.value)

    @property
    def sums_shape(self) -> tuple[int, int, int]:
        """(2 + q, G, k)."""
        return (2 + len(self.columns), *self.rows.coefficient.shape[1:])

    def take(self, units: Any, share: float = 1.0) -> Problem:
        """The problem of some of the units, with bounds times ``share``."""
        cost = self.cost[units] if len(self.cost) > 1 else self.cost
        cube = np.ascontiguousarray(self.cube[units][:, :, self.columns]) if len(self.columns) else self.cube[:1]
        columns = np.arange(len(self.columns))
        return replace(self, value=self.value[units], cost=cost, cube=cube, columns=columns, rows=self.rows.take(units, share))

    def arrays(self) -> tuple[Floats, Floats, Floats, Ints]:
        """What the kernels take first."""
        return self.value, self.cost, self.cube, self.columns

    def evaluate(self, prices: Floats) -> tuple[float, Floats, Floats]:
        """g(prices), its subgradient bounds - usage (m,), and the usage (m,)."""
        sums = np.zeros(self.sums_shape)
        total = best_of_all(*self.arrays(), self.rows.table(prices), self.rows.codes, sums)
        used = self.rows.usage(sums)
        return total + float(prices @ self.rows.bounds), self.rows.bounds - used, used

    def choose(self, prices: Floats) -> Chosen:
        """`evaluate`, with each unit's choice and how near it is to another."""
        choice, margin = np.empty(len(self), np.int16), np.empty(len(self))
        sums = np.zeros(self.sums_shape)
        total = choose_all(*self.arrays(), self.rows.table(prices), self.rows.codes, choice, margin, sums)
        return Chosen(total + float(prices @ self.rows.bounds), self.rows.usage(sums), choice, margin)

    def measure(self, choice: Choice) -> tuple[float, Floats]:
        """The value and the usage (m,) of a choice, by compensated sums: the same whatever the order of the units."""
        sums, rest = np.zeros(self.sums_shape), np.zeros(self.sums_shape)
        value = measure_all(*self.arrays(), self.rows.codes, choice, sums, rest)
        return value, self.rows.exact_usage(sums, rest)

    def potential(self) -> Floats:
        """The usage of each row if every unit got every candidate, counted as positive and divided by k, (m,)."""
        sums = np.zeros(self.sums_shape)
        add_all(*self.arrays(), self.rows.codes, sums)
        size = (np.abs(self.rows.coefficient) * sums[self.rows.quantity]).sum(axis=(1, 2)) / self.value.shape[1]
        return np.where(size > 0, size, 1.0)


class Chosen(NamedTuple):
    """g, the usage (m,), the choice (n,) and the margin (n,) by which it beats the second best, control among them."""

    height: float
    usage: Floats
    choice: Choice
    margin: Floats


@njit(cache=True, inline="always")
def count(cost, cube, columns, u, a, c, sums):  # type: ignore[no-untyped-def]
    """Add to ``sums`` the quantities of one unit under candidate a."""
    sums[0, c, a] += 1.0
    sums[1, c, a] += cost[u if cost.shape[0] > 1 else 0, a]
    for q in range(len(columns)):
        sums[2 + q, c, a] += cube[u, a, columns[q]]


@njit(cache=True)
def best_of_all(value, cost, cube, columns, table, codes, sums):  # type: ignore[no-untyped-def]
    """The sum of the best scores; the quantities of the choices are added to ``sums``."""
    total = 0.0
    for u in range(value.shape[0]):
        best, chosen = 0.0, -1
        for a in range(value.shape[1]):
            score = priced(value, cost, cube, columns, table, u, a, codes[u])
            if score > best:
                best, chosen = score, a
        if chosen >= 0:
            total += best
            count(cost, cube, columns, u, chosen, codes[u], sums)
    return total


@njit(cache=True)
def choose_all(value, cost, cube, columns, table, codes, choice, margin, sums):  # type: ignore[no-untyped-def]
    """`best_of_all`, with the choice (n,) and its margin (n,)."""
    total = 0.0
    for u in range(value.shape[0]):
        best, second, chosen = 0.0, -np.inf, -1
        for a in range(value.shape[1]):
            score = priced(value, cost, cube, columns, table, u, a, codes[u])
            if score > best:
                best, second, chosen = score, best, a
            elif score > second:
                second = score
        choice[u], margin[u] = chosen, best - second
        if chosen >= 0:
            total += best
            count(cost, cube, columns, u, chosen, codes[u], sums)
    return total


@njit(cache=True)
def add_two(high, low, x):  # type: ignore[no-untyped-def]
    """high + low + x as a rounded sum and its rest (Neumaier 1974)."""
    total = high + x
    if abs(high) >= abs(x):
        low += (high - total) + x
    else:
        low += (x - total) + high
    return total, low


@njit(cache=True)
def measure_all(value, cost, cube, columns, codes, choice, sums, rest):  # type: ignore[no-untyped-def]
    """The value of a choice; its quantities go to ``sums`` and what rounding lost to ``rest``."""
    step = 1 if cost.shape[0] > 1 else 0
    total = 0.0
    lost = 0.0
    for u in range(value.shape[0]):
        a = choice[u]
        if a < 0:
            continue
        c = codes[u]
        total, lost = add_two(total, lost, value[u, a])
        sums[0, c, a] += 1.0
        sums[1, c, a], rest[1, c, a] = add_two(sums[1, c, a], rest[1, c, a], cost[u * step, a])
        for q in range(len(columns)):
            x = cube[u, a, columns[q]]
            sums[2 + q, c, a], rest[2 + q, c, a] = add_two(sums[2 + q, c, a], rest[2 + q, c, a], x)
    return total + lost


@njit(cache=True)
def add_all(value, cost, cube, columns, codes, sums):  # type: ignore[no-untyped-def]
    """Add the size of every quantity of every unit and candidate to ``sums``."""
    step = 1 if cost.shape[0] > 1 else 0
    n, k = value.shape
    for u in range(n):
        c = codes[u]
        for a in range(k):
            sums[0, c, a] += 1.0
            sums[1, c, a] += cost[u * step, a]
            for q in range(len(columns)):
                sums[2 + q, c, a] += abs(cube[u, a, columns[q]])
