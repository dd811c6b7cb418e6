"""The writer of a decision log: one process a slot, one `write` for whole records, no other state.

durability = "process"   written before the answer, on disk every 50 ms: survives any death of the
                         process; a power cut may lose the last 50 ms
durability = "disk"      the answer waits for a sync that it shares with all who wait at the moment
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from equipoise.core.errors import InputError
from equipoise.serving.config import LogConfig
from equipoise.serving.errors import ConflictError, LogUnavailable
from equipoise.serving.log.disk import DELAY, DiskSync, unavailable
from equipoise.serving.log.recovery import recover
from equipoise.serving.log.segments import CHAIN, encode, file_name, frame_of, header_of, pack
from equipoise.serving.records import Context, DecisionRecord, EndRecord, ErasedRecord, Record

SLOTS = 1 << 16
LOOKS, LOOK = 10, 0.002  # how often a lock is asked for, and the seconds between
KEPT = 64  # contexts that a decision in flight may still name
NO_SPACE = "a disk without space for all of it"


class DecisionLog:
    """The log of one worker.

    Parameters
    ----------
    folder : path
        Of all segments; made where there is none.
    slot : int
        Of this writer, below 65,536; only one at a time may have it.
    config : LogConfig, optional
        Durability, and when a segment is full.
    clock : callable, optional
        Nanoseconds since 1970.

    Raises
    ------
    ConflictError
        Where another writer has the slot.
    LogUnavailable
        Where nothing can be written there.

    Attributes
    ----------
    recovery : Recovery
        What the last writer of the slot left.
    alarm : str
        What went wrong on the disk since the start; "" where nothing did.
    clock_back : int
        By how much the clock went back at most, in nanoseconds.
    """

    def __init__(
        self,
        folder: Path | str,
        slot: int,
        config: LogConfig | None = None,
        *,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if not 0 <= slot < SLOTS:
            raise InputError("a slot of the log", f"be from 0 to {SLOTS - 1:,}", slot)
        self.folder, self.slot, self.config = Path(folder), slot, config or LogConfig()
        self.alarm, self.clock_back = "", 0
        self._clock, self._guard = clock, threading.RLock()
        self._roll_bytes = self.config.roll_bytes
        self._own = _hold(self.folder, slot)
        try:
            self.recovery = recover(self.folder, slot)
            self._begin()
        except OSError as error:
            os.close(self._own)
            raise unavailable("be writable", str(error), str(self.folder)) from error
        except BaseException:
            os.close(self._own)
            raise

    def _begin(self) -> None:
        self._epoch = secrets.randbits(32)
        while self._epoch in self.recovery.epochs:
            self._epoch = secrets.randbits(32)
        self._stamp = (self.slot << 64) | (self._epoch << 32)
        self._seen = self._milliseconds = self._counter = 0
        self._contexts: dict[int, Context] = {}
        self._next_context, self._segments = 0, 0
        self._created = self.recovery.created
        self._file: int | None = None
        self._size = self._head = 0
        self._torn = False
        self._last: tuple[list[bytes], tuple[int, Any, int]] | None = None
        delay = DELAY if self.config.durability == "process" else 0.0
        self.disk = DiskSync(self.folder, delay, self._sync_failed, self._roll_if_old)
        try:
            self._open(self.recovery.chain)
            os.pwrite(self._own, self.writer, 0)
        except BaseException:
            self.disk.close()
            raise

    # ---- what the engine calls ----

    def now_ns(self) -> int:
        """The time, which never goes back.

        Returns
        -------
        int
            Nanoseconds since 1970.
        """
        now = self._clock()
        if now < self._seen:
            self.clock_back = max(self.clock_back, self._seen - now)
            return self._seen
        self._seen = now
        return now

    @property
    def writer(self) -> bytes:
        """What the ids of this writer's decisions have in common, and no other's: 6 bytes."""
        return (self._stamp >> 32).to_bytes(6, "big")

    def new_ids(self, count: int) -> list[bytes]:
        """Ids of decisions.

        Parameters
        ----------
        count : int
            How many.

        Returns
        -------
        list of bytes
            16 each, big-endian, so that ids sort by time: 48 bits of milliseconds since 1970, 16
            of the slot, 32 of this start, 32 of a counter.
        """
        first, self._counter = self._counter + 1, self._counter + count
        head = ((self.now_ns() // 1_000_000 << 80) | self._stamp).to_bytes(16, "big")[:12]
        return [head + (n & 0xFFFFFFFF).to_bytes(4, "big") for n in range(first, first + count)]

    def context(self, context: Context) -> int:
        """Begin a context; it is written again at the head of each later segment.

        Parameters
        ----------
        context : Context
            Its ``number`` is set here.

        Returns
        -------
        int
            The number, which decisions name.

        Raises
        ------
        LogUnavailable
            Where it cannot be written.
        """
        with self._guard:
            number = self._next_context
            numbered = msgspec.structs.replace(context, number=number)
            self.append(numbered)
            self._next_context = number + 1
            self._contexts[number] = numbered
            self._contexts.pop(number - KEPT, None)
            self._here.add(number)
            return number

    def append(self, *records: Record) -> list[bytes]:
        """Write whole records at once.

        Parameters
        ----------
        *records : Record
            In order.

        Returns
        -------
        list of bytes
            Each record in msgpack, as it was written.

        Raises
        ------
        LogUnavailable
            Where that cannot be; nothing of them is then left in the file.
        """
        payloads = [*map(encode, records)]
        data = b"".join([piece for one in payloads for piece in (pack(len(one), crc32(one)), one)])
        with self._guard:
            if self._is_full(len(data)):
                self._roll()
            count = len(records)
            for record in records:
                if type(record) is DecisionRecord and record.context not in self._here:
                    data, count = self._context_frame(record.context) + data, count + 1
            before = self._size, self._sha.copy(), self._count
            self._write(data, count)
            self._last = payloads, before
        return payloads

    def take_back(self, payloads: list[bytes]) -> None:
        """Cut off what the last `append` wrote: what it tells of was not done after all.

        Parameters
        ----------
        payloads : list of bytes
            As `append` gave them, of records that name no context; nothing is cut where another
            append came since.
        """
        with self._guard:
            if self._file is None or self._last is None or self._last[0] is not payloads:
                return
            self._size, self._sha, self._count = self._last[1]
            self._last = None
            self._cut(self._file)

    @property
    def failed_syncs(self) -> int:
        """How many syncs failed since the start: read it before you write what is to be on disk."""
        return self.disk.failed_syncs

    async def acknowledged(self, since: int) -> None:
        """Under durability "disk": wait until all that was appended is on disk; else return.

        Parameters
        ----------
        since : int
            `failed_syncs` before the first of it.

        Raises
        ------
        LogUnavailable
            Where a sync failed since then: some of it may be lost.
        """
        if self.config.durability == "disk":
            await self.disk.waiter(since)

    def flush(self, since: int | None = None) -> None:
        """Wait until all that was appended is on disk, under any durability.

        Parameters
        ----------
        since : int, optional
            As of `acknowledged`; by default of this moment.

        Raises
        ------
        LogUnavailable
            Where a sync failed since then.
        """
        self.disk.flush(self.failed_syncs if since is None else since)

    def erase(self, unit: str) -> None:
        """Write a tombstone: what the log holds of a unit until now is to be forgotten.

        Parameters
        ----------
        unit : str
            Whom; `rewrite_erased` takes it out of closed segments.

        Raises
        ------
        LogUnavailable
            Where it cannot be written, or not put on disk.
        """
        since = self.failed_syncs
        self.append(ErasedRecord(unit, self.now_ns()))
        self.flush(since)

    def roll(self) -> None:
        """End the segment and begin another, for what reads closed ones.

        Raises
        ------
        LogUnavailable
            Where no file can be begun.
        """
        with self._guard:
            self._roll()

    def close(self) -> None:
        """Write the end and close; the slot is free again."""
        with self._guard:
            if self._own < 0:
                return
            if self._file is not None:
                self._end()
            self._file = None
            own, self._own = self._own, -1
        self.disk.close()
        with suppress(OSError):
            os.ftruncate(own, 0)
        os.close(own)

    def clear_alarm(self) -> None:
        """Take note of what went wrong."""
        self.alarm = ""

    @property
    def bytes_written(self) -> int:
        """Since the start."""
        return self.disk.written

    @property
    def unsynced_bytes(self) -> int:
        """Written and not known to be on disk."""
        return self.disk.written - self.disk.synced

    # ---- files ----

    def _is_full(self, more: int) -> bool:
        if self._file is None:
            return True
        if self._size == self._head:
            return False
        return self._size + more > self._roll_bytes or time.monotonic() > self._roll_at

    def _roll(self) -> None:
        """Begin a segment, then end the one before: where there is no room, it goes on."""
        if self._own < 0:
            raise unavailable("be open", "a log that was closed", str(self.folder))
        before, digest, count = self._file, self._sha.digest(), self._count
        if before is not None:
            try:
                self._mend(before)
            except OSError as error:
                raise unavailable("be cut back", str(error), str(self.folder)) from error
        self._open(digest[:CHAIN])
        if before is not None:
            frame = frame_of(EndRecord(count, digest))
            with suppress(OSError):
                size = os.fstat(before).st_size
                if os.write(before, frame) != len(frame):
                    os.ftruncate(before, size)

    def _open(self, chain: bytes) -> None:
        """Begin a segment with its header and the context in force."""
        created = max(self._clock(), self._created + 1)
        recent = [*self._contexts.values()][-1:]
        head = header_of(created, chain) + b"".join(frame_of(one) for one in recent)
        path = self.folder / file_name(self.slot, self._epoch, self._segments)
        file = -1
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
            if os.write(file, head) != len(head):
                raise OSError(28, NO_SPACE)
        except OSError as error:
            if file >= 0:
                os.close(file)
                path.unlink(missing_ok=True)
            raise unavailable("begin a file", str(error), str(path)) from error
        self._file, self._created = file, created
        self._sha, self._count, self._last = hashlib.sha256(head), len(recent), None
        self._size = self._head = len(head)
        self._here = {one.number for one in recent}
        self._segments += 1
        self._roll_at = time.monotonic() + self.config.roll_seconds
        self.disk.use(file)
        self.disk.wrote(len(head))

    def _end(self) -> None:
        frame = frame_of(EndRecord(self._count, self._sha.digest()))
        with suppress(LogUnavailable):  # recovery writes it
            self._write(frame, 0)

    def _write(self, data: bytes, count: int) -> None:
        """One write; what went out only in part is cut back."""
        file = self._file
        if file is None:
            raise unavailable("be open", "no file to write to", str(self.folder))
        try:
            self._mend(file)
            done = os.write(file, data)
        except OSError as error:
            self._cut(file)
            raise unavailable("take a record", str(error), str(self.folder)) from error
        if done != len(data):
            self._cut(file)
            raise unavailable("take a record", NO_SPACE, str(self.folder))
        self._sha.update(data)
        self._size += done
        self._count += count
        self.disk.wrote(done)

    def _cut(self, file: int) -> None:
        try:
            os.ftruncate(file, self._size)
        except OSError:
            self._torn = True  # tried again before anything is written

    def _mend(self, file: int) -> None:
        """Cut off what could not be cut off before."""
        if self._torn:
            os.ftruncate(file, self._size)
            self._torn = False

    def _context_frame(self, number: int) -> bytes:
        if number not in self._contexts:
            must, fix = "name a context of this writer", "begin it by `context` first"
            raise InputError("a decision", must, number, fix=fix)
        self._here.add(number)
        return frame_of(self._contexts[number])

    def _sync_failed(self, file: int | None, error: OSError) -> None:
        """Sound the alarm; where it was the segment in use, go on in a new one, if there can be."""
        with self._guard:  # who reads the count writes to the new segment
            self.disk.failed_syncs += 1
            self.alarm = f"the disk refused to sync the decision log: {error}"
            if file is None:
                return
            if self._file != file:
                self.disk.drop(file)
                return
            with suppress(OSError):
                self._mend(file)
            self._file, self._torn = None, False
            self.disk.drop(file)
            with suppress(LogUnavailable):
                self._roll()

    def _roll_if_old(self) -> None:
        with self._guard:
            if self._file is not None and self._is_full(0):
                with suppress(LogUnavailable):
                    self._roll()


def unread(folder: Path, writer: bytes) -> bool:
    """Whether a writer died, or another one began in its slot since: who reads its log may find
    more than anybody was told of.

    Parameters
    ----------
    folder : Path
        Of the log.
    writer : bytes
        The last one of its slot whose log was read, as `DecisionLog.writer` names it.

    Returns
    -------
    bool
        False where it lives, or closed its log.
    """
    path = _lock(folder, int.from_bytes(writer[:2], "big"))
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        said = os.pread(file, len(writer), 0)
        if said == writer:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # it can be had: nobody has it
        return said != b""
    except BlockingIOError:
        return False
    finally:
        os.close(file)


def _lock(folder: Path, slot: int) -> Path:
    """Locked while a writer lives, who writes its name there, and takes it away at the end."""
    return folder / f"{slot:05d}.lock"


def _hold(folder: Path, slot: int) -> int:
    """The lock of a slot, which ends with the process.  Who looks whether a writer lives has it
    for a moment, so it is asked for again; a writer keeps it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own = os.open(_lock(folder, slot), os.O_RDWR | os.O_CREAT, 0o640)
    except OSError as error:
        raise unavailable("be writable", str(error), str(folder)) from error
    for _ in range(LOOKS):
        with suppress(OSError):
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return own
        time.sleep(LOOK)
    os.close(own)
    what, fix = f"slot {slot} of the log", "stop the other process, or take another slot"
    raise ConflictError(what, "be free", "another writer has it", str(folder), fix)
