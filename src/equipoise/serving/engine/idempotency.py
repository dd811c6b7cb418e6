"""Requests that come twice: the same key with the same body has the same answer.

    same key, same body       the first answer, byte for byte
    same key, other body      refused
    first one still in hand   refused; to be tried again
    the disk failed under it  refused: nobody knows whether the first decision is on disk
    its snapshot is gone      refused: the log has the first decision, nobody has all of its answer

A key is kept for two hours at least, by all workers of a machine.  A log record keeps its hash,
half of it of the key and half of the body, so that answers can be given again after a power cut.

Who takes a key in hand leaves a mark with its own name: its slot of the log, and its start.  The
mark holds however long that takes, by whatever clock.  It is dead once a later start of the same
slot has said so, which comes after the process of the first one has ended (the lock of the slot is
free no sooner) and after every answer that its log has was put back: then nothing was decided under
the mark, and the key is new.  How far back that log is to be read says `oldest`.

Keys are taken under the locks of two tables, that of this hour and the one before, and which hour
it is, is asked under them: of two workers at the turn of an hour the later one sees the earlier
one's marks, however long either stalls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, nullcontext, suppress
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from equipoise.serving.engine.tables import HOUR, Hours
from equipoise.serving.errors import ConflictError, InFlight, KeyReuse, LogUnavailable
from equipoise.serving.messages import DecideRequest

HALF = 8  # bytes of the hash of a key, and of a body
KEEP = 2  # hours
# what an entry begins with; of version 0.2.0 there may be marks that name no writer: b"P"
IN_HAND, DONE, DOUBT, GONE = b"H", b"D", b"U", b"G"
FULL = LogUnavailable("a table of keys", "be writable", "a disk that takes nothing")

Found = bytes | ConflictError | LogUnavailable | None

_encode = msgspec.json.Encoder(order="deterministic").encode


class KeyedAnswer(NamedTuple):
    """An answer to be kept: the ``key``, as `key_hash` gives it, and the answer's JSON."""

    key: bytes
    answer: bytes


class LoggedAnswer(NamedTuple):
    """An answer that a log has: the ``key``, as `key_hash` gives it; what is to be said (``state``,
    such as `DONE`); the answer's JSON, where it is `DONE`; and when it was decided, ``ns``.
    """

    key: bytes
    state: bytes
    answer: bytes
    ns: int


def key_hash(request: DecideRequest) -> bytes:
    """The hash of a request with a key.

    Parameters
    ----------
    request : DecideRequest
        Its key is given.

    Returns
    -------
    bytes
        16: half of the key, half of the whole body, in which the order of names does not count.

    Examples
    --------
    >>> first, second = (DecideRequest(unit=unit, key="1") for unit in ("ann", "bob"))
    >>> key_hash(first)[:8] == key_hash(second)[:8], key_hash(first) == key_hash(second)
    (True, False)
    """
    key = blake2b(str(request.key).encode(errors="surrogatepass"), digest_size=HALF).digest()
    return key + blake2b(_encode(request), digest_size=HALF).digest()


class Idempotency:
    """The answers of keys, shared by workers.

    Parameters
    ----------
    folder : Path
        Of their tables.
    is_dead : callable
        Whether a writer of a log, by its name, has no key in hand any more.
    """

    def __init__(self, folder: Path, is_dead: Callable[[bytes], bool]) -> None:
        self.hours, self._is_dead = Hours(folder, KEEP), is_dead
        self._in_hand: dict[bytes, int] = {}  # of this worker, and when each was taken
        # entries that no table has yet; b"": to be removed
        self._unwritten: dict[bytes, bytes] = {}

    def begin(self, keys: Sequence[bytes], writer: bytes, clock: Callable[[], int]) -> list[Found]:
        """Take requests in hand.

        Parameters
        ----------
        keys : sequence of bytes
            As `key_hash` gives them.
        writer : bytes
            The name of who does, as its log has it.
        clock : callable
            Nanoseconds since 1970.

        Returns
        -------
        list of bytes, ConflictError, LogUnavailable or None
            Of each: None where it is the first with this key; else the answer that was given
            before, or why there is none; `FULL` where it is the first and was not taken in hand,
            because nothing can be written.
        """
        found: list[Found] = [FULL] * len(keys)
        if self._unwritten:
            with suppress(LogUnavailable):
                self._write()
        try:
            while not self._begin(keys, writer, clock, found):
                pass  # the hour has turned
        except LogUnavailable:
            pass
        return found

    def _begin(
        self, keys: Sequence[bytes], writer: bytes, clock: Callable[[], int], found: list[Found]
    ) -> bool:
        """Take them in hand in the hour that it is, if it is still the same under the locks."""
        now = clock()
        new: list[int] = []
        hours, older = self.hours, self.hours.there(now - KEEP * HOUR)
        with (
            nullcontext() if older is None else older.read() as oldest,
            hours.of(now - HOUR).write() as before,
            hours.of(now).write() as change,
        ):
            if clock() // HOUR != now // HOUR:
                return False
            tables = (change, before) if oldest is None else (change, before, oldest)
            for at, key in enumerate(keys):
                entry = self._unwritten.get(key) or self._entry(tables, key[:HALF])
                if entry:
                    found[at] = _answer(entry, key[HALF:])
                elif not self._unwritten:
                    change.put(key[:HALF], IN_HAND + key[HALF:] + writer)
                    new.append(at)
        for at in new:  # they are written
            found[at] = None
            self._in_hand[keys[at]] = now
        return True

    def _entry(self, tables: Sequence[Any], name: bytes) -> bytes:
        """What the newest table says that knows of a key; nothing where who had it in hand died."""
        for table in tables:
            entry: bytes | None = table.get(name)
            if entry and not (entry[:1] == IN_HAND and self._is_dead(entry[1 + HALF :])):
                return entry
        return b""

    def finish(self, keyed: Sequence[KeyedAnswer], lost: bool = False) -> None:
        """Keep answers of keys in hand, and what could not be written before.

        Parameters
        ----------
        keyed : sequence of KeyedAnswer
            Others than those in hand are left alone.
        lost : bool, default False
            Whether nobody knows if their decisions are on disk.

        Raises
        ------
        LogUnavailable
            Where nothing can be written; it is, by a later call.
        """
        for key, answer in keyed:
            if key in self._in_hand and key not in self._unwritten:
                entry = DOUBT + key[HALF:] if lost else DONE + key[HALF:] + answer
                self._unwritten[key] = entry
        self._write()

    def release(self, key: bytes) -> None:
        """Forget a request that got no answer; it is in hand until that can be written."""
        if key in self._in_hand:
            self._unwritten[key] = b""
            with suppress(LogUnavailable):
                self._write()

    def _write(self) -> None:
        while self._unwritten:
            done, hour = [], self._in_hand[next(iter(self._unwritten))] // HOUR
            with self.hours.of(hour * HOUR).write() as change:
                for key, entry in self._unwritten.items():
                    if self._in_hand[key] // HOUR != hour:
                        continue
                    if entry:
                        change.put(key[:HALF], entry)
                    else:
                        change.delete(key[:HALF])
                    done.append(key)
            for key in done:
                del self._unwritten[key], self._in_hand[key]

    @property
    def oldest(self) -> int | None:
        """When the oldest request was taken that this worker has in hand; None: there is none."""
        return next(iter(self._in_hand.values()), None)

    def refill(self, answers: Iterable[LoggedAnswer]) -> None:
        """Put answers back that the log of a dead writer has; what is more than its mark stays.

        Parameters
        ----------
        answers : iterable of LoggedAnswer
            In the order of the log.

        Raises
        ------
        LogUnavailable
            Where nothing can be written.
        """
        for hour, some in groupby(answers, lambda one: one.ns // HOUR):
            with ExitStack() as stack:
                own, *later = (hour * HOUR + after * HOUR for after in range(KEEP + 1))
                there = [self.hours.of(own), *filter(None, map(self.hours.there, later))]
                tables = [stack.enter_context(table.write()) for table in there]
                for key, state, answer, _ in some:
                    name = key[:HALF]  # it may have been taken in hand an hour after it came
                    table = next((one for one in reversed(tables) if one.get(name)), tables[0])
                    if (table.get(name) or IN_HAND)[:1] not in (DONE, DOUBT, GONE):
                        table.put(name, state + key[HALF:] + answer)

    def close(self) -> None:
        """Let go of the files."""
        self.hours.close()


def _answer(entry: bytes, body: bytes) -> Found:
    """What an entry says to a request with this body."""
    state = entry[:1]
    if entry[1 : 1 + HALF] != body:
        fix = "use another key for another request"
        got = "a key that came with another body"
        return KeyReuse("the key of a request", "be used for one body", got, fix=fix)
    if state == DONE:
        return entry[1 + HALF :]
    if state == DOUBT:
        must, got = "be on disk", "a disk, or a worker, that failed while it was written"
        fix = "look in the decision log once the disk is well, or ask with another key"
        return LogUnavailable("the first decision of this key", must, got, fix=fix)
    if state == GONE:
        must, got = "be there to be given again", "one of a snapshot that is not served any more"
        fix = "look in the decision log, or ask with another key"
        return ConflictError("the first answer of this key", must, got, fix=fix)
    got = "the same request while the first has no answer yet"
    fix = "try again in a moment; where its worker died, another one takes over first"
    return InFlight("the key of a request", "be used once at a time", got, fix=fix)
