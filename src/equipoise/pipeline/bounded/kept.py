"""Work of whole partitions, kept on disk beside the run's folder until the run is whole.

    OUT.parts/KEY/STAGE-NUMBER/   arrays.npz and tables of one partition, written beside and renamed

KEY is a digest of all that the work depends on (the plan, the files, the version), and of a later
stage also that of the policy, so that a run that was broken off takes up what is there and comes
to the same bits, and nothing of another run is taken for its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.core.errors import ClusterError, EquipoiseError, InputError
from equipoise.core.progress import Progress
from equipoise.core.snapshot import SHELTER, locked, replacing
from equipoise.core.version import __version__
from equipoise.scale.executor import Executor
from equipoise.scale.partitions import Partition
from equipoise.scale.shards import check_alone, fingerprint

MARK, ARRAYS = "equipoise-parts.json", "arrays.npz"
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Answer:
    """What a worker makes of a partition: arrays, and tables by name."""

    arrays: Arrays
    tables: dict[str, pa.Table] = field(default_factory=dict)


def added(one: Arrays, other: Arrays) -> Arrays:
    """Sums of two parts put together; what is called least... or most... is that of both, and what
    only one of them has is its own.
    """
    by = {"least": np.minimum, "most": np.maximum}
    both = {
        name: by.get(name[:5].rstrip("_"), np.add)(one[name], other[name])
        for name in one
        if name in other
    }
    return {**one, **other, **both}


@dataclass(frozen=True)
class Kept:
    """The work that is kept of one run, and what works on partitions.   folder : OUT.parts/KEY."""

    folder: Path
    executor: Executor
    progress: Progress

    def each(
        self, stage: str, worker: Any, parts: Sequence[Any], shared: Any, what: str
    ) -> Iterator[tuple[int, Arrays]]:
        """The place of each part and the arrays of its answer, as they come: what is on disk first,
        then ``worker(part, shared).answer()`` of the others.
        """
        places = [self.place(stage, i) for i in range(len(parts))]
        left = [i for i, place in enumerate(places) if not place.is_dir()]
        for i, place in enumerate(places):
            if place.is_dir():
                yield i, read_arrays(place / ARRAYS)
        if not left:
            return
        done = len(parts) - len(left)
        with self.executor.group(worker, [parts[i] for i in left], shared) as group:
            for at, answer in group.stream("answer"):
                with replacing(places[left[at]]) as beside:
                    write_answer(beside, answer)
                done += 1
                self.progress(what, done, len(parts))
                yield left[at], answer.arrays

    def place(self, stage: str, number: int) -> Path:
        """Where the work of a partition is."""
        return self.folder / f"{stage}-{number:06d}"

    def table(self, stage: str, number: int, name: str) -> pa.Table:
        """A table of the work of a partition, not read before it is asked for."""
        file = self.table_file(stage, number, name)
        return pa.ipc.open_stream(pa.memory_map(str(file))).read_all()

    def table_file(self, stage: str, number: int, name: str) -> Path:
        """Where a table of the work of a partition is."""
        return self.place(stage, number) / f"{name}.arrow"


def write_answer(place: Path, answer: Answer) -> None:
    """An answer as a folder; tables as streams, in which each batch may have its own dictionary."""
    place.mkdir()
    np.savez(place / ARRAYS, **answer.arrays)  # type: ignore[arg-type]
    for name, table in answer.tables.items():
        file = str(place / f"{name}.arrow")
        with pa.OSFile(file, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)


def read_arrays(file: Path) -> Arrays:
    """The arrays of an answer."""
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def digest_of(plan: str, partitions: Sequence[Partition]) -> str:
    """What the work on partitions depends on, as 16 letters: the plan, the version, and what the
    files were, and how they are cut.
    """
    whole = json.dumps([__version__, plan, fingerprint(partitions)])
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


@contextmanager
def keeping(out: Path, key: str, executor: Executor, progress: Progress) -> Iterator[Kept]:
    """The work kept beside a run's folder: that of another key is removed before, all of it after
    a block that ends well or in a refusal.  Another run that works for the same place now is told.
    """
    folder = out.with_name(f"{out.name}.parts")
    mark = folder / MARK
    free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not free and not mark.is_file():
        fix = "choose another place with --out, or move it away"
        must, got = "be free, or hold work of a run that was broken off", "other files"
        raise InputError("the folder of parts", must, got, str(folder), fix)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, wait=False) as alone:
        if not alone:
            check_alone(folder)
        mine = folder / key
        mark.write_text(json.dumps({"version": __version__}) + "\n", encoding="utf-8")
        for other in folder.iterdir():
            if other.is_dir() and other != mine:
                _remove(other, out)
        mine.mkdir(exist_ok=True)
        try:
            yield Kept(mine, executor, progress)
        except ClusterError:
            raise
        except EquipoiseError:  # the same files and plan are refused again
            _remove(folder, out)
            raise
        _remove(folder, out)


def _remove(folder: Path, out: Path) -> None:
    """Remove a folder of work in one step, for whoever looks: half of it must not be taken for all.
    What a kill leaves is swept by a later run.
    """
    gone = out.with_name(f".{out.name}{SHELTER}{os.getpid()}-{folder.name}")
    os.rename(folder, gone)
    shutil.rmtree(gone)
