"""One row of raw features as numbers, to the bits of a `FeatureMap` and without a table.

A row that is out of the ordinary (a time, a number of another width, a value of another type) is
left to the table, which converts it or says what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.column_types import ColumnType
from equipoise.core.features import HIDDEN, LARGEST, ONE_HOT_LIMIT, FeatureMap, digest

LARGEST_WHOLE = 2**53  # whole numbers up to here are float64's own
NUMBER, NARROW, FLAG, TEXT, OTHER = range(5)


class UnusualRow(Exception):
    """A row for the table."""


class EncodedRow(NamedTuple):
    """A row as numbers, (d',), and the columns that are missing or have a level never seen."""

    values: Floats
    missing: list[str]
    unseen: list[str]


class _Column(NamedTuple):
    name: str
    kind: int
    place: int  # of its first number
    levels: dict[str, int]
    ranks: bool  # one number instead of one a level
    hidden: bool  # whether some levels are digests


def plain_kind(own: ColumnType | None) -> int:
    """How a single value of a column's type is read; `OTHER`: by the table."""
    if own is None:
        return OTHER
    if own.arrow == "float":
        return NARROW
    return {"number": NUMBER, "true/false": FLAG, "text": TEXT}.get(own.kind, OTHER)


def number_of(value: Any) -> float:
    """A single value of a column of numbers, NaN where it is missing."""
    kind = type(value)
    if kind is float:
        return value  # type: ignore[no-any-return]
    if value is None:
        return math.nan
    if kind is int and -LARGEST_WHOLE <= value <= LARGEST_WHOLE:
        return float(value)
    raise UnusualRow


def flag_of(value: Any) -> float:
    """A single value of a column of true and false, NaN where it is missing."""
    if value is None:
        return math.nan
    if type(value) is bool:
        return float(value)
    raise UnusualRow


def label_of(value: Any, own: ColumnType) -> str:
    """`columns.labels` of a single value of a key's column, as `ColumnType.cast_key` reads it."""
    kind = type(value)
    if value is None:
        return columns.MISSING
    if kind is str and own.kind == "text":
        return columns.text_label(value)
    if kind is bool and own.kind == "true/false":
        return "true" if value else "false"
    whole = own.integer and kind in (int, float) and -LARGEST_WHOLE <= value <= LARGEST_WHOLE
    if whole and int(value) == value:
        return str(int(value))
    raise UnusualRow


class RowEncoder:
    """A `FeatureMap` for single rows.

    Parameters
    ----------
    features : FeatureMap
        Fitted.
    types : mapping of str to ColumnType
        What the columns were in the log; a row with a column of another type is unusual.

    Examples
    --------
    >>> features = FeatureMap().fit({"zip": ["rural", "urban"] * 20, "age": [31.0, 64.0] * 20})
    >>> types = {"zip": ColumnType("text", "string"), "age": ColumnType("number", "double")}
    >>> encoder = RowEncoder(features, types)
    >>> encoder.encode({"zip": "urban", "age": 5.0}).values.tolist()
    [0.0, 1.0, 5.0]
    >>> encoder.encode({"zip": "moon", "age": None}).unseen
    ['zip']
    """

    def __init__(self, features: FeatureMap, types: Mapping[str, ColumnType]) -> None:
        self._columns: list[_Column] = []
        self._key, self._as_text = features.key_, features.unseen_ == "missing"
        place = 0
        for name in features.columns_:
            levels = features.levels_.get(name)
            kind = plain_kind(types.get(name))
            if (levels is not None) != (kind == TEXT) and kind != OTHER:
                kind = OTHER
            own = {level: code for code, level in enumerate(levels or ())}
            ranks = len(own) > ONE_HOT_LIMIT
            hidden = any(map(HIDDEN.fullmatch, own))
            self._columns.append(_Column(name, kind, place, own, ranks, hidden))
            place += 1 if levels is None or ranks else len(own)
        self._zeros = [0.0] * place

    def encode(self, features: Mapping[str, Any]) -> EncodedRow:
        """The numbers of a row.

        Parameters
        ----------
        features : mapping of str to text, number, bool or None
            Every column of the map; others are left out.

        Returns
        -------
        EncodedRow
            The numbers of ``FeatureMap.table``.

        Raises
        ------
        UnusualRow
            Where the table has to read the row.
        KeyError
            Where a column is not there.
        """
        row = self._zeros.copy()
        missing: list[str] = []
        unseen: list[str] = []
        for name, kind, place, levels, ranks, hidden in self._columns:
            value = features[name]
            if kind == TEXT:
                code = self._code(value, levels, hidden)
                if value is None:
                    missing.append(name)
                elif code is None:
                    unseen.append(name)
                if ranks:
                    row[place] = self._last(levels) if code is None else float(code)
                elif code is not None:
                    row[place + code] = 1.0
                continue
            if kind == OTHER:
                raise UnusualRow
            number = flag_of(value) if kind == FLAG else number_of(value)
            if kind == NARROW:
                number = float(np.float32(number))
            if number != number:
                missing.append(name)
            elif not -LARGEST <= number <= LARGEST:
                raise UnusualRow
            row[place] = number
        return EncodedRow(np.array(row), missing, unseen)

    def _code(self, value: Any, levels: dict[str, int], hidden: bool) -> int | None:
        """The place of a text among the levels; None where fit had not seen it."""
        if value is None:
            return levels.get(columns.MISSING)
        if type(value) is not str:
            raise UnusualRow
        label = value if self._as_text else columns.text_label(value)
        code = levels.get(label)
        if code is None and hidden:
            code = levels.get(digest(label, self._key))
        return code

    def _last(self, levels: dict[str, int]) -> float:
        """The rank of a level that was never seen."""
        return math.nan if self._as_text else float(len(levels))
