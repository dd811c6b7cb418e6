"""Money in whole millionths, and what a book is asked and says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from equipoise.core.errors import InputError

MILLION = 1_000_000
MOST = 2**53  # millionths: what a double counts exactly, as Redis' scripts do
OPEN, SEALED, CLOSED = 0, 1, 2  # of a lease: spent from; only settled; settled whole
SLICES = 50  # leases that a worker's share of what is left is cut into
OFFERS = 8  # that a lease should pay for, near the end
DROP = 4  # leases that are looked at, whether they can go, by each that is opened
DROPPED = "dropped"  # a note, known to Redis' scripts: when the newest was opened of what is gone
USED = 120_000_000_000  # ns after it was opened in which a lease is spent from


def micro(amount: float, what: str = "an amount of money") -> int:
    """An amount in millionths.

    Parameters
    ----------
    amount : float
        In money, >= 0.
    what : str, default "an amount of money"
        For the error.

    Returns
    -------
    int
        The nearest.

    Raises
    ------
    InputError
        Where it is negative, no number, or above nine billion.

    Examples
    --------
    >>> micro(1.1)
    1100000
    """
    if not 0 <= amount <= MOST / MILLION:
        raise InputError(what, f"be between 0 and {MOST // MILLION:,}", amount)
    return round(amount * MILLION)


def lease_amount(left: int, workers: int, need: int) -> int:
    """What a new lease takes of what is left: a fiftieth of a worker's share, or what some offers
    cost, or one, and of them whole ones; nothing where not even one is left.

    Parameters
    ----------
    left : int
        In the book, in millionths.
    workers : int
        That share the book.
    need : int
        The most that the next offer can cost.

    Returns
    -------
    int
        Millionths.

    Examples
    --------
    >>> lease_amount(1_000_000, 4, 100), lease_amount(1_000, 4, 100), lease_amount(90, 4, 100)
    (5000, 200, 0)
    """
    need = max(need, 1)
    wanted = max(left // (SLICES * workers), min(OFFERS * need, left // workers), need)
    return wanted // need * need if left >= need else 0


def period_of(ns: int, seconds: float) -> int:
    """The number of a period, of those since 1970.

    Parameters
    ----------
    ns : int
        Nanoseconds since 1970.
    seconds : float
        A period's length.

    Returns
    -------
    int
        Rising.

    Examples
    --------
    >>> period_of(86_400 * 10**9 + 1, 86_400.0)
    1
    """
    return int(ns // round(seconds * 1e9))


class Lease(NamedTuple):
    """A slice of the budget.

    Attributes
    ----------
    id : int
        Drawn at random, 63 bits: no book ever names another's.
    slot : int
        Whose.
    boot : str
        The machine's start in which it was opened.
    period : int
        Whose money it is.
    amount : int
        Spent, lost, reserved and free.
    spent : int
        Settled.
    lost : int
        Counted as spent because the log may lack what it was spent on.
    free : int
        Not reserved, as its worker last said.
    state : int
        `OPEN`, `SEALED` or `CLOSED`.
    ns : int
        When it was opened.
    """

    id: int
    slot: int
    boot: str
    period: int
    amount: int
    spent: int = 0
    lost: int = 0
    free: int = 0
    state: int = OPEN
    ns: int = 0

    @property
    def rest(self) -> int:
        """What is reserved or free."""
        return self.amount - self.spent - self.lost


class Entry(NamedTuple):
    """What a hold came to: its decision and lease, what was reserved and what was spent of it."""

    decision: bytes
    lease: int
    reserved: int
    spent: int


class Sums(NamedTuple):
    """The money of the present period, in millionths: ``total = left + leased + reserved +
    spent``; ``lost`` is a part of spent.
    """

    period: int
    total: int
    left: int
    leased: int
    reserved: int
    spent: int
    lost: int


class Rebuilt(NamedTuple):
    """What a log says of a lost book: leases, and the holds settled on those still open to it."""

    leases: Sequence[Lease] = ()
    entries: Sequence[Entry] = ()


class Book(Protocol):
    """Where the budget is kept; each call is one transaction.  All raise `LedgerError` where the
    book cannot be read or written, and have then changed nothing, or all.
    """

    def renew(self, period: int, total: int) -> None:
        """Begin a later period with its money; the money of earlier ones does not come back.  In
        the present one another total raises or lowers what is left, at lowest to 0.
        """

    def take(self, lease: Lease, workers: int, need: int) -> Lease | None:
        """Open a lease with as much as `lease_amount` says; None where too little is left.  The
        same id again gives the same lease.
        """

    def flow(self, entries: Sequence[Entry], free: Mapping[int, int], seal: Iterable[int]) -> None:
        """Settle holds, each decision once; note what is ``free`` on open leases; seal leases, of
        which what is free flows back.
        """

    def close_dead(self, lease: int, holds: Mapping[bytes, int], lost: bool) -> None:
        """Seal the open lease of a dead worker: what was reserved by decision stays so where it is
        not settled; the rest flows back, or is counted as ``lost``.
        """

    def leases(self) -> list[Lease]:
        """All leases, in the order in which they were opened; closed ones of a period before the
        last go by and by.
        """

    def sums(self) -> Sums:
        """The money of the present period."""

    def note(self, key: str, value: bytes, *, first: bool = False) -> bytes:
        """Write down a value beside the money, or only where none is yet (``first``); what stands
        there now.
        """

    def notes(self, prefix: str) -> dict[str, bytes]:
        """The values whose keys begin so."""

    def forget(self, prefix: str) -> None:
        """Take away the values whose keys begin so."""

    def close(self) -> None:
        """Let go of the book."""


def dropped_until(book: Book) -> int:
    """Before when a decision may name a lease that the book has let go, in nanoseconds since 1970;
    0: it has all.
    """
    said = book.notes(DROPPED).get(DROPPED)
    return 0 if said is None else int(said) + USED


def sums_of(
    period: int, total: int, left: int, rest: int, free: int, spent: int, lost: int
) -> Sums:
    """The sums of a book, of those over the leases of its period."""
    return Sums(period, total, left, free, rest - free, spent + lost, lost)


def check(sums: Sums, leases: Iterable[Lease]) -> list[str]:
    """What does not add up in a book, in words; nothing where all does.

    Parameters
    ----------
    sums : Sums
        Of the book.
    leases : iterable of Lease
        Of the book.

    Returns
    -------
    list of str
        Sentences.

    Examples
    --------
    >>> check(Sums(0, 10, 4, 3, 2, 1, 0), [])
    []
    >>> check(Sums(0, 10, 4, 3, 2, 2, 0), [])
    ['left 4 + leased 3 + reserved 2 + spent 2 is 11, not the budget of 10']
    """
    parts = sums.left + sums.leased + sums.reserved + sums.spent
    wrong = []
    if parts != sums.total:
        wrong.append(
            f"left {sums.left} + leased {sums.leased} + reserved {sums.reserved} + spent"
            f" {sums.spent} is {parts}, not the budget of {sums.total}"
        )
    if sums.left < 0:
        wrong.append(f"left is {sums.left}, below 0")
    for lease in leases:
        if lease.rest < 0 or min(lease.spent, lease.lost, lease.free) < 0:
            wrong.append(f"lease {lease.id} of {lease.amount} has spent {lease.spent}")
    return wrong
