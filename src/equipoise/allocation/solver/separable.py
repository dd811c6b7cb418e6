"""Rows that share no unit, such as a budget for each of many groups, are minimised out.

Given the prices of the other rows, the price of each such row is a problem of one number, and all
are solved in the same passes over the units, by bisection (`Block`).  The level method is left with
the few other rows, so that 200 budgets of groups cost a small multiple of one.

    g(q, p) = q . b_q + rest(q) + sum_r F_r(q, p_r),     h(q) = min over p >= 0 of g(q, p)

A cut of h: of the tangents of F_r at both ends of the last interval, the mixture that is flat in
p_r.  It lies under F_r, so the cut is valid however wide the interval still is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.allocation.solver.kernels import best_of_codes
from equipoise.allocation.solver.problem import Problem
from equipoise.core.arrays import Bools, Floats, Ints

FEWEST = 8  # rows that share no unit; below it the level method alone is as quick
PASSES = 200  # over the units, at most, for one set of other prices
FIRST, GROWTH = 1e-3, 4.0  # scaled step away from the start; each is so many times the last
EXACT = 1e-14  # of the worth: what the tangents of all rows together may promise yet


@dataclass(frozen=True)
class Separation:
    """own (f,): rows that share no unit; other (m - f,): the rest; block (G,): the place in ``own``
    of the row that counts a code, f where none does.
    """

    own: Ints
    other: Ints
    block: Ints


def separate(support: Bools) -> Separation | None:
    """The rows that share no unit, those that count the fewest codes first; None where they are too
    few to be worth it.  support: (m, G), whether a row counts units of a code.
    """
    m, codes = support.shape
    block, own = np.full(codes, -1), []
    for r in np.argsort(support.sum(axis=1), kind="stable").tolist():
        if (block[support[r]] < 0).all():
            block[support[r]] = r
            own.append(r)
    if len(own) < FEWEST:
        return None
    rows = np.array(sorted(own))
    place = np.full(m + 1, len(rows))
    place[rows] = np.arange(len(rows))
    return Separation(rows, np.setdiff1d(np.arange(m), rows), place[block])


@dataclass
class _Ends:
    """One end of each row's interval: its price, height F and slope, (f,), and what the units of
    the row use of the other rows, (f, m - f).  Without an end the price is NaN.
    """

    price: Floats
    height: Floats
    slope: Floats
    usage: Floats

    @classmethod
    def none(cls, f: int, others: int) -> _Ends:
        """No end yet."""
        blank = np.full(f, np.nan)
        return cls(blank, blank.copy(), blank.copy(), np.zeros((f, others)))

    def move(
        self, where: Bools, price: Floats, height: Floats, slope: Floats, usage: Floats
    ) -> None:
        """Put the end elsewhere for some rows."""
        self.price = np.where(where, price, self.price)
        self.height = np.where(where, height, self.height)
        self.slope = np.where(where, slope, self.slope)
        self.usage = np.where(where[:, None], usage, self.usage)


@dataclass
class Reduced:
    """h(q) of a problem beside units with a fixed choice, which use ``usage`` (m,).

    unit : (m,), a scaled price of 1.   worth : the size of h.   widest : the largest scaled price.
    passes : over the units, so far.
    """

    problem: Problem
    separation: Separation
    usage: Floats
    unit: Floats
    worth: float
    widest: float
    passes: int = 0

    def evaluate(self, other_prices: Floats, start: Floats) -> tuple[float, Floats, Floats]:
        """h(q), its subgradient (m - f,) and the best prices (f,), looked for near ``start``."""
        parts, bounds = self.separation, self.problem.rows.bounds - self.usage
        f, ends = len(parts.own), (self._none(), self._none())
        price, best, lowest = start.copy(), start.copy(), np.full(f, np.inf)
        step, done = FIRST * self.unit[parts.own], np.zeros(f, np.bool_)
        most = self.widest * self.unit[parts.own]
        rest, rest_usage = 0.0, np.zeros(len(parts.other))
        for turn in range(PASSES):
            heights, usage, use_others = self._pass(other_prices, price)
            self.passes += 1
            rest, rest_usage = float(heights[f]), use_others[f]
            height = heights[:f] + price * bounds[parts.own]
            slope = bounds[parts.own] - usage[parts.own]
            right = slope >= 0
            for end, where in zip(ends, (~right, right), strict=True):
                end.move(where & ~done, price, height, slope, use_others[:f])
            better = ~done & ((height < lowest) | ((height == lowest) & right))
            lowest, best = np.where(better, height, lowest), np.where(better, price, best)
            promise, meet = self._meet(*ends)
            done |= (right & (price <= 0)) | (~right & (price >= most))
            done |= lowest - promise <= EXACT * self.worth / f
            if done.all():
                break
            price = np.where(done, best, _next(*ends, meet, step, most, turn))
            step = step * GROWTH
        flat = self._flat(*ends)
        total = float(lowest.sum()) + rest + float((other_prices * bounds[parts.other]).sum())
        return total, bounds[parts.other] - rest_usage - flat, best

    def _none(self) -> _Ends:
        return _Ends.none(len(self.separation.own), len(self.separation.other))

    def _pass(self, other_prices: Floats, own_prices: Floats) -> tuple[Floats, Floats, Floats]:
        """One pass over the units: the sums of best scores by block, (f + 1,), the usage (m,), and
        the other rows' usage by block, (f + 1, m - f).
        """
        rows, parts = self.problem.rows, self.separation
        prices = np.empty(len(rows))
        prices[parts.own], prices[parts.other] = own_prices, other_prices
        sums, totals = np.zeros(self.problem.sums_shape), np.zeros(len(parts.block))
        best_of_codes(*self.problem.arrays(), rows.table(prices), rows.codes, sums, totals)
        usage = rows.usage_by_code(sums)
        sums_of_blocks = np.zeros((1 + len(parts.other), len(parts.own) + 1))
        np.add.at(sums_of_blocks.T, parts.block, np.vstack([totals, usage[parts.other]]).T)
        return sums_of_blocks[0], usage.sum(axis=1), sums_of_blocks[1:].T

    @staticmethod
    def _meet(left: _Ends, right: _Ends) -> tuple[Floats, Floats]:
        """Where the tangents of the ends meet: the height, a bound of F, and the price, (f,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            meet = right.height - right.slope * right.price - left.height + left.slope * left.price
            meet = meet / (left.slope - right.slope)
            return left.height + left.slope * (meet - left.price), meet

    @staticmethod
    def _flat(left: _Ends, right: _Ends) -> Floats:
        """What all rows' units use of the other rows under the mixtures that are flat, (m - f,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            share = right.slope / (right.slope - left.slope)
        share = np.where(np.isnan(left.price), 0.0, np.where(np.isnan(right.price), 1.0, share))
        mixed = share[:, None] * left.usage + (1 - share)[:, None] * right.usage
        flat: Floats = mixed.sum(axis=0)
        return flat


def _next(left: _Ends, right: _Ends, meet: Floats, step: Floats, most: Floats, turn: int) -> Floats:
    """The next price of each row: away from its one end, or between its two, (f,)."""
    up = np.minimum(left.price + step, most)
    down = np.maximum(right.price - step, 0.0)
    middle = 0.5 * (left.price + right.price)
    between = middle if turn % 2 else np.clip(meet, left.price, right.price)
    between = np.where(np.isfinite(between), between, middle)
    return np.where(np.isnan(right.price), up, np.where(np.isnan(left.price), down, between))
