"""The allocation problem, and one fused pass over its units.

maximise  sum_u value[u, x_u]   over one candidate or control (worth 0) per unit,   subject to
usage_r(x) <= bound_r
g(prices) = prices . bounds + sum_u max(0, max_a score_ua)   is never below the optimum, whatever
the prices >= 0
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipoise.allocation.solver.compile import Rows
from equipoise.allocation.solver.kernels import (
    add_all,
    best_of_all,
    best_of_scores,
    choose_all,
    measure_all,
    price_all,
)
from equipoise.core.arrays import Bools, Floats, Ints

Choice = NDArray[np.int16]
CHUNK = 65_536  # units that are scored at a time


@dataclass(frozen=True)
class Problem:
    """value (n, k); cost (n, k) or (1, k); cube (n, k, M) of effects, of which the rows' columns
    count; the rows; whether a candidate is open to a unit, (n, k), None where all are.  Where units
    have weights, (n,), the problem of one of each: the rule decides by its scores.
    """

    value: Floats
    cost: Floats
    cube: Floats
    columns: Ints
    rows: Rows
    eligible: Bools | None = None
    weight: Floats | None = None
    single: Problem | None = None

    def __len__(self) -> int:
        return len(self.value)

    @property
    def sums_shape(self) -> tuple[int, int, int]:
        """(2 + q, G, k)."""
        return (2 + len(self.columns), *self.rows.coefficient.shape[1:])

    def take(self, units: Any, share: float = 1.0) -> Problem:
        """The problem of some of the units, with bounds times ``share``."""
        cost = self.cost[units] if len(self.cost) > 1 else self.cost
        cube = (
            np.ascontiguousarray(self.cube[units][:, :, self.columns])
            if len(self.columns)
            else self.cube[:1]
        )
        columns = np.arange(len(self.columns))
        return replace(
            self,
            value=self.value[units],
            cost=cost,
            cube=cube,
            columns=columns,
            rows=self.rows.take(units, share),
            eligible=None if self.eligible is None else self.eligible[units],
            weight=None if self.weight is None else self.weight[units],
            single=None if self.single is None else self.single.take(units, share),
        )

    def arrays(self) -> tuple[Floats, Floats, Floats, Ints]:
        """What the kernels take first."""
        return self.value, self.cost, self.cube, self.columns

    def scores(self, prices: Floats) -> Floats:
        """The score of every candidate for one of a unit, (n, k), -inf where it is closed."""
        if self.single is not None:
            return self.single.scores(prices)
        score = np.empty_like(self.value)
        price_all(*self.arrays(), self.rows.table(prices), self.rows.codes, score)
        if self.eligible is not None:
            score[~self.eligible] = -np.inf
        return score

    def slopes(self, line: Floats) -> Floats:
        """How fast scores change along a line of prices (m,), (n, k)."""
        if self.single is not None:
            return self.single.slopes(line)
        slope = np.empty_like(self.value)
        free = np.zeros_like(self.value), *self.arrays()[1:]
        price_all(*free, self.rows.table(line), self.rows.codes, slope)
        return slope

    def best(self, score: Floats) -> tuple[Choice, Floats]:
        """The best candidate of every unit, (n,), and its score, (n,).   score: (n, k)."""
        if self.single is not None:
            return self.single.best(score)
        return best_of(score, self.cost, self.cube, self.columns, self.rows)

    def evaluate(self, prices: Floats) -> tuple[float, Floats, Floats]:
        """g(prices), its subgradient bounds - usage (m,), and the usage (m,)."""
        if not prices.any():  # where equals are many, and the lightest may keep every row
            free = self.choose(prices)
            return free.height, self.rows.bounds - free.usage, free.usage
        sums = np.zeros(self.sums_shape)
        total = best_of_all(*self.arrays(), self.rows.table(prices), self.rows.codes, sums)
        usage = self.rows.usage(sums)
        return total + float((prices * self.rows.bounds).sum()), self.rows.bounds - usage, usage

    def choose(self, prices: Floats) -> PricedChoice:
        """`evaluate`, with each unit's choice and how near it is to another."""
        choice, margin = np.empty(len(self), np.int16), np.empty(len(self))
        sums = np.zeros(self.sums_shape)
        total = choose_all(
            *self.arrays(),
            self.rows.table(prices),
            self.rows.tie,
            self.rows.codes,
            choice,
            margin,
            sums,
        )
        return PricedChoice(
            total + float((prices * self.rows.bounds).sum()), self.rows.usage(sums), choice, margin
        )

    def measure(self, choice: Choice) -> tuple[float, Floats]:
        """The value and the usage (m,) of a choice, by compensated sums: the same whatever the
        order of the units.
        """
        value, sums, rest = self.sums_of(choice)
        return value, self.rows.exact_usage(sums, rest)

    def sums_of(self, choice: Choice) -> tuple[float, Floats, Floats]:
        """The value of a choice, the sums of its quantities, and what rounding lost of them."""
        sums, rest = np.zeros(self.sums_shape), np.zeros(self.sums_shape)
        value = measure_all(*self.arrays(), self.rows.codes, choice, sums, rest)
        return value, sums, rest

    def potential(self) -> Floats:
        """The usage of each row if every unit got every candidate, counted as positive and divided
        by k, (m,).
        """
        size = self.row_sizes()
        return np.where(size > 0, size, 1.0)

    def row_sizes(self) -> Floats:
        """`potential`, 0 where a row counts none of the units, (m,)."""
        sums = np.zeros(self.sums_shape)
        add_all(*self.arrays(), self.rows.codes, sums)
        every = np.abs(self.rows.coefficient) * sums[self.rows.quantity]
        size: Floats = every.sum(axis=(1, 2)) / self.value.shape[1]
        return size


class PricedChoice(NamedTuple):
    """g, the usage (m,), the choice (n,) and the margin (n,) by which it beats the second best,
    control among them.
    """

    height: float
    usage: Floats
    choice: Choice
    margin: Floats


def best_of(
    score: Floats, cost: Floats, cube: Floats, columns: Ints, rows: Rows
) -> tuple[Choice, Floats]:
    """The best candidate of every unit, (n,), and its score, (n,): of equals the one that uses
    least of what the rows count, then that of least cost, then the first.   score: (n, k).
    """
    arm, best = np.empty(len(score), np.int16), np.empty(len(score))
    best_of_scores(score, cost, cube, columns, rows.tie, rows.codes, arm, best)
    return arm, best


def nearest_ties(margin: Floats, size: int) -> Ints:
    """The ``size`` units whose choice is nearest to another, in order, (size,)."""
    if size >= len(margin):
        return np.arange(len(margin))
    return np.sort(np.argpartition(margin, size - 1)[:size])


def best_scores(problem: Problem, prices: Floats) -> Floats:
    """The score of each unit's best candidate, (n,); 0 where all are closed."""
    best = np.empty(len(problem))
    for start in range(0, len(problem), CHUNK):
        part = problem.take(slice(start, start + CHUNK))
        best[start : start + CHUNK] = part.best(part.scores(prices))[1]
    return np.where(np.isfinite(best), best, 0.0)
