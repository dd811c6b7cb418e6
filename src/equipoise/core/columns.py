"""One Arrow column at a time: as numbers, as text, and which of its values are missing.

Missing is null or NaN; both are the same thing here.  A dictionary counts as the type of its
values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from equipoise.core.arrays import Bools, Floats

MISSING = "missing"  # the label of a missing value


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
    kind = value_type(column)
    tests = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_decimal,
        pa.types.is_temporal,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


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
    elif pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        column = pc.cast(pc.cast(column, pa.timestamp("us", tz=zone), safe=False), pa.int64())
    elif pa.types.is_temporal(kind):
        micros = pa.time64("us") if pa.types.is_time(kind) else pa.duration("us")
        column = pc.cast(pc.cast(column, micros, safe=False), pa.int64())
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), np.float64)


def reads_as_number(column: pa.ChunkedArray) -> Bools:
    """Where a text reads like a number or is missing, (n,)."""
    matches = pc.match_substring_regex(
        decoded(column), r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
    ).fill_null(True)
    return np.asarray(matches.to_numpy(), np.bool_)


def text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values as ``string``, a vector's numbers joined by spaces; a missing one reads
    "missing".
    """
    column = decoded(column)
    if is_vector(column):
        column = pc.binary_join(pc.cast(column, pa.list_(pa.string())), " ")
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return pc.fill_null(pc.cast(column, pa.string()), MISSING)


def missing(column: pa.ChunkedArray) -> Bools:
    """Where the value is missing, (n,)."""
    absent: NDArray[Any] = pc.is_null(decoded(column), nan_is_null=True).to_numpy()
    return np.asarray(absent, np.bool_)
