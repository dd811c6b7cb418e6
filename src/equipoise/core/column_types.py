"""What a column holds: numbers, text, true/false or times with their unit, so that a later file is
read as the log was, and another type is refused instead of guessed.

Two types agree where the same value means the same: numbers of any width, times of any resolution,
but never an instant (with a zone) for a wall clock, and never a number for a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.errors import InputError
from equipoise.core.time_text import clock_time, length

ColumnKind = Literal["number", "text", "true/false", "date", "time", "instant", "hour", "duration"]
KINDS: tuple[str, ...] = get_args(ColumnKind)
NOTHING = "nothing"  # the kind of a column without a value and without a type
SAID = {
    "number": "numbers",
    "text": "text",
    "true/false": "true or false",
    "date": "dates",
    "time": "times without a zone",
    "instant": "times with a zone",
    "hour": "times of day",
    "duration": "durations",
}
WHOLE = "whole numbers"
EXACT = 2.0**53  # up to which a float says which whole number it is
EXAMPLE = 40  # letters of a value shown in an error


@dataclass(frozen=True)
class ColumnType:
    """The type of a column.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    arrow : str
        Arrow's name of it: the width of a number, the unit of a time.
    zone : str, default ""
        The zone of an instant.

    Examples
    --------
    >>> ColumnType("time", "timestamp[us]").data_type
    TimestampType(timestamp[us])
    """

    kind: str
    arrow: str
    zone: str = ""

    @property
    def data_type(self) -> pa.DataType:
        """Arrow's own type."""
        if self.zone:
            return pa.timestamp(pa.type_for_alias(self.arrow).unit, tz=self.zone)
        return pa.type_for_alias(self.arrow)

    @property
    def integer(self) -> bool:
        """Whether it is whole numbers."""
        return self.kind == "number" and bool(pa.types.is_integer(self.data_type))

    @property
    def in_text(self) -> pa.DataType:
        """What a feature of this type is read as from a file of text: a whole number may be written
        3.0, and a time with more digits than the log's.
        """
        if self.kind == "number":
            return pa.float32() if pa.types.is_float32(self.data_type) else pa.float64()
        if self.kind in ("time", "instant"):
            unit = "ns" if self.data_type.unit == "ns" else "us"
            return pa.timestamp(unit, tz=self.zone or None)
        return self.data_type

    def of_text(self, text: str) -> pa.Array:
        """One value that is written as text, as a file of text has it.

        Parameters
        ----------
        text : str
            A time by ISO 8601.

        Returns
        -------
        pyarrow.Array, (1,)
            Of this type, or of one that `cast` takes for it; text where it is not written so.

        Examples
        --------
        >>> ColumnType("hour", "time32[s]").of_text("08:30").to_pylist()
        [datetime.time(8, 30)]
        >>> ColumnType("date", "date32[day]").of_text("tomorrow").type
        DataType(string)
        """
        array = pa.array([text])
        try:
            if self.kind in ("hour", "duration"):
                read = clock_time if self.kind == "hour" else length
                count = read(text, self.data_type.unit)
                return array if count is None else pa.array([count], self.data_type)
            return array.cast(self.in_text)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError):
            return array

    def to_json(self) -> dict[str, str]:
        """The type as plain JSON."""
        return asdict(self)

    def cast(self, column: pa.ChunkedArray, what: str, start: int = 0) -> pa.ChunkedArray:
        """A feature's column of a later file, as this type.

        Parameters
        ----------
        column : pyarrow.ChunkedArray, (n,)
            What the file has.
        what : str
            Its name in an error, such as ``"feature 'age'"``.
        start : int, default 0
            The number of its first row.

        Returns
        -------
        pyarrow.ChunkedArray
            As it is, or, where it has no value at all, as missing values of this type.

        Raises
        ------
        InputError
            Where it is of another type, with the first value.

        Examples
        --------
        >>> ColumnType("number", "double").cast(pa.chunked_array([pa.nulls(2)]), "'age'").type
        DataType(double)
        """
        kind = _kind(columns.value_type(column))
        if kind == self.kind:
            return column
        if kind == NOTHING:
            return pa.chunked_array([pa.nulls(len(column), self.data_type)])
        raise self._another(column, what, start)

    def cast_key(self, column: pa.ChunkedArray, what: str, start: int = 0) -> pa.ChunkedArray:
        """A key's column of a later file as this type: a whole number that was read as text becomes
        one where it is written as one, so that 00007 is never taken for 7; and so does one in a
        column of floats or decimals, as a gap makes of whole numbers.

        Parameters
        ----------
        column : pyarrow.ChunkedArray, (n,)
            What the file has; of a file of text, text.
        what : str
            Its name in an error, such as ``"id 'user'"``.
        start : int, default 0
            The number of its first row.

        Returns
        -------
        pyarrow.ChunkedArray
            The keys.

        Raises
        ------
        InputError
            Where it is of another type, with the first value.

        Examples
        --------
        >>> ColumnType("number", "int64").cast_key(pa.chunked_array([["7"]]), "id").to_pylist()
        [7]
        """
        if not self.integer:
            return self.cast(column, what, start)
        column, kind = columns.plain(column), columns.value_type(column)
        if pa.types.is_integer(kind) or pa.types.is_null(kind):
            return column
        try:
            whole, same = self._whole(columns.decoded(column))
        except pa.ArrowException as error:
            raise self._another(column, what, start, WHOLE) from error
        if pc.all(same, min_count=0).as_py():
            return whole
        raise self._another(column.filter(pc.invert(same)), what, start, WHOLE)

    def _whole(self, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Keys as whole numbers, and whether they are these, (n,) each; what is missing is both."""
        widest = pa.uint64() if pa.types.is_uint64(self.data_type) else pa.int64()
        if columns.is_text(column):
            whole = pc.cast(column, widest)
            return whole, pc.fill_null(pc.equal(pc.cast(whole, pa.string()), column), True)
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_nan(column), None, column)
            same = pc.fill_null(pc.less_equal(pc.abs(column), EXACT), True)
        else:
            same = pa.chunked_array([pa.repeat(_kind(column.type) == self.kind, len(column))])
        return pc.cast(column, widest), same

    def _another(
        self, column: pa.ChunkedArray, what: str, start: int, said: str = ""
    ) -> InputError:
        value = next((str(v) for v in column.slice(0, 1000).drop_null().to_pylist()), "")
        fix = "mend the column, or run the plan again on a log that has it so"
        got = f"{columns.value_type(column)}, e.g. {value[:EXAMPLE]}"
        where = f"a batch from row {start}" if start else ""
        return InputError(what, f"be {said or SAID[self.kind]} as in the log", got, where, fix)


def column_type(column: pa.ChunkedArray) -> ColumnType:
    """The type of a log's column.

    Parameters
    ----------
    column : pyarrow.ChunkedArray, (n,)
        Numbers, text, true/false, times, or a dictionary of them.

    Returns
    -------
    ColumnType
        What later files must have.

    Examples
    --------
    >>> column_type(pa.chunked_array([["00007", None]]))
    ColumnType(kind='text', arrow='string', zone='')
    """
    own = columns.value_type(column)
    kind = _kind(own)
    if kind == "text":
        return ColumnType(kind, "string")
    if kind == NOTHING or pa.types.is_decimal(own):
        return ColumnType("number", "double")
    if kind == "instant":
        return ColumnType(kind, f"timestamp[{own.unit}]", own.tz)
    return ColumnType(kind, str(own))


def common_type(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """The type in which columns of several files go together, none of whose values is lost by it.

    Parameters
    ----------
    kinds : sequence of pyarrow.DataType
        One or more.

    Returns
    -------
    pyarrow.DataType
        Of numbers the widest, of instants that of the first zone, of text ``string`` or
        ``large_string``; a dictionary only where all are dictionaries.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowTypeError
        Where they do not go together.

    Examples
    --------
    >>> common_type([pa.string_view(), pa.dictionary(pa.int8(), pa.string())])
    DataType(string)
    >>> common_type([pa.decimal128(9, 2), pa.float32()])
    DataType(double)
    """
    different = [kind for kind in dict.fromkeys(kinds) if not pa.types.is_null(kind)]
    if len(different) < 2:
        return different[0] if different else kinds[0]
    if not all(pa.types.is_dictionary(kind) for kind in different):
        different = [
            kind.value_type if pa.types.is_dictionary(kind) else kind for kind in different
        ]
    if any(map(pa.types.is_decimal, different)):
        different = [_beside_decimals(kind) for kind in different]
    zone = next((kind.tz for kind in different if pa.types.is_timestamp(kind) and kind.tz), None)
    schemas = [pa.schema([("", _in_zone(kind, zone))]) for kind in different]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def _beside_decimals(kind: pa.DataType) -> pa.DataType:
    """The type of numbers as one that goes with decimals, with room for all their digits."""
    if pa.types.is_integer(kind):
        signed = pa.types.is_signed_integer(kind)
        return pa.decimal128(len(str(2 ** (kind.bit_width - signed))), 0)
    return pa.float64() if pa.types.is_floating(kind) else kind


def in_type(column: Any, kind: pa.DataType) -> Any:
    """A column as another type; decimals by their digits, so that 0.1 is the float 0.1.

    Parameters
    ----------
    column : pyarrow.Array or ChunkedArray, (n,)
        Of any type.
    kind : pyarrow.DataType
        As of `common_type`.

    Returns
    -------
    pyarrow.Array or ChunkedArray, (n,)
        The same values.

    Raises
    ------
    pyarrow.ArrowException
        Where one of them has no place in it.

    Examples
    --------
    >>> in_type(pa.array([1.5, None]).cast(pa.decimal128(9, 2)), pa.float64()).to_pylist()
    [1.5, None]
    """
    if pa.types.is_decimal(column.type) and pa.types.is_floating(kind):
        column = pc.cast(column, pa.string())
    return column if column.type == kind else pc.cast(column, kind)


def _in_zone(kind: pa.DataType, zone: str | None) -> pa.DataType:
    """A type of text as one that goes with any other, one of instants in a zone."""
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_timestamp(kind) and kind.tz:
        return pa.timestamp(kind.unit, zone)
    return kind


def _kind(own: pa.DataType) -> str:
    tests = {
        "true/false": pa.types.is_boolean,
        "date": pa.types.is_date,
        "hour": pa.types.is_time,
        "duration": pa.types.is_duration,
        NOTHING: pa.types.is_null,
    }
    if pa.types.is_timestamp(own):
        return "instant" if own.tz else "time"
    if pa.types.is_integer(own) or pa.types.is_floating(own) or pa.types.is_decimal(own):
        return "number"
    if pa.types.is_string(own) or pa.types.is_large_string(own) or pa.types.is_string_view(own):
        return "text"
    return next((kind for kind, test in tests.items() if test(own)), str(own))
