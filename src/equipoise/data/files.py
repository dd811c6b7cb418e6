"""One table file as Arrow: Parquet, CSV and TSV (also gzipped), whole or by record batches, with
errors a person can act on.

Every failure is a `DataError` that names the file, the row where there is one, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.core.errors import DataError
from equipoise.core.suggest import among
from equipoise.data.stores import FIX, PARQUET, Place, Stored, readable
from equipoise.data.text_files import (
    check_quotes,
    check_text,
    header,
    in_short,
    text_blocks,
    text_error,
    whole_text,
)

BATCH = 65_536
Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)


def read_table(
    path: Place,
    columns: Sequence[str] | None = None,
    types: Mapping[str, pa.DataType] | None = None,
) -> pa.Table:
    r"""The rows of a Parquet, CSV or TSV file.

    Parameters
    ----------
    path : path-like, or address
        A .parquet, .pq, .csv or .tsv file; text also gzipped.  An address such as
        ``s3://bucket/log.parquet`` is read where it lies.
    columns : sequence of str, default None
        The columns to read; None: all.
    types : mapping of str to pyarrow.DataType, default None
        What columns of a file of text are read as, such as keys as text; the others are inferred.
        A Parquet file has types of its own; what folders say may be asked for as text.

    Returns
    -------
    pyarrow.Table
        In the order of the file.

    Raises
    ------
    DataError
        With the file, the row where there is one, and what to do.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.csv")
    ...     _ = file.write_text("arm,spend\n0,1.5\n1,2.5\n")
    ...     read_table(file, ["spend"]).to_pydict()
    {'spend': [1.5, 2.5]}
    """
    file = readable(path)
    with _explained(file):
        parquet = _parquet(file) if file.ending in PARQUET else None
        names = _own_names(file, parquet)
    wanted = selection(file, _all_names(file, names), columns)
    own = _held(names, wanted)
    with _explained(file):
        if parquet is not None:
            return completed(_kept(parquet.read(columns=own), file), file, wanted, types)
        table = whole_text(file, own, types)
    check_text(file, table)
    check_quotes(file, table.num_rows)
    return completed(table, file, wanted, types)


def _parquet(file: Stored, **settings: Any) -> pq.ParquetFile:
    """A file of Parquet whose pages are held against their checksums, where it has them."""
    return pq.ParquetFile(file.source(), page_checksum_verification=True, **settings)


def _held(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The wanted columns that a file holds; where it holds none, one that says how many rows there
    are.
    """
    return [name for name in wanted if name in names] or list(names[:1])


def completed(
    rows: Rows,
    file: Stored,
    wanted: Sequence[str],
    types: Mapping[str, pa.DataType] | None = None,
) -> Rows:
    """Rows of a file with the columns that its folders or its table say of it."""
    if not file.keys and file.schema is None:
        return rows
    n, keys = rows.num_rows, _keys_as(file, types)
    columns = []
    for name in wanted:
        kind = None if file.schema is None else file.schema.field(name).type
        if name in rows.schema.names:
            column = rows.column(name)
            columns.append(column if kind in (None, column.type) else column.cast(kind))
        elif name in keys:
            columns.append(
                pa.repeat(keys[name], n) if keys[name].is_valid else pa.nulls(n, keys[name].type)
            )
        else:
            columns.append(pa.nulls(n, kind))
    return type(rows).from_arrays(columns, names=list(wanted))


def _keys_as(file: Stored, types: Mapping[str, pa.DataType] | None) -> dict[str, pa.Scalar]:
    """The columns that folders say, a whole number as text where it is asked for as text."""
    asked = types or {}
    return {
        name: value.cast(pa.string()) if asked.get(name) == pa.string() else value
        for name, value in file.keys
    }


def read_batches(
    path: Place,
    columns: Sequence[str] | None = None,
    batch_size: int = BATCH,
    types: Mapping[str, pa.DataType] | None = None,
    groups: tuple[int, int] | None = None,
) -> Iterator[pa.RecordBatch]:
    r"""The rows of a file in record batches, so that memory does not grow with the file.

    Parameters
    ----------
    path : path-like, or address
        A .parquet, .pq, .csv or .tsv file; text also gzipped.  An address such as
        ``s3://bucket/log.parquet`` is read where it lies.
    columns : sequence of str, default None
        The columns to read; None: all.
    batch_size : int, default 65536
        The most rows of a batch.
    types : mapping of str to pyarrow.DataType, default None
        What columns of a file of text are read as, such as keys as text; the others are inferred.
        A Parquet file has types of its own; what folders say may be asked for as text.
    groups : tuple of two ints, default None
        The first of a Parquet file's row groups to read, and the first no longer to read; None:
        all.

    Yields
    ------
    pyarrow.RecordBatch
        In the order of the file.

    Raises
    ------
    DataError
        With the file, the row where there is one, and what to do.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.csv")
    ...     _ = file.write_text("arm,spend\n0,1.5\n1,2.5\n0,3.5\n")
    ...     [batch.num_rows for batch in read_batches(file, batch_size=2)]
    [2, 1]
    """
    file = readable(path)
    with _explained(file):
        # without pre_buffer, else every byte read is held until the end
        parquet = (
            _parquet(file, pre_buffer=False, buffer_size=file.page)
            if file.ending in PARQUET
            else None
        )
        names = _own_names(file, parquet)
    wanted = selection(file, _all_names(file, names), columns)
    own = _held(names, wanted)
    with _explained(file):
        if parquet is not None:
            some = None if groups is None else list(range(*groups))
            row = sum(_group_sizes(parquet)[: some[0]]) if some else 0
            for batch in parquet.iter_batches(batch_size, some, own):
                yield completed(_kept(batch, file, row), file, wanted, types)
                row += batch.num_rows
            return
        rows = 0
        for block in text_blocks(file, own, types):
            rows += block.num_rows
            for start in range(0, block.num_rows, batch_size):
                yield completed(block.slice(start, batch_size), file, wanted, types)
        check_quotes(file, rows)


def column_names(path: Place) -> list[str]:
    """The names of a file's columns, each once; a header in one piece means that the
    delimiter is another.
    """
    file = readable(path)
    if file.schema is not None:
        return list(file.schema.names)
    with _explained(file):
        parquet = pq.ParquetFile(file.source()) if file.ending in PARQUET else None
        return _all_names(file, _own_names(file, parquet))


@dataclass(frozen=True)
class Outline:
    """What is known of a file before its rows are read.

    Attributes
    ----------
    schema : pyarrow.Schema
        Names and types of the columns; of text those of its first rows.
    groups : tuple of int, or None
        How many rows each row group of Parquet has; None of text.
    """

    schema: pa.Schema
    groups: tuple[int, ...] | None


def outline(
    path: Place, columns: Sequence[str], types: Mapping[str, pa.DataType] | None = None
) -> Outline | None:
    """What is known of a file before its rows are read; None where it has no row."""
    file = readable(path)
    if file.ending not in PARQUET:
        head = next(read_batches(file, columns, types=types), None)
        return None if head is None else Outline(_plain(head.schema), None)
    with _explained(file):
        parquet = pq.ParquetFile(file.source())
        groups = _held_sizes(file, parquet)
    if not sum(groups):
        return None
    known = _known(file, parquet.schema_arrow, types)
    return Outline(_plain(known.field(name) for name in columns), groups)


def row_count(path: Place) -> int | None:
    """The rows of a file of Parquet; None of a file of text."""
    file = readable(path)
    if file.ending not in PARQUET:
        return None
    with _explained(file):
        return sum(_held_sizes(file, pq.ParquetFile(file.source())))


def _group_sizes(parquet: pq.ParquetFile) -> list[int]:
    """How many rows each row group has."""
    about = parquet.metadata
    return [about.row_group(i).num_rows for i in range(about.num_row_groups)]


def _held_sizes(file: Stored, parquet: pq.ParquetFile) -> tuple[int, ...]:
    """How many rows of each row group are not deleted."""
    sizes = _group_sizes(parquet)
    if file.kept is None:
        return tuple(sizes)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    gone = [file.kept.slice(start, n).false_count for start, n in zip(starts, sizes, strict=True)]
    return tuple(n - less for n, less in zip(sizes, gone, strict=True))


def _kept(rows: Rows, file: Stored, first: int = 0) -> Rows:
    """The rows that are not deleted, of those from the ``first`` of a file on."""
    if file.kept is None:
        return rows
    mask = file.kept.slice(first, rows.num_rows)
    later = pa.array([True] * (rows.num_rows - len(mask)), pa.bool_())
    return rows.filter(pa.concat_arrays([mask, later]))


def schema_of(path: Place) -> pa.Schema | None:
    """The columns of a file of Parquet with their types; None of a file of text."""
    file = readable(path)
    if file.ending not in PARQUET:
        return file.schema
    with _explained(file):
        return _known(file, pq.ParquetFile(file.source()).schema_arrow)


def _known(
    file: Stored, own: pa.Schema, types: Mapping[str, pa.DataType] | None = None
) -> pa.Schema:
    """The columns of a file with those that its folders or its table say."""
    if file.schema is not None:
        return file.schema
    for name, value in _keys_as(file, types).items():
        own = own if name in own.names else own.append(pa.field(name, value.type))
    return own


def _plain(schema: Iterable[pa.Field]) -> pa.Schema:
    """Names and types alone."""
    return pa.schema([(field.name, field.type) for field in schema])


def _all_names(file: Stored, own: Sequence[str]) -> list[str]:
    """The columns of a file and those that its folders or its table say of it."""
    if file.schema is not None:
        return list(file.schema.names)
    return [*own, *(name for name, _ in file.keys if name not in own)]


def _own_names(file: Stored, parquet: pq.ParquetFile | None) -> list[str]:
    """The columns that stand in a file, each once."""
    names = list(header(file) if parquet is None else parquet.schema_arrow.names)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise DataError(
            f"column {twice[0]!r}",
            "occur once",
            f"{names.count(twice[0])} of them",
            str(file),
            "rename the others",
        )
    return names


def selection(file: Place, names: list[str], columns: Sequence[str] | None) -> list[str]:
    """The columns to read, among those that a file has; None for all."""
    if columns is None:
        return names
    for name in columns:
        if name not in names:
            fix = among(name, names, "columns")
            raise DataError(f"column {name!r}", "be in the file", "no such column", str(file), fix)
    return list(columns)


@contextmanager
def _explained(file: Stored) -> Iterator[None]:
    """Turn what pyarrow says into our grammar."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        if isinstance(error, PermissionError):
            raise DataError(
                "a file", "be readable by you", "no permission", str(file), "change its mode"
            ) from error
        readable(file)  # what is no longer there says so
        if file.far and not isinstance(error, pa.ArrowException):
            got = in_short(error)
            raise DataError("an address", "be one that can be read", got, str(file), FIX) from error
        if file.ending in PARQUET:
            fix = "copy it again: it is truncated, changed, or no Parquet file"
            raise DataError(
                "a file", "be whole Parquet", in_short(error), str(file), fix
            ) from error
        raise text_error(file, error) from error
