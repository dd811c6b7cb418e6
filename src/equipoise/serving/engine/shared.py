"""What the workers of a machine share beside the log and the book: controls, the answers of keys,
the decisions of the last hours, money that waits for its claim, and rewards that wait for their
decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from equipoise.serving.engine.controls import Controls
from equipoise.serving.engine.idempotency import Idempotency
from equipoise.serving.engine.recent import ID, Recent, key_name, time_of
from equipoise.serving.engine.tables import Table, starting
from equipoise.serving.errors import LogUnavailable
from equipoise.serving.log.writer import unread
from equipoise.serving.messages import RewardRequest
from equipoise.serving.records import RewardRecord

MOST_OPEN = 10_000_000  # entries of what waits, of money and rewards
BATCH = 1000  # of what waits, looked at in one go
HELD, WAITING, WRITER = b"h", b"w", b"s"
SLOT = 2  # bytes of the name of a writer; the others are of its start
SALT = 8  # bytes that tell apart what waits for one decision
_encode = msgspec.msgpack.Encoder().encode


class HeldMoney(msgspec.Struct, array_like=True):
    """Money that waits for its claim: on which ``lease``, how much (``amount``), and what of it is
    spent even without a claim (``sent``), in millionths.
    """

    lease: int
    amount: int
    sent: int


class Early(msgspec.Struct, array_like=True):
    """What came before its decision was known: when, ``ns``, the ``reward``, of which None stands
    for an exposure, and whether it is ``logged``: earlier versions did that once it was joined.
    """

    ns: int
    reward: RewardRequest | None
    logged: bool = False


class Waiting(NamedTuple):
    """An entry of what waits: its name in the table, the decision's id, and what came."""

    name: bytes
    id: bytes
    early: Early


_held = msgspec.msgpack.Decoder(HeldMoney).decode
_early = msgspec.msgpack.Decoder(Early).decode


def waiting_name(id: bytes, reward: RewardRecord | None = None) -> bytes:
    """Under which name a reward waits for its decision, or, without one, an exposure."""
    if reward is None:
        salt = bytes(SALT)
    elif reward.key:
        salt = key_name(reward)[-SALT:]
    else:
        salt = blake2b(_encode(reward), digest_size=SALT).digest()
    return WAITING + id + salt


class SharedState:
    """What workers share, in one folder.

    Parameters
    ----------
    folder : Path
        The service's own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.controls = Controls(folder / "control")
        self.index = folder / "index"
        self.index.mkdir(parents=True, exist_ok=True)
        self._open_tables: tuple[Idempotency, Recent, Table] | None = None
        self._holds: dict[bytes, HeldMoney] = {}  # to be written, by decision
        self._after = b""  # where the next look at what waits begins

    def starting(self) -> AbstractContextManager[bool]:
        """Alone at the start; whether the index is empty and must be filled from the log."""
        return starting(self.index)

    @property
    def idempotency(self) -> Idempotency:
        """The answers of keys."""
        return self._tables()[0]

    @property
    def recent(self) -> Recent:
        """The decisions of the last hours."""
        return self._tables()[1]

    @property
    def open(self) -> Table:
        """What waits: money and rewards."""
        return self._tables()[2]

    def _tables(self) -> tuple[Idempotency, Recent, Table]:
        if self._open_tables is None:
            idempotency = Idempotency(self.index / "idem", self._is_dead)
            recent = Recent(self.index / "recent")
            self._open_tables = idempotency, recent, Table(self.index / "open")
        return self._open_tables

    # ---- who writes ----

    def took_over(self, writer: bytes) -> None:
        """Say that a writer has its slot of the log, and that all is here that the log has of those
        who had it before: none of them has a key in hand any more.
        """
        with self.open.write() as change:
            change.put(WRITER + writer[:SLOT], writer[SLOT:])

    def is_taken_over(self, writer: bytes) -> bool:
        """Whether a writer has its slot by the last word on it."""
        with self.open.read() as change:
            return bool(change.get(WRITER + writer[:SLOT]) == writer[SLOT:])

    def _is_dead(self, writer: bytes) -> bool:
        """Whether a later writer took the slot over."""
        with self.open.read() as change:
            now = change.get(WRITER + writer[:SLOT])
        return now is not None and now != writer[SLOT:]

    # ---- money that waits for its claim ----

    def note_hold(self, id: bytes, held: HeldMoney) -> None:
        """Note the money of a decision that waits; `flush` writes it."""
        self._holds[id] = held

    def flush(self) -> None:
        """Write what was noted, for all workers."""
        if self._holds:
            self.hold(self._holds)
            self._holds = {}
        self.recent.flush(self.idempotency.oldest)

    def hold(self, holds: dict[bytes, HeldMoney]) -> None:
        """Write what decisions reserved, by their ids."""
        with self.open.write() as change:
            for id, held in holds.items():
                change.put(HELD + id, _encode(held), overwrite=False)

    @contextmanager
    def settling(self, id: bytes, patient: bool = False) -> Iterator[HeldMoney | None]:
        """Take what a decision reserved, to be settled within; None where there is nothing, or
        another worker has taken it.  An error within leaves it where it was.  ``patient``: None
        also where somebody died whose log nobody has read yet: it may say what the money came to.
        """
        with self.open.write() as change:
            waits = patient and self._somebody_died(change)
            data = None if waits else change.pop(HELD + id)
            yield None if data is None else _held(data)

    def _somebody_died(self, change: Any) -> bool:
        log = self.folder / "log"
        writers = (name[1:] + epoch for name, epoch in _entries(change, WRITER, WRITER))
        return any(unread(log, writer) for writer in writers)

    def holds(self, id: bytes) -> bool:
        """Whether money waits here for the claim of a decision."""
        if id in self._holds:
            return True
        with self.open.read() as change:
            return change.get(HELD + id) is not None

    def held_before(self, ns: int) -> list[bytes]:
        """The ids of the oldest decisions before a moment whose money waits."""
        with self.open.read() as change:
            ids = (name[1:] for name, _ in _entries(change, HELD, HELD))
            return [id for id in _first(ids, BATCH) if time_of(id) < ns]

    # ---- what came before its decision ----

    @contextmanager
    def wait(self, name: bytes, early: Early) -> Iterator[bool]:
        """Keep what came before its decision, with what is done within; whether it is new.

        Raises
        ------
        LogUnavailable
            Where too much waits.
        """
        with self.open.write() as change:
            if change.stat()["entries"] > MOST_OPEN:
                fix = "send rewards of decisions that were made"
                must = f"be at most {MOST_OPEN:,}"
                raise LogUnavailable("rewards that wait for their decisions", must, "more", fix=fix)
            yield bool(change.put(name, _encode(early), overwrite=False))

    def waits(self, name: bytes) -> Early | None:
        """What waits under a name."""
        with self.open.read() as change:
            data = change.get(name)
        return None if data is None else _early(data)

    def waiting_for(self, id: bytes) -> list[Waiting]:
        """What waits for a decision."""
        with self.open.read() as change:
            entries = _entries(change, WAITING + id, WAITING + id)
            return [Waiting(name, id, _early(value)) for name, value in entries]

    def waiting(self) -> list[Waiting]:
        """Some of what waits; all of it, over many calls."""
        with self.open.read() as change:
            entries = _entries(change, WAITING, self._after or WAITING)
            some = [
                Waiting(name, name[1 : 1 + ID], _early(value))
                for name, value in _first(entries, BATCH)
            ]
        self._after = some[-1].name + b"\0" if len(some) == BATCH else b""
        return some

    def take_waiting(self, name: bytes) -> None:
        """Take one away."""
        with self.open.write() as change:
            change.delete(name)

    def close(self) -> None:
        """Write what is not written, and let go of the files."""
        if self._open_tables is not None:
            self.flush()
            for table in self._open_tables:
                table.close()
            self._open_tables = None


def _entries(change: Any, head: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
    cursor = change.cursor()
    more = cursor.set_range(start)
    while more and cursor.key().startswith(head):
        yield cursor.item()
        more = cursor.next()


def _first(entries: Iterator[Any], count: int) -> Iterator[Any]:
    return (entry for _, entry in zip(range(count), entries, strict=False))
