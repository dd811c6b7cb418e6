"""What the decision log says of the money: what was reserved, by lease and decision, and what it
came to.

A decision's first `SpendRecord`, by its time, is what counts; the book was told no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from equipoise.serving.ledger.money import (
    CLOSED,
    OPEN,
    SEALED,
    Book,
    Entry,
    Lease,
    Rebuilt,
    check,
    dropped_until,
    period_of,
)
from equipoise.serving.records import DecisionRecord, SpendRecord


@dataclass
class LoggedMoney:
    """Holds and what they came to.

    Attributes
    ----------
    holds : dict of int to (dict of bytes to int)
        Millionths reserved, by lease and decision.
    settled : dict of bytes to Entry
        What each settled hold came to.
    opened : dict of int to int
        The first hold of each lease, in nanoseconds since 1970.
    conflicts : int
        Records that say another sum of a decision than its first.
    """

    holds: dict[int, dict[bytes, int]] = field(default_factory=dict)
    settled: dict[bytes, Entry] = field(default_factory=dict)
    opened: dict[int, int] = field(default_factory=dict)
    conflicts: int = 0

    def of_lease(self, lease: int) -> Mapping[bytes, int]:
        """What was reserved on a lease, by decision."""
        return self.holds.get(lease, {})

    def waiting(self, before_ns: int | None = None) -> Iterator[Entry]:
        """Holds that came to nothing so far, as settled with nothing spent.

        Parameters
        ----------
        before_ns : int, optional
            Only of decisions whose id is of an earlier time: those whose window has ended.
        """
        for lease, holds in self.holds.items():
            for decision, amount in holds.items():
                old = before_ns is None or made_ns(decision) < before_ns
                if old and decision not in self.settled:
                    yield Entry(decision, lease, amount, 0)

    def leases(self, seconds: float) -> list[Lease]:
        """The leases as a book knew them, sealed: what was free on them is not theirs any more.

        Parameters
        ----------
        seconds : float
            A period's length.
        """
        amount = {lease: sum(holds.values()) for lease, holds in self.holds.items()}
        spent = dict.fromkeys(amount, 0)
        for entry in self.settled.values():
            if entry.lease in amount:
                spent[entry.lease] += entry.spent
                amount[entry.lease] -= entry.reserved - entry.spent
        rows = []
        for lease, ns in sorted(self.opened.items(), key=lambda item: item[1]):
            state = SEALED if amount[lease] > spent[lease] else CLOSED
            period = period_of(ns, seconds)
            of_log = Lease(lease, -1, "", period, amount[lease], spent[lease], state=state, ns=ns)
            rows.append(of_log)
        return rows

    def rebuilt(self, seconds: float) -> Rebuilt:
        """What a lost book is made anew of: see `leases`."""
        leases = self.leases(seconds)
        sealed = {lease.id for lease in leases if lease.state == SEALED}
        return Rebuilt(leases, [e for e in self.settled.values() if e.lease in sealed])


def made_ns(decision: bytes) -> int:
    """When a decision was made, by the milliseconds in its id."""
    return int.from_bytes(decision[:6], "big") * 1_000_000


def logged_money(records: Iterable[object]) -> LoggedMoney:
    """Read what records say of the money.

    Parameters
    ----------
    records : iterable of Record
        Of all slots, or of one.

    Returns
    -------
    LoggedMoney
        Holds and what they came to.
    """
    money = LoggedMoney()
    first: dict[bytes, int] = {}
    for record in records:
        if isinstance(record, DecisionRecord) and record.lease:
            money.holds.setdefault(record.lease, {})[record.id] = record.amount
            opened = money.opened.get(record.lease, record.ns)
            money.opened[record.lease] = min(opened, record.ns)
        elif isinstance(record, SpendRecord):
            entry = Entry(record.decision, record.lease, record.reserved, record.spent)
            known = money.settled.get(record.decision)
            money.conflicts += known is not None and known.spent != entry.spent
            if known is None or record.ns < first[record.decision]:
                money.settled[record.decision] = entry
                first[record.decision] = record.ns
    return money


def differences(book: Book, money: LoggedMoney) -> list[str]:
    """What the books say otherwise than the log, in words.

    Parameters
    ----------
    book : Book
        While nothing is being decided, for it is compared to the millionth.
    money : LoggedMoney
        Of the whole log of its leases.

    Returns
    -------
    list of str
        A sentence for each lease that differs, and for what does not add up; none where all is
        well.
    """
    leases, dropped = book.leases(), dropped_until(book)
    wrong = check(book.sums(), leases)
    logged = {lease.id: lease for lease in money.leases(1.0)}
    for lease in leases:
        said = logged.pop(lease.id, Lease(lease.id, -1, "", 0, 0))
        if said.spent != lease.spent:
            wrong.append(
                f"of lease {lease.id} the book says {lease.spent} spent, the log {said.spent}"
            )
        if said.rest > lease.rest or (lease.state != OPEN and said.rest != lease.rest):
            wrong.append(
                f"of lease {lease.id} the book says {lease.rest} reserved, the log {said.rest}"
            )
    gone = [lease.id for lease in logged.values() if lease.ns > dropped]
    return wrong + [f"the log names lease {one}, the book does not" for one in gone]
