"""Files of text as Arrow: CSV and TSV, whole or in blocks, and what is wrong with one.

A field is missing where it is empty and not in quotes.  In a column of numbers, times or
true/false, what programs write for a missing one is missing too (NA, nan, null, ...); in a column
of text it is text, for NA is Namibia.  So a log as CSV and as Parquet is the same log.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pyarrow as pa
import pyarrow.csv as pcsv

from equipoise.core.errors import DataError
from equipoise.data.stores import DELIMITERS, Stored

RIVALS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
IN_WORDS = {"double": "numbers", "float": "numbers", "bool": "true or false", "timestamp": "times"}
CSV_BLOCK = 16 * 2**20  # bytes whose rows decide the column types when a CSV is streamed


def whole_text(
    file: Stored, columns: list[str], types: Mapping[str, pa.DataType] | None
) -> pa.Table:
    """The rows of a file of text."""
    table = pcsv.read_csv(file.text(), None, _parsing(file), _converting(columns, types))
    doubtful = _doubtful(table)
    if doubtful:
        text = pcsv.read_csv(file.text(), None, _parsing(file), _as_text(doubtful))
        table = _with_text(table, text)
    return table


def text_blocks(
    file: Stored, columns: list[str], types: Mapping[str, pa.DataType] | None
) -> Iterator[pa.RecordBatch]:
    """The rows of a file of text in blocks, whose first decides the types of the columns; from the
    first doubtful one on, columns of text are read beside the others.
    """
    reading = pcsv.ReadOptions(block_size=CSV_BLOCK, use_threads=False)
    with ExitStack() as stack:
        converting = _converting(columns, types)
        blocks = stack.enter_context(
            pcsv.open_csv(file.text(), reading, _parsing(file), converting)
        )
        texts: pcsv.CSVStreamingReader | None = None
        for number, block in enumerate(blocks):
            table = pa.Table.from_batches([block])
            if texts is None and _doubtful(table):
                names = [f.name for f in blocks.schema if f.type in (pa.string(), pa.null())]
                converting = _as_text(names)
                texts = pcsv.open_csv(file.text(), reading, _parsing(file), converting)
                stack.enter_context(texts)
                for _ in range(number):  # the same bytes make the same blocks
                    texts.read_next_batch()
            if texts is not None:
                table = _with_text(table, pa.Table.from_batches([texts.read_next_batch()]))
            yield from table.combine_chunks().to_batches()


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


def check_text(file: Stored, table: pa.Table) -> None:
    """Text is UTF-8."""
    for name in table.column_names:
        if pa.types.is_binary(table[name].type):
            raise DataError(
                f"column {name!r}",
                "be UTF-8 text",
                "other bytes",
                str(file),
                "save the file as UTF-8",
            )


def check_quotes(file: Stored, rows: int) -> None:
    """Refuse a quote that is closed in a later line or never, so that rows are taken for its text:
    where a file on this machine has other lines than rows, or an odd quote, it is read again,
    strictly.
    """
    if file.far or _is_plain(file, rows):
        return
    with _text_stream(file) as stream, io.TextIOWrapper(stream, "utf-8-sig", "replace", "") as text:
        reader = csv.reader(text, delimiter=DELIMITERS[file.ending], strict=True)
        try:
            for _ in reader:
                pass
        except csv.Error as error:
            if not re.search(r"expected after|unexpected end", str(error)):
                return
            where, fix = f"{file}, line {reader.line_num}", "mend that line, or the one before"
            raise DataError("a quote", "close where its field ends", error, where, fix) from error


def _is_plain(file: Stored, rows: int) -> bool:
    """Whether a file has a line for each row and one for the header, and its quotes in pairs."""
    lines, quotes, last = 0, 0, b"\n"
    with _text_stream(file) as stream:
        while piece := stream.read(CSV_BLOCK):
            lines, quotes = lines + piece.count(b"\n"), quotes + piece.count(b'"')
            last = piece[-1:]
    return quotes % 2 == 0 and lines + (last != b"\n") == rows + 1


def header(file: Stored) -> list[str]:
    """The names of the columns, as the first line has them."""
    delimiter = DELIMITERS[file.ending]
    with _text_stream(file) as stream:
        start = stream.read(2**16)
    line = _first_line(file, start)
    rival = max(RIVALS, key=line.count)
    if line.count(delimiter) == 0 and line.count(rival) > 0:
        raise DataError(
            f"a {file.ending} file",
            f"be separated by {RIVALS[delimiter]}",
            f"one column, {line[:60]!r}",
            f"{file}, row 1",
            f"it seems to be separated by {RIVALS[rival]}: save it with commas as .csv, or with"
            " tabs as .tsv",
        )
    return next(csv.reader([line], delimiter=delimiter), [])


def _text_stream(file: Stored) -> pa.NativeFile:
    """The text of a file, unpacked."""
    packed = "gzip" if file.ending.endswith(".gz") else None
    return file.text() if file.far else pa.input_stream(file.name, compression=packed)


def _first_line(file: Stored, start: bytes) -> str:
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
            f"a {file.ending} file",
            "be UTF-8 text",
            got,
            str(file),
            "save it as UTF-8, or name it after what it is",
        )
    return text


def _parsing(file: Stored) -> pcsv.ParseOptions:
    return pcsv.ParseOptions(delimiter=DELIMITERS[file.ending], newlines_in_values=True)


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


def text_error(file: Stored, error: Exception) -> DataError:
    """What is wrong with a file of text that Arrow could not read."""
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
        got = repr(value[1]) if value else in_short(error)
        fix = "mend the value, or write the file as Parquet, which keeps types"
        column, kind = match["column"], IN_WORDS.get(match["kind"], match["kind"])
        if re.fullmatch(r"#\d+", column):  # a place in the file
            column = header(file)[int(column[1:])]
        return DataError(f"column {column!r}", f"be {kind} throughout", got, where, fix)
    return DataError(
        "a file",
        "be a whole CSV file",
        in_short(error),
        str(file),
        "write it again, as UTF-8 text, or as Parquet",
    )


def _first_broken_row(file: Stored) -> pcsv.InvalidRow | None:
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
        with pcsv.open_csv(file.text(), reading, parsing) as stream:
            for _ in stream:
                if rows:
                    break
    except (pa.ArrowException, OSError, EOFError):
        pass
    return rows[0] if rows else None


def in_short(error: Exception) -> str:
    """What Arrow says, in a line."""
    return " ".join(str(error).split())[:160]
