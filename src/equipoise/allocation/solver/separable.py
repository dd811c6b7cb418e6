"""Rows that share no unit, such as a budget for each of many groups, are minimised out.

Given the prices of the other rows, the price of each such row is a problem of one number, and all
are solved in the same passes over the units, by bisection (`Block`).  The level method is left with
the few other rows, so that 200 budgets of groups cost a small multiple of one.

    g(q, p) = q . b_q + rest(q) + sum_r F_r(q, p_r),     h(q) = min over p >= 0 of g(q, p)

A cut of h: of the tangents of F_r at both ends of the last interval, the mixture that is flat in
p_r.  It lies under F_r, so the cut is valid however wide the interval still is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from equipoise.allocation.solver.kernels import best_of_codes, keep_choices
from equipoise.allocation.solver.problem import Choice, Problem
from equipoise.core.arrays import Bools, Floats, Ints

FEWEST = 8  # rows that share no unit; below it the level method alone is as quick
PASSES = 200  # over the units, at most, for one set of other prices
FIRST, GROWTH = 1e-3, 4.0  # scaled step away from the start; each is so many times the last
NARROW = 2  # passes before units that keep their choice are left out, and between two such times


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
class _Units:
    """The units that may still change their choice, and those that do not, in sums.

    A candidate that is best at both ends of an interval is best within: scores are linear in the
    price, so such a unit is one line of height and no more work.

    at_left, at_right : (n,), the choices at the ends.   height, own (f + 1,), others (f + 1,
    m - f) : of the rest, at a price of 0.
    """

    problem: Problem
    block: Ints
    at_left: Choice
    at_right: Choice
    height: Floats
    own: Floats
    others: Floats

    @classmethod
    def of(cls, problem: Problem, parts: Separation) -> _Units:
        """All units."""
        n, f = len(problem), len(parts.own)
        blank = np.full(n, -2, np.int16)
        rest = np.zeros(f + 1), np.zeros(f + 1), np.zeros((f + 1, len(parts.other)))
        return cls(problem, parts.block[problem.rows.codes], blank, blank.copy(), *rest)

    def sums(self, parts: Separation, prices: Floats) -> tuple[_Sums, Choice]:
        """One pass over the units, and the choice of each."""
        rows, choice = self.problem.rows, np.empty(len(self.problem), np.int16)
        sums, totals = np.zeros(self.problem.sums_shape), np.zeros(len(parts.block))
        best_of_codes(*self.problem.arrays(), rows.table(prices), rows.codes, sums, totals, choice)
        usage, f = rows.usage_by_code(sums), len(parts.own)
        by_block = np.zeros((2 + len(parts.other), f + 1))
        own = usage[np.append(parts.own, 0)[parts.block], np.arange(len(parts.block))]
        every = np.vstack([totals, own, usage[parts.other]])
        np.add.at(by_block.T, parts.block, every.T)
        price = np.append(prices[parts.own], 0.0)
        height = by_block[0] + self.height - price * self.own
        return _Sums(height, by_block[1] + self.own, by_block[2:].T + self.others), choice

    def narrow(self, parts: Separation, prices: Floats, total: _Sums, done: Bools) -> _Units:
        """Only units whose choice differs between the ends.   total : of all, at these prices."""
        open_to = np.append(~done, False)[self.block]
        kept = np.flatnonzero((self.at_left != self.at_right) & open_to)
        blank = np.zeros_like(self.height), np.zeros_like(self.own), np.zeros_like(self.others)
        few = _Units(
            self.problem.take(kept),
            self.block[kept],
            self.at_left[kept],
            self.at_right[kept],
            *blank,
        )
        part = few.sums(parts, prices)[0]
        price, own = np.append(prices[parts.own], 0.0), total.own - part.own
        height = total.height - part.height + price * own
        return replace(few, height=height, own=own, others=total.others - part.others)


class _Sums(NamedTuple):
    """By block: the sum of the best scores (f + 1,), the usage of its row (f + 1,) and of the other
    rows (f + 1, m - f).
    """

    height: Floats
    own: Floats
    others: Floats


@dataclass
class _Search:
    """The prices (f,) that rows are tried at, what was best so far, the ends of the intervals, and
    which rows are done.   bounds (f,) : of the rows.
    """

    bounds: Floats
    left: _Ends
    right: _Ends
    price: Floats
    best: Floats
    lowest: Floats
    done: Bools

    @classmethod
    def of(cls, start: Floats, bounds: Floats, others: int) -> _Search:
        """A search that begins at some prices."""
        f = len(start)
        ends = _Ends.none(f, others), _Ends.none(f, others)
        nothing = np.full(f, np.inf), np.zeros(f, np.bool_)
        return cls(bounds, *ends, start.copy(), start.copy(), *nothing)

    def add(self, sums: _Sums, choice: Choice, units: _Units) -> None:
        """What a pass at the prices gave."""
        f = len(self.price)
        height = sums.height[:f] + self.price * self.bounds
        slope = self.bounds - sums.own[:f]
        rising = slope >= 0
        for end, where in ((self.left, ~rising & ~self.done), (self.right, rising & ~self.done)):
            end.move(where, self.price, height, slope, sums.others[:f])
        side = np.append(np.where(self.done, 2, rising), 2)
        keep_choices(choice, units.block, side, units.at_left, units.at_right)
        better = ~self.done & ((height < self.lowest) | ((height == self.lowest) & rising))
        self.lowest = np.where(better, height, self.lowest)
        self.best = np.where(better, self.price, self.best)

    def settle(self, enough: float, most: Floats) -> Floats:
        """End the search of rows that cannot gain ``enough``; where the tangents meet, (f,)."""
        left, right = self.left, self.right
        with np.errstate(invalid="ignore", divide="ignore"):
            meet = right.height - right.slope * right.price - left.height + left.slope * left.price
            meet = meet / (left.slope - right.slope)
            promise = left.height + left.slope * (meet - left.price)
        rising = self.right.price == self.price
        self.done |= (rising & (self.price <= 0)) | (~rising & (self.price >= most))
        self.done |= self.lowest - promise <= enough
        return meet

    def enclosed(self) -> bool:
        """Whether every row that is not done has both ends."""
        between = ~np.isnan(self.left.price) & ~np.isnan(self.right.price)
        return bool((between | self.done).all())

    def right_price(self) -> Floats:
        """The right ends, the best price of rows without, (f,)."""
        return np.where(np.isnan(self.right.price), self.best, self.right.price)

    def right_sums(self, at: Floats) -> _Sums:
        """The sums of all units at the right ends ``at``."""
        right = self.right
        height = np.append(right.height - at * self.bounds, 0.0)
        others = np.vstack([right.usage, np.zeros(right.usage.shape[1])])
        return _Sums(height, np.append(self.bounds - right.slope, 0.0), others)

    def move(self, meet: Floats, step: Floats, most: Floats, turn: int) -> None:
        """To the next prices."""
        moved = _next(self.left, self.right, meet, step, most, turn)
        self.price = np.where(self.done, self.best, moved)

    def flat(self) -> Floats:
        """What all rows' units use of the other rows under the mixtures that are flat, (m - f,)."""
        left, right = self.left, self.right
        with np.errstate(invalid="ignore", divide="ignore"):
            share = right.slope / (right.slope - left.slope)
        share = np.where(np.isnan(left.price), 0.0, np.where(np.isnan(right.price), 1.0, share))
        mixed = share[:, None] * left.usage + (1 - share)[:, None] * right.usage
        flat: Floats = mixed.sum(axis=0)
        return flat


@dataclass
class Reduced:
    """h(q) of a problem beside units with a fixed choice, which use ``usage`` (m,).

    unit : (m,), a scaled price of 1.   worth : the size of h.   most (f,) : the largest prices.
    exact : part of the worth that the tangents of all rows together may promise yet.   passes :
    over the units, so far.
    """

    problem: Problem
    separation: Separation
    usage: Floats
    unit: Floats
    worth: float
    most: Floats
    exact: float
    passes: int = 0

    def evaluate(self, other_prices: Floats, start: Floats) -> tuple[float, Floats, Floats]:
        """h(q), its subgradient (m - f,) and the best prices (f,), looked for near ``start``."""
        parts, bounds = self.separation, self.problem.rows.bounds - self.usage
        units, narrowed = _Units.of(self.problem, parts), 0
        search = _Search.of(start, bounds[parts.own], len(parts.other))
        step, enough = FIRST * self.unit[parts.own], self.exact * self.worth / len(parts.own)
        sums, choice = units.sums(parts, self._prices(other_prices, start))
        rest, rest_usage = float(sums.height[-1]), sums.others[-1]
        for turn in range(PASSES):
            self.passes += 1
            search.add(sums, choice, units)
            meet = search.settle(enough, self.most)
            if search.done.all():
                break
            if turn - narrowed >= NARROW and search.enclosed():
                narrowed = turn
                at = search.right_price()
                units = units.narrow(
                    parts, self._prices(other_prices, at), search.right_sums(at), search.done
                )
            search.move(meet, step, self.most, turn)
            step = step * GROWTH
            sums, choice = units.sums(parts, self._prices(other_prices, search.price))
        total = float(search.lowest.sum()) + rest
        total += float((other_prices * bounds[parts.other]).sum())
        return total, bounds[parts.other] - rest_usage - search.flat(), search.best

    def _prices(self, other_prices: Floats, own_prices: Floats) -> Floats:
        """The prices of all rows, (m,)."""
        prices = np.empty(len(self.problem.rows))
        prices[self.separation.own], prices[self.separation.other] = own_prices, other_prices
        return prices


def _next(left: _Ends, right: _Ends, meet: Floats, step: Floats, most: Floats, turn: int) -> Floats:
    """The next price of each row: away from its one end, or between its two, (f,)."""
    up = np.minimum(left.price + step, most)
    down = np.maximum(right.price - step, 0.0)
    middle = 0.5 * (left.price + right.price)
    between = middle if turn % 2 else np.clip(meet, left.price, right.price)
    between = np.where(np.isfinite(between), between, middle)
    return np.where(np.isnan(right.price), up, np.where(np.isnan(left.price), down, between))
