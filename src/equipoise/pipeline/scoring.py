"""Units through a policy, partition by partition, on any engine: the same assignments in the same
order as those of one process.

Every worker reads its partition in record batches, assigns them, and writes its part beside the
place of the whole; the driver puts the parts together as they come, looks for ids that occur in
two of them, and publishes the whole in one step.  A driver that was killed goes on from the parts
that are whole.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.artifacts.batch import told
from equipoise.artifacts.batch_scorer import artifact_of
from equipoise.artifacts.kinds import MergedSummary
from equipoise.artifacts.outputs import (
    EARLIER_SCORES,
    check_out,
    is_scored,
    write_assignments,
)
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.artifacts.unit_ids import FIX, hashes_of, repeated
from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.errors import DataError, InputError
from equipoise.core.places import expanded
from equipoise.core.progress import Progress, silent
from equipoise.core.snapshot import Earlier, read_manifest, replacing
from equipoise.core.version import __version__
from equipoise.data.sources import source_columns
from equipoise.data.stores import is_address
from equipoise.scale.executor import Executor
from equipoise.scale.partitions import ROWS, Partition, partitions_of
from equipoise.scale.shards import Shards, check_unchanged, fingerprint, sums_of, writing

LOGGER = logging.getLogger(__name__)
IDS, ONE, MANY = "ids.npy", "rows.arrow", "rows.parquet"  # of a part
PART = "part-{:05d}.parquet"
WHAT = "units"
Made = Generator[tuple[int, int], None, None]  # places among the parts that were left; units


@dataclass(frozen=True)
class Scoring:
    """How a partition is scored, the same for all.

    Attributes
    ----------
    policy : str
        The whole path of the snapshot folder.
    id : str
        Of the snapshot.
    number_rows : bool
        Whether row numbers are the ids.
    folder : str
        Where the parts are written.
    file : str
        The name of a part's rows: `ONE` where they become one file, else `MANY`.
    """

    policy: str
    id: str
    number_rows: bool
    folder: str
    file: str

    def artifact(self) -> Any:
        """What assigns the units, read once a process."""
        artifact = artifact_of(self.policy, self.id)
        return artifact.numbered() if self.number_rows else artifact


def score_partition(part: Partition, how: Scoring) -> int:
    """Assign the units of a partition and write the part.

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
    reader, summary = artifact.units, artifact.summary()
    counts = UnitCounts(reader, part.start or 0, keeps_ids=True)
    rows = part.batches(list(reader.needed), reader.in_text)
    sums: dict[str, Any] = {}
    with writing(Path(how.folder), part.number, sums) as folder:
        write_part(artifact.batches(rows, counts), folder, how, summary)
        np.save(folder / IDS, counts.ids)
        sums |= {"counts": counts.sums(), "summary": asdict(summary)}
    return counts.units


def write_part(
    batches: Iterator[pa.RecordBatch], folder: Path, how: Scoring, summary: MergedSummary
) -> None:
    """Write the rows of a part."""
    if how.file == ONE:
        _write_arrow(batches, folder / ONE, summary)
    else:
        write_assignments(batches, folder / MANY, summary)


def _write_arrow(batches: Iterator[pa.RecordBatch], file: Path, summary: MergedSummary) -> None:
    """Write batches as a stream of Arrow, which costs little to write and to read again, and whose
    batches may each have a dictionary of their own.
    """
    with pa.OSFile(str(file), "wb") as sink:
        writer = None
        for batch in batches:
            if writer is None:
                how = pa.ipc.IpcWriteOptions(compression="lz4")
                writer = pa.ipc.new_stream(sink, batch.schema, options=how)
            writer.write_batch(batch)
            summary.add(batch)
        if writer is not None:
            writer.close()


def score_units(
    policy: Path | str,
    units: Any,
    out: Path | str,
    executor: Executor,
    *,
    number_rows: bool = False,
    rows: int = ROWS,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Assign the units of files, partition by partition, and write the assignments, whole or not at
    all.

    Parameters
    ----------
    policy : path
        The snapshot folder of a policy or of mixes; every worker must find it there.
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
        As of `score_file`, and the ``parts``, how many of them were ``kept`` from a run that was
        broken off.

    Raises
    ------
    InputError
        Where a column is missing, of another type or empty, or an id is missing or occurs twice;
        or where the rows of a ranking would be torn apart.
    DataError
        Where files cannot be read, have no rows, or differ in their columns.
    """
    return by_parts(
        policy, units, out, executor, _scored, number_rows=number_rows, rows=rows, progress=progress
    )


Job = Callable[[Executor, Sequence[Partition], Sequence[Partition], "Scoring", Progress], Made]


def by_parts(
    policy: Path | str,
    units: Any,
    out: Path | str,
    executor: Executor,
    job: Job,
    *,
    number_rows: bool,
    rows: int,
    progress: Progress,
    held: bool = False,
) -> dict[str, Any]:
    """`score_units`, whatever makes the parts.

    job : (executor, all partitions, those that are not whole, how, progress) -> the place of each
    of these as soon as its part is whole.   held : whether demands are met on all units.
    """
    if is_address(str(out)):
        fix = "write to a disk that all machines see, or leave --engine out"
        raise InputError("the place to write by parts", "be a path", "an address", str(out), fix)
    place, final = expanded(policy).absolute(), expanded(out).absolute()
    many = final.is_dir() or not final.suffix
    how = Scoring(str(place), read_manifest(place).id, number_rows, "", MANY if many else ONE)
    artifact = how.artifact()
    _check_kind(artifact, held)
    _check_out(final, units, place, many)
    reader = artifact.units
    reader.check_names(source_columns(units), str(units))
    parts = partitions_of(units, rows, list(reader.needed), reader.in_text)
    if reader.id is None and any(part.start is None for part in parts):
        fix = "give the units ids, or write them as Parquet"
        got = "files of text, whose rows nobody has counted"
        raise InputError("row numbers", "be known before work begins", got, str(units), fix)
    before = fingerprint(parts)
    about = {"version": __version__, "held": held, **asdict(how), **before}
    with Shards(final, about) as shards:
        whole = shards.whole()
        if whole:
            LOGGER.warning("%d of %d parts are whole in %s", len(whole), len(parts), shards.folder)
        how = replace(how, folder=str(shards.folder))
        left = [part for part in parts if part.number not in whole]
        try:
            with (
                closing(job(executor, parts, left, how, progress)) as made,
                replacing(final, EARLIER_FOLDER if many else EARLIER_SCORES) as beside,
            ):
                _assemble(shards.folder, _in_order(len(parts), left, made), beside, many)
                report = _report(artifact, shards.folder, parts, str(units), executor)
                check_unchanged(parts, before)
        except InputError:
            shards.remove()  # the units must change, and so will their parts
            raise
        except BaseException:
            if shards.whole():
                LOGGER.warning("what is whole stays in %s for the same command", shards.folder)
            raise
        shards.remove()
    return {**report, "held": held, "parts": len(parts), "kept": len(whole)}


def _scored(
    executor: Executor,
    parts: Sequence[Partition],
    left: Sequence[Partition],
    how: Scoring,
    progress: Progress,
) -> Made:
    """The parts that are not whole, each scored by itself."""
    return executor.stream(score_partition, left, how, progress=progress, what=WHAT)


def _check_kind(artifact: Any, held: bool = False) -> None:
    """Refuse what needs rows that may lie in two partitions, or has no demands to meet on all."""
    if held and not (isinstance(artifact, Scorer) and not artifact.staying.reasons):
        fix = "leave --engine out, or --hold"
        got = "another one, or one by which units keep what they have"
        must = "go with a policy of one choice per unit that decides anew"
        raise InputError("--hold with --engine", must, got, fix=fix)
    if not hasattr(artifact.summary(), "merge"):
        fix = "leave --engine out: one process ranks whole requests"
        got = "a ranking, whose requests may lie in two partitions"
        raise InputError(
            "--engine", "go with a policy of one choice per unit, or mixes", got, fix=fix
        )


def _check_out(out: Path, units: Any, policy: Path, many: bool) -> None:
    """Refuse to write into the units or the snapshot; what stands there is `replacing`'s."""
    for one in units if isinstance(units, list | tuple) else [units]:
        if not many:
            check_out(out, str(one), policy)
            continue
        within = [policy] if is_address(str(one)) else [policy, expanded(one)]
        for folder in within:
            if out.resolve().is_relative_to(folder.resolve()):
                must, got = "lie outside the policy and the units", "a place in one of them"
                fix = "choose another folder with --out"
                raise InputError("the folder to write", must, got, str(out), fix)


def _in_order(
    total: int, left: Sequence[Partition], scored: Iterator[tuple[int, int]]
) -> Iterator[int]:
    """The numbers of all partitions in order, each as soon as it is whole."""
    missing = {part.number for part in left}
    for number in range(total):
        while number in missing:
            missing.remove(left[next(scored)[0]].number)
        yield number
    for _ in scored:
        pass


def _assemble(folder: Path, numbers: Iterable[int], beside: Path, many: bool) -> None:
    """Put parts together, as they come."""
    if not many:
        write_assignments(_rows(folder, numbers), beside)
        return
    beside.mkdir()
    for number in numbers:
        part = folder / str(number) / MANY
        if part.exists():
            try:
                os.link(part, beside / PART.format(number))
            except OSError:  # a file system without links
                shutil.copyfile(part, beside / PART.format(number))


def _rows(folder: Path, numbers: Iterable[int]) -> Iterator[pa.RecordBatch]:
    """The rows of parts that become one file."""
    for number in numbers:
        file = folder / str(number) / ONE
        if file.stat().st_size:
            with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
                yield from reader


def _report(
    artifact: Any, folder: Path, parts: Sequence[Partition], units: str, executor: Executor
) -> dict[str, Any]:
    """What is told of all parts, once none of their ids occurs twice."""
    counts, summary = UnitCounts(artifact.units), artifact.summary()
    for part in parts:
        sums = sums_of(folder, part.number)
        counts.add(sums["counts"])
        summary.merge(sums["summary"])
    if not counts.units:
        raise DataError("the units", "have rows", 0, units, "check the files and their filters")
    counts.check()
    if artifact.units.id is not None and len(parts) > 1:
        every = executor.run(repeated_in, range(len(parts)), len(parts), str(folder), what="ids")
        suspects = np.concatenate(every)
        if suspects.size:
            _check_one_by_one(suspects, folder, parts, artifact.units.id)
    return {"units": counts.units, **told(artifact, summary, counts, units)}


def repeated_in(interval: int, intervals: int, folder: str) -> Floats:
    """The hashes of ids that occur in two parts or more.

    Parameters
    ----------
    interval : int
        Which of equal intervals of [0, 1) is looked at.
    intervals : int
        How many there are, one for each part.
    folder : str
        Of the parts.

    Returns
    -------
    array of float, shape (r,)
        Most often empty.
    """
    ends = np.array([interval, interval + 1]) / intervals
    held = []
    for number in range(intervals):
        ids = np.load(Path(folder, str(number), IDS), mmap_mode="r")
        low, high = np.searchsorted(ids, ends)
        held.append(ids[low:high])
    return repeated(np.concatenate(held))


def _check_one_by_one(
    suspects: Floats, folder: Path, parts: Sequence[Partition], name: str
) -> None:
    """Refuse ids of which one occurs twice, among the few whose hashes do."""
    seen: dict[str, str] = {}
    for part in parts:
        file, row = folder / str(part.number), 0
        table = pq.ParquetFile(file / MANY).iter_batches() if (file / MANY).exists() else None
        for batch in table or _rows(folder, [part.number]):
            ids = pa.chunked_array([batch.column(0)])
            labels = columns.labels(ids)
            for at in np.flatnonzero(np.isin(hashes_of(ids)[:, 0], suspects)):
                label, here = labels[int(at)].as_py(), _where(part, row + int(at))
                if label in seen:
                    where = f"{seen[label]} and {here}"
                    raise InputError(f"id {name!r}", "be unique", "one id", where, FIX)
                seen[label] = here
            row += batch.num_rows


def _where(part: Partition, row: int) -> str:
    """A row as it is told."""
    if part.start is not None:
        return f"row {part.start + row}"
    return f"row {row} of {part.pieces[0].file}"


def _is_scored_folder(folder: Path) -> bool:
    files = list(folder.iterdir()) if folder.is_dir() else []
    return bool(files) and all(file.match("part-*.parquet") and is_scored(file) for file in files)


EARLIER_FOLDER = Earlier("a folder of units scored earlier", _is_scored_folder)
