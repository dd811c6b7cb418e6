"""Pacing: the price at which a budget lasts the whole period, whatever traffic comes.

A request has candidates of worth v and expected cost c and takes argmax(v - price c), or nothing
where that is not above 0.  As the price falls it moves along the upper hull of its candidates
(0, 0), (c, v): each step costs dc more and is taken below the price dv / dc.  Sums of dc by price
over the last requests are therefore the whole curve of spend against price,

    spend(price) = sum of dc over steps with dv / dc > price,

and the price for the rest of the period solves

    spend(price) / requests behind it * requests to come * paid / expected = money left,
    requests to come = those planned * (observed / planned, of the last two hours)

every 15 minutes ("resolve").  The cheaper fall-back "pi" steers the price by how far the spend is
off its planned curve; "price" leaves it alone.  Under all three the money can only run out, never
be overspent: an offer that could cost more than is left is not made.

    Balseiro, Lu & Mirrokni (2023), The best of many worlds: dual mirror descent for online
    allocation problems, Operations Research 71;  Jasin & Kumar (2012), Math. OR 37, on re-solving.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.durations import seconds
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.kernels import njit
from equipoise.core.suggest import among

VERSION = 1
WAYS = ("resolve", "pi", "price")
WINDOW = 7200.0  # seconds of requests that the curve rests on
GAIN, INTEGRAL_GAIN = 8.0, 0.4  # gains on the error as a share of the budget
LEAST = 50.0  # requests as planned that a window's ratios are drawn towards
CLOSE = 1e-6  # of rounding in a profile's sum and in money


@shown
@dataclass(frozen=True)
class PacingPlan:
    """What a period is expected to bring, such as yesterday.

    Attributes
    ----------
    profile : tuple of float, (S,)
        The share of all requests in each slot of equal length; sums to 1.
    requests : float
        How many requests are expected, > 0.
    price : float
        The price to start from, >= 0: yesterday's.
    spend : tuple of float, (S,), default ()
        The share of the budget spent in each slot; empty: as the requests.
    seconds : float, default 86400.0
        The period's length, > 0.

    Examples
    --------
    >>> PacingPlan((0.25, 0.75), 1000.0, 0.5).by(64_800.0)
    0.625
    """

    profile: tuple[float, ...]
    requests: float
    price: float
    spend: tuple[float, ...] = ()
    seconds: float = 86_400.0

    def __post_init__(self) -> None:
        for name in ("profile", "spend") if self.spend else ("profile",):
            shares = np.asarray(getattr(self, name), np.float64)
            if shares.ndim != 1 or not len(shares) or not (shares >= 0).all():
                raise InputError(f"the {name}", "be shares >= 0 of slots", shares.tolist())
            if abs(shares.sum() - 1) > CLOSE:
                fix = "divide the shares by their sum"
                raise InputError(f"the {name}", "sum to 1", float(shares.sum()), fix=fix)
            object.__setattr__(self, name, tuple(shares.tolist()))
        for name in ("requests", "seconds"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(f"the plan's {name}", "be finite and > 0", getattr(self, name))
        if not (math.isfinite(self.price) and self.price >= 0):
            raise InputError("the plan's price", "be finite and >= 0", self.price)

    def by(self, now: float, *, of_spend: bool = False) -> float:
        """The share planned from the start until a time.

        Parameters
        ----------
        now : float
            Seconds since the start.
        of_spend : bool, default False
            Of the spend, not of the requests.

        Returns
        -------
        float
            In 0..1.
        """
        shares = np.asarray(self.spend if of_spend and self.spend else self.profile)
        ends = np.linspace(0, self.seconds, len(shares) + 1)
        return float(np.interp(now, ends, np.concatenate([[0.0], np.cumsum(shares)])))


@shown
class Pacer:
    """Holds a budget over a period; a pure object, whose time comes as an argument.

    Parameters
    ----------
    budget : float
        The money of the period, > 0.
    plan : PacingPlan
        What is expected.
    prices : array-like, (G,)
        The grid between whose points prices are sought: rising, > 0; 0 is always considered.
    way : str, default "resolve"
        "resolve", "pi" or "price".
    every : str, default "15m"
        How often the price moves: a number with ms, s, m, h, d or w.

    Raises
    ------
    InputError
        Where the budget is not > 0, the grid does not rise, or ``way`` or ``every`` are unknown.

    References
    ----------
    Balseiro, Lu & Mirrokni (2023), Operations Research 71;  Jasin & Kumar (2012), Math. OR 37.

    Examples
    --------
    >>> plan = PacingPlan((0.5, 0.5), 100.0, 1.0)
    >>> pacer = Pacer(10.0, plan, np.geomspace(0.1, 10, 50))
    >>> pacer.serve([[3.0], [0.5]], [[1.0], [1.0]], now=60).tolist()  # worth 3 and .5, price 1
    [0, -1]
    >>> pacer.spent(1.0, now=61)
    >>> pacer.left
    9.0
    """

    _shown_names = ("budget", "left", "way", "every")

    def __init__(
        self,
        budget: float,
        plan: PacingPlan,
        prices: ArrayLike,
        way: str = "resolve",
        every: str = "15m",
    ) -> None:
        if not (math.isfinite(budget) and budget > 0):
            raise InputError("the budget", "be finite and > 0", budget)
        grid = np.asarray(prices, np.float64)
        if grid.ndim != 1 or len(grid) < 2 or not np.isfinite(grid).all():
            raise InputError("prices", "be two finite numbers or more", np.shape(prices))
        if not (grid[0] > 0 and (np.diff(grid) > 0).all()):
            raise InputError("prices", "rise and be > 0", grid[:5].tolist())
        if way not in WAYS:
            raise InputError("way", "be a known one", repr(way), fix=among(str(way), WAYS))
        self.budget, self.plan, self.prices, self.way, self.every = budget, plan, grid, way, every
        self._step = seconds(every, "every")
        slots = math.ceil(plan.seconds / self._step)
        self._steps = np.zeros((slots, len(grid) + 1))  # dc by slot and price
        self._requests, self._expected, self._paid = (np.zeros(slots) for _ in range(3))
        self._now, self._price, self._slot = 0.0, plan.price, 0
        self._sum, self._reserved = 0.0, 0.0

    @property
    def left(self) -> float:
        """The money that is neither spent nor reserved by offers made."""
        return max(self.budget - float(self._paid.sum()) - self._reserved, 0.0)

    def price(self, now: float) -> float:
        """The price of a unit of cost from a time on.

        Parameters
        ----------
        now : float
            Seconds since the start; no earlier than any time told before.

        Returns
        -------
        float
            In worth per unit of money; infinity once nothing is left.

        Raises
        ------
        InputError
            Where the clock runs backwards or past the period.
        """
        slot = self._slot_at(now)
        if slot > self._slot:
            self._slot = slot
            if self.way == "resolve":
                self._price = self._resolved(slot)
            elif self.way == "pi":
                self._price = self._steered(slot)
        return self._price if self.left > 0 else math.inf

    def serve(
        self, value: ArrayLike, cost: ArrayLike, now: float, most: ArrayLike | None = None
    ) -> Ints:
        """Choose for requests and reserve what their offers can cost.

        Parameters
        ----------
        value : array-like, (n, k)
            The worth of each candidate over nothing.
        cost : array-like, (n, k)
            What each is expected to cost, >= 0.
        now : float
            Seconds since the start.
        most : array-like, (n, k), default None
            The most each can cost, >= its cost; None: its cost.

        Returns
        -------
        array of int, (n,)
            -1 nothing, else a candidate.  An offer that could cost more than is left is not made.
        """
        v, c, m = _requests(value, cost, most)
        price = self.price(now)
        self._observe(v, c)
        choice, expected, reserved = _choose(v, c, m, min(price, 1e300), self.left)
        self._expected[self._slot] += expected
        self._reserved += reserved
        return np.asarray(choice)

    def seen(self, value: ArrayLike, cost: ArrayLike, now: float) -> None:
        """Tell requests that another rule served, so that the price follows them too.

        Parameters
        ----------
        value : array-like, (n, k)
            The worth of each candidate over nothing.
        cost : array-like, (n, k)
            What each is expected to cost, >= 0.
        now : float
            Seconds since the start.
        """
        v, c, _ = _requests(value, cost, None)
        self.price(now)
        self._observe(v, c)

    def spent(self, amount: float, now: float, *, reserved: float | None = None) -> None:
        """Book money that was paid.

        Parameters
        ----------
        amount : float
            The money, >= 0.
        now : float
            Seconds since the start.
        reserved : float or None, default None
            What `serve` had reserved for the offers that are now settled; None: the amount.

        Raises
        ------
        InputError
            Where the amount is negative, above what was reserved and left, or the clock runs
            backwards.
        """
        release = min(amount if reserved is None else reserved, self._reserved)
        if not (math.isfinite(amount) and amount >= 0):
            raise InputError("an amount", "be finite and >= 0", amount)
        if amount > self.left + release + CLOSE * self.budget:
            fix = "ask `serve`, or compare an offer's cost with `left`, before it is made"
            raise InputError(
                "an amount", f"be within {self.left + release:.6g} left", amount, fix=fix
            )
        self.price(now)
        self._reserved -= release
        self._paid[self._slot] += amount

    def state(self) -> dict[str, Any]:
        """Everything that the next call depends on.

        Returns
        -------
        dict
            JSON; `from_state` makes the same pacer of it.
        """
        last = self._window(self._slot + 1)
        return {
            "version": VERSION,
            "budget": self.budget,
            "plan": asdict(self.plan)
            | {"profile": list(self.plan.profile), "spend": list(self.plan.spend)},
            "prices": self.prices.tolist(),
            "way": self.way,
            "every": self.every,
            "now": self._now,
            "slot": self._slot,
            "price": self._price,
            "sum": self._sum,
            "reserved": self._reserved,
            "requests": self._requests.tolist(),
            "expected": self._expected.tolist(),
            "paid": self._paid.tolist(),
            "steps": self._steps[last].tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Pacer:
        """Make a pacer of a state.

        Parameters
        ----------
        state : mapping
            What `state` gave.

        Returns
        -------
        Pacer
            One that answers as the other would have.

        Raises
        ------
        SnapshotError
            Where the state is of a newer version or lacks a part.
        """
        version = state.get("version")
        if not isinstance(version, int) or version > VERSION:
            fix = "use the version that wrote it, or a later one"
            raise SnapshotError("a pacer's state", f"be of version {VERSION}", version, fix=fix)
        try:
            plan = PacingPlan(**state["plan"])
            pacer = cls(state["budget"], plan, state["prices"], state["way"], state["every"])
            pacer._now, pacer._slot = float(state["now"]), int(state["slot"])
            pacer._price, pacer._sum = float(state["price"]), float(state["sum"])
            pacer._reserved = float(state["reserved"])
            for name in ("requests", "expected", "paid"):
                getattr(pacer, f"_{name}")[:] = state[name]
            pacer._steps[pacer._window(pacer._slot + 1)] = state["steps"]
        except (KeyError, TypeError, IndexError) as error:
            raise SnapshotError("a pacer's state", "be whole", repr(error)) from error
        return pacer

    def _slot_at(self, now: float) -> int:
        """Move the clock; the step of the period it is in."""
        if not (math.isfinite(now) and now >= self._now):
            fix = "tell times in order, in seconds since the period's start"
            raise InputError("the clock", f"not run backwards from {self._now:g}", now, fix=fix)
        if now >= self.plan.seconds:
            fix = "begin a new period with a pacer of its own"
            raise InputError("the clock", f"stay within {self.plan.seconds:g} s", now, fix=fix)
        self._now = float(now)
        return int(now // self._step)

    def _window(self, slot: int) -> slice:
        """The steps of the two hours before one."""
        return slice(max(slot - max(round(WINDOW / self._step), 1), 0), slot)

    def _observe(self, v: Floats, c: Floats) -> None:
        """Add requests to the curve of the present step."""
        _add_steps(v, c, self.prices, self._steps[self._slot])
        self._requests[self._slot] += len(v)

    def _resolved(self, slot: int) -> float:
        """The price that makes the money left last to the end."""
        window = self._window(slot)
        begin, end = window.start * self._step, slot * self._step
        planned = self.plan.requests * (self.plan.by(end) - self.plan.by(begin))
        requests = float(self._requests[window].sum())
        if requests < LEAST:
            return self._price
        traffic = (requests + LEAST) / (planned + LEAST)
        to_come = self.plan.requests * (1 - self.plan.by(end)) * traffic
        expected, paid = self._expected[window].sum(), self._paid[window].sum()
        a_request = self.budget / self.plan.requests * LEAST
        ratio = (paid + a_request) / (expected + a_request) if expected > 0 else 1.0
        curve = spend_curve(self._steps[window].sum(axis=0)) * (to_come / requests * ratio)
        return price_at(np.concatenate([[0.0], self.prices]), curve, self.left)

    def _steered(self, slot: int) -> float:
        """The price by proportional and integral error of the spend."""
        planned = self.plan.by(slot * self._step, of_spend=True)
        error = (float(self._paid.sum()) + self._reserved) / self.budget - planned
        self._sum += error
        start = max(self.plan.price, self.prices[0])
        return float(start * math.exp(np.clip(GAIN * error + INTEGRAL_GAIN * self._sum, -30, 30)))


def spend_curve(steps: Floats) -> Floats:
    """The spend at price 0 and at each price of the grid, (G + 1,), of dc by the number of prices
    below dv / dc, (G + 1,).

    Parameters
    ----------
    steps : array, (G + 1,)
        Sums of dc.

    Returns
    -------
    array, (G + 1,)
        Falling.

    Examples
    --------
    >>> spend_curve(np.array([1.0, 2.0, 4.0])).tolist()
    [7.0, 6.0, 4.0]
    """
    return np.cumsum(steps[::-1])[::-1]


def price_at(prices: Floats, curve: Floats, money: float) -> float:
    """The least price at which a falling curve of spend is within the money.

    Parameters
    ----------
    prices : array, (G + 1,)
        Rising.
    curve : array, (G + 1,)
        Falling.
    money : float
        What there is.

    Returns
    -------
    float
        Between two points of the grid by interpolation; the last where even that spends too much.

    Examples
    --------
    >>> price_at(np.array([0.0, 1.0, 2.0]), np.array([9.0, 5.0, 1.0]), 3.0)
    1.5
    """
    if money >= curve[0]:
        return float(prices[0])
    return float(np.interp(-money, -curve, prices))


def _requests(value: ArrayLike, cost: ArrayLike, most: ArrayLike | None) -> tuple[Floats, ...]:
    """Checked worth, cost and the most it can be, each (n, k)."""
    v, c = np.asarray(value, np.float64), np.asarray(cost, np.float64)
    m = c if most is None else np.asarray(most, np.float64)
    if v.ndim != 2 or c.shape != v.shape or m.shape != v.shape:
        raise InputError("values and costs", "have one shape (n, k)", (v.shape, c.shape, m.shape))
    if not np.isfinite(v).all():
        raise InputError("values", "be finite", f"row {int(np.argwhere(~np.isfinite(v))[0, 0])}")
    wrong = ~(np.isfinite(c) & (c >= 0) & np.isfinite(m) & (m >= c))
    if wrong.any():
        row, k = np.argwhere(wrong)[0]
        raise InputError(
            "costs", "be finite and >= 0, and the most at least as much", c[row, k], f"row {row}"
        )
    return np.ascontiguousarray(v), np.ascontiguousarray(c), np.ascontiguousarray(m)


@njit(cache=True)
def _add_steps(v, c, prices, steps):  # type: ignore[no-untyped-def]
    """Add the hull steps of requests to sums of dc by price, in place."""
    k = v.shape[1]
    for i in range(v.shape[0]):
        at_cost, at_value, last = 0.0, 0.0, len(prices)
        for j in range(k):
            if c[i, j] == 0.0 and v[i, j] > at_value:
                at_value = v[i, j]
        while True:
            best, slope = -1, 0.0
            for j in range(k):  # the steepest next point of the hull; of equals the farthest
                more, gain = c[i, j] - at_cost, v[i, j] - at_value
                if more > 0.0 and gain > 0.0:
                    steep = gain / more
                    if best < 0 or steep > slope or (steep == slope and c[i, j] > c[i, best]):
                        best, slope = j, steep
            if best < 0:
                break
            last = min(last, int(np.searchsorted(prices, slope)))
            steps[last] += c[i, best] - at_cost
            at_cost, at_value = c[i, best], v[i, best]


@njit(cache=True)
def _choose(v, c, m, price, left):  # type: ignore[no-untyped-def]
    """argmax(v - price c) of each request while its most is within what is left."""
    choice, expected, reserved = np.full(v.shape[0], -1), 0.0, 0.0
    for i in range(v.shape[0]):
        best, top = -1, 0.0
        for j in range(v.shape[1]):
            net = v[i, j] - price * c[i, j]
            if net > top and m[i, j] <= left - reserved:
                best, top = j, net
        choice[i] = best
        if best >= 0:
            expected += c[i, best]
            reserved += m[i, best]
    return choice, expected, reserved
