"""A policy's demands met on all units of files, partition by partition, on any engine.

Each worker scores its partition once and keeps of every unit what the demands and the rule need, in
files beside the place of the result; the allocation goes over these (`scale/dual.py`), and each
worker writes the assignments of its own units.  A driver that was killed goes on from what was
kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.allocation.parts import UnitPart
from equipoise.allocation.solver.problem import Choice
from equipoise.artifacts.held import Known, read_units, save_units
from equipoise.artifacts.rebudget import demands_on, metrics_of, prices_of
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.core.arrays import Floats
from equipoise.core.progress import Progress, silent
from equipoise.core.snapshot import replacing
from equipoise.pipeline.scoring import IDS, Made, Scoring, by_parts, write_part
from equipoise.scale.dual import solve_partitions
from equipoise.scale.executor import Executor
from equipoise.scale.partitions import ROWS, Partition
from equipoise.scale.shards import writing

KEPT, COUNTS = "units-{}", "counts.json"


def hold_units(
    policy: Path | str,
    units: Any,
    out: Path | str,
    executor: Executor,
    *,
    number_rows: bool = False,
    rows: int = ROWS,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Assign the units of files so that the demands hold on all of them, and write the assignments,
    whole or not at all.

    Parameters
    ----------
    policy : path
        The snapshot folder of a policy; every worker must find it there.
    units : path-like, address, or list of them
        A file, a folder, a pattern or a table, with the columns of the features.
    out : path
        The Parquet file to write, or, without a file's ending, a folder of Parquet files, one a
        partition; only an earlier one is replaced.
    executor : Executor
        What works on the partitions.
    number_rows : bool, default False
        Take the units' row numbers, in a column ``row``, for their ids.
    rows : int, default 1000000
        About how many rows a partition has.
    progress : callable, default silent
        Told how many partitions are done.

    Returns
    -------
    dict
        As of `score_units`.

    Raises
    ------
    InputError, DataError
        As of `score_units`.
    InfeasibleError
        Where no choice was found that meets the demands.
    """
    return by_parts(
        policy,
        units,
        out,
        executor,
        _held,
        number_rows=number_rows,
        rows=rows,
        progress=progress,
        held=True,
    )


def _held(
    executor: Executor,
    parts: Sequence[Partition],
    left: Sequence[Partition],
    how: Scoring,
    progress: Progress,
) -> Made:
    """The parts that are not whole, once an allocation over all of them was found."""
    if not left:
        return
    kept = [place_of(how.folder, part.number) for part in parts]
    missing = [part for part, place in zip(parts, kept, strict=True) if not place.exists()]
    executor.run(keep_partition, missing, how, progress=progress, what="units")
    policy = how.artifact().policy
    made = solve_partitions(
        [part.number for part in parts],
        partial(demands_on, policy),
        candidates=policy.candidates,
        metrics=metrics_of(policy),
        load=Kept(how.folder),
        deliver=Handing(how),
        executor=executor,
        warm=prices_of(policy),
        progress=progress,
    )
    for place, part in enumerate(left):
        yield place, made.delivered[part.number]


def place_of(folder: str, number: int) -> Path:
    """Where what is kept of a partition lies."""
    return Path(folder, KEPT.format(number))


def keep_partition(part: Partition, how: Scoring) -> int:
    """Score a partition and keep what an allocation needs of its units.

    Parameters
    ----------
    part : Partition
        Of the units.
    how : Scoring
        By what, and where to.

    Returns
    -------
    int
        How many units.
    """
    artifact = how.artifact()
    reader = artifact.units
    counts = UnitCounts(reader, part.start or 0, keeps_ids=True)
    batches = part.batches(list(reader.needed), reader.in_text)
    with replacing(place_of(how.folder, part.number)) as folder:
        folder.mkdir()
        tables = (pa.Table.from_batches([batch]) for batch in batches)
        save_units(artifact.kept(tables, counts), folder)
        np.save(folder / IDS, counts.ids)
        (folder / COUNTS).write_text(json.dumps(counts.sums()), encoding="utf-8")
    return counts.units


@dataclass(frozen=True)
class Kept:
    """Reads what was kept.   folder : of all parts."""

    folder: str

    def __call__(self, number: int) -> UnitPart:
        """The units of a partition."""
        return read_units(place_of(self.folder, number), number)


@dataclass(frozen=True)
class Handing:
    """Writes the assignments of a partition."""

    how: Scoring

    def __call__(self, units: UnitPart, choice: Choice, score: Floats) -> int:
        """How many units; a part that is whole stays as it is, which it would be made again."""
        known: Known = units.ids
        if Path(self.how.folder, str(known.part)).exists():
            return len(units)
        artifact, sums = self.how.artifact(), dict[str, Any]()
        kept, summary = place_of(self.how.folder, known.part), artifact.summary()
        with writing(Path(self.how.folder), known.part, sums) as folder:
            write_part(artifact.chosen(units, choice, score), folder, self.how, summary)
            np.save(folder / IDS, np.load(kept / IDS))
            counts = json.loads((kept / COUNTS).read_text(encoding="utf-8"))
            sums |= {"counts": counts, "summary": asdict(summary)}
        return len(units)
