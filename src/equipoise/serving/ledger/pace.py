"""One price for all workers, so that the money lasts the period.

Every 15 minutes the price is found anew by the pacer of the operations (its curve of spend against
price, or its steering by the error).  No worker leads: each notes in the book what it saw of a
step, sums that add up over workers; the first that is past the end of a step finds the price from
all of them and notes it, and what is noted first holds for all.  So the death of any worker delays
no price, and two workers never have two.

A step's money is what left the book in it: reserved and spent, less what came back.  Claims that
come days later thus count as they do in the book: as taken until they are settled.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import msgspec
import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.durations import seconds
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy
from equipoise.operations.pacing import WINDOW, Pacer, PacingPlan
from equipoise.serving.config import BudgetConfig
from equipoise.serving.ledger.money import MILLION, Book, period_of

STEP = "15m"
LATE = 2.0  # seconds after a step by which every worker has noted what it saw
EVERY = 30.0  # seconds between notes
GRID = np.geomspace(1e-4, 1e4, 401)  # of the first price
BATCH = 4096  # requests that are added up at once


class Seen(msgspec.Struct):
    """What one worker saw of a step: requests, the expected cost of what they got, and the curve
    of cost by price, float64 bytes.
    """

    requests: float
    expected: float
    steps: bytes


class Priced(msgspec.Struct):
    """A step's end: the price from there on, the steering's sum of errors, and the money used by
    then.
    """

    price: float
    sum: float
    used: float


def budget_demand(policy: Policy) -> tuple[str, float]:
    """The demand on all money that a policy has, and its price.

    Parameters
    ----------
    policy : Policy
        What decides.

    Returns
    -------
    tuple of str and float
        The demand's name, and its price in worth per unit of money.

    Raises
    ------
    InputError
        Where it has none, or several.
    """
    found = [
        (demand.name, price)
        for demand, price in zip(policy.demands, policy.prices, strict=True)
        if demand.kind == "budget" and demand.column is None and demand.candidate is None
    ]
    if len(found) != 1:
        fix = "run a plan with [policy] budget, or set [serve.budget] pacing to off"
        raise InputError("a paced policy", "have one budget over all", len(found), fix=fix)
    return found[0]


class Pace:
    """What one worker adds to the pacing of all, and learns from it.

    Parameters
    ----------
    book : Book
        Shared by all workers.
    slot : int
        This worker's.
    config : BudgetConfig
        With the way of pacing and the requests that a period brings.
    price : float
        Of the policy's budget, to begin with.
    clock : callable, default `time.time_ns`
        Nanoseconds since 1970.

    Raises
    ------
    InputError
        Where no requests are expected.

    Examples
    --------
    >>> import tempfile
    >>> from equipoise.serving.ledger.sqlite_book import SqliteBook
    >>> book = SqliteBook(tempfile.mkdtemp() + "/book.sqlite", 100_000_000)
    >>> config = BudgetConfig(total=100.0, pacing="resolve", requests=1000)
    >>> pace = Pace(book, 0, config, price=0.5, clock=lambda: 0)
    >>> pace.seen(np.array([1.0]), np.array([1.0]), served=0)
    >>> pace.tick()
    0.5
    """

    def __init__(
        self,
        book: Book,
        slot: int,
        config: BudgetConfig,
        price: float,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if config.requests <= 0:
            fix = "say how many a period brings in [serve.budget] requests"
            raise InputError("the requests of a paced budget", "be above 0", 0, fix=fix)
        self.book, self.slot, self.config, self.clock = book, slot, config, clock
        self.first = price
        self.grid = GRID * (price or 1.0)
        self._step = seconds(STEP)
        self._count = max(int(np.ceil(config.seconds / self._step)), 1)
        self._new: deque[tuple[Floats, Floats, float]] = deque()
        self._at = self._place()
        self._sums = Seen(0.0, 0.0, b"")
        self._curve: Floats = np.zeros(len(self.grid) + 1)
        self._noted = 0.0
        self._kernel(np.zeros((1, 1)), np.zeros((1, 1)))  # compiled before a request waits for it
        self._priced_at: tuple[int, int] | None = None
        self.price = price
        self.price = self._price_now()

    def seen(self, value: Floats, cost: Floats, served: int) -> None:
        """Take note of a request; nothing is computed here.

        Parameters
        ----------
        value : array, (k,)
            The worth of each candidate before the budget's price: its score plus price times cost.
        cost : array, (k,)
            What each is expected to cost, in money.
        served : int
            What the unit got: -1 control, a candidate's place.
        """
        self._new.append((value, cost, float(cost[served]) if served >= 0 else 0.0))

    def tick(self) -> float:
        """Add up what was seen, and note it; at the end of a step, find the price or read it.

        Returns
        -------
        float
            The price in force.

        Raises
        ------
        LedgerError
            Where the book cannot be reached.
        """
        place = self._place()
        self.add_up()
        now = time.monotonic()
        if place != self._at:
            self._note()
            self._at, self._sums = place, Seen(0.0, 0.0, b"")
            self._curve = np.zeros(len(self.grid) + 1)
        elif now - self._noted > EVERY:
            self._note()
        self.price = self._price_now()
        return self.price

    def _place(self) -> tuple[int, int]:
        """The period and the step of it."""
        ns = self.clock()
        period = period_of(ns, self.config.seconds)
        return period, min(int(self._since(ns, period) // self._step), self._count - 1)

    def _since(self, ns: int, period: int) -> float:
        """Seconds since a period's start."""
        return ns / 1e9 - period * self.config.seconds

    def add_up(self) -> None:
        """Add requests to the sums, by the pacer's own kernel; the book is not asked."""
        while self._new:
            some = [self._new.popleft() for _ in range(min(len(self._new), BATCH))]
            self._sums.requests += len(some)
            self._sums.expected += sum(one[2] for one in some)
            for k in {len(one[0]) for one in some}:  # a new snapshot may have other candidates
                own = [one for one in some if len(one[0]) == k]
                values, costs = (np.array([one[i] for one in own]) for i in (0, 1))
                self._curve += self._kernel(np.nan_to_num(values, nan=-1.0), costs)

    def _kernel(self, values: Floats, costs: Floats) -> Floats:
        """The curve of some requests, (G + 1,)."""
        pacer = Pacer(1.0, PacingPlan((1.0,), 1.0, 0.0), self.grid, every="24h")
        pacer.seen(values, costs, 0.0)
        return np.asarray(pacer.state()["steps"][0], np.float64)

    def _note(self) -> None:
        self._noted = time.monotonic()
        if self._sums.requests:
            self._sums.steps = self._curve.astype("<f8").tobytes()
            key = f"seen/{self._at[0]}/{self._at[1]:05d}/{self.slot}"
            self.book.note(key, msgspec.msgpack.encode(self._sums))

    def _price_now(self) -> float:
        """The price noted last; where the step before this has none yet, it is found."""
        ns = self.clock()
        period, step = self._at
        if self._priced_at == self._at:
            return self.price
        notes = self._priced(period)
        late = self._since(ns, period) - step * self._step >= LATE
        if step and step - 1 not in notes and late:
            priced = self._find(period, step, notes)
            key = f"price/{period}/{step - 1:05d}"
            kept = self.book.note(key, msgspec.msgpack.encode(priced), first=True)
            notes[step - 1] = msgspec.msgpack.decode(kept, type=Priced)
            for old in ("seen", "price"):
                self.book.forget(f"{old}/{period - 2}/")
        if not step or step - 1 in notes:
            self._priced_at = self._at
        return self._before(notes, period).price

    def _priced(self, period: int) -> dict[int, Priced]:
        return {
            int(key.rsplit("/")[2]): msgspec.msgpack.decode(value, type=Priced)
            for key, value in self.book.notes(f"price/{period}/").items()
        }

    def _seen(self, period: int) -> tuple[Floats, Floats, Floats]:
        """Requests (S,), expected cost (S,) and curves (S, G + 1) of all workers."""
        requests, expected = np.zeros(self._count), np.zeros(self._count)
        curves = np.zeros((self._count, len(self.grid) + 1))
        for key, value in self.book.notes(f"seen/{period}/").items():
            step, seen = int(key.rsplit("/")[2]), msgspec.msgpack.decode(value, type=Seen)
            requests[step] += seen.requests
            expected[step] += seen.expected
            curves[step] += np.frombuffer(seen.steps, "<f8")
        return requests, expected, curves

    def _find(self, period: int, step: int, notes: dict[int, Priced]) -> Priced:
        """The price from a step on, by the pacer whose state all workers' sums make."""
        requests, expected, curves = self._seen(period)
        sums = self.book.sums()
        used = (sums.reserved + sums.spent) / MILLION
        before = self._before(notes, period)
        paid, last = np.zeros(self._count), 0.0
        for place in range(step):
            now = notes[place].used if place in notes else last
            paid[place], last = max(now - last, 0.0), now
        paid[step - 1] += max(used - last, 0.0)
        money = min(float(paid.sum()), self.config.total)
        paid *= money / paid.sum() if paid.sum() > 0 else 1.0
        plan = PacingPlan(
            self._profile(period), self.config.requests, self.first, seconds=self.config.seconds
        )
        pacer = Pacer(self.config.total, plan, self.grid, self.config.pacing, STEP)
        window = slice(max(step - round(WINDOW / self._step), 0), step)
        state = pacer.state() | {
            "now": (step - 1) * self._step,
            "slot": step - 1,
            "price": before.price,
            "sum": before.sum,
            "requests": requests.tolist(),
            "expected": expected.tolist(),
            "paid": paid.tolist(),
            "steps": curves[window].tolist(),
        }
        pacer = Pacer.from_state(state)
        pacer.price(step * self._step)
        after = pacer.state()  # its price is finite even where nothing is left
        return Priced(float(after["price"]), float(after["sum"]), used)

    def _before(self, notes: dict[int, Priced], period: int) -> Priced:
        """The price noted last, of this period or at the end of the one before."""
        if notes:
            return notes[max(notes)]
        earlier = self._priced(period - 1)
        price = earlier[max(earlier)].price if earlier else self.first
        return Priced(price, 0.0, 0.0)

    def _profile(self, period: int) -> tuple[float, ...]:
        """How requests spread over a period: as in the one before, where all of it was seen."""
        requests, _, _ = self._seen(period - 1)
        whole = bool((requests > 0).all())
        shares = requests / requests.sum() if whole else np.full(self._count, 1 / self._count)
        return tuple(shares.tolist())
