"""What partitions left on disk, beside the place of the whole: a driver that was killed finds there
what it need not do again.

``OUT.parts/`` holds ``job.json``, which says of what the parts are (files with their sizes and
times, the policy, the cuts), and a folder for each partition that is whole: its rows, and sums as
JSON.  Each folder is written beside its place and renamed.  Where ``job.json`` says something else
than the job of today, the parts are of no use and removed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from equipoise.core.errors import DataError, InputError
from equipoise.core.snapshot import locked, replacing
from equipoise.scale.partitions import CHANGED, Partition

SUFFIX, JOB, LOCK, SUMS = ".parts", "job.json", "lock", "sums.json"
FIX = "move it away, or choose another place with --out"


class Shards:
    """The parts of one job.

    Parameters
    ----------
    out : path
        The place of the whole.
    job : dict
        What the parts are of, as plain JSON.

    Attributes
    ----------
    folder : Path
        Where the parts lie.

    Raises
    ------
    InputError
        Where another process works on the same place, or something else stands where the parts
        would lie.
    """

    def __init__(self, out: Path, job: dict[str, Any]) -> None:
        self.folder = out.with_name(out.name + SUFFIX)
        self._job = json.dumps(job, indent=1, sort_keys=True)
        self._stack = ExitStack()

    def __enter__(self) -> Shards:
        """Itself, with the parts of an earlier run of the same job."""
        file = self.folder / JOB
        ours = any((self.folder / name).is_file() for name in (JOB, LOCK))
        free = not self.folder.exists() or (self.folder.is_dir() and not any(self.folder.iterdir()))
        if not ours and not free:
            got, where = "other files", str(self.folder)
            raise InputError("the place of unfinished parts", "be free", got, where, FIX)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / LOCK).touch()
        if not self._stack.enter_context(locked(self.folder / LOCK, wait=False)):
            check_alone(self.folder)
        if not (file.is_file() and file.read_text(encoding="utf-8") == self._job):
            self._clear()
            with replacing(file) as beside:
                beside.write_text(self._job, encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the lock go; the parts stay."""
        self._stack.close()

    def whole(self) -> set[int]:
        """The numbers of the partitions that are whole."""
        return {int(one.name) for one in self.folder.iterdir() if one.name.isdecimal()}

    def remove(self) -> None:
        """Forget all parts."""
        self._clear()
        shutil.rmtree(self.folder)

    def _clear(self) -> None:
        """Remove all but the lock: first what says that the parts are whole."""
        (self.folder / JOB).unlink(missing_ok=True)
        for other in self.folder.iterdir():
            if other.is_dir():
                shutil.rmtree(other)
            elif other.name != LOCK:
                other.unlink()


def check_alone(folder: Path) -> None:
    """Refuse a folder of parts whose lock another process holds; some systems have no locks.

    Raises
    ------
    InputError
        Where it is.
    """
    with locked(folder.parent, wait=False) as free:
        if free:
            fix = "wait for it, or choose another place with --out"
            must, got = "be written by one process", "another one at work"
            raise InputError("the place to write", must, got, str(folder), fix)


@contextmanager
def writing(folder: Path, number: int, sums: dict[str, Any]) -> Iterator[Path]:
    """A place for the files of a partition, which is whole when the block ends well.

    Parameters
    ----------
    folder : path
        Of all parts.
    number : int
        Of the partition.
    sums : dict
        What is written beside the files, as plain JSON, when the block ends.

    Yields
    ------
    Path
        An empty folder.
    """
    with replacing(folder / str(number)) as beside:
        beside.mkdir()
        yield beside
        (beside / SUMS).write_text(json.dumps(sums), encoding="utf-8")


def sums_of(folder: Path, number: int) -> dict[str, Any]:
    """The sums of a partition that is whole."""
    sums: dict[str, Any] = json.loads((folder / str(number) / SUMS).read_text(encoding="utf-8"))
    return sums


def fingerprint(parts: Sequence[Partition]) -> dict[str, Any]:
    """What partitions are of: their files with sizes and times, and how these are cut.

    Parameters
    ----------
    parts : sequence of Partition
        All of them.

    Returns
    -------
    dict
        Plain JSON.
    """
    files = {str(piece.file): piece.file for part in parts for piece in part.pieces}
    cuts = [[[str(p.file), p.groups, p.rows] for p in part.pieces] for part in parts]
    return {
        "files": [[name, *file.stamp(), file.about()] for name, file in files.items()],
        "cuts": cuts,
    }


def check_unchanged(parts: Sequence[Partition], before: dict[str, Any]) -> None:
    """Refuse files that were written to while they were read.

    Parameters
    ----------
    parts : sequence of Partition
        All of them.
    before : dict
        Their `fingerprint` as work began.

    Raises
    ------
    DataError
        With the first file that is another, or gone.
    """
    try:
        after = fingerprint(parts)["files"]
    except OSError as error:
        must = "be there until all is read"
        raise DataError("a file", must, str(error), fix=CHANGED) from error
    for was, now in zip(before["files"], after, strict=True):
        if was != now:
            must, got = "stay as it was while it is read", "another size or time"
            raise DataError("a file", must, got, str(now[0]), CHANGED)
