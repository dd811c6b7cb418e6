"""Counters of all workers: float64 slots in one mapped file, one row a worker slot.

A worker that starts goes on in the row of its slot, so a counter never falls.  Which column a
series has stands in the same file, written under a lock, so all workers agree::

    header      magic, version, rows, columns, columns in use
    directory   one cell a column: the series as JSON, [name, label, value, ...]
    values      float64, (rows, columns)

An aligned float64 is written whole, and each row has one writer, so nothing locks while counting.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import DataError

MAGIC, VERSION = b"EQMT", 1
HEADER = struct.Struct("<4sIQQQ")
PAGE, CELL = 4096, 512
ROWS, COLUMNS = 257, 2048
LOST = "equipoise_series_lost_total"  # counted here: what found no column
BEAT = "equipoise_worker_beat"  # when a worker last said that it lives, in seconds since 1970
ALIVE = 3.0  # seconds after its last beat
COUNTED = ("_total", "_bucket", "_sum")  # the names of what only grows end so
LONGEST = 80  # letters of a label's value


class Series(NamedTuple):
    """One time series.

    Attributes
    ----------
    name : str
        As Prometheus has it.
    labels : tuple of (str, str)
        Names and values.

    Examples
    --------
    >>> Series("up", ()).labels
    ()
    """

    name: str
    labels: tuple[tuple[str, str], ...]


class Meters:
    """The counters of one worker, and the sums of all.

    Parameters
    ----------
    path : path
        The file; made where it is not there.
    slot : int
        The worker's row.

    Raises
    ------
    DataError
        Where the file is another one.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> first, second = (Meters(Path(folder.name) / "counters", slot) for slot in (0, 1))
    >>> for meters in (first, second):
    ...     meters.add(meters.column("equipoise_rewards_total", metric="sales"))
    >>> [(series.name, total) for series, total in first.sums() if total]
    [('equipoise_rewards_total', 2.0)]
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, slot: int) -> None:
        self.path = path
        values = PAGE + COLUMNS * CELL
        size = values + 8 * ROWS * COLUMNS
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file).st_size == 0:
                os.ftruncate(file, size)
                os.pwrite(file, HEADER.pack(MAGIC, VERSION, ROWS, COLUMNS, 0), 0)
            _take_space(file, size, path)
            begin = os.pread(file, HEADER.size, 0)
            whole = os.fstat(file).st_size == size and len(begin) == HEADER.size
            if not whole or HEADER.unpack(begin)[:4] != (MAGIC, VERSION, ROWS, COLUMNS):
                fix = "move it away: counters begin anew"
                raise DataError("the counters' file", "be one of this version", path.name, fix=fix)
            if not 0 <= slot < ROWS:
                raise DataError("a worker's slot", f"be in [0, {ROWS})", slot)
            self._map = mmap.mmap(file, size)
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # the map keeps a copy of the file, and the lock by it
            os.close(file)
        row = values + 8 * COLUMNS * slot
        self._row = memoryview(self._map)[row : row + 8 * COLUMNS].cast("d")
        self._values: Floats = np.frombuffer(self._map, "<f8", ROWS * COLUMNS, values).reshape(
            ROWS, COLUMNS
        )
        self._columns: dict[Series, int] = {}
        self._read = 0  # columns of the directory that are in that table
        self.column(LOST)
        self._beat = self.column(BEAT)

    def column(self, name: str, **labels: str) -> int:
        """The column of a series: an old one, or the next that is free."""
        series = Series(name, tuple((key, labels[key][:LONGEST]) for key in sorted(labels)))
        column = self._columns.get(series)
        return self._find(series) if column is None else column

    def add(self, column: int, amount: float = 1.0) -> None:
        """Count."""
        self._row[column] += amount

    def put(self, column: int, value: float) -> None:
        """Say what is so now, of this worker."""
        self._row[column] = value

    def beat(self, now: float) -> None:
        """Say that this worker lives."""
        self._row[self._beat] = now

    def sums(self, now: float | None = None) -> Iterator[tuple[Series, float]]:
        """Each series and its sum: of what only grows over all workers that ever were, of what is
        so now over those that live.
        """
        values = self._values[:, : self._used()].copy()
        alive = values[:, self._beat] > (time.time() if now is None else now) - ALIVE
        ever, present = values.sum(0).tolist(), values[alive].sum(0).tolist()
        for column, (total, here) in enumerate(zip(ever, present, strict=True)):
            series = self._series(column)
            if column != self._beat:
                yield series, total if series.name.endswith(COUNTED) else here

    def close(self) -> None:
        """Let go of the file."""
        self._row.release()
        del self._values
        self._map.close()

    def _used(self) -> int:
        return int(HEADER.unpack_from(self._map)[4])

    def _series(self, column: int) -> Series:
        start = PAGE + CELL * column
        name, *rest = msgspec.json.decode(
            self._map[start : start + CELL].rstrip(b"\0"), type=list[str]
        )
        return Series(name, tuple(zip(rest[::2], rest[1::2], strict=True)))

    def _find(self, series: Series) -> int:
        cell = msgspec.json.encode(
            [series.name, *(word for pair in series.labels for word in pair)]
        )
        with open(self.path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            used = self._used()
            for column in range(self._read, used):
                self._columns[self._series(column)] = column
            self._read = used
            if series not in self._columns:
                if used == COLUMNS or len(cell) > CELL:
                    return self._columns[Series(LOST, ())]
                start = PAGE + CELL * used
                self._map[start : start + len(cell)] = cell
                HEADER.pack_into(self._map, 0, MAGIC, VERSION, ROWS, COLUMNS, used + 1)
                self._columns[series], self._read = used, used + 1
            return self._columns[series]


def _take_space(file: int, size: int, path: Path) -> None:
    """Take all the space now: a page without one, written to on a full disk, kills the process."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        must, fix = f"have {size / 1e6:.0f} MB of space", "free space on its disk"
        raise DataError("the counters' file", must, error.strerror, str(path), fix) from error


class Histogram:
    """Counts by bound, and their sum.

    Parameters
    ----------
    meters : Meters
        Where they are kept.
    name : str
        As Prometheus has it, without ``_bucket``.
    bounds : sequence of float
        Upper bounds, increasing; a last one without end is added.
    """

    def __init__(self, meters: Meters, name: str, bounds: Sequence[float]) -> None:
        self.meters, self.bounds = meters, tuple(bounds)
        self._columns = [
            meters.column(f"{name}_bucket", le=f"{bound:g}") for bound in (*bounds, float("inf"))
        ]
        self._sum = meters.column(f"{name}_sum")

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, so many times."""
        self.meters.add(self._columns[bisect_left(self.bounds, value)], times)
        self.meters.add(self._sum, value * times)
