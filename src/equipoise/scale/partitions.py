"""The rows of a log or of a file of units in partitions.

Files of Parquet are cut between row groups into runs of about so many rows, and small files are put
together; a row group larger than that stays whole, as does every file of text.  What a cluster
looks like never matters: the same files make the same partitions, so that work on one machine and
on many gives the same bits.

All files are looked at before any work begins (Parquet by its footers, text by its first rows):
they must have the same columns, of types that go together, and the rows of every partition come in
the types of all.  Files without rows are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from equipoise.core.errors import DataError, InputError
from equipoise.data.files import BATCH, Outline, column_names, read_batches, selection
from equipoise.data.sources import files_of, in_types, outline_as_first, unified
from equipoise.data.stores import Stored

ROWS = 1_000_000  # of a partition, about: some 100 MB of 20 columns in memory
CHANGED = "do not write to the files while they are read; start again"


@dataclass(frozen=True)
class Piece:
    """Rows that stand together in a file.

    Attributes
    ----------
    file : Stored
        Its whole path, or its address; with what its folders or its table say of it.
    groups : tuple of two ints, or None
        The first row group of a Parquet file, and the first no longer; None: the whole file.
    rows : int or None
        How many, where the file says so.
    """

    file: Stored
    groups: tuple[int, int] | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Partition:
    """A part of the rows, which one worker reads.

    Attributes
    ----------
    number : int
        Its place among the partitions, from 0.
    pieces : tuple of Piece
        In the order of the rows.
    rows : int or None, default None
        How many; None where a file of text does not say.
    start : int or None, default None
        How many rows stand before it; None where a file of text does not say.
    schema : pyarrow.Schema or None, default None
        Of all partitions; None: as the file says.
    """

    number: int
    pieces: tuple[Piece, ...]
    rows: int | None = None
    start: int | None = None
    schema: pa.Schema | None = None

    def batches(
        self,
        columns: Sequence[str] | None = None,
        types: Mapping[str, pa.DataType] | None = None,
        batch_size: int = BATCH,
    ) -> Iterator[pa.RecordBatch]:
        """The rows in record batches, all of one schema.

        Parameters
        ----------
        columns : sequence of str, default None
            The columns to read; None: those that all files have in one type.
        types : mapping of str to pyarrow.DataType, default None
            What columns of a file of text are read as; the others as all files have them.
        batch_size : int, default 65536
            The most rows of a batch.

        Yields
        ------
        pyarrow.RecordBatch
            In order.

        Raises
        ------
        DataError
            Where a file is no longer there, or no longer what it was when work began.
        """
        schema = self.schema or pa.schema([])
        known = {one.name: one.type for one in schema if not pa.types.is_null(one.type)}
        names = schema.names if columns is None and self.schema else columns
        kinds = known | dict(types or {})
        for piece in self.pieces:
            rows = 0
            for batch in read_batches(piece.file, names, batch_size, kinds, piece.groups):
                rows += batch.num_rows
                if batch.num_rows:  # a table may have deleted all of them
                    yield self._as_all(batch, piece, types)
            if piece.rows not in (None, rows):
                must, got = f"have {piece.rows:,} rows, as when work began", f"{rows:,}"
                raise DataError("a part of a file", must, got, str(piece.file), CHANGED)

    def _as_all(
        self, batch: pa.RecordBatch, piece: Piece, types: Mapping[str, pa.DataType] | None
    ) -> pa.RecordBatch:
        """A batch in the types of all partitions, but for those that the reader asked for."""
        if self.schema is None:
            return batch
        asked = set(types or ()) if piece.groups is None else set()
        common = set(self.schema.names) - asked
        wanted = _plain(
            self.schema.field(one.name) if one.name in common else one for one in batch.schema
        )
        return in_types(batch, wanted, piece.file)


def partitions_of(
    source: Any,
    rows: int = ROWS,
    columns: Sequence[str] | None = None,
    types: Mapping[str, pa.DataType] | None = None,
    version: int | str | None = None,
) -> list[Partition]:
    r"""The partitions of a place, the same whatever works on them.

    Parameters
    ----------
    source : path-like, address, or list of them
        A file, a folder, a pattern, a table, as of `read_log`.
    rows : int, default 1000000
        About how many rows a partition has.
    columns : sequence of str, default None
        The columns that will be read, and that all files must have in one type; None: those of the
        first file.
    types : mapping of str to pyarrow.DataType, default None
        What columns of files of text will be read as.
    version : int, str or None, default None
        That of a table; None: as it is now.

    Returns
    -------
    list of Partition
        In the order of the rows; one at least.

    Raises
    ------
    DataError
        Where there is no file or no row, a file cannot be read, or files differ in their columns.
    InputError
        Where ``rows`` is not a whole number >= 1.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow.parquet as pq
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.parquet")
    ...     pq.write_table(pa.table({"y": range(10)}), file, row_group_size=3)
    ...     [(part.start, part.rows) for part in partitions_of(file, rows=6)]
    [(0, 6), (6, 4)]
    """
    if rows < 1:
        raise InputError("the rows of a partition", "be a whole number >= 1", rows)
    files = [_absolute(file) for file in files_of(source, version)]
    wanted = selection(files[0], column_names(files[0]), columns)
    outlines = [(file, outline_as_first(file, files[0], wanted, types)) for file in files]
    held = [(file, about) for file, about in outlines if about is not None]
    if not held:
        fix = "check the files and their filters"
        raise DataError("a source of rows", "have rows", "none", str(source), fix)
    schemas = [about.schema for _, about in held]
    several = len(held) > 1 or bool(held[0][0].keys)
    schema = unified(schemas, [file for file, _ in held]) if several else None
    partitions: list[Partition] = []
    start: int | None = 0
    for run in _runs([piece for one in held for piece in _pieces(*one, rows)], rows):
        size = _sum(piece.rows for piece in run)
        partitions.append(Partition(len(partitions), tuple(run), size, start, schema))
        start = _sum((start, size))
    return partitions


def _absolute(file: Stored) -> Stored:
    """A file that other processes find, too."""
    return file if file.far else replace(file, name=str(Path(file.name).absolute()))


def _sum(counts: Iterable[int | None]) -> int | None:
    """A sum; None where one is not known."""
    known = list(counts)
    return None if None in known else sum(n for n in known if n is not None)


def _plain(schema: Iterable[pa.Field]) -> pa.Schema:
    """Names and types alone."""
    return pa.schema([(field.name, field.type) for field in schema])


def _pieces(file: Stored, about: Outline, rows: int) -> Iterator[Piece]:
    """A file in pieces of whole row groups, of at most so many rows where groups are smaller."""
    if about.groups is None:
        yield Piece(file)
        return
    first = size = 0
    for number, more in enumerate(about.groups):
        if size and size + more > rows:
            yield Piece(file, (first, number), size)
            first, size = number, 0
        size += more
    if size:
        yield Piece(file, (first, len(about.groups)), size)


def _runs(pieces: Sequence[Piece], rows: int) -> list[list[Piece]]:
    """Pieces that follow each other, put together up to so many rows; text stays alone."""
    runs: list[list[Piece]] = []
    size: int | None = None  # of the last run; None: nothing joins it
    for piece in pieces:
        both = _sum((size, piece.rows))
        if both is not None and both <= rows:
            runs[-1].append(piece)
        else:
            runs.append([piece])
        size = piece.rows if both is None or both > rows else both
    return runs
