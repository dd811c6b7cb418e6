"""A book in one SQLite file: a transaction is on disk before its money is spent (WAL, synchronous
FULL).

Who has the book open holds a shared lock on the file beside it.  Only who holds it alone makes a
book: so a lost one is made anew, from the log, only when no worker still spends from its leases.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from equipoise.serving.errors import BookLost, LedgerError
from equipoise.serving.ledger.money import (
    CLOSED,
    DROP,
    DROPPED,
    OPEN,
    SEALED,
    Entry,
    Lease,
    Rebuilt,
    Sums,
    lease_amount,
    sums_of,
)

MONEY = "SELECT period, total, remainder FROM money"
SCHEMA = """
CREATE TABLE money (one INTEGER PRIMARY KEY CHECK (one = 1), period INTEGER NOT NULL,
    total INTEGER NOT NULL, remainder INTEGER NOT NULL CHECK (remainder >= 0));
CREATE TABLE lease (id INTEGER PRIMARY KEY, slot INTEGER NOT NULL, boot TEXT NOT NULL,
    period INTEGER NOT NULL, amount INTEGER NOT NULL, spent INTEGER NOT NULL, lost INTEGER NOT NULL,
    free INTEGER NOT NULL, state INTEGER NOT NULL, ns INTEGER NOT NULL,
    CHECK (spent >= 0 AND lost >= 0 AND free >= 0 AND spent + lost <= amount));
CREATE TABLE settled (lease INTEGER NOT NULL, decision BLOB NOT NULL, reserved INTEGER NOT NULL,
    spent INTEGER NOT NULL, PRIMARY KEY (lease, decision)) WITHOUT ROWID;
CREATE TABLE note (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
BATCH = """
CREATE TEMP TABLE batch (lease INTEGER NOT NULL, decision BLOB NOT NULL, reserved INTEGER NOT NULL,
    spent INTEGER NOT NULL, PRIMARY KEY (lease, decision)) WITHOUT ROWID
"""
NEW_ONLY = f"""
DELETE FROM batch WHERE EXISTS (SELECT 1 FROM settled s WHERE s.lease = batch.lease
        AND s.decision = batch.decision)
    OR lease NOT IN (SELECT id FROM lease WHERE state < {CLOSED})
"""
NOT_MORE = """
DELETE FROM batch WHERE lease IN (SELECT b.lease
    FROM (SELECT lease, sum(reserved) AS reserved FROM batch GROUP BY lease) b
    JOIN lease l ON l.id = b.lease WHERE b.reserved > l.amount - l.spent - l.lost)
"""
SPEND = """
UPDATE lease SET spent = lease.spent + b.spent, amount = lease.amount - b.back
FROM (SELECT lease AS id, sum(spent) AS spent, sum(reserved - spent) AS back
      FROM batch GROUP BY lease) AS b
WHERE lease.id = b.id
"""
FREED = """
UPDATE money SET remainder = remainder + (SELECT coalesce(sum(b.reserved - b.spent), 0)
    FROM batch b JOIN lease l ON l.id = b.lease WHERE l.period = money.period)
"""
SEAL = f"""
UPDATE lease SET amount = amount - ?, free = 0, state = {SEALED} WHERE id = ? AND state = {OPEN}
"""
INSERT = f"INSERT INTO lease VALUES ({', '.join('?' * len(Lease._fields))})"
INDEX = "CREATE INDEX IF NOT EXISTS lease_by_state ON lease (state, period, spent, lost)"
LIVE = f"""
SELECT coalesce(sum(amount - spent - lost), 0),
    coalesce(sum(min(free, amount - spent - lost)) FILTER (WHERE state = {OPEN}), 0),
    coalesce(sum(spent), 0), coalesce(sum(lost), 0)
FROM lease WHERE state IN ({OPEN}, {SEALED}) AND period = ?
"""
PAST = f"""
SELECT coalesce(sum(spent), 0), coalesce(sum(lost), 0)
FROM lease WHERE state = {CLOSED} AND period = ?
"""
DONE = f"SELECT id FROM lease WHERE state = {SEALED} AND spent + lost = amount"
OLD = f"SELECT id, ns FROM lease WHERE state = {CLOSED} AND period < ? LIMIT {DROP}"
WAIT = 1.0  # seconds for another worker's transaction
START = 10.0  # seconds for others while a worker starts: one makes the book, all settle


class SqliteBook:
    """A book in a file, shared by the workers of one machine.

    Parameters
    ----------
    path : path
        The file; it is made where it is not there.
    total : int or None
        The budget of a period, in millionths; None: the book is there, and stays as it is.
    period : int, default 0
        The present one.
    lost : callable, optional
        Called where the file is not there, or damaged: what the log says, so that a lost book is
        made anew of it (`LoggedMoney.rebuilt`).

    Raises
    ------
    LedgerError
        Where the file cannot be read or written, or is lost while workers spend from it.

    Examples
    --------
    >>> import tempfile
    >>> book = SqliteBook(Path(tempfile.mkdtemp()) / "book.sqlite", 1_000)
    >>> book.take(Lease(7, 0, "", 0, 0), workers=1, need=10).amount
    80
    >>> book.sums().left
    920
    """

    def __init__(
        self,
        path: Path | str,
        total: int | None,
        period: int = 0,
        lost: Callable[[], Rebuilt] = Rebuilt,
    ) -> None:
        self.path = Path(path)
        self._turn = threading.Lock()
        if total is None and not self.path.exists():
            raise BookLost("the book", "be there", "none", str(self.path))
        self._handle = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._open(total, period, lost)
        except BaseException:
            os.close(self._handle)
            raise
        if total is not None:
            with _told(self.path):
                self._base.execute(INDEX)  # earlier versions made none
            self.renew(period, total)
        self._base.execute(f"PRAGMA busy_timeout = {round(1000 * WAIT)}")

    def _open(self, total: int | None, period: int, lost: Callable[[], Rebuilt]) -> None:
        """Hold the shared lock on a book that is there, or make it while nobody else has it."""
        end = time.monotonic() + START
        while True:
            alone = _lock(self._handle, fcntl.LOCK_EX)
            if alone and total is not None and not self._readable():
                _make(self.path, total, period, lost())
            if alone:  # others hold it alone only for a moment, so this wait is short
                fcntl.flock(self._handle, fcntl.LOCK_SH)
            if alone or (self.path.exists() and _lock(self._handle, fcntl.LOCK_SH)):
                self._base = self._connect()
                return
            if time.monotonic() > end:
                fix = "stop all workers; the first that starts makes it anew from the log"
                raise BookLost("the book", "be there", "none", str(self.path), fix)
            time.sleep(0.02)

    def _readable(self) -> bool:
        """Whether there is a book; a damaged one is moved aside."""
        if not self.path.exists():
            return False
        try:
            base = sqlite3.connect(self.path, isolation_level=None)
            try:
                whole = bool(base.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
                whole = whole and base.execute("SELECT count(*) FROM money").fetchone()[0] == 1
            finally:
                base.close()
        except sqlite3.DatabaseError:
            whole = False
        if not whole:
            for end in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.replace(f"{self.path}{end}", f"{self.path}.damaged-{time.time_ns()}{end}")
        return whole

    def _connect(self) -> sqlite3.Connection:
        with _told(self.path):
            base = sqlite3.connect(self.path, START, isolation_level=None, check_same_thread=False)
            base.execute("PRAGMA synchronous = FULL")
            base.execute("PRAGMA temp_store = MEMORY")
            base.execute(BATCH)
        return base

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        with self._turn, _told(self.path):
            if not self.path.exists():
                raise BookLost("the book", "be there", "none", str(self.path))
            self._base.execute(f"BEGIN {kind}")
            try:
                yield self._base
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise

    def renew(self, period: int, total: int) -> None:
        """Begin a later period, or another total of the present one."""
        with self._transaction("DEFERRED") as base:  # mostly there is nothing to write
            now, before, left = base.execute(MONEY).fetchone()
        if period < now or (period == now and total == before):
            return
        with self._transaction() as base:
            now, before, left = base.execute(MONEY).fetchone()
            if period > now:
                base.execute(
                    "UPDATE money SET period = ?, total = ?, remainder = ?", (period, total, total)
                )
            elif period == now:
                change = max(total - before, -left)
                base.execute(
                    "UPDATE money SET total = total + ?, remainder = remainder + ?",
                    (change, change),
                )

    def take(self, lease: Lease, workers: int, need: int) -> Lease | None:
        """Open a lease."""
        with self._transaction() as base:
            same = base.execute("SELECT * FROM lease WHERE id = ?", (lease.id,)).fetchone()
            if same:
                return Lease(*same)
            period, left = base.execute("SELECT period, remainder FROM money").fetchone()
            amount = lease_amount(left, workers, need)
            if not amount:
                return None
            taken = lease._replace(period=period, amount=amount, free=amount)
            base.execute("UPDATE money SET remainder = remainder - ?", (amount,))
            base.execute(INSERT, taken)
            self._drop(base, period)
            return taken

    @staticmethod
    def _drop(base: sqlite3.Connection, period: int) -> None:
        """Let go of some leases that are closed, of a period before the last."""
        old = base.execute(OLD, (period - 1,)).fetchall()
        if not old:
            return
        base.executemany("DELETE FROM lease WHERE id = ?", [(id_,) for id_, _ in old])
        row = base.execute("SELECT value FROM note WHERE key = ?", (DROPPED,)).fetchone()
        newest = max(int(row[0]) if row else 0, *(ns for _, ns in old))
        said = DROPPED, str(newest).encode()
        base.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", said)

    def flow(self, entries: Sequence[Entry], free: Mapping[int, int], seal: Iterable[int]) -> None:
        """Settle holds, note what is free, seal leases."""
        with self._transaction() as base:
            if entries:
                base.execute("DELETE FROM batch")
                rows = [(e.lease, e.decision, e.reserved, e.spent) for e in entries]
                base.executemany("INSERT OR IGNORE INTO batch VALUES (?, ?, ?, ?)", rows)
                for step in (
                    NEW_ONLY,
                    NOT_MORE,
                    SPEND,
                    FREED,
                    "INSERT INTO settled SELECT * FROM batch",
                ):
                    base.execute(step)
            base.executemany(
                f"UPDATE lease SET free = ? WHERE id = ? AND state = {OPEN}",
                [(amount, lease) for lease, amount in free.items()],
            )
            for lease in seal:
                self._seal(base, lease, free.get(lease, 0))
            self._close(base)

    @staticmethod
    def _close(base: sqlite3.Connection) -> None:
        """Close what is settled whole: nothing more is asked of it."""
        done = base.execute(DONE).fetchall()
        base.executemany(f"UPDATE lease SET state = {CLOSED} WHERE id = ?", done)
        base.executemany("DELETE FROM settled WHERE lease = ?", done)

    @staticmethod
    def _seal(base: sqlite3.Connection, lease: int, back: int) -> None:
        """Take what is free off a lease, back to what is left of its period."""
        rest = base.execute("SELECT amount - spent - lost FROM lease WHERE id = ?", (lease,))
        back = min(back, *(rest.fetchone() or (0,)))
        if base.execute(SEAL, (back, lease)).rowcount:
            base.execute(
                "UPDATE money SET remainder = remainder + ?"
                " WHERE period = (SELECT period FROM lease WHERE id = ?)",
                (back, lease),
            )

    def close_dead(self, lease: int, holds: Mapping[bytes, int], lost: bool) -> None:
        """Seal the open lease of a dead worker."""
        with self._transaction() as base:
            row = base.execute("SELECT * FROM lease WHERE id = ?", (lease,)).fetchone()
            if row is None or Lease(*row).state != OPEN:
                return
            known = base.execute("SELECT decision FROM settled WHERE lease = ?", (lease,))
            settled = {decision for (decision,) in known}
            reserved = sum(held for decision, held in holds.items() if decision not in settled)
            free = max(Lease(*row).rest - reserved, 0)
            if lost:
                base.execute("UPDATE lease SET lost = lost + ? WHERE id = ?", (free, lease))
            self._seal(base, lease, 0 if lost else free)
            self._close(base)

    def leases(self) -> list[Lease]:
        """All leases."""
        with self._turn, _told(self.path):
            return [
                Lease(*row) for row in self._base.execute("SELECT * FROM lease ORDER BY ns, id")
            ]

    def sums(self) -> Sums:
        """The money of the present period."""
        with self._transaction("DEFERRED") as base:
            period, total, left = base.execute(MONEY).fetchone()
            rest, free, spent, lost = base.execute(LIVE, (period,)).fetchone()
            before = base.execute(PAST, (period,)).fetchone()
        return sums_of(period, total, left, rest, free, spent + before[0], lost + before[1])

    def note(self, key: str, value: bytes, *, first: bool = False) -> bytes:
        """Write down a value; what stands there now."""
        with self._transaction() as base:
            done = "IGNORE" if first else "REPLACE"
            base.execute(f"INSERT OR {done} INTO note VALUES (?, ?)", (key, value))
            return bytes(base.execute("SELECT value FROM note WHERE key = ?", (key,)).fetchone()[0])

    def forget(self, prefix: str) -> None:
        """Take away the values whose keys begin so."""
        with self._transaction() as base:
            base.execute("DELETE FROM note WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))

    def notes(self, prefix: str) -> dict[str, bytes]:
        """The values whose keys begin so."""
        with self._turn, _told(self.path):
            rows = self._base.execute(
                "SELECT key, value FROM note WHERE substr(key, 1, ?) = ?", (len(prefix), prefix)
            )
            return dict(rows.fetchall())

    def close(self) -> None:
        """Let go of the file and of its lock."""
        with self._turn:
            self._base.close()
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1


def _make(path: Path, total: int, period: int, log: Rebuilt) -> None:
    """A whole book under its name, or none; what the log's leases do not hold is left."""
    beside = Path(f"{path}.new")
    used = sum(lease.amount for lease in log.leases if lease.period == period)
    with _told(path):
        for old in (beside, Path(f"{path}-wal"), Path(f"{path}-shm")):
            old.unlink(missing_ok=True)  # what a lost book left would be read into this one
        base = sqlite3.connect(beside, isolation_level=None)
        try:
            base.executescript(SCHEMA)
            base.execute("PRAGMA journal_mode = WAL")  # the file keeps it
            total = max(total, used)
            base.execute("INSERT INTO money VALUES (1, ?, ?, ?)", (period, total, total - used))
            base.executemany(INSERT, log.leases)
            rows = [(e.lease, e.decision, e.reserved, e.spent) for e in log.entries]
            base.executemany("INSERT INTO settled VALUES (?, ?, ?, ?)", rows)
        finally:
            base.close()
        os.replace(beside, path)
        for name, flags in ((path, os.O_RDWR), (path.parent, os.O_RDONLY)):
            handle = os.open(name, flags)
            os.fsync(handle)
            os.close(handle)


def _lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        fix = "see that the disk has space and no other program locks the file"
        must = "be there, readable and free"
        raise LedgerError("the book", must, str(error), str(path), fix) from error
