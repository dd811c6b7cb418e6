"""Decisions that every machine must make to the bit, before it serves.

Up to 64 rows of features, drawn by a fixed seed from what the log's columns were, go through the
model and the rule; up to 64 known units go from the store through the rule.  What came out where
the snapshot was built stands beside: each choice, and every bit of each score.  A machine on which
anything differs (another processor, another version of a library) refuses the snapshot.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.allocation.compiled_rule import compile_rule
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.column_types import ColumnType
from equipoise.core.columns import MISSING, of_label
from equipoise.core.errors import EquipoiseError, SnapshotError
from equipoise.core.snapshot import as_written
from equipoise.serving.stores.array_store import ArrayStore
from equipoise.serving.stores.lmdb_store import LmdbStore

ROWS = 64
FEATURES, UNITS = "features.arrow", "units.arrow"
UNSEEN = "no level of the log"
KEYS = ("text", "true/false", "number")  # kinds of columns whose labels say what their values are
WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")
WIDE = 3.0  # of the logarithm of numbers

Store = LmdbStore | ArrayStore
DrawnUnits = tuple[list[str], list[UnitFacts]]


class SelfTest(NamedTuple):
    """What was decided again, all of it to the bit: so many ``rows`` of features, so many known
    ``units``.
    """

    rows: int
    units: int


def write_self_test(folder: Path, scorer: Scorer, store: Store | None) -> None:
    """Write what this machine decides; nothing where it can be asked nothing."""
    table = drawn_units(scorer)
    if table is None and store is None:
        return
    folder.mkdir()
    if table is not None:
        struct = pa.StructArray.from_arrays(
            [column.combine_chunks() for column in table.columns], table.column_names
        )
        _write(folder / FEATURES, struct, _decided(scorer, *_of_features(scorer, table)))
    if store is not None:
        keys = [key for key, _ in islice(store.items(), ROWS)]
        ids = pa.array(keys, pa.binary()).cast(pa.string())
        _write(folder / UNITS, ids, _decided(scorer, *_of_units(store, ids)))


def run_self_test(folder: Path, scorer: Scorer, store: Store | None) -> SelfTest:
    """Decide again what was decided where the snapshot was built.

    Parameters
    ----------
    folder : path
        Of the self-test.
    scorer : Scorer
        Of the snapshot.
    store : LmdbStore or ArrayStore or None
        Of the snapshot.

    Returns
    -------
    SelfTest
        How much was decided again.

    Raises
    ------
    SnapshotError
        Where a choice or a bit of a score differs.
    """

    def of_features(struct: pa.StructArray) -> DrawnUnits:
        return _of_features(scorer, pa.Table.from_struct_array(struct))

    rows = _again(folder / FEATURES, scorer, of_features)
    units = 0 if store is None else _again(folder / UNITS, scorer, partial(_of_units, store))
    return SelfTest(rows, units)


def _decided(scorer: Scorer, ids: list[str], facts: list[UnitFacts]) -> pa.Table:
    """What the rule says of units, one after another, as it does when it serves: the ``choice``,
    its ``score``, and the ``scores`` of all, (k,).
    """
    rule = compile_rule(scorer.policy, scorer.model.metrics)
    said = [rule.decide_row(one, unit) for one, unit in zip(facts, ids, strict=True)]
    every = pa.array(np.concatenate([one.scores for one in said]))
    columns = {
        "choice": pa.array([one.choice for one in said], pa.int64()),
        "score": pa.array([one.score for one in said], pa.float64()),
        "scores": pa.FixedSizeListArray.from_arrays(every, len(scorer.policy.candidates)),
    }
    return pa.table(columns)


def drawn_units(scorer: Scorer, rows: int = ROWS) -> pa.Table | None:
    """Rows of features drawn from what the log's columns were; None where the policy's columns are
    such that none can be drawn.
    """
    reader, rng = scorer.units, np.random.default_rng(0)
    named: dict[str, list[str]] = {name: [] for name in reader.groups}
    for demand in scorer.policy.demands:
        named.get(str(demand.column), []).extend(str(label) for label, _ in demand.factors)
    for limit in scorer.limits:
        named[limit.column].append(limit.group)
    features = {*reader.features.columns_} - {reader.cost, reader.start}
    flags = {*reader.eligible}
    columns = {}
    for name in reader.needed:
        kind = reader.columns.types.get(name)
        if name == reader.id:
            column = _ids(rows, kind)
        elif name in named and (kind is None or kind.kind in KEYS):
            levels = reader.features.levels_.get(name, ())
            column = _keys(rng.choice([*named[name], *levels, UNSEEN], rows).tolist(), kind)
        elif name in reader.features.levels_:
            column = pa.array(rng.choice([*reader.features.levels_[name], UNSEEN], rows).tolist())
        elif name in flags:
            column = pa.array(rng.random(rows) < 0.8)
        else:
            column = _numbers(rng, rows, name in features, kind)
        columns[name] = column
    table = pa.table(columns)
    try:
        _of_features(scorer, table)
    except (EquipoiseError, pa.ArrowException):
        return None
    return table


def _ids(rows: int, kind: Any) -> pa.Array:
    """Ids of the type that the log's are of."""
    if kind is None or kind.kind == "text":
        return pa.array([f"self-test {i}" for i in range(rows)])
    numbers = pa.array(range(rows), pa.int64())
    narrow = not pa.types.is_integer(kind.data_type) and kind.data_type.bit_width == 32
    return (numbers.cast(pa.int32()) if narrow else numbers).cast(kind.data_type)


def _keys(labels: list[str], kind: ColumnType | None) -> pa.Array:
    """Labels as values of a key's column; where one cannot be, none."""
    if kind is None or kind.kind == "text":
        return pa.array([None if one == MISSING else of_label(one) for one in labels])
    if kind.kind == "true/false":
        return pa.array([None if one == MISSING else one == "true" for one in labels])
    whole = [int(one) if WHOLE.fullmatch(one) else None for one in labels]
    return pa.array(whole, kind.data_type)


def _numbers(rng: np.random.Generator, rows: int, feature: bool, kind: Any) -> pa.Array:
    """Numbers or times of all sizes; only a feature's may be below 0, or missing."""
    values = np.exp(WIDE * rng.normal(size=rows))
    if kind is not None and kind.kind == "true/false":
        return pa.array(values < 1)
    if feature:
        values *= rng.choice([-1.0, 1.0], rows)
    missing = feature & (rng.random(rows) < 0.1)
    if kind is None or kind.kind == "number":
        return pa.array(values, mask=missing)
    wide = pa.int32() if kind.data_type.bit_width == 32 else pa.int64()
    return pa.array(np.abs(values).astype(np.int64), wide, mask=missing).cast(kind.data_type)


def _of_features(scorer: Scorer, table: pa.Table) -> DrawnUnits:
    """The ids and the facts of drawn units."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they lack what the log had
        batch = next(scorer.facts(table.combine_chunks().to_batches()))
    ids = batch.units.to_pylist()
    return ids, [batch.unit(row) for row in range(len(ids))]


def _of_units(store: Store, ids: pa.StringArray) -> DrawnUnits:
    """The ids and the facts of known units, as the store gives them one after another."""
    names = ids.to_pylist()
    facts = [one for one in map(store.get, names) if one is not None]
    if len(facts) < len(names):
        raise SnapshotError("a store", "know the units of its self-test", len(facts))
    return names, facts


def _write(path: Path, asked: pa.Array, answers: pa.Table) -> None:
    """Write what was asked and what was answered."""
    table = answers.add_column(0, "asked", asked).combine_chunks()
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


def _again(path: Path, scorer: Scorer, asked: Callable[[Any], DrawnUnits]) -> int:
    """Decide again what a file asks, and compare: how many rows."""
    if not path.exists():
        return 0
    with as_written():
        table = pa.ipc.open_file(pa.OSFile(str(path))).read_all().combine_chunks()
    answers = _decided(scorer, *asked(table["asked"].combine_chunks()))
    for name in answers.column_names:
        now, then = (_bits(each[name]) for each in (answers, table))
        if not np.array_equal(now, then):
            row = int(np.argmax((now != then).reshape(table.num_rows, -1).any(axis=1)))
            fix = "build the snapshot on this machine, with these versions"
            got, where = f"another {name}", f"row {row} of {path.name}"
            raise SnapshotError("a self-test", "give every bit it gave", got, where, fix)
    return int(table.num_rows)


def _bits(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Every number of a column, floats by their bits."""
    whole = column.combine_chunks()
    flat = whole.flatten() if pa.types.is_fixed_size_list(whole.type) else whole
    numbers: NDArray[Any] = flat.to_numpy()
    return numbers.view(np.int64) if numbers.dtype == np.float64 else numbers.astype(np.int64)
