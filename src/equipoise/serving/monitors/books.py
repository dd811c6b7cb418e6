"""The book of a budget against the log, while both go on.

A spend is in the log before it is in the book.  So per lease, of sums of the log before and after
the book was read,

    log's, as of the look before  <=  book's  <=  log's, as of now
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from equipoise.serving.errors import LedgerError
from equipoise.serving.ledger.money import MILLION, Book, Lease, check
from equipoise.serving.records import DecisionRecord, Record, SpendRecord


class Books:
    """Sums of the log by lease, and the book.

    Parameters
    ----------
    book : Book
        Of the service.
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        self.first = 0  # when the log begins; leases of before are not in it
        self._spent: dict[int, int] = defaultdict(int)
        self._reserved: dict[int, int] = defaultdict(int)
        self._before: Mapping[int, int] = {}
        self._named: frozenset[int] = (
            frozenset()
        )  # leases that the log named before the book was read
        self._leases: list[Lease] = []
        self._there = False
        self._wrong: list[str] = []

    def read_book(self) -> None:
        """Read the book, before what is new in the log."""
        try:
            self._leases, self._there = self.book.leases(), True
            self._wrong = check(self.book.sums(), self.book.leases())
        except LedgerError as error:
            self._leases, self._wrong, self._there = [], [str(error)], False

    def add(self, record: Record) -> None:
        """Take a record of the log."""
        if isinstance(record, DecisionRecord):
            if record.lease:
                self._reserved[record.lease] += record.amount
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
            wrong += [f"the log names lease {one}, the book does not: it is older" for one in gone]
        self._before, self._named = dict(self._spent), frozenset(self._reserved)
        return wrong
