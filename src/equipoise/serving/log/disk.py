"""What puts a log on disk: one thread, which syncs each 50 ms or for all who wait at that moment.

A sync that failed is never tried again on the same file: the system may have dropped the pages and
called them clean, so that the second one succeeds without them (Rebello et al. 2020, "Can
applications recover from fsync failures?").  The writer then goes on in a new segment.  Who waits
says how many syncs had failed when it began to write: where another one has failed since, its bytes
may be in the file that was dropped, and it is told so, however well the new one is synced.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from equipoise.serving.errors import LogUnavailable

DELAY = 0.05  # seconds that a record may wait, under durability "process"
QUICK = 0.002  # seconds of a sync that the thread of requests may do itself
IDLE = 1.0  # seconds between looks at the clock while nothing is written
MOST_TOLD = 4096  # syncs whose times are kept

Waiter = tuple[asyncio.AbstractEventLoop | None, Any, int]  # and the syncs that had failed


class DiskSync:
    """The thread.

    Parameters
    ----------
    folder : Path
        Synced where a name in it is new.
    delay : float
        Seconds between what makes a sync necessary and the sync.
    failed : callable
        Called with the file in use that could not be synced, None where it was another, and why;
        it counts up `failed_syncs` while nobody can write.
    idle : callable
        Called about once a second.
    """

    def __init__(
        self,
        folder: Path,
        delay: float,
        failed: Callable[[int | None, OSError], None],
        idle: Callable[[], None],
    ) -> None:
        self.folder, self.delay, self.failed, self.idle = folder, delay, failed, idle
        self.syncs = self.failed_syncs = 0
        self._error = ""  # of the last one that failed
        self.took: deque[float] = deque(maxlen=MOST_TOLD)  # seconds of each, until they are taken
        self.written = self.synced = 0  # bytes since the start
        self.file: int | None = None
        self._retired: list[int] = []
        self._waiters: list[Waiter] = []
        self._new_name = False
        self._lock, self._one_at_a_time = threading.Lock(), threading.Lock()
        self._usual = 0.0  # seconds of a sync, of late
        self._bell: SimpleQueue[None] = SimpleQueue()  # an event costs several times as much
        self._rung, self._stop = False, threading.Event()
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._thread.start()

    def use(self, file: int | None) -> None:
        """From now on write to another file; the one before is synced once more and closed."""
        with self._lock:
            if self.file is not None:
                self._retired.append(self.file)
            self.file, self._new_name = file, True
        self._ring()

    def drop(self, file: int) -> None:
        """Close a file that cannot be synced, and never sync it again."""
        with self._lock:
            if self.file == file:
                self.file = None
            if file in self._retired:  # it was replaced meanwhile
                self._retired.remove(file)
        os.close(file)

    def wrote(self, size: int) -> None:
        """Note that so many bytes were written."""
        self.written += size
        if self.delay and not self._rung:
            self._ring()

    def waiter(self, since: int) -> asyncio.Future[None]:
        """What is done once all that was written is on disk; it fails where a sync failed since so
        many had.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._wait((loop, future, since))
        return future

    @property
    def is_quick(self) -> bool:
        """Whether a sync takes so little that handing it to the thread would cost more."""
        return self._usual < QUICK

    def sync_here(self, since: int) -> None:
        """Put all that was written on disk, in this thread.

        Raises
        ------
        LogUnavailable
            Where a sync failed since so many had.
        """
        self._sync()
        if since != self.failed_syncs:
            raise self._failed()

    def flush(self, since: int) -> None:
        """Wait until all that was written is on disk, as `sync_here` says."""
        future: Future[None] = Future()
        self._wait((None, future, since))
        future.result()

    def close(self) -> None:
        """Sync a last time, close every file and end the thread."""
        self.use(None)
        with suppress(LogUnavailable):
            self.flush(self.failed_syncs)
        self._stop.set()
        self._bell.put(None)
        self._thread.join()

    def _wait(self, waiter: Waiter) -> None:
        with self._lock:
            self._waiters.append(waiter)
        self._ring()

    def _ring(self) -> None:
        """Have a sync begun: what was written until it begins is in it."""
        if not self._rung:
            self._rung = True
            self._bell.put(None)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._bell.get(timeout=IDLE)
            except Empty:
                self.idle()
                continue
            if self.delay and not self._waiters:
                self._stop.wait(self.delay)
            self._rung = False
            self._sync()

    def _sync(self) -> None:
        with self._one_at_a_time:
            self._sync_alone()

    def _sync_alone(self) -> None:
        with self._lock:
            waiters, self._waiters = self._waiters, []
            retired, self._retired = self._retired, []
            file, new_name, self._new_name = self.file, self._new_name, False
            mark = self.written
        began, error = time.perf_counter(), None
        if new_name:
            error = _failure(_sync_folder, self.folder)
            self._new_name = self._new_name or error is not None
        for old in retired:
            error = _failure(os.fsync, old) or error
            os.close(old)
        if error is not None:
            self.failed(None, error)
        if file is not None and (failure := _failure(os.fdatasync, file)):
            error = failure
            self.failed(file, failure)
        took = time.perf_counter() - began
        self.took.append(took)
        self._usual += (took - self._usual) / 4
        self.syncs += 1
        if error is None:
            self.synced = mark
        else:
            self._error = str(error)
        self._tell(waiters)

    def _tell(self, waiters: list[Waiter]) -> None:
        """Wake those who wait, once a loop."""
        loops: dict[asyncio.AbstractEventLoop | None, list[tuple[Any, bool]]] = {}
        for loop, future, since in waiters:
            loops.setdefault(loop, []).append((future, since == self.failed_syncs))
        for loop, futures in loops.items():
            if loop is None:
                self._settle(futures)
                continue
            with suppress(RuntimeError):  # of a loop that was closed meanwhile
                loop.call_soon_threadsafe(self._settle, futures)

    def _settle(self, futures: list[tuple[Any, bool]]) -> None:
        for future, well in futures:
            if future.done():
                continue
            if well:
                future.set_result(None)
            else:
                future.set_exception(self._failed())

    def _failed(self) -> LogUnavailable:
        return unavailable("be put on disk", self._error)


def _failure(do: Callable[[Any], object], thing: Any) -> OSError | None:
    """What went wrong with it."""
    try:
        do(thing)
    except OSError as error:
        return error
    return None


def _sync_folder(folder: Path) -> None:
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def unavailable(must: str, got: str, where: str = "") -> LogUnavailable:
    """The error of a log that takes nothing now."""
    fix = "free space on its disk, or look after the disk"
    return LogUnavailable("the decision log", must, got, where, fix)
