"""Ids of units: none missing, none twice, in a file of any size.

Of each id two numbers of 53 bits are kept, by hashes that have nothing to do with each other, so
that a billion different ids are taken for equal with a chance below 1e-13; beyond a few million ids
they lie on disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

import numpy as np
import pyarrow as pa

from equipoise.allocation.hashing import uniform
from equipoise.artifacts.unit_columns import UnitReader
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError

IN_MEMORY = 2**26  # bytes
PART = 2**21  # ids that are compared at a time
STREAMS = (101, 102)  # of the hash; the draws of policies use others
FIX = "give each unit once, with its own id; or ask for row numbers (--number-rows)"


class UniqueIds:
    """The ids of a file, batch by batch.

    Parameters
    ----------
    name : str
        The column.
    start : int, default 0
        The number of the first row, for errors.

    Examples
    --------
    >>> with UniqueIds("user") as ids:
    ...     ids.add(pa.chunked_array([["ann", "bob", "ann"]]))
    ...     ids.check()
    Traceback (most recent call last):
    equipoise.core.errors.InputError: id 'user' must be unique; got one id at rows 0 and 2; give
    each unit once, with its own id; or ask for row numbers (--number-rows)
    """

    def __init__(self, name: str, start: int = 0) -> None:
        self.name, self.start, self.rows = name, start, 0
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - see __exit__

    def __enter__(self) -> UniqueIds:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Forget the ids."""
        self._file.close()

    def add(self, ids: pa.ChunkedArray) -> None:
        """Take the next ids.

        Parameters
        ----------
        ids : pyarrow.ChunkedArray, (n,)
            Of any type.

        Raises
        ------
        InputError
            Where one is missing, with its row.
        """
        absent = columns.missing(ids)
        if absent.any():
            row = f"row {self.start + self.rows + int(np.argmax(absent))}"
            raise InputError(f"id {self.name!r}", "have no missing value", "null", row, FIX)
        if len(ids) == 0:
            return
        self._file.write(hashes_of(ids).tobytes())
        self.rows += len(ids)

    def check(self) -> None:
        """Refuse ids of which one occurs twice.

        Raises
        ------
        InputError
            With two of its rows.
        """
        parts = -(-self.rows // PART)
        for part in range(parts):
            rows, hashes = self._part(part, parts)
            if not repeated(hashes[:, 0]).size:
                continue
            order = np.lexsort((rows, hashes[:, 1], hashes[:, 0]))
            same = (hashes[order[1:]] == hashes[order[:-1]]).all(axis=1)
            if same.any():
                pair = np.flatnonzero(same)
                later = pair[np.argmin(rows[order[pair + 1]])]
                first_row, second_row = self.start + rows[order[later : later + 2]]
                where = f"rows {first_row} and {second_row}"
                raise InputError(f"id {self.name!r}", "be unique", "one id", where, FIX)

    def first_hashes(self) -> Floats:
        """The first hash of every id, to be held against those of other parts of the rows.

        Returns
        -------
        array of float, shape (n,)
            In ascending order.
        """
        self._file.seek(0)
        return np.sort(np.frombuffer(self._file.read()).reshape(-1, 2)[:, 0])

    def _part(self, part: int, parts: int) -> tuple[Ints, Floats]:
        """The rows and hashes of those ids whose first hash lies in one of equal intervals."""
        self._file.seek(0)
        rows, hashes = [], []
        for start in range(0, self.rows, PART):
            block = np.frombuffer(self._file.read(16 * PART)).reshape(-1, 2)
            inside = np.flatnonzero((block[:, 0] * parts).astype(np.int64) == part)
            rows.append(inside + start)
            hashes.append(block[inside])
        self._file.seek(0, 2)
        return np.concatenate(rows), np.concatenate(hashes)


def repeated(hashes: Floats) -> Floats:
    """The numbers that occur more than once, each once, in ascending order.

    Parameters
    ----------
    hashes : array of float, shape (n,)
        In any order.

    Returns
    -------
    array of float, shape (r,)
        Most often empty.

    Examples
    --------
    >>> repeated(np.array([0.5, 0.25, 0.5])).tolist()
    [0.5]
    """
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def hashes_of(ids: pa.ChunkedArray) -> Floats:
    """Two numbers in [0, 1) for each id, by hashes that have nothing to do with each other.

    Parameters
    ----------
    ids : pyarrow.ChunkedArray, (n,)
        Of any type, none missing.

    Returns
    -------
    array of float, shape (n, 2)
        Multiples of 2**-53.
    """
    text = np.asarray(columns.labels(ids).to_pylist(), np.str_)
    return np.stack([uniform(text, 0, stream) for stream in STREAMS], axis=1)


def refuse_repeated(ids: pa.ChunkedArray, name: str) -> None:
    """Refuse ids, (n,), of which one is missing or occurs twice."""
    with UniqueIds(name) as every:
        every.add(ids)
        every.check()


def assign_batches(
    batches: Iterable[pa.RecordBatch],
    assign: Callable[[pa.Table, int], pa.Table],
    reader: UnitReader,
    counts: UnitCounts | None = None,
) -> Iterator[pa.RecordBatch]:
    """Assign the units of record batches; ids may repeat in none of them.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
        Raw columns; empty batches are left out.
    assign : callable
        (columns that are needed, number of the first row) -> assignments, the ids in their first
        column.
    reader : UnitReader
        How units are read.
    counts : UnitCounts, optional
        What counts the units; by default nobody asks, so warnings say what is most of a column.

    Yields
    ------
    pyarrow.RecordBatch
        One for each batch, all of the types of the first.

    Examples
    --------
    >>> from equipoise.artifacts.unit_columns import UnitColumns
    >>> from equipoise.core.features import FeatureMap
    >>> reader = UnitReader(FeatureMap().fit({"age": [31]}), UnitColumns(), id="user")
    >>> batch = pa.record_batch({"user": ["ann", "bob"], "age": [40, 50]})
    >>> next(assign_batches([batch], lambda table, start: table, reader)).num_rows
    2
    """
    every, id = counts or UnitCounts(reader), reader.id
    schema: pa.Schema | None = None
    with nullcontext() if id is None else UniqueIds(id, every.start) as ids:
        for batch in batches:
            if batch.num_rows == 0:
                continue
            start = every.start + every.units
            assignment = assign(every.read(pa.Table.from_batches([batch])), start)
            if ids is not None and id is not None:
                ids.add(assignment.column(0))  # whatever it is called there
            if counts is None:
                every.warn()
            schema = assignment.schema if schema is None else schema
            if assignment.schema != schema:
                assignment = assignment.cast(schema)
            yield from assignment.combine_chunks().to_batches()
        if ids is not None:
            ids.check()
            if every.keeps_ids:
                every.ids = ids.first_hashes()
