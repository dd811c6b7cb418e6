"""One Arrow column at a time: as numbers, as text, and which of its values are missing.

Missing is null or NaN; both are the same thing here.  A dictionary counts as the type of its
values; how a value is stored (a view, a run, an extension) says nothing, so `plain` undoes it
first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from equipoise.core.arrays import Bools, Floats, Ints

MISSING = "missing"  # the label of a missing value
QUOTED = r'\A("*(?:missing|(?s:.*)\x00)"*)\z'  # the texts that `labels` puts in quotes
IN_QUOTES = re.compile(r'"*(?:missing|(?s:.*)\x00)"*')  # the same for Python
MICROS = {"s": 1e6, "ms": 1e3, "us": 1.0}  # microseconds of a unit
DAY = 86_400e6  # likewise


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values in the type that all of Arrow's functions take: no run ends, views,
    extensions, and no numbers of 16 bits or decimals of fewer than 128.

    >>> plain(pa.chunked_array([pa.array(["a"], pa.string_view())])).type
    DataType(string)
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        storage = [chunk.storage for chunk in column.chunks]
        return plain(pa.chunked_array(storage, kind.storage_type))
    if pa.types.is_run_end_encoded(kind):
        runs = [pc.run_end_decode(chunk) for chunk in column.chunks]
        return plain(pa.chunked_array(runs, kind.value_type))
    if pa.types.is_dictionary(kind):
        wide = _plain_type(kind.value_type)
        return column if wide == kind.value_type else _dense(column, wide)
    wide = _plain_type(kind)
    return column if wide == kind else pc.cast(column, wide)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that stands for one that few functions take."""
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_float16(kind):
        return pa.float64()
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return pa.decimal128(38, kind.scale)
    return kind


def _dense(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A dictionary's values, one a row, as another type."""
    chunks = [pc.cast(chunk.dictionary, kind).take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(chunks, kind)


def plain_table(table: pa.Table) -> pa.Table:
    """A table of plain columns; the same where all are."""
    every = [plain(column) for column in table.columns]
    if all(one.type == column.type for one, column in zip(every, table.columns, strict=True)):
        return table
    return pa.Table.from_arrays(every, table.column_names).replace_schema_metadata(
        table.schema.metadata
    )


def free_name(name: str, taken: Iterable[str]) -> str:
    """A column's name, with underscores after it where another column has that name.

    >>> free_name("user", ["chosen", "score"]), free_name("score", ["chosen", "score"])
    ('user', 'score_')
    """
    others = set(taken)
    while name in others:
        name += "_"
    return name


def free_names(names: tuple[str, ...], taken: tuple[str, ...]) -> list[str]:
    """Different names, those that are taken with underscores after them.

    >>> free_names(("none", "score", "score_"), ("score",))
    ['none', 'score__', 'score_']
    """
    return [free_name(name, (*taken, *names)) if name in taken else name for name in names]


def value_type(column: pa.ChunkedArray) -> pa.DataType:
    """The type of the values, looking through a dictionary."""
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def is_text(column: pa.ChunkedArray) -> bool:
    """Whether the values are text."""
    kind = value_type(column)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def is_numeric(column: pa.ChunkedArray) -> bool:
    """Whether the values are numbers, booleans, times, or all missing: what `numbers` can take."""
    return is_number_type(value_type(column)) or is_time(column)


def is_number_type(kind: pa.DataType) -> bool:
    """Whether a type is one of numbers or booleans, or of nothing."""
    tests = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def is_whole(column: pa.ChunkedArray) -> bool:
    """Whether a column is whole numbers, in whatever type; what is missing does not count.

    >>> is_whole(pa.chunked_array([[3.0, None]])), is_whole(pa.chunked_array([[0.5]]))
    (True, False)
    """
    if not is_numeric(column) or is_time(column):
        return False
    if pa.types.is_integer(value_type(column)):
        return True
    values = numbers(column)
    values = values[~np.isnan(values)]
    return bool(len(values) and np.isfinite(values).all() and (values == np.floor(values)).all())


def is_time(column: pa.ChunkedArray) -> bool:
    """Whether the values are dates, times or durations; an interval of months has no length."""
    kind = value_type(column)
    return bool(pa.types.is_temporal(kind) and not pa.types.is_interval(kind))


def is_vector(column: pa.ChunkedArray) -> bool:
    """Whether the values are lists."""
    kind = column.type
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def vectors(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column of lists as a matrix (n, p); where they differ in length, (n,) objects, which every
    space refuses.
    """
    whole = column.combine_chunks()
    length = np.asarray(pc.list_value_length(whole).to_numpy(zero_copy_only=False))
    if len(whole) == 0 or (length != length[0]).any():
        return np.asarray(column.to_numpy())
    return np.asarray(whole.flatten().to_numpy(zero_copy_only=False)).reshape(len(whole), -1)


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same values without a dictionary around them, text as ``string``."""
    if pa.types.is_dictionary(column.type):
        chunks = [_decode_chunk(chunk) for chunk in column.chunks]
        column = pa.chunked_array(
            chunks, value_type(column) if not is_text(column) else pa.string()
        )
    return pc.cast(column, pa.string()) if is_text(column) else column


def _decode_chunk(chunk: pa.DictionaryArray) -> pa.Array:
    kind = chunk.type.value_type
    values = (
        chunk.dictionary.cast(pa.string()) if pa.types.is_string_view(kind) else chunk.dictionary
    )
    out = values.take(chunk.indices)
    return out.cast(pa.string()) if pa.types.is_large_string(kind) else out


def numbers(column: pa.ChunkedArray) -> Floats:
    """The values as float64, (n,), missing as NaN; times as microseconds.   Text and nested values
    are a TypeError.
    """
    if not is_numeric(column):
        raise TypeError(f"{value_type(column)} is not a number")
    column = decoded(column)
    kind = column.type
    if pa.types.is_decimal(kind):
        column = pc.cast(column, pa.string())
    elif pa.types.is_temporal(kind):
        return _micros(column)
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), np.float64)


def _micros(column: pa.ChunkedArray) -> Floats:
    """Times as microseconds, (n,); no multiple of a unit overflows."""
    kind = column.type
    if pa.types.is_date32(kind):
        unit, factor = "d", DAY
    else:
        unit = "ms" if pa.types.is_date64(kind) else kind.unit
        factor = MICROS.get(unit, 1.0)
    short = kind.bit_width == 32
    ticks = (
        pc.cast(pc.cast(column, pa.int32()), pa.int64()) if short else pc.cast(column, pa.int64())
    )
    if unit == "ns":
        ticks = pc.divide(ticks, 1000)
    return np.asarray(pc.cast(ticks, pa.float64(), safe=False).to_numpy(), np.float64) * factor


def reads_as_number(column: pa.ChunkedArray) -> Bools:
    """Where a text reads like a number or is missing, (n,)."""
    matches = pc.match_substring_regex(
        decoded(column), r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
    ).fill_null(True)
    return np.asarray(matches.to_numpy(), np.bool_)


def text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values as ``string``, a vector's numbers joined by spaces; what is missing is null."""
    column = decoded(column)
    if is_vector(column):
        column = pc.binary_join(pc.cast(column, pa.list_(pa.string())), " ")
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
        column = pc.add(column, pa.scalar(0.0, column.type))  # -0.0 is 0.0
    return pc.cast(column, pa.string())


def labels(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values as labels, ``string`` without nulls, two of which are equal where the values are.

    A missing value is the label "missing".  A text that could be taken for it, or that numpy would
    cut, since it ends in NUL, stands in quotes, and so does such a text in quotes.

    >>> labels(pa.chunked_array([["Oslo", None, "missing"]])).to_pylist()
    ['Oslo', 'missing', '"missing"']
    """
    values = text(column)
    if is_text(column) and any(
        pc.any(pc.match_substring(values, s)).as_py() for s in (MISSING, "\0")
    ):
        values = pc.replace_substring_regex(values, QUOTED, r'"\1"')
    return pc.fill_null(values, MISSING)


def text_label(value: str) -> str:
    """`labels` of one text.

    >>> text_label("Oslo"), text_label("missing")
    ('Oslo', '"missing"')
    """
    odd = MISSING in value or "\0" in value
    return f'"{value}"' if odd and IN_QUOTES.fullmatch(value) else value


def of_label(label: str) -> str:
    """The text that has a label, other than that of a missing value; see `labels`.

    >>> of_label("Oslo"), of_label('"missing"')
    ('Oslo', 'missing')
    """
    quoted = len(label) > 1 and label[0] == label[-1] == '"'
    bare = label.strip('"')
    return label[1:-1] if quoted and (bare == MISSING or bare.endswith("\0")) else label


def codes(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """The place of each row's label among the labels in order, (n,), and these; see `labels`."""
    dictionary = labels(column).combine_chunks().dictionary_encode()
    names = dictionary.dictionary.to_pylist()
    order = np.argsort(np.asarray(names, dtype=object))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[dictionary.indices.to_numpy()], [names[i] for i in order]


def missing(column: pa.ChunkedArray) -> Bools:
    """Where the value is missing, (n,)."""
    absent: NDArray[Any] = pc.is_null(decoded(column), nan_is_null=True).to_numpy()
    return np.asarray(absent, np.bool_)
