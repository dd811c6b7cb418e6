"""What the model that ships says of every row, once: the effects of all rows, in their order, and
of those outside the sample what prices are made of.

The sample's rows keep their effects by models that never saw them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.allocation.hashing import Words
from equipoise.allocation.parts import PartBuilder
from equipoise.artifacts.policy import Scorer
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.columns import free_name, plain_table
from equipoise.core.effects import Effects
from equipoise.core.log import Log
from equipoise.pipeline.bounded.kept import ARRAYS, Answer, read_arrays
from equipoise.pipeline.bounded.keys import name_words
from equipoise.pipeline.bounded.population import Crowd
from equipoise.pipeline.bounded.pricing import UNITS, units_priced, units_table
from equipoise.pipeline.bounded.sample import Asked
from equipoise.scale.partitions import Partition

EFFECTS, STAGE = "effects", "scored"
COUNTING, WEIGHT = "counting", "weight"  # of arrays: which rows count, and how much


@dataclass(frozen=True)
class Mine:
    """What the sample's rows of a partition have already.

    sample : their numbers in the log.   rows : of those that count, (r,).   effects : of these, by
    models that never saw them.   expected, choice, score : of these, within folds.
    """

    sample: Ints
    rows: Ints
    effects: Effects
    expected: Floats
    choice: Ints
    score: Floats

    def among(self, start: int, count: int) -> tuple[Ints, slice]:
        """The places of the rows that count among so many from ``start`` on, and theirs here."""
        low, high = np.searchsorted(self.rows, [start, start + count])
        return self.rows[low:high] - start, slice(low, high)

    def others(self, start: int, count: int) -> Bools:
        """Whether each of so many rows from ``start`` on is not of the sample, (n,)."""
        held = np.ones(count, np.bool_)
        low, high = np.searchsorted(self.sample, [start, start + count])
        held[self.sample[low:high] - start] = False
        return held

    def with_others(self, others: Bools, start: int) -> Bools:
        """Those of other rows from ``start`` on that count, and of the sample's, (n,)."""
        both = others.copy()
        both[self.among(start, len(others))[0]] = True
        return both


@dataclass(frozen=True)
class Scored:
    """What rows are scored by.   asked : what was read for the sample.   log : of some of its rows,
    for roles and space.   scorer : model and rule.   crowd : who counts.
    """

    asked: Asked
    log: Log
    scorer: Scorer
    crowd: Crowd


@dataclass(frozen=True)
class Scoring:
    """Scores the rows of a partition.   part : the partition, and what its rows of the sample
    have.
    """

    part: tuple[Partition, Mine]
    scored: Scored

    def answer(self) -> Answer:
        """The effects of all rows, and which of them count; the others' worths and costs, for
        prices.
        """
        part, mine = self.part
        units, keys = PartBuilder(), list[Words]()
        tables, start = list[pa.Table](), part.start or 0
        counting, weights = list[Bools](), list[Floats]()
        for batch in part.batches(self.scored.asked.columns):
            table = plain_table(pa.Table.from_batches([batch]))
            rows = self.scored.log.more(table, start)
            given = self.scored.scorer.decided(rows.table, start)
            tables.append(_effects(rows, given.effects, mine, start))
            weights.append(self.scored.crowd.weight(rows))
            others = mine.others(start, len(rows)) & (weights[-1] > 0)
            units.add(units_priced(self.scored.scorer.policy, given, np.flatnonzero(others)))
            keys.append(name_words(table, self.scored.asked.roles)[others])
            counting.append(mine.with_others(others, start))
            start += len(rows)
        priced = units_table(units.build(), np.concatenate(keys))
        said = {COUNTING: np.concatenate(counting), WEIGHT: np.concatenate(weights)}
        said = {} if self.scored.crowd.rule is None else said
        return Answer(said, {EFFECTS: pa.concat_tables(tables), UNITS: priced})


def _effects(rows: Log, effects: Effects, mine: Mine, start: int) -> pa.Table:
    """The effects of rows as a table; those of the sample's rows are what they have already."""
    values, baseline = effects.values.copy(), effects.baseline.copy()
    error = None if effects.std_error is None else effects.std_error.copy()
    at, some = mine.among(start, len(rows))
    values[at], baseline[at] = mine.effects.values[some], mine.effects.baseline[some]
    if error is not None and mine.effects.std_error is not None:
        error[at] = mine.effects.std_error[some]
    table = replace(effects, values=values, baseline=baseline, std_error=error).to_table()
    unit, name = units_named(rows, start)
    return table.append_column(free_name(name, table.column_names), unit)


def units_named(rows: Log, start: int) -> tuple[Any, str]:
    """What rows are known by, (n,), and its name: their ids, or their numbers."""
    if rows.roles.id is None:
        return pa.array(np.arange(start, start + len(rows))), "row"
    return rows.table[rows.roles.id], rows.roles.id


def weights_said(file: str, crowd: Crowd) -> Callable[[Log, int], Floats]:
    """How much rows of a partition count, from a place on, as it was said beside the effects; anew
    where that is not here.
    """
    arrays = Path(file).with_name(ARRAYS)
    if crowd.rule is None or not arrays.is_file():
        return lambda rows, start: crowd.weight(rows)
    every: Floats = read_arrays(arrays)[WEIGHT]
    return lambda rows, start: every[start : start + len(rows)]


def effects_said(file: str) -> Callable[[int, int], Effects | None]:
    """The effects of so many rows of a partition from a place on, read where they were kept; None
    on a machine that does not have them, whose model says them again.
    """
    if not Path(file).is_file():
        return lambda start, count: None
    table = pa.ipc.open_stream(pa.memory_map(file)).read_all()
    return lambda start, count: Effects.from_table(table.slice(start, count))
