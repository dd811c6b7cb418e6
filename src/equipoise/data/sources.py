"""Where a log lies: one file, a folder of files, a pattern such as ``days/*.parquet``, a list of
them, or an address such as ``s3://bucket/days``.

The files of a log have the same columns; a column may be whole numbers in one and decimals in
another, but not text in one and numbers in another.  Rows come in the order of the files' names
(of a list, in its own).  What an address needs to be opened (keys, a region, an endpoint) comes
from the environment, as Arrow's file systems read it.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from equipoise.core.errors import DataError
from equipoise.core.places import expanded
from equipoise.data.files import DELIMITERS, PARQUET, column_names, read_table

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://")
ENDS = (*PARQUET, *DELIMITERS)
PATTERN = re.compile(r"[*?\[]")


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
) -> pa.Table:
    """The rows of all files of a place, one after the other.

    Parameters
    ----------
    source : path-like, address, or list of them
        A file, a folder, a pattern.
    columns : sequence of str, default None
        The columns to read; None: all.
    types : mapping of str to pyarrow.DataType, default None
        As of `read_table`.

    Returns
    -------
    pyarrow.Table
        With the columns of the first file.

    Raises
    ------
    DataError
        Where there is no file, or files differ in their columns.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = files_of(source, Path(folder))
        names = column_names(files[0])
        wanted = list(names if columns is None else columns)
        tables = [_read(file, wanted, types, files[0]) for file in files]
    if len(tables) == 1:
        return tables[0]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise different_types([table.schema for table in tables], files) from error


def source_columns(source: Any) -> list[str]:
    """The names of the columns of a place's first file."""
    with tempfile.TemporaryDirectory() as folder:
        return column_names(files_of(source, Path(folder), first=True)[0])


def files_of(source: Any, copies: Path, first: bool = False) -> list[Path]:
    """The files of a place, those of an address copied to a folder.   first: one is enough."""
    parts = list(source) if isinstance(source, list | tuple) else [source]
    files: list[Path] = []
    for part in parts:
        files += _remote(str(part), copies, first) if ADDRESS.match(str(part)) else _local(part)
        if first and files:
            break
    return files


def _local(place: Any) -> list[Path]:
    path = expanded(place)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if _is_log(file.name) and file.is_file())
        return files or _none(str(path), "the folder")
    if PATTERN.search(str(path)) and not path.exists():
        found = sorted(map(Path, glob.glob(str(path), recursive=True)))
        files = [file for file in found if file.is_file() and _is_log(file.name)]
        return files or _none(str(path), "the pattern")
    return [path]


def _none(place: str, what: str) -> list[Path]:
    raise DataError(what, f"hold a file that ends in {', '.join(ENDS)}", "none", place)


def _is_log(name: str) -> bool:
    return name.lower().endswith(ENDS) and not name.startswith(("_", "."))


def _remote(address: str, copies: Path, first: bool) -> list[Path]:
    """Copies of the files behind an address, in the order of their names."""
    if "@" in address.partition("://")[2].partition("/")[0]:
        fix = "leave keys out of it; they are read from the environment"
        raise DataError("an address", "hold no keys", "a name before @", fix=fix)
    try:
        system, path = fs.FileSystem.from_uri(address)
        about = system.get_file_info(path)
        if about.type == fs.FileType.Directory:
            listed = system.get_file_info(fs.FileSelector(path, recursive=True))
            paths = sorted(one.path for one in listed if one.is_file and _is_log(one.base_name))
        else:
            paths = [path] if about.is_file else []
        if not paths:
            raise DataError("an address", "lead to a file or a folder of files", "none", address)
        files = []
        for one in paths[:1] if first else paths:
            file = copies / f"{len(list(copies.iterdir())):06d}-{Path(one).name}"
            fs.copy_files(
                one,
                str(file),
                source_filesystem=system,
                destination_filesystem=fs.LocalFileSystem(),
            )
            files.append(file)
        return files
    except (pa.ArrowException, OSError, ImportError) as error:
        fix = "check the address, and the keys in the environment"
        said = " ".join(str(error).split())[:200]
        raise DataError("an address", "be one that can be read", said, address, fix) from error


def _read(
    file: Path,
    columns: Sequence[str],
    types: Mapping[str, pa.DataType] | None,
    first: Path,
) -> pa.Table:
    """The same columns of each file."""
    if file != first:
        check_columns(file, columns, first)
    return read_table(file, columns, types)


def check_columns(file: Path, columns: Sequence[str], first: Path) -> None:
    """Refuse a file without a column that the first file of a log has."""
    missing = sorted(set(columns) - set(column_names(file)))
    if missing:
        got, where = f"no column {missing[0]!r}", str(file)
        raise DataError("every file of a log", f"have the columns of {first.name}", got, where)


def different_types(schemas: Sequence[pa.Schema], files: Sequence[Path]) -> DataError:
    """What is wrong with files whose columns are not of one kind."""
    for name in schemas[0].names:
        for schema, file in zip(schemas, files, strict=True):
            mine, other = schemas[0].field(name), schema.field(name)
            try:
                pa.unify_schemas(
                    [pa.schema([mine]), pa.schema([other])], promote_options="permissive"
                )
            except pa.ArrowException:
                got = f"{mine.type} in {files[0].name}, {other.type} in {file.name}"
                fix = f"mend the file, or read the column as text: text = [{name!r}]"
                return DataError(f"column {name!r}", "have one type in all files", got, fix=fix)
    return DataError("the files of a log", "have the same types", "others")
