"""The columns of decisions as an experiment log: their types, names and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core.columns import MISSING
from equipoise.core.errors import InputError
from equipoise.core.suggest import among
from equipoise.data import read_batches
from equipoise.data.files import column_names
from equipoise.serving.log.joining import Joining
from equipoise.serving.records import Context

TIME = pa.timestamp("us", tz="UTC")
FACTS = {
    "decision": pa.string(),
    "unit": pa.string(),
    "time": TIME,
    "policy": pa.string(),
    "snapshot": pa.string(),
    "served": pa.string(),
    "probability": pa.float64(),
    "reason": pa.string(),
    "previous": pa.string(),
}
WHOLE, NUMBER, TRUTH, TEXT = 1, 2, 4, 8  # kinds of values
KIND_OF = {int: WHOLE, float: NUMBER, bool: TRUTH, str: TEXT, type(None): 0}
TYPE_OF = {0: pa.string(), WHOLE: pa.int64(), TRUTH: pa.bool_()}
TYPE_OF |= dict.fromkeys((NUMBER, NUMBER | WHOLE), pa.float64())


@dataclass
class Contents:
    """What the first pass learnt of a log.

    Attributes
    ----------
    contexts : list of Context
        That differ in what a row shows.
    kinds : dict of str to int
        Of each feature and label: which kinds of values it has.
    rewards : dict of str to None
        Their names.
    erased : dict of str to int
        When a unit, or the unit of a mark, asked to be forgotten.
    labels : dict of str to int
        Of each column of labels: likewise, as far as labels tell.
    """

    contexts: list[Context] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    rewards: dict[str, None] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)


class Units:
    """Features of units, from a file that is read once a part.

    Parameters
    ----------
    file : path
        With a column of ids.
    id : str or None
        Its name.
    contents : Contents
        Told of the columns.
    """

    def __init__(self, file: Path | str, id: str | None, contents: Contents) -> None:
        names = column_names(file)
        if id is None or id not in names:
            fix = "say it by id, --id" if id is None else among(id, names, "columns")
            got = "none" if id is None else id
            raise InputError("the column of unit ids", "be in the file", got, str(file), fix)
        self.file, self.id = file, id
        self.names = [name for name in names if name != id]
        for batch in self._batches():
            for column in list(batch.schema)[1:]:
                kind = contents.kinds.get(column.name, 0) | _kind(column.type)
                contents.kinds[column.name] = kind
            break

    def _batches(self) -> Iterator[pa.RecordBatch]:
        return read_batches(self.file, [self.id, *self.names], types={self.id: pa.string()})

    def rows(self, ids: set[str]) -> dict[str, dict[str, Any]]:
        """The features of some units."""
        rows = {}
        wanted = pa.array(sorted(ids), pa.string())
        for batch in self._batches():
            unit = pc.cast(batch.column(0), pa.string())
            hit = pc.is_in(unit, wanted)
            part = pa.Table.from_batches([batch]).filter(hit)
            for name, row in zip(unit.filter(hit).to_pylist(), part.to_pylist(), strict=True):
                rows[name] = row
        return rows


def _kind(type_: pa.DataType) -> int:
    if pa.types.is_boolean(type_):
        return TRUTH
    if pa.types.is_integer(type_):
        return WHOLE
    return NUMBER if pa.types.is_floating(type_) else TEXT


@lru_cache(maxsize=10_000)
def kind_of_label(label: str) -> int:
    """The kind of the value that a label is of.

    >>> kind_of_label("2.5") == NUMBER, kind_of_label("missing"), kind_of_label("Oslo") == TEXT
    (True, 0, True)
    """
    if label == MISSING:
        return 0
    if label in ("true", "false"):
        return TRUTH
    try:
        float(label)
    except ValueError:
        return TEXT
    return NUMBER


def schema_of(contents: Contents, how: Joining) -> tuple[pa.Schema, dict[str, str]]:
    """The columns, and the name of each; where two would be alike, a feature keeps its own."""
    types: dict[str, pa.DataType] = {}
    for name, kind in contents.kinds.items():
        types[f"x {name}"] = TYPE_OF.get(kind, pa.string())
    types |= {f"y {metric.name}": pa.float64() for metric in how.metrics}
    wished = {key: key[2:] for key in types}
    wished |= {f"p {cell}": f"p_{cell}" for cell in how.cells}
    types |= {key: pa.float64() for key in wished if key.startswith("p ")}
    types |= FACTS | ({"claimed": pa.int64()} if how.claimed else {})
    types |= {"shown": pa.bool_(), "cost": pa.float64()}
    names: dict[str, str] = {}
    for key in types:
        name = wished.get(key, key)
        while name in names.values():
            name += "_"
        names[key] = name
    order = [*FACTS, *(key for key in types if key not in FACTS)]
    return pa.schema([(names[key], types[key]) for key in order]), {
        key: names[key] for key in order
    }


def table_of(
    columns: Mapping[str, Sequence[Any]], schema: pa.Schema, names: Mapping[str, str]
) -> pa.Table:
    """The rows of a part, under the names of the columns."""
    arrays = []
    for key, name in names.items():
        type_, values = schema.field(name).type, columns[key]
        if type_ == pa.string() and key.startswith("x "):
            values = [one if one is None or isinstance(one, str) else str(one) for one in values]
        elif type_ == pa.bool_():
            values = [one == "true" if isinstance(one, str) else one for one in values]
        elif type_ == pa.float64():
            values = [None if one is None else float(one) for one in values]
        arrays.append(pa.array(values, type_))
    return pa.table(arrays, schema=schema)
