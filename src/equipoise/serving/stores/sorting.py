"""Units in the order of their keys, however many there are: sorted runs on disk, then one merge.

Memory holds one run, or one block of every run: half a mebibyte for each 64 that were added.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from equipoise.core.errors import InputError

RUN, BLOCK = 1 << 26, 1 << 19  # bytes
FIX = "give each unit once, with its own id"


class SortedUnits:
    """Units, in any order, that come back in the order of their keys.

    Parameters
    ----------
    folder : path
        Where runs are written; it is made when there is a second one.
    size : int
        The bytes of a unit.
    run : int, default RUN
        How many bytes of units are sorted in memory.
    """

    def __init__(self, folder: Path, size: int, run: int = RUN) -> None:
        self._folder, self._run = folder, run
        self._schema = pa.schema({"key": pa.binary(), "row": pa.int64(), "facts": pa.binary(size)})
        self._rows = max(1, min(BLOCK, run) // size)  # of a block
        self._pending: list[pa.RecordBatch] = []
        self._bytes, self._runs, self.units = 0, 0, 0

    def add(self, keys: pa.BinaryArray, facts: NDArray[np.void]) -> None:
        """Take the next units.

        Parameters
        ----------
        keys : pyarrow.BinaryArray, (n,)
            Of the units.
        facts : structured array, (n,)
            Their bytes.
        """
        n = len(facts)
        raw = pa.FixedSizeBinaryArray.from_buffers(
            self._schema.field("facts").type, n, [None, pa.py_buffer(facts)]
        )
        rows = pa.array(np.arange(self.units, self.units + n))
        self._pending.append(pa.record_batch([keys, rows, raw], schema=self._schema))
        self.units += n
        self._bytes += facts.nbytes + keys.nbytes
        if self._bytes >= self._run:
            self._spill()

    def blocks(self) -> Iterator[pa.Table]:
        """Every unit, in the order of keys.

        Yields
        ------
        pyarrow.Table
            Columns ``key``, ``row`` (as they were added) and ``facts``.

        Raises
        ------
        InputError
            Where a unit occurs twice.
        """
        if self._runs and self._pending:
            self._spill()
        every = self._merged() if self._runs else self._alone()
        before = pa.table([[], [], []], schema=self._schema)
        for block in every:
            _refuse_twice(pa.concat_tables([before, block]))
            before = block.slice(block.num_rows - 1)
            yield block

    def _alone(self) -> Iterator[pa.Table]:
        """What is pending, where no run was written."""
        if self._pending:
            table = self._sorted()
            for start in range(0, len(table), self._rows):
                yield table.slice(start, self._rows)

    def _sorted(self) -> pa.Table:
        """What is pending, in order; nothing is pending any more."""
        table = pa.Table.from_batches(self._pending).combine_chunks()
        self._pending, self._bytes = [], 0
        return table.take(pc.sort_indices(table["key"]))

    def _spill(self) -> None:
        """Write what is pending as a run."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with pa.ipc.new_stream(self._folder / str(self._runs), self._schema) as file:
            file.write_table(self._sorted(), max_chunksize=self._rows)
        self._runs += 1

    def _merged(self) -> Iterator[pa.Table]:
        """The runs as one: at a time all up to the least of the last keys of their blocks."""
        readers = [
            iter(pa.ipc.open_stream(pa.OSFile(str(self._folder / str(run)))))
            for run in range(self._runs)
        ]
        heads = [next(reader) for reader in readers]
        while heads:
            bound = min(head["key"][-1].as_py() for head in heads)
            cuts = [_up_to(head["key"], bound) for head in heads]
            parts = [head.slice(0, cut) for head, cut in zip(heads, cuts, strict=True) if cut]
            table = pa.Table.from_batches(parts).combine_chunks()
            yield table.take(pc.sort_indices(table["key"]))
            left = []
            for reader, head, cut in zip(readers, heads, cuts, strict=True):
                rest = head.slice(cut) if cut < len(head) else next(reader, None)
                left.append((reader, rest))
            readers = [reader for reader, rest in left if rest is not None]
            heads = [rest for _, rest in left if rest is not None]


def _up_to(keys: pa.BinaryArray, bound: bytes) -> int:
    """How many sorted keys are not above a bound."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle].as_py() <= bound:
            low = middle + 1
        else:
            high = middle
    return low


def _refuse_twice(block: pa.Table) -> None:
    """Refuse sorted units of which one occurs twice."""
    key = block["key"].combine_chunks()
    same = np.asarray(pc.equal(key[1:], key[:-1]).to_numpy(zero_copy_only=False), np.bool_)
    if same.any():
        at = int(np.argmax(same))
        rows = sorted(block["row"].slice(at, 2).to_pylist())
        raise InputError("a unit", "occur once", "one id", f"rows {rows[0]} and {rows[1]}", FIX)
