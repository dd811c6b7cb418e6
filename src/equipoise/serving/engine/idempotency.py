"""Requests that come twice: the same key with the same body has the same answer.

    same key, same body       the first answer, byte for byte
    same key, other body      refused
    first one still in hand   refused; to be tried again
    the disk failed under it  refused: nobody knows whether the first decision is on disk

A key is kept for two hours at least, by all workers of a machine.  A log record keeps its hash,
half of it of the key and half of the body, so that answers can be given again after a power cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from equipoise.serving.engine.tables import HOUR, Hours
from equipoise.serving.errors import InFlight, KeyReuse, LogUnavailable
from equipoise.serving.messages import DecideRequest

HALF = 8  # bytes of the hash of a key, and of a body
KEEP = 2  # hours
PATIENCE = 10_000_000_000  # ns after which who began and did not end is taken for dead
BOUNDARY = 10_000_000_000  # ns of an hour in which another worker may still be in the one before
IN_HAND, DONE, DOUBT = b"P", b"D", b"U"

Found = bytes | KeyReuse | InFlight | LogUnavailable | None

_encode = msgspec.json.Encoder(order="deterministic").encode


class KeyedAnswer(NamedTuple):
    """An answer to be kept: the key, as `key_hash` gives it; the answer's JSON, None where its
    decision may be lost; and ``ns``, when the request was taken in hand.
    """

    key: bytes
    answer: bytes | None
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
    """

    def __init__(self, folder: Path) -> None:
        self.hours = Hours(folder, KEEP)
        self._unkept: list[KeyedAnswer] = []

    def begin(self, keys: Sequence[bytes], now_ns: int) -> list[Found]:
        """Take requests in hand.

        Parameters
        ----------
        keys : sequence of bytes
            As `key_hash` gives them.
        now_ns : int
            The time.

        Returns
        -------
        list of bytes, KeyReuse, InFlight, LogUnavailable or None
            Of each: None where it is the first with this key; else the answer that was given
            before, or why there is none: the key came with another body, its first request has no
            answer yet, or the disk failed under it.

        Raises
        ------
        LogUnavailable
            Where nothing can be written; none is then in hand.
        """
        found: list[Found] = [None] * len(keys)
        left = [*enumerate(keys)]
        for back in range(KEEP, 0, -1):
            table = self.hours.there(now_ns - back * HOUR)
            if table is not None:
                with table.read() as change:
                    left = [
                        (at, key)
                        for at, key in left
                        if not self._had(change, key, now_ns, found, at)
                    ]
        with ExitStack() as stack:
            if now_ns % HOUR < BOUNDARY:  # holds off who puts it there still
                earlier = stack.enter_context(self.hours.of(now_ns - HOUR).write())
                left = [
                    (at, key) for at, key in left if not self._had(earlier, key, now_ns, found, at)
                ]
            change = stack.enter_context(self.hours.of(now_ns).write())
            for at, key in left:
                mark = IN_HAND + key[HALF:] + now_ns.to_bytes(8, "little")
                if not change.put(key[:HALF], mark, overwrite=False):
                    before: bytes = change.get(key[:HALF])
                    if before[:9] == mark[:9] and _dead(before, now_ns):
                        change.put(key[:HALF], mark)
                    else:
                        found[at] = _answer(before, key[HALF:], now_ns)
        return found

    def _had(self, change: Any, key: bytes, now_ns: int, found: list[Any], at: int) -> bool:
        """Whether a table has a key whose first request is answered or in hand; what it says of it
        to ``found[at]``.  One whose worker died is looked for in later tables, and begun anew.
        """
        before = change.get(key[:HALF])
        if before is not None:
            found[at] = _answer(before, key[HALF:], now_ns)
        return found[at] is not None

    def finish(self, keyed: Sequence[KeyedAnswer], lost: bool = False) -> None:
        """Keep answers, and those that could not be kept before.

        Parameters
        ----------
        keyed : sequence of KeyedAnswer
            Of requests in hand.
        lost : bool, default False
            Whether nobody knows if their decisions are on disk.

        Raises
        ------
        LogUnavailable
            Where nothing can be written; they are kept by a later call.
        """
        self._unkept += [one._replace(answer=None) for one in keyed] if lost else keyed
        for hour, some in groupby(self._unkept, lambda one: one.ns // HOUR):
            with self.hours.of(hour * HOUR).write() as change:
                for key, answer, _ in some:
                    state = DOUBT if answer is None else DONE
                    change.put(key[:HALF], state + key[HALF:] + (answer or b""))
        self._unkept.clear()

    def release(self, key: bytes, now_ns: int) -> None:
        """Forget a request that got no answer; where nothing can be written it is taken for dead
        after a while.
        """
        if key:
            with suppress(LogUnavailable), self.hours.of(now_ns).write() as change:
                change.delete(key[:HALF])

    def refill(self, key: bytes, answer: bytes, ns: int) -> None:
        """Put an answer back that the log has; one that is there stays."""
        with self.hours.of(ns).write() as change:
            before = change.get(key[:HALF])
            if before is None or before[:1] == IN_HAND:
                change.put(key[:HALF], DONE + key[HALF:] + answer)

    def close(self) -> None:
        """Let go of the files."""
        self.hours.close()


def _dead(mark: bytes, now_ns: int) -> bool:
    """Whether who began a request is gone: its answer is far overdue."""
    return now_ns - int.from_bytes(mark[1 + HALF :], "little") > PATIENCE


def _answer(before: bytes, body: bytes, now_ns: int) -> Found:
    """What an entry says to a request with this body; None where who began it is gone."""
    if before[1 : 1 + HALF] != body:
        fix = "use another key for another request"
        got = "a key that came with another body"
        return KeyReuse("the key of a request", "be used for one body", got, fix=fix)
    if before[:1] == DONE:
        return before[1 + HALF :]
    if before[:1] == DOUBT:
        must, got = "be on disk", "a disk that failed while it was written"
        fix = "look in the decision log once the disk is well, or ask with another key"
        return LogUnavailable("the first decision of this key", must, got, fix=fix)
    if _dead(before, now_ns):
        return None
    got, fix = "the same request while the first has no answer yet", "try again in a moment"
    return InFlight("the key of a request", "be used once at a time", got, fix=fix)
