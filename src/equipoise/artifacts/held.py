"""The units of a file, kept for a choice on the whole: what the demands and the rule need, ids, and
what they had.

Of k candidates a unit takes 8 k bytes of worth, 8 k of cost where costs differ, 8 k for each metric
that a demand counts, 4 for its kind and its id; 13 more where a cadence keeps what it had.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from equipoise.allocation.parts import PartBuilder, UnitPart, stacked
from equipoise.artifacts.staying import Past
from equipoise.core.arrays import Ints

SLICE = 65_536  # units of a batch of assignments


class Known(NamedTuple):
    """What units are known by, and what they had.

    unit : chunked array (n,), None for row numbers.   start : the number of the first row.
    past : None where no unit's past counts.
    """

    unit: pa.ChunkedArray | None
    start: int
    past: Past | None


class HeldUnits:
    """Units that come batch by batch.   start : the number of the first row."""

    def __init__(self, start: int = 0) -> None:
        self._builder, self._start = PartBuilder(), start
        self._ids: list[pa.Array] = []
        self._pasts: tuple[list[Any], ...] = ([], [], [], [])

    def add(self, part: UnitPart, unit: Any, past: Past | None) -> None:
        """Take the next units; their ids are an Arrow column, or row numbers."""
        self._builder.add(part)
        if isinstance(unit, pa.ChunkedArray):
            self._ids += unit.chunks
        if past is not None:
            kinds = np.int16, np.int16, np.int8, "datetime64[D]"
            for kept, field, kind in zip(self._pasts, _fields(past), kinds, strict=True):
                kept.append(field.astype(kind))

    def build(self) -> UnitPart:
        """All of them, with a `Known` as their ids; nothing is held here any more."""
        past = None
        if self._pasts[0]:
            previous, fixed, reason, until = (stacked(kept) for kept in self._pasts)
            past = Past(previous, fixed, reason, until)
        ids = pa.chunked_array(self._ids) if self._ids else None
        self._ids = []
        return self._builder.build(Known(ids, self._start, past))


def slices(part: UnitPart) -> Iterator[tuple[slice, Any, Past | None]]:
    """The units in runs, each with its ids or row numbers and its past."""
    known: Known = part.ids
    for start in range(0, len(part), SLICE):
        end = min(start + SLICE, len(part))
        unit: Any = np.arange(known.start + start, known.start + end)
        if known.unit is not None:
            unit = known.unit.slice(start, end - start)
        yield slice(start, end), unit, None if known.past is None else _of(known.past, start, end)


def fixed_of(part: UnitPart) -> Ints | None:
    """What is not decided of each unit, (n,); None where all is."""
    known: Known = part.ids
    return None if known.past is None else known.past.fixed


def _fields(past: Past) -> tuple[Any, ...]:
    return past.previous, past.fixed, past.reason, past.until


def _of(past: Past, start: int, end: int) -> Past:
    previous, fixed, reason, until = (field[start:end] for field in _fields(past))
    return Past(previous.astype(np.int64), fixed.astype(np.int64), reason.astype(np.int64), until)
