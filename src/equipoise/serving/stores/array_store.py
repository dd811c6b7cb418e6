"""Units as arrays in files, in the order of their keys: the store without LMDB, and the way of
those who decide about everybody at once.

    PART.npy       each part of the layout, (n, ...)
    keys.bin       the keys, one after another; offsets.npy, (n + 1,), where each begins
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

from equipoise.artifacts.unit_facts import FactsBatch, UnitFacts
from equipoise.core.errors import SnapshotError
from equipoise.core.snapshot import as_written
from equipoise.serving.errors import StoreError
from equipoise.serving.stores.codec import Layout, key_of
from equipoise.serving.stores.header import Header, read_header

KEYS, OFFSETS = "keys.bin", "offsets"
BATCH = 65_536


def write_arrays(folder: Path, blocks: Iterable[pa.Table], units: int, layout: Layout) -> None:
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
    """
    kinds = {name: layout.dtype[name] for name in layout.dtype.names or ()}
    with ExitStack() as stack:
        keys = stack.enter_context((folder / KEYS).open("wb"))
        files = {
            name: stack.enter_context((folder / f"{name}.npy").open("wb"))
            for name in (*kinds, OFFSETS)
        }
        for name, kind in kinds.items():
            _begin(files[name], kind.base, (units, *kind.shape))
        _begin(files[OFFSETS], np.dtype("<i8"), (units + 1,))
        files[OFFSETS].write(bytes(8))
        end = 0
        for block in blocks:
            raw = [key for key in block["key"].to_pylist()]
            keys.write(b"".join(raw))
            ends = end + np.cumsum([len(key) for key in raw], dtype="<i8")
            files[OFFSETS].write(ends.tobytes())
            end = int(ends[-1])
            rows = np.frombuffer(b"".join(block["facts"].to_pylist()), layout.dtype)
            for name in kinds:
                files[name].write(rows[name].tobytes())
    Header("arrays", units, layout).write(folder)


def _begin(file: Any, kind: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Write the head of an array file."""
    plain = {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, plain)


class ArrayStore:
    """Facts of known units in arrays that are mapped from files.

    Parameters
    ----------
    folder : path
        Of the store.

    Raises
    ------
    SnapshotError
        Where it cannot be read.
    """

    quick = True

    def __init__(self, folder: Path | str) -> None:
        self.header = read_header(folder)
        layout, n = self.header.layout, self.header.units
        with as_written():
            self._parts = {
                name: _mapped(Path(folder, f"{name}.npy"), n) for name in layout.dtype.names or ()
            }
            self._offsets = _mapped(Path(folder, f"{OFFSETS}.npy"), n + 1)
            self._keys = np.asarray(np.memmap(Path(folder, KEYS), np.uint8, "r"))
            if len(self._keys) != self._offsets[-1]:
                raise SnapshotError("a store", "have whole keys", f"{len(self._keys)} bytes")
        self._text, self._ends = self._keys.data, self._offsets.data
        self._open = True

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
        if not self._open:
            raise StoreError("a store", "be open", "a closed one")
        key, n = key_of(unit), self.header.units
        row = n if key is None else bisect_left(range(n), key, key=self._key)
        if row == n or self._key(row) != key:
            return None
        parts, layout = self._parts, self.header.layout
        codes = parts["codes"][row].tolist() if layout.labels else ()
        named = zip(layout.labels.items(), codes, strict=True)
        return UnitFacts(
            parts["values"][row],
            parts["errors"][row] if layout.errors else None,
            parts["cost"][row],
            {name: known[code] for (name, known), code in named},
            parts["eligible"][row] if layout.eligible else None,
            float(parts["importance"][row]) if layout.importance else 1.0,
        )

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

    def arrays(self, start: int = 0, stop: int | None = None) -> FactsBatch:
        """Give the units between two places, in the order of keys, without copying their effects.

        Parameters
        ----------
        start : int, default 0
            The first place.
        stop : int, optional
            The place after the last; by default all.

        Returns
        -------
        FactsBatch
            Its numbers are views of the files.
        """
        n, parts = self.header.units, self._parts
        rows = slice(start, n if stop is None else min(stop, n))
        offsets = self._offsets[rows.start : rows.stop + 1]
        text = self._keys[offsets[0] : offsets[-1]]
        units = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(),
            len(offsets) - 1,
            [None, pa.py_buffer(np.asarray(offsets - offsets[0])), pa.py_buffer(text)],
        )
        labels = {
            name: np.asarray(known, np.str_)[parts["codes"][rows, j]]
            for j, (name, known) in enumerate(self.header.layout.labels.items())
        }

        def part(name: str) -> Any:
            return parts[name][rows] if name in parts else None

        errors, eligible, importance = part("errors"), part("eligible"), part("importance")
        values, cost = part("values"), part("cost")
        ids = units.cast(pa.large_string())
        return FactsBatch(ids, values, errors, cost, labels, eligible, importance)

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
        for start in range(0, self.header.units, rows):
            yield self.arrays(start, start + rows)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Give every unit as its key and its bytes, in the order of keys.

        Yields
        ------
        tuple of bytes
            A key and the bytes of a unit.
        """
        layout = self.header.layout
        for start in range(0, self.header.units, BATCH):
            stop = min(start + BATCH, self.header.units)
            rows = np.zeros(stop - start, layout.dtype)
            for name, whole in self._parts.items():
                rows[name] = whole[start:stop]
            raw = rows.tobytes()
            for row in range(stop - start):
                yield self._key(start + row), raw[row * layout.size : (row + 1) * layout.size]

    def close(self) -> None:
        """Close the store; a second time does nothing."""
        self._open = False

    def _key(self, row: int) -> bytes:
        """The key at a place."""
        return bytes(self._text[self._ends[row] : self._ends[row + 1]])


def _mapped(path: Path, n: int) -> NDArray[Any]:
    """An array of n rows, mapped from its file."""
    array: NDArray[Any] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    if len(array) != n:
        raise SnapshotError("an array of a store", f"have {n:,} rows", len(array), str(path))
    return array
