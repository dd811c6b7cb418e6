"""The book of a budget against the log, while both go on.

A spend is in the log before it is in the book.  So per lease, of sums of the log before and after
the book was read,

    log's, as of the look before  <=  book's  <=  log's, as of now
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from equipoise.core.errors import InputError
from equipoise.serving.config import ServeConfig
from equipoise.serving.errors import LedgerError
from equipoise.serving.ledger.money import MILLION, Book, Lease, check, dropped_until
from equipoise.serving.ledger.redis_book import REDIS, RedisBook
from equipoise.serving.ledger.sqlite_book import SqliteBook
from equipoise.serving.records import DecisionRecord, Record, SpendRecord
from equipoise.serving.snapshots.state import State

BOOK = "book.sqlite"


def book_name(config: ServeConfig) -> str:
    """What a service's book in Redis is called; "" where its book is the file of its folder.

    Parameters
    ----------
    config : ServeConfig
        Of the service.

    Returns
    -------
    str
        The policy's name.
    """
    shared = config.store.kind == "redis" and config.budget is not None
    return config.policy if shared else ""


def open_books(state: Path, name: str = "") -> Books | None:
    """The book of a service, to be held against its log.

    Parameters
    ----------
    state : Path
        The folder of the service.
    name : str, default ""
        Of the book in Redis, as `book_name` says.

    Returns
    -------
    Books or None
        None where this folder's service has no book.

    Raises
    ------
    InputError
        Where the environment does not name the Redis.
    LedgerError
        Where the book's file cannot be read.
    """
    if not name:
        return Books(SqliteBook(state / BOOK, None)) if (state / BOOK).exists() else None
    url = os.environ.get(REDIS, "")
    if not url:
        fix = f"set {REDIS}, as in redis://host:6379/0"
        raise InputError(REDIS, "name the Redis that has the book", "nothing", fix=fix)
    if not State(state).numbered:
        return None
    node = State(state).node()
    return Books(RedisBook(url, name, None), lambda slot: slot >> 16 == node)


class Books:
    """Sums of the log by lease, and the book.

    Parameters
    ----------
    book : Book
        Of the service.
    mine : callable, optional
        Whether a lease's slot is one of this log's: a book in Redis has those of other machines.
    """

    def __init__(self, book: Book, mine: Callable[[int], bool] = lambda slot: True) -> None:
        self.book, self._mine = book, mine
        self.first = 0  # when the log begins; leases of before are not in it
        self._spent: dict[int, int] = defaultdict(int)
        self._reserved: dict[int, int] = defaultdict(int)
        self._before: Mapping[int, int] = {}
        self._named: frozenset[int] = (
            frozenset()
        )  # leases that the log named before the book was read
        self._opened: dict[int, int] = {}  # of leases: their first decision, in ns since 1970
        self._leases: list[Lease] = []
        self._dropped, self._there = 0, False
        self._wrong: list[str] = []

    def read_book(self) -> None:
        """Read the book, before what is new in the log."""
        try:
            every, self._dropped = self.book.leases(), dropped_until(self.book)
            self._wrong = check(self.book.sums(), every)
            self._leases, self._there = [one for one in every if self._mine(one.slot)], True
        except LedgerError as error:
            self._leases, self._wrong, self._there = [], [str(error)], False

    def add(self, record: Record) -> None:
        """Take a record of the log."""
        if isinstance(record, DecisionRecord):
            if record.lease:
                self._reserved[record.lease] += record.amount
                self._opened.setdefault(record.lease, record.ns)
        elif isinstance(record, SpendRecord) and record.lease:
            self._spent[record.lease] += record.spent
            self._reserved[record.lease] -= record.reserved

    def differences(self) -> list[str]:
        """What the book says otherwise than the log, in words."""
        wrong = list(self._wrong)
        for lease in self._leases:
            if lease.ns < self.first:
                continue
            low, high = self._before.get(lease.id, 0), self._spent.get(lease.id, 0)
            if not low <= lease.spent <= high:
                wrong.append(
                    f"of lease {lease.id} the book says {lease.spent / MILLION:,.6f} spent, the log"
                    f" between {low / MILLION:,.6f} and {high / MILLION:,.6f}"
                )
        if self._there:
            gone = self._named - {lease.id for lease in self._leases}
            wrong += [
                f"the log names lease {one}, the book does not: it is older"
                for one in gone
                if self._opened.get(one, 0) > self._dropped
            ]
        self._before, self._named = dict(self._spent), frozenset(self._reserved)
        return wrong
