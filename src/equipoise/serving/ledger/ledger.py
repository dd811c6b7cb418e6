"""What one worker spends from: leases of a book, in memory.

`reserve` takes from an open lease and touches no file.  A thread does all that concerns the book,
every 50 ms where something is due: it opens the next lease while the present one is half spent,
passes settled holds on in batches, and seals leases that were left behind, so that idle money comes
back.  A lease is sealed a second after its last hold, by when that hold is in the log: so what the
log holds of a dead worker's open leases is all there is.

While the book cannot be reached, what is leased is spent and what is settled waits; after that
nothing is reserved, until it is back.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from equipoise.core.errors import InputError
from equipoise.serving.config import BudgetConfig
from equipoise.serving.errors import BookLost, LedgerError
from equipoise.serving.ledger.money import (
    MILLION,
    OPEN,
    Book,
    Entry,
    Lease,
    Sums,
    micro,
    period_of,
)
from equipoise.serving.protocols import Hold

if TYPE_CHECKING:
    from equipoise.core.arrays import Floats
    from equipoise.serving.ledger.nodes import Nodes
    from equipoise.serving.ledger.pace import Pace

TICK = 0.05  # seconds between looks at what is due
AGE = 60.0  # seconds after which what is free on a lease goes back
GRACE = 1.0  # seconds from a lease's last hold to its seal; by then the hold is logged
PATIENCE = 0.005  # seconds that `reserve` waits for a lease, where money may be left
WAITS = 10  # in a row: then the book is slow, and nobody waits until it has answered
REPORT = 1.0  # seconds between notes of what is free
LOOK = 0.5  # seconds between looks at claims that other nodes took
RETRY = 1.0  # seconds after the book could not be reached
START = 10.0  # seconds that the first and the last words with the book may take
BATCH = 10_000  # holds that one transaction settles
NEVER = 2**63
PASSED = "passed/"  # notes of the book: until when all that a slot's log settles is in the book
NOTE, SLACK = 60.0, 10_000_000_000  # seconds between such notes; ns from the log to the ledger
NONE = Hold(0, 0)  # of what costs nothing


class _Open:
    """A lease that is spent from."""

    __slots__ = ("free", "id", "left_behind", "since", "size")

    def __init__(self, lease: Lease, now: float) -> None:
        self.id, self.free, self.size = lease.id, lease.free, lease.amount
        self.since, self.left_behind = now, 0.0


class Ledger:
    """The money of one worker.

    Parameters
    ----------
    book : Book
        Shared by all workers.
    slot : int
        This worker's; its owner before is dead.
    config : BudgetConfig
        The budget and its period.
    workers : int, default 1
        That share the book.
    boot : str, default ""
        Of this machine's present start.
    durable : bool, default False
        Whether the log is on disk before an answer; else a lease of an earlier start of the machine
        is counted as spent but for what the log names.
    holds : callable, optional
        Called with the id of an open lease of this slot: what the log says was reserved on it, by
        decision.
    entries : iterable of Entry, default ()
        What the log of this slot says was settled; those the book has already change nothing.
    pace : Pace, optional
        What finds the price by which the money lasts the period.
    nodes : Nodes, optional
        That share the book.
    clock : callable, default `time.time_ns`
        Nanoseconds since 1970.
    thread : bool, default True
        Whether a thread looks after the book; else `tick` is called by hand.

    Raises
    ------
    LedgerError
        Where the book cannot be reached.

    Examples
    --------
    >>> import tempfile
    >>> from equipoise.serving.ledger.sqlite_book import SqliteBook
    >>> path = os.path.join(tempfile.mkdtemp(), "book.sqlite")
    >>> ledger = Ledger(SqliteBook(path, 100_000_000), 0, BudgetConfig(total=100.0), thread=False)
    >>> hold = ledger.reserve(1.5)
    >>> hold.amount
    1500000
    >>> ledger.settle(hold, 0.5, b"decision")
    >>> ledger.tick()
    >>> ledger.state()["spent"]
    0.5
    >>> ledger.close()
    """

    def __init__(
        self,
        book: Book,
        slot: int,
        config: BudgetConfig,
        *,
        workers: int = 1,
        boot: str = "",
        durable: bool = False,
        holds: Callable[[int], Mapping[bytes, int]] | None = None,
        entries: Iterable[Entry] = (),
        pace: Pace | None = None,
        nodes: Nodes | None = None,
        clock: Callable[[], int] = time.time_ns,
        thread: bool = True,
    ) -> None:
        self.book, self.slot, self.workers, self.boot = book, slot, workers, boot
        self.pace, self.nodes = pace, nodes
        self.price = None if pace is None else pace.price  # of a unit of money, in worth
        self.trouble = ""  # why the book could not be reached, last time
        self._total, self._seconds, self._clock = micro(config.total), config.seconds, clock
        self._leases: list[_Open] = []  # oldest first
        self._behind: list[_Open] = []
        self._queue: deque[Entry] = deque(entries)
        self._batch: list[Entry] = []  # being passed on
        self._asked, self._need = True, 0  # since the last lease; by the last reserve
        self._empty: Lease | None = None  # asked for, and not answered yet
        self._dry = NEVER  # from which need on the book has nothing, as of the last look
        self._waits = 0  # since the book answered
        self._reported: dict[int, int] = {}
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._due = dict.fromkeys(("report", "retry", "seen", "pace", "note", "nodes"), 0.0)
        self._period = period_of(clock(), self._seconds)
        self._sums = Sums(self._period, self._total, self._total, 0, 0, 0, 0)
        self._stopped = False
        if nodes is not None:
            _patiently(nodes.look)  # first of all: whose leases these are
        _patiently(lambda: self._close_dead(holds or (lambda lease: {}), durable))
        _patiently(self._refill)
        _patiently(lambda: self._note(time.monotonic()))
        self._thread = threading.Thread(target=self._run, name="equipoise-ledger", daemon=True)
        self._threaded = thread
        if thread:
            self._thread.start()

    def reserve(self, amount: float) -> Hold | None:
        """Reserve what a decision may cost.

        Parameters
        ----------
        amount : float
            In money; 0 needs no lease.

        Returns
        -------
        Hold or None
            None where it is not left, or the book was not reached in time.
        """
        need = micro(amount)
        if not need:
            return NONE
        with self._lock:
            hold = self._on_lease(need)
            self._asked = True
            if hold is not None:
                return hold
            self._need = need
        if need >= self._dry or self._waits >= WAITS:
            return None
        if not self._threaded:
            self.tick()
            with self._lock:
                return self._on_lease(need)
        self._wake.set()
        with self._filled:
            told = lambda: need >= self._dry or self._fits(need)  # noqa: E731
            self._waits += not self._filled.wait_for(told, PATIENCE)
            return self._on_lease(need)

    def _on_lease(self, need: int) -> Hold | None:
        """Take from the oldest lease that has enough."""
        for lease in self._leases:
            if lease.free >= need:
                lease.free -= need
                if lease is self._leases[-1] and 2 * lease.free < lease.size:
                    self._need = need
                    if not self._wake.is_set():
                        self._wake.set()
                return Hold(lease.id, need)
        return None

    def _fits(self, need: int) -> bool:
        return any(lease.free >= need for lease in self._leases)

    def settle(self, hold: Hold, spent: float, decision: bytes = b"") -> None:
        """Say what a hold came to.

        Parameters
        ----------
        hold : Hold
            Of any worker.
        spent : float
            In money, at most what was reserved.
        decision : bytes, default b""
            Its id: only the first word on a decision counts.  Without one the hold was never
            logged: all of it goes back at once, once.

        Raises
        ------
        InputError
            Where more was spent than reserved.
        """
        if not hold.lease:
            return
        cost = micro(spent, "what was spent")
        if cost > hold.amount:
            fix = "reserve the most that an offer can cost"
            must = f"be at most the {hold.amount / MILLION:g} that were reserved"
            raise InputError("what was spent", must, spent, fix=fix)
        if not decision and not cost and self._undo(hold):
            return
        self._queue.append(Entry(decision or os.urandom(16), *hold, cost))

    def _undo(self, hold: Hold) -> bool:
        """Put a hold back on its lease, where that is still open here."""
        with self._lock:
            for lease in (*self._leases, *self._behind):
                if lease.id == hold.lease:
                    lease.free += hold.amount
                    return True
        return False

    def seen(self, value: Floats, cost: Floats, served: int) -> None:
        """Take note of a request, where the budget is paced.

        Parameters
        ----------
        value : array, (k,)
            The worth of each candidate before the budget's price; NaN where it is closed.
        cost : array, (k,)
            What each is expected to cost, in money.
        served : int
            What the unit got: -1 control, a candidate's place.
        """
        if self.pace is not None:
            self.pace.seen(value, cost, served)

    def state(self) -> dict[str, Any]:
        """The money of all workers in the present period; the last known while the book is away.

        Returns
        -------
        dict
            budget, left, leased, reserved, spent and, of what was spent, lost: in money;
            ``trouble``, why the book could not be reached, "" while it can.
        """
        try:
            self._sums = self.book.sums()
        except LedgerError as error:
            self.trouble = str(error)
        names = {"total": "budget"}
        money = self._sums._asdict()
        return {names.get(k, k): v / MILLION for k, v in money.items() if k != "period"} | {
            "trouble": self.trouble
        }

    def close(self) -> None:
        """Give back what is free, and settle what waits; the book is closed, too."""
        self._stopped = True
        self._wake.set()
        if self._threaded:
            self._thread.join()
        try:
            with self._lock:
                self._leave(len(self._leases))
                last, self._behind = self._behind, []
            free = {lease.id: lease.free for lease in last}
            _patiently(lambda: self._flow(free, free))
            while self._queue:
                _patiently(self._flow)
            if self.nodes is not None:
                self.nodes.leave()
        except LedgerError as error:
            self.trouble = str(error)  # the next owner of the slot settles by the log
        self.book.close()

    def tick(self) -> None:
        """Do what is due with the book; `trouble` says what failed."""
        now = time.monotonic()
        if self.pace is not None and now >= self._due["seen"]:
            self._due["seen"] = now + REPORT
            self.pace.add_up()  # whether the book is there or not
        if now < self._due["retry"]:
            return
        try:
            self._renew()
            self._refill()
            self._give_back(now)
            self._note(now)
            if self.nodes is not None and now >= self._due["nodes"]:
                self._due["nodes"] = now + LOOK
                self.nodes.look()
            if self.pace is not None and now >= self._due["pace"]:
                self._due["pace"] = now + REPORT
                self.price = self.pace.tick()
            self.trouble = ""
        except LedgerError as error:
            self.trouble, self._due["retry"] = str(error), now + RETRY
            with self._filled:
                self._dry, self._waits, self._asked = 0, 0, True
                self._filled.notify_all()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(TICK)
            self._wake.clear()
            self.tick()

    def _renew(self) -> None:
        """At the end of a period begin the next; leases of the last are left behind."""
        period = period_of(self._clock(), self._seconds)
        if period > self._period:
            self.book.renew(period, self._total)
            self._period, self._dry, self._asked = period, NEVER, True
            with self._lock:
                self._leave(len(self._leases))

    def _refill(self) -> None:
        """Open a lease where the newest is half spent, old, or too small for what was asked."""
        with self._lock:
            newest, need = self._leases[-1] if self._leases else None, self._need
            enough = newest and 2 * newest.free >= newest.size and newest.free >= need
            fresh = newest and time.monotonic() - newest.since < AGE
            if not self._asked or (enough and fresh):
                return
            self._asked = False
        if self._empty is None:
            id_ = secrets.randbits(63) or 1
            self._empty = Lease(id_, self.slot, self.boot, 0, 0, ns=self._clock())
        # a lost answer is asked for again, by the same id, so that no lease is lost with it
        taken = self.book.take(self._empty, self.workers, need)
        self._empty = None
        with self._filled:
            if taken is not None:
                self._leases.append(_Open(taken, time.monotonic()))
                self._leave(len(self._leases) - 2)
            self._dry, self._waits = need if taken is None else NEVER, 0
            self._filled.notify_all()

    def _leave(self, count: int) -> None:
        """Leave the oldest leases behind: nothing more is reserved on them."""
        for _ in range(count):
            lease = self._leases.pop(0)
            lease.left_behind = time.monotonic()
            self._behind.append(lease)

    def _give_back(self, now: float) -> None:
        """Pass on what is settled, note what is free, seal what was left behind long enough."""
        with self._lock:
            self._leave(sum(now - lease.since > AGE for lease in self._leases))
            ripe = [lease for lease in self._behind if now - lease.left_behind > GRACE]
            free = {lease.id: lease.free for lease in self._leases + self._behind}
        report = now >= self._due["report"] and free != self._reported
        if not report:
            free = {lease.id: lease.free for lease in ripe}
        self._flow(free, [lease.id for lease in ripe])
        with self._lock:
            self._behind = [lease for lease in self._behind if lease not in ripe]
        if report:
            self._due["report"], self._reported = now + REPORT, free

    def _note(self, now: float) -> None:
        """Write down until when the log need not be read again, by who takes the slot next."""
        passed = self._clock() - SLACK
        if now >= self._due["note"] and not self._queue and not self._batch:
            self.book.note(f"{PASSED}{self.slot}", str(passed).encode())
            self._due["note"] = now + NOTE

    def _flow(self, free: Mapping[int, int] | None = None, seal: Iterable[int] = ()) -> None:
        """Pass a batch on; it is kept until the book has it."""
        while self._queue and len(self._batch) < BATCH:
            self._batch.append(self._queue.popleft())
        if self._batch or free:
            self.book.flow(self._batch, free or {}, seal)
            self._batch.clear()

    def _close_dead(self, holds: Callable[[int], Mapping[bytes, int]], durable: bool) -> None:
        """Settle what the slot's owner before left open, by what the log says of it."""
        self._flow()
        while self._queue:
            self._flow()
        for lease in self.book.leases():
            if lease.slot == self.slot and lease.state == OPEN:
                lost = not durable and lease.boot != self.boot
                self.book.close_dead(lease.id, holds(lease.id), lost)


def _patiently(step: Callable[[], None]) -> None:
    """Take a step with the book, again while others have it."""
    end = time.monotonic() + START
    while True:
        try:
            return step()
        except BookLost:
            raise
        except LedgerError:
            if time.monotonic() > end:
                raise
            time.sleep(TICK)
