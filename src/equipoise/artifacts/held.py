"""The units of a file, kept for a choice on the whole: what the demands and the rule need, ids, and
what they had.

Of k candidates a unit takes 8 k bytes of worth, 8 k of cost where costs differ, 8 k for each metric
that a demand counts, 4 for its kind and its id; 13 more where a cadence keeps what it had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from equipoise.allocation.parts import PartBuilder, UnitPart, stacked
from equipoise.allocation.solver.problem import Choice
from equipoise.artifacts.staying import Past
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.artifacts.unit_ids import UniqueIds
from equipoise.core.arrays import Floats, Ints

SLICE = 65_536  # units of a batch of assignments
ARRAYS = ("worth", "cost", "cube", "kind")
ABOUT, IDS = "units.json", "units.arrow"
SMALL = 4096  # bytes of a file that is read, not mapped


class Known(NamedTuple):
    """What units are known by, and what they had.

    unit : chunked array (n,), None for row numbers.   start : the number of the first row.
    past : None where no unit's past counts.   part : the number of the partition.
    """

    unit: pa.ChunkedArray | None
    start: int
    past: Past | None = None
    part: int = 0


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


def keep_units(
    tables: Iterable[pa.Table],
    counts: UnitCounts,
    id: str | None,
    keep: Callable[[pa.Table, int], tuple[UnitPart, Any, Past | None]],
) -> UnitPart:
    """The units of tables; no id may occur twice.

    keep : (columns that are needed, number of the first row) -> the units, their ids, their past.
    """
    units = HeldUnits(counts.start + counts.units)
    with nullcontext() if id is None else UniqueIds(id, counts.start) as ids:
        for raw in tables:
            if raw.num_rows == 0:
                continue
            start = counts.start + counts.units
            part, unit, past = keep(counts.read(raw), start)
            if ids is not None:
                ids.add(unit)
            units.add(part, unit, past)
        if ids is not None:
            ids.check()
            if counts.keeps_ids:
                counts.ids = ids.first_hashes()
    return units.build()


def tabulated(
    part: UnitPart, choice: Choice, score: Floats, table: Callable[..., pa.Table]
) -> Iterator[pa.RecordBatch]:
    """The choices of units that are kept, in batches.

    table : (ids, choice (n,), score (n,), expected costs (n, k), past) -> assignments.
    """
    known: Known = part.ids
    for start in range(0, len(part), SLICE):
        end = min(start + SLICE, len(part))
        run, past = slice(start, end), known.past
        unit: Any = np.arange(known.start + start, known.start + end)
        if known.unit is not None:
            unit = known.unit.slice(start, end - start)
        cost = part.cost[run] if len(part.cost) > 1 else part.cost
        expected = np.broadcast_to(cost, part.worth[run].shape)
        own = None if past is None else _of(past, start, end)
        rows = table(unit, choice[run].astype(np.int64), score[run], expected, own)
        yield from rows.combine_chunks().to_batches()


def fixed_of(part: UnitPart) -> Ints | None:
    """What is not decided of each unit, (n,); None where all is."""
    known: Known = part.ids
    return None if known.past is None else known.past.fixed


def save_units(part: UnitPart, folder: Path) -> None:
    """Write units without a past, so that each array can be read where it lies.

    Parameters
    ----------
    part : UnitPart
        Of `HeldUnits`.
    folder : path
        Where to write.
    """
    known: Known = part.ids
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(part, name))
    kinds = [[list(labels), list(open_to)] for labels, open_to in part.kinds]
    about = {"start": known.start, "columns": list(part.columns), "kinds": kinds}
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    if known.unit is not None:
        with pa.OSFile(str(folder / IDS), "wb") as sink:
            table = pa.table({"unit": known.unit})
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)


def read_units(folder: Path, number: int) -> UnitPart:
    """Units of `save_units`, which are not copied into memory.

    Parameters
    ----------
    folder : path
        Where they were written.
    number : int
        Of the partition.

    Returns
    -------
    UnitPart
        Its arrays may be changed, the files may not.
    """
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    worth, cost, cube, kind = (_mapped(folder / f"{name}.npy") for name in ARRAYS)
    kinds = tuple((tuple(labels), bytes(open_to)) for labels, open_to in about["kinds"])
    unit = None
    if (folder / IDS).exists():
        unit = pa.ipc.open_stream(pa.memory_map(str(folder / IDS))).read_all()["unit"]
    known = Known(unit, about["start"], None, number)
    return UnitPart(worth, cost, cube, kind, tuple(about["columns"]), kinds, known)


def _mapped(file: Path) -> Any:
    """An array that lies in a file; none can map no rows."""
    array = np.load(file, mmap_mode=None if file.stat().st_size < SMALL else "c")
    return np.asarray(array)


def _fields(past: Past) -> tuple[Any, ...]:
    return past.previous, past.fixed, past.reason, past.until


def _of(past: Past, start: int, end: int) -> Past:
    previous, fixed, reason, until = (field[start:end] for field in _fields(past))
    return Past(previous.astype(np.int64), fixed.astype(np.int64), reason.astype(np.int64), until)
