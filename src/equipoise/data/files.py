"""One table file as Arrow: Parquet, CSV and TSV (also gzipped), whole or by record batches, with
errors a person can act on.

In a file of text a field is missing where it is empty and not in quotes.  In a column of numbers,
times or true/false, what programs write for a missing one is missing too (NA, nan, null, ...); in a
column of text it is text, for NA is Namibia.  So a log as CSV and as Parquet is the same log.

Every failure is a `DataError` that names the file, the row where there is one, and what to do.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from equipoise.core.errors import DataError
from equipoise.core.places import expanded
from equipoise.core.suggest import among, nearest

PARQUET = (".parquet", ".pq")
DELIMITERS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
RIVALS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
IN_WORDS = {"double": "numbers", "float": "numbers", "bool": "true or false", "timestamp": "times"}
BATCH = 65_536
PAGE = 65_536  # bytes of a Parquet column read at a time
CSV_BLOCK = 16 * 2**20  # bytes whose rows decide the column types when a CSV is streamed


def read_table(
    path: Path | str,
    columns: Sequence[str] | None = None,
    types: Mapping[str, pa.DataType] | None = None,
) -> pa.Table:
    r"""The rows of a Parquet, CSV or TSV file.

    Parameters
    ----------
    path : path-like
        A .parquet, .pq, .csv or .tsv file; text also gzipped.
    columns : sequence of str, default None
        The columns to read; None: all.
    types : mapping of str to pyarrow.DataType, default None
        What columns of a file of text are read as, such as keys as text; the others are inferred.
        A Parquet file has types of its own.

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
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.csv")
    ...     _ = file.write_text("arm,spend\n0,1.5\n1,2.5\n")
    ...     read_table(file, ["spend"]).to_pydict()
    {'spend': [1.5, 2.5]}
    """
    file = readable(path)
    names = column_names(file)
    wanted = selection(file, names, columns)
    with _explained(file):
        if _suffix(file) in PARQUET:
            return pq.ParquetFile(file).read(columns=wanted)
        table = pcsv.read_csv(file, None, _parsing(file), _converting(wanted, types))
        doubtful = _doubtful(table)
        if doubtful:
            text = pcsv.read_csv(file, None, _parsing(file), _as_text(doubtful))
            table = _with_text(table, text)
    _check_text(file, table)
    return table


def _doubtful(table: pa.Table) -> list[str]:
    """The columns of text, or of nothing but missing values, in which a field that reads NA may
    have been taken for a missing one.
    """
    return [
        field.name
        for field in table.schema
        if pa.types.is_null(field.type)
        or (pa.types.is_string(field.type) and table[field.name].null_count > 0)
    ]


def _with_text(table: pa.Table, text: pa.Table) -> pa.Table:
    """A table with columns of text as they stand in the file; one without any value stays as it
    is.
    """
    for name in text.column_names:
        if text[name].null_count < len(text):
            table = table.set_column(table.column_names.index(name), name, text[name])
    return table


def _check_text(file: Path, table: pa.Table) -> None:
    """Text is UTF-8, and a quote that was opened was closed (or else the last value swallowed the
    end of the file).
    """
    for name in table.column_names:
        if pa.types.is_binary(table[name].type):
            raise DataError(
                f"column {name!r}",
                "be UTF-8 text",
                "other bytes",
                str(file),
                "save the file as UTF-8",
            )
        if table.num_rows and pa.types.is_string(table[name].type):
            last = table[name][-1].as_py() or ""
            if last.endswith("\n"):
                where = f"{file}, row {table.num_rows + 1}"
                raise DataError(
                    f"column {name!r}",
                    "close every quote",
                    repr(last[:40]),
                    where,
                    "mend that line",
                )


def read_batches(
    path: Path | str,
    columns: Sequence[str] | None = None,
    batch_size: int = BATCH,
    types: Mapping[str, pa.DataType] | None = None,
    groups: tuple[int, int] | None = None,
) -> Iterator[pa.RecordBatch]:
    r"""The rows of a file in record batches, so that memory does not grow with the file.

    Parameters
    ----------
    path : path-like
        A .parquet, .pq, .csv or .tsv file; text also gzipped.
    columns : sequence of str, default None
        The columns to read; None: all.
    batch_size : int, default 65536
        The most rows of a batch.
    types : mapping of str to pyarrow.DataType, default None
        What columns of a file of text are read as, such as keys as text; the others are inferred.
        A Parquet file has types of its own.
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
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.csv")
    ...     _ = file.write_text("arm,spend\n0,1.5\n1,2.5\n0,3.5\n")
    ...     [batch.num_rows for batch in read_batches(file, batch_size=2)]
    [2, 1]
    """
    file = readable(path)
    wanted = selection(file, column_names(file), columns)
    with _explained(file):
        if _suffix(file) in PARQUET:
            # else every byte read is held until the end
            parquet = pq.ParquetFile(file, pre_buffer=False, buffer_size=PAGE)
            some = None if groups is None else list(range(*groups))
            yield from parquet.iter_batches(batch_size, some, wanted)
            return
        for block in _blocks(file, wanted, types):
            yield from (
                block.slice(start, batch_size) for start in range(0, block.num_rows, batch_size)
            )


def _blocks(
    file: Path, columns: list[str], types: Mapping[str, pa.DataType] | None
) -> Iterator[pa.RecordBatch]:
    """The rows of a file of text in blocks, whose first decides the types of the columns; from the
    first doubtful one on, columns of text are read beside the others.
    """
    reading = pcsv.ReadOptions(block_size=CSV_BLOCK, use_threads=False)
    with ExitStack() as stack:
        converting = _converting(columns, types)
        blocks = stack.enter_context(pcsv.open_csv(file, reading, _parsing(file), converting))
        texts: pcsv.CSVStreamingReader | None = None
        for number, block in enumerate(blocks):
            table = pa.Table.from_batches([block])
            if texts is None and _doubtful(table):
                names = [f.name for f in blocks.schema if f.type in (pa.string(), pa.null())]
                converting = _as_text(names)
                texts = pcsv.open_csv(file, reading, _parsing(file), converting)
                stack.enter_context(texts)
                for _ in range(number):  # the same bytes make the same blocks
                    texts.read_next_batch()
            if texts is not None:
                table = _with_text(table, pa.Table.from_batches([texts.read_next_batch()]))
            yield from table.combine_chunks().to_batches()


def column_names(path: Path | str) -> list[str]:
    """The names of a file's columns, each once; a header in one piece means that the
    delimiter is another.
    """
    file = readable(path)
    with _explained(file):
        names = pq.read_schema(file).names if _suffix(file) in PARQUET else _header(file)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise DataError(
            f"column {twice[0]!r}",
            "occur once",
            f"{names.count(twice[0])} of them",
            str(file),
            "rename the others",
        )
    return list(names)


def readable(path: Path | str) -> Path:
    """The path of a file that is there, is not empty, and has a suffix we read."""
    file = expanded(path)
    if file.is_dir():
        raise DataError(
            "a log", "be one file", "a folder", str(file), "name a .parquet or .csv file in it"
        )
    if not file.is_file():
        beside = [other.name for other in file.parent.glob("*")] if file.parent.is_dir() else []
        raise DataError(
            "a file",
            "exist",
            "no such file",
            str(file),
            nearest(file.name, beside) or "check the path",
        )
    if _suffix(file) not in (*PARQUET, *DELIMITERS):
        ends = ", ".join((*PARQUET, *DELIMITERS))
        raise DataError(
            "a file's name", f"end in {ends}", file.name, fix="rename it after what it holds"
        )
    if file.stat().st_size == 0:
        raise DataError("a file", "have rows", "0 bytes", str(file), "write it again")
    return file


def _suffix(file: Path) -> str:
    ending = "".join(file.suffixes[-2:]) if file.suffix == ".gz" else file.suffix
    return ending.lower()


def selection(file: Path, names: list[str], columns: Sequence[str] | None) -> list[str]:
    """The columns to read, among those that a file has; None for all."""
    if columns is None:
        return names
    for name in columns:
        if name not in names:
            fix = among(name, names, "columns")
            raise DataError(f"column {name!r}", "be in the file", "no such column", str(file), fix)
    return list(columns)


def _parsing(file: Path) -> pcsv.ParseOptions:
    return pcsv.ParseOptions(delimiter=DELIMITERS[_suffix(file)], newlines_in_values=True)


def _converting(columns: list[str], types: Mapping[str, pa.DataType] | None) -> pcsv.ConvertOptions:
    return pcsv.ConvertOptions(
        include_columns=columns,
        column_types=dict(types or {}),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def _as_text(columns: list[str]) -> pcsv.ConvertOptions:
    """Columns of text, in which only an empty field is missing."""
    converting = _converting(columns, dict.fromkeys(columns, pa.string()))
    converting.null_values = [""]
    return converting


def _header(file: Path) -> list[str]:
    delimiter = DELIMITERS[_suffix(file)]
    with pa.input_stream(
        str(file), compression="detect" if file.suffix == ".gz" else None
    ) as stream:
        start = stream.read(2**16)
    line = _first_line(file, start)
    rival = max(RIVALS, key=line.count)
    if line.count(delimiter) == 0 and line.count(rival) > 0:
        raise DataError(
            f"a {_suffix(file)} file",
            f"be separated by {RIVALS[delimiter]}",
            f"one column, {line[:60]!r}",
            f"{file}, row 1",
            f"it seems to be separated by {RIVALS[rival]}: save it with commas as .csv, or with"
            " tabs as .tsv",
        )
    return next(csv.reader([line], delimiter=delimiter), [])


def _first_line(file: Path, start: bytes) -> str:
    """The first line that is not empty; bytes that are no UTF-8 text are refused, never shown."""
    line = next(iter(start.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n").splitlines()), b"")
    try:
        # a character cut in two at the end is no error
        text = codecs.getincrementaldecoder("utf-8")().decode(line)
    except UnicodeDecodeError:
        text = "\0"
    if b"\0" in start or any(ord(c) < 32 and c != "\t" for c in text):
        got = (
            "UTF-16"
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            else "other bytes"
        )
        raise DataError(
            f"a {_suffix(file)} file",
            "be UTF-8 text",
            got,
            str(file),
            "save it as UTF-8, or name it after what it is",
        )
    return text


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Turn what pyarrow says into our grammar."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        if isinstance(error, PermissionError):
            raise DataError(
                "a file", "be readable by you", "no permission", str(file), "change its mode"
            ) from error
        if _suffix(file) in PARQUET:
            fix = "copy it again: it is truncated, changed, or no Parquet file"
            raise DataError("a file", "be whole Parquet", _short(error), str(file), fix) from error
        raise _csv_error(file, error) from error


def _csv_error(file: Path, error: Exception) -> DataError:
    broken = _first_broken_row(file)
    if broken is not None:
        must = f"have {broken.expected_columns} columns as its header has"
        got = f"{broken.actual_columns}, {broken.text[:60]!r}"
        return DataError(
            "a row",
            must,
            got,
            f"{file}, row {broken.number}",
            "mend or delete that line; quote text with delimiters",
        )
    match = re.search(
        r"column '?(?P<column>[^:']+)'?: (?:Row #(?P<row>\d+): )?.*?conversion error to"
        r" (?P<kind>\w+)",
        str(error),
    )
    if match:
        where = f"{file}, row {match['row']}" if match["row"] else str(file)
        value = re.search(r"invalid value '([^']*)'", str(error))
        got = repr(value[1]) if value else _short(error)
        fix = "mend the value, or write the file as Parquet, which keeps types"
        column, kind = match["column"], IN_WORDS.get(match["kind"], match["kind"])
        if re.fullmatch(r"#\d+", column):  # a place in the file
            column = _header(file)[int(column[1:])]
        return DataError(f"column {column!r}", f"be {kind} throughout", got, where, fix)
    return DataError(
        "a file",
        "be a whole CSV file",
        _short(error),
        str(file),
        "write it again, as UTF-8 text, or as Parquet",
    )


def _first_broken_row(file: Path) -> pcsv.InvalidRow | None:
    """The first row with too few or too many values, counted from 1 with the header as row 1."""
    rows: list[pcsv.InvalidRow] = []

    def note(row: pcsv.InvalidRow) -> str:
        rows.append(row)
        return "error" if len(rows) > 1 else "skip"

    parsing = _parsing(file)
    parsing.invalid_row_handler = note
    try:
        # reads any bytes, so that the row can be shown
        reading = pcsv.ReadOptions(use_threads=False, encoding="latin-1")
        with pcsv.open_csv(file, reading, parsing) as stream:
            for _ in stream:
                if rows:
                    break
    except (pa.ArrowException, OSError, EOFError):
        pass
    return rows[0] if rows else None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
