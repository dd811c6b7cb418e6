"""Small tables that all workers of a machine share: LMDB, not synced, each hour in a folder of its
own, so that old ones are removed as folders.

What is in them stands in the decision log, too.  They survive the death of every process; a power
cut may damage them, so after another start of the machine they are begun anew and filled from the
log.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from equipoise.serving.errors import LogUnavailable
from equipoise.serving.extra import lmdb
from equipoise.serving.machine import boot_id

DAMAGED = ("MDB_INVALID", "MDB_CORRUPTED", "MDB_VERSION_MISMATCH", "MDB_PAGE_NOTFOUND")
HOUR = 3_600_000_000_000  # nanoseconds
# bytes of address space for one file, which takes as much disk as it holds: a decision takes about
# 240, and a machine may make 50,000 a second for an hour
MAP = 1 << 36
OPTIONS = {"sync": False, "metasync": False, "max_readers": 1024, "map_size": MAP}
MACHINE, SERVICE = "boot", "a service"


class Table:
    """One table, opened once by each process.

    Parameters
    ----------
    folder : Path
        Its own.

    Raises
    ------
    LogUnavailable
        Where it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = lmdb(SERVICE).open(str(folder), **OPTIONS)
        except (lmdb(SERVICE).Error, OSError) as error:
            fix = "free space on its disk, or give the folder to the service"
            got = str(error)
            if any(name in got for name in DAMAGED):
                fix = "stop the service and remove its folder index: it is made anew of the log"
            must = "be writable"
            raise LogUnavailable("a table of the service", must, got, str(folder), fix) from error
        self.file.reader_check()

    def read(self) -> Any:
        """A transaction that reads."""
        return self.file.begin()

    @contextmanager
    def write(self) -> Iterator[Any]:
        """A transaction that writes; one at a time, of all workers.

        Raises
        ------
        LogUnavailable
            Where the disk takes nothing; nothing is then written.
        """
        try:
            with self.file.begin(write=True) as change:
                yield change
        except lmdb(SERVICE).Error as error:
            fix = "free space on its disk"
            got, where = str(error), str(self.folder)
            raise LogUnavailable(
                "a table of the service", "be writable", got, where, fix
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()


class Hours:
    """A table for each hour.

    Parameters
    ----------
    folder : Path
        Of all of them.
    keep : int
        How many hours before the present one are kept.
    most : int, default 0
        Bytes that all may take, beyond which the oldest goes; 0: no limit.
    """

    def __init__(self, folder: Path, keep: int, most: int = 0) -> None:
        self.folder, self.keep, self.most = folder, keep, most
        self._tables: dict[int, Table] = {}
        self._absent: set[int] = set()
        self._newest, self._guard = -1, Lock()
        self._leaving: list[Table] = []
        folder.mkdir(parents=True, exist_ok=True)

    def of(self, ns: int) -> Table:
        """The table of a moment, begun where it is not there."""
        hour = ns // HOUR
        table = self._tables.get(hour)
        return self._begin(hour) if table is None else table

    def _begin(self, hour: int) -> Table:
        with self._guard:  # a process opens a file once, whichever thread asks first
            table = self._tables.get(hour)
            if table is None:
                table = self._tables[hour] = Table(self.folder / f"{hour:08d}")
                if hour > self._newest:
                    self._newest = hour
                    self._absent.clear()
                    self._forget(hour)
            return table

    def there(self, ns: int) -> Table | None:
        """The table of a moment, where there is one."""
        hour = ns // HOUR
        table = self._tables.get(hour)
        if table is not None or hour in self._absent:
            return table
        if (self.folder / f"{hour:08d}").is_dir():
            return self._begin(hour)
        if hour < self._newest:  # nobody begins an hour that is past
            self._absent.add(hour)
        return None

    def newest_first(self) -> Iterator[Table]:
        """Every table that is kept."""
        for hour in sorted(self._hours(), reverse=True):
            yield self.of(hour * HOUR)

    def close(self) -> None:
        """Let go of the files."""
        for table in (*self._tables.values(), *self._leaving):
            table.close()
        self._tables.clear()
        self._leaving.clear()

    def _hours(self) -> list[int]:
        return [int(path.name) for path in self.folder.iterdir() if path.name.isdigit()]

    def _forget(self, newest: int) -> None:
        """Remove what is too old or too much, and let go of what any worker removed; a thread that
        reads in it has an hour to end.
        """
        left = self.most or float("inf")
        for hour in sorted(self._hours(), reverse=True):
            path = self.folder / f"{hour:08d}"
            with suppress(FileNotFoundError):  # another worker was quicker
                left -= sum(file.stat().st_size for file in path.glob("data.mdb"))
            if hour < newest - self.keep or (left < 0 and hour < newest - 1):
                shutil.rmtree(path, ignore_errors=True)
        while self._leaving:
            self._leaving.pop().close()
        there = self._hours()
        for hour in self._tables.keys() - {hour for hour in there if hour >= newest - self.keep}:
            self._leaving.append(self._tables.pop(hour))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone among all processes that ask for this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


@contextmanager
def starting(folder: Path) -> Iterator[bool]:
    """Alone at the start: whether what the folder held is of an earlier start of the machine, and
    was removed; once the block ends well it counts as of this one.
    """
    with locked(folder):
        note, boot = folder / MACHINE, boot_id()
        old = not note.exists() or note.read_text(encoding="utf-8") != boot
        if old:
            for path in folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
        yield old
        note.write_text(boot, encoding="utf-8")
