"""Units in LMDB: one file, written once beside, then only read, without locks.

A file that is read is never written again: a new snapshot has its own.  One process maps a file
once, however many stores are open on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa

from equipoise.artifacts.unit_facts import FactsBatch, UnitFacts
from equipoise.core.errors import SnapshotError
from equipoise.serving.errors import StoreError
from equipoise.serving.extra import lmdb
from equipoise.serving.stores.codec import Layout, key_of
from equipoise.serving.stores.header import Header, read_header

FILE, WHAT = "units.mdb", "a store of LMDB"
ROOM = 64 << 20  # bytes of a map beyond what is asked for
BATCH = 65_536


def write_lmdb(folder: Path, blocks: Iterable[pa.Table], units: int, layout: Layout) -> None:
    """Write sorted units.

    Parameters
    ----------
    folder : path
        Of the store; it is there.
    blocks : iterable of pyarrow.Table
        ``key`` and ``facts``, in the order of keys.
    units : int
        How many there are.
    layout : Layout
        What their bytes mean.

    Raises
    ------
    StoreError
        Where they cannot be written.
    """
    package = lmdb(WHAT)
    # a leaf holds one unit at least, and half of it may be free
    size = ROOM + units * 2 * max(4096, -(-(layout.size + 600) // 4096) * 4096)
    options = {"subdir": False, "lock": False, "sync": False, "metasync": False}
    try:
        with package.open(str(folder / FILE), map_size=size, **options) as file:
            for block in blocks:
                pairs = zip(block["key"].to_pylist(), block["facts"].to_pylist(), strict=True)
                with file.begin(write=True) as change:
                    change.cursor().putmulti(pairs, overwrite=False, append=True)
            if file.stat()["entries"] != units:
                raise StoreError("a store", f"hold {units:,} units", file.stat()["entries"])
    except package.Error as error:
        where = str(folder / FILE)
        raise StoreError("a store", "be writable", str(error), where, "free the disk") from error
    Header("lmdb", units, layout).write(folder)


class _Mapped:
    """A mapped file and how many stores use it."""

    def __init__(self, path: str) -> None:
        size = os.stat(path).st_size
        self.path, self.users = path, 0
        self.file = lmdb(WHAT).open(
            path,
            map_size=max(size, 1 << 20),
            subdir=False,
            readonly=True,
            lock=False,
            readahead=False,
            create=False,
        )


_MAPPED: dict[tuple[int, int], _Mapped] = {}  # by device and inode
_GUARD = Lock()


def _mapped(path: Path) -> tuple[tuple[int, int], _Mapped]:
    """A file of units, mapped once."""
    try:
        stat = os.stat(path)
        place = (stat.st_dev, stat.st_ino)
        with _GUARD:
            mapped = _MAPPED.get(place) or _Mapped(str(path))
            _MAPPED[place] = mapped
            mapped.users += 1
    except (OSError, lmdb(WHAT).Error) as error:
        got, fix = f"{type(error).__name__}: {error}", "publish the snapshot again"
        raise SnapshotError("a store of LMDB", "be readable", got, str(path), fix) from error
    return place, mapped


class LmdbStore:
    """Facts of known units in a file of LMDB that nobody writes.

    Parameters
    ----------
    folder : path
        Of the store.

    Raises
    ------
    SnapshotError
        Where it cannot be read.
    MissingExtra
        Where lmdb is not installed.
    """

    quick = True

    def __init__(self, folder: Path | str) -> None:
        self.header = read_header(folder)
        self._place, self._mapped = _mapped(Path(folder, FILE))
        self._reading = self._mapped.file.begin()
        self._lock = Lock()  # one transaction serves one thread at a time
        self._open = True
        self._read, self._decode = self._reading.get, self.header.layout.decode

    def __len__(self) -> int:
        return self.header.units

    def get(self, unit: str) -> UnitFacts | None:
        """Read the facts of a unit.

        Parameters
        ----------
        unit : str
            Its id.

        Returns
        -------
        UnitFacts or None
            None where it is not known.

        Raises
        ------
        StoreError
            Where the store is closed.
        """
        key = key_of(unit)
        with self._lock:
            if not self._open:
                raise StoreError("a store", "be open", "a closed one")
            raw = None if key is None else self._read(key)
        return None if raw is None else self._decode(raw)

    async def fetch(self, unit: str) -> UnitFacts | None:
        """Read the facts of a unit, at once.

        Parameters
        ----------
        unit : str
            Its id.

        Returns
        -------
        UnitFacts or None
            As of `get`.
        """
        return self.get(unit)

    def batches(self, rows: int = BATCH) -> Iterator[FactsBatch]:
        """Give every unit, in the order of keys.

        Parameters
        ----------
        rows : int, default BATCH
            How many at a time.

        Yields
        ------
        FactsBatch
            Of so many units.
        """
        layout, every = self.header.layout, self.items()
        while pairs := list(islice(every, rows)):
            keys, facts = zip(*pairs, strict=True)
            units = pa.array(keys, pa.binary()).cast(pa.string())
            yield layout.decode_rows(units, np.frombuffer(b"".join(facts), layout.dtype))

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Give every unit as it is stored, in the order of keys.

        Yields
        ------
        tuple of bytes
            A key and the bytes of a unit.
        """
        with self._mapped.file.begin() as reading:
            yield from reading.cursor()

    def close(self) -> None:
        """Close the store; a second time does nothing."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._reading.abort()
        with _GUARD:
            self._mapped.users -= 1
            if not self._mapped.users:
                del _MAPPED[self._place]
                self._mapped.file.close()
