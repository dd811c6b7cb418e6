"""Where rows lie: one file, a folder of files, a pattern such as ``days/*.parquet``, a list of
them, an address such as ``s3://bucket/days``, or a version of a Delta or an Iceberg table.

The files of a place have the same columns; a column may be whole numbers in one and decimals in
another, but not text in one and numbers in another.  Rows come in the order of the files' names
(of a list, in its own).  Nothing is copied: files behind an address are read where they lie, as
much of them as is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from equipoise.core.column_types import common_type, in_type
from equipoise.core.errors import DataError
from equipoise.core.places import expanded
from equipoise.data.files import (
    BATCH,
    Outline,
    Rows,
    column_names,
    outline,
    read_batches,
    read_table,
    schema_of,
    selection,
)
from equipoise.data.folders import PATTERN, files_below, fixed_part, matched
from equipoise.data.stores import (
    ADDRESS,
    ENDS,
    FIX,
    PARQUET,
    QUERY,
    Stored,
    is_address,
    joined,
    stored,
)
from equipoise.data.tables import kind_of, refuse_inside, split_version, table_files
from equipoise.data.text_files import in_short
from equipoise.data.too_large import refuse_too_large

AT_ONCE = 16  # files behind an address that are waited for together


def is_place(source: Any) -> bool:
    """Whether something says where a log lies, and is not the log: a path, an address, or a list of
    them.
    """
    if isinstance(source, list | tuple):
        return bool(source) and all(isinstance(part, str | os.PathLike) for part in source)
    return isinstance(source, str | os.PathLike)


def read_source(
    source: Any,
    columns: Sequence[str] | None = None,
    types: Mapping[str, pa.DataType] | None = None,
    version: int | str | None = None,
) -> pa.Table:
    """The rows of all files of a place, one after the other.

    Parameters
    ----------
    source : path-like, address, or list of them
        A file, a folder, a pattern, a table.
    columns : sequence of str, default None
        The columns to read; None: all.
    types : mapping of str to pyarrow.DataType, default None
        As of `read_table`.
    version : int, str or None, default None
        That of a table; None: as it is now.

    Returns
    -------
    pyarrow.Table
        With the columns of the first file.

    Raises
    ------
    DataError
        Where there is no file, or files differ in their columns.
    """
    files = files_of(source, version)
    wanted = column_names(files[0]) if columns is None else list(columns)
    refuse_too_large(files, wanted)
    kinds = _types_of_text(files, wanted, types)

    def read(file: Stored) -> pa.Table:
        try:
            return read_table(file, wanted, kinds)
        except DataError:
            if file is not files[0] and file.schema is None:
                check_columns(file, wanted, files[0])
            raise

    if len(files) > 1 and files[0].far:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tables = list(pool.map(read, files))
    else:
        tables = [read(file) for file in files]
    if len(tables) == 1:
        return tables[0]
    held = [(table, file) for table, file in zip(tables, files, strict=True) if table.num_rows]
    if not held:
        return tables[0]
    schema = unified([table.schema for table, _ in held], [file for _, file in held])
    return pa.concat_tables([in_types(table, schema, file) for table, file in held])


def read_source_batches(
    source: Any,
    columns: Sequence[str] | None = None,
    types: Mapping[str, pa.DataType] | None = None,
    version: int | str | None = None,
    batch_size: int = BATCH,
) -> Iterator[pa.RecordBatch]:
    """The rows of all files of a place in record batches, in memory that does not grow with them.

    Parameters
    ----------
    source, columns, types, version
        As of `read_source`.
    batch_size : int, default 65536
        The most rows of a batch.

    Yields
    ------
    pyarrow.RecordBatch
        All of one schema where there is more than one file.

    Raises
    ------
    DataError
        Where there is no file, or files differ in their columns.
    """
    files = files_of(source, version)
    wanted = selection(files[0], column_names(files[0]), columns)
    if len(files) == 1:
        yield from read_batches(files[0], wanted, batch_size, types)
        return
    kinds = _types_of_text(files, wanted, types)
    held, schema = one_schema(files, wanted, kinds)
    known = {one.name: one.type for one in schema if not pa.types.is_null(one.type)}
    for file in held:
        for batch in read_batches(file, wanted, batch_size, known | dict(kinds or {})):
            yield in_types(batch, schema, file)


def source_columns(source: Any, version: int | str | None = None) -> list[str]:
    """The names of the columns of a place's first file."""
    return column_names(files_of(source, version)[0])


def one_schema(
    files: Sequence[Stored], wanted: Sequence[str], types: Mapping[str, pa.DataType] | None = None
) -> tuple[list[Stored], pa.Schema]:
    """The files that have rows, and the types in which columns of all of them go together: by the
    footers of Parquet and the first rows of text.
    """
    held, schemas = [], []
    for file in files:
        about = outline_as_first(file, files[0], wanted, types)
        if about is not None:
            held.append(file)
            schemas.append(about.schema)
    if not held:
        fix = "check the files and their filters"
        raise DataError("a source of rows", "have rows", "none", str(files[0]), fix)
    return held, unified(schemas, held)


def outline_as_first(
    file: Stored,
    first: Stored,
    wanted: Sequence[str],
    types: Mapping[str, pa.DataType] | None = None,
) -> Outline | None:
    """What is known of a file with the columns of the first before its rows are read; None where it
    has no row.
    """
    if file is not first and file.schema is None:
        check_columns(file, wanted, first)
    return outline(file, wanted, types)


def unified(schemas: Sequence[pa.Schema], held: Sequence[Stored]) -> pa.Schema:
    """The types in which the columns of files go together."""
    try:
        return pa.schema(
            (name, common_type([one.field(name).type for one in schemas]))
            for name in schemas[0].names
        )
    except pa.ArrowException as error:
        raise different_types(schemas, held) from error


def in_types(rows: Rows, schema: pa.Schema, file: Stored) -> Rows:
    """Rows of a file in the types of all files."""
    if rows.schema.equals(schema):
        return rows
    try:
        columns = [in_type(rows.column(field.name), field.type) for field in schema]
        return type(rows).from_arrays(columns, schema=schema)
    except pa.ArrowException as error:
        got, fix = in_short(error), "write the file again with the type of the others"
        raise DataError("every file", "have the types of all", got, str(file), fix) from error


def _types_of_text(
    files: Sequence[Stored], wanted: Sequence[str], types: Mapping[str, pa.DataType] | None
) -> Mapping[str, pa.DataType] | None:
    """What files of text are read as beside files of Parquet: as these have it; what is asked for
    goes before, but for keys as text where these have whole numbers.
    """
    kinds = {file.ending in PARQUET for file in files}
    if kinds != {True, False}:
        return types
    schema = schema_of(next(file for file in files if file.ending in PARQUET)) or pa.schema([])
    own = {name: schema.field(name).type for name in wanted if name in schema.names}
    plain = {name: kind for name, kind in own.items() if _is_read_from_text(kind)}
    asked = {
        name: kind
        for name, kind in (types or {}).items()
        if kind != pa.string() or not pa.types.is_integer(plain.get(name, kind))
    }
    return {**plain, **asked}


def _is_read_from_text(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_string,
        pa.types.is_boolean,
        pa.types.is_date,
        pa.types.is_timestamp,
    )
    return any(test(kind) for test in tests)


def files_of(source: Any, version: int | str | None = None) -> list[Stored]:
    """The files of a place."""
    parts = list(source) if isinstance(source, list | tuple) else [source]
    if len(parts) == 1:
        return _files(parts[0], version)
    files: list[Stored] = []
    for part in parts:
        _, kind = _table_of(part)
        if kind is not None or version is not None:
            fix = "name it alone: its version says which files it has"
            raise DataError("a list of places", "hold no table", str(part), fix=fix)
        files += _files(part, None)
    return files


def table_version(source: Any, version: int | str | None = None) -> str | None:
    """The version of the table that a place is: the one that is named, or that of now; None where
    it is no table.
    """
    parts = list(source) if isinstance(source, list | tuple) else [source]
    folder, kind = _table_of(parts[0]) if len(parts) == 1 else ("", None)
    if kind is None:
        return None
    said = split_version(str(parts[0]))[1] if version is None else str(version)
    return said or table_files(folder, kind, None)[1]


def _table_of(place: Any) -> tuple[str, str | None]:
    """The folder and the kind of a table; no kind where a place is none."""
    text = split_version(str(place))[0]
    if ADDRESS.match(text):
        return kind_of(text)
    return kind_of(str(expanded(text)))


def _files(place: Any, version: int | str | None) -> list[Stored]:
    folder, kind = _table_of(place)
    said = split_version(str(place))[1] if version is None else str(version)
    if kind is not None:
        return table_files(folder, kind, said)[0]
    if version is not None:
        fix = "leave the version out, or name a Delta or Iceberg table"
        raise DataError("a place with a version", "be a table", "files", str(place), fix)
    return _far(str(place)) if is_address(str(place)) else _near(place)


def _near(place: Any) -> list[Stored]:
    path = expanded(place)
    if path.is_dir():
        refuse_inside(str(path / "any"))
        return files_below(str(path)) or _none(str(path), "the folder")
    if PATTERN.search(str(path)) and not path.exists():
        files = matched(str(path)) or _none(str(path), "the pattern")
        refuse_inside(*(file.name for file in files))
        return files
    if path.suffix.lower() in PARQUET:
        refuse_inside(str(path))
    return [Stored(str(path))]


def _none(place: str, what: str) -> list[Stored]:
    raise DataError(what, f"hold a file that ends in {', '.join(ENDS)}", "none", place)


def _far(address: str) -> list[Stored]:
    """The files behind an address."""
    file = stored(address)
    if not file.far:
        return _near(file.name)
    pattern = PATTERN.search(QUERY.sub("", address))
    files = matched(address) if pattern else files_below(address)
    if pattern:
        refuse_inside(joined(fixed_part(address), "any"))
    elif [one.name for one in files] != [address]:
        refuse_inside(joined(address, "any"))
    if not files:
        must = "lead to a file or a folder of files"
        raise DataError("an address", must, "none", address, FIX)
    return files


def check_columns(file: Stored, columns: Sequence[str], first: Stored) -> None:
    """Refuse a file without a column that the first file of a log has."""
    missing = sorted(set(columns) - set(column_names(file)))
    if missing:
        got, where = f"no column {missing[0]!r}", str(file)
        raise DataError("every file of a log", f"have the columns of {first.label}", got, where)


def different_types(schemas: Sequence[pa.Schema], files: Sequence[Stored]) -> DataError:
    """What is wrong with files whose columns are not of one kind."""
    for name in schemas[0].names:
        for schema, file in zip(schemas, files, strict=True):
            mine, other = schemas[0].field(name).type, schema.field(name).type
            try:
                common_type([mine, other])
            except pa.ArrowException:
                got = f"{mine} in {files[0].label}, {other} in {file.label}"
                fix = "write the file again with the type of the others"
                if any(one.ending not in PARQUET for one in (files[0], file)):
                    fix = f"mend the file, or read the column as text: text = [{name!r}]"
                return DataError(f"column {name!r}", "have one type in all files", got, fix=fix)
    return DataError("the files of a log", "have the same types", "others")
