"""How long a log is kept: whole segments go, oldest first; what they counted is noted.

`removed.json` says of each slot with which digest the chain of what is left begins, so that a file
that is missing for another reason is still noticed.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from equipoise.core.durations import nanoseconds
from equipoise.core.snapshot import replacing
from equipoise.serving.log.erasure import maintenance
from equipoise.serving.log.reader import (
    REMOVED,
    checked_chain,
    log_folder,
    read_segment,
    removed_of,
)
from equipoise.serving.log.segments import CHAIN, Segment, end_of, segments_of
from equipoise.serving.records import DecisionRecord, SpendRecord


def remove_old(folder: Path | str, keep: str, now: int | None = None) -> int:
    """Remove segments whose last record is older than is kept.

    Parameters
    ----------
    folder : path
        Of the log; its writers may be at work.
    keep : str
        As "90d".
    now : int, optional
        Nanoseconds since 1970; by default of this moment.

    Returns
    -------
    int
        How many segments were removed.

    Raises
    ------
    DataError
        Where a segment to remove is damaged.
    """
    place = log_folder(folder)
    before = (time.time_ns() if now is None else now) - nanoseconds(keep, "keep")
    count = 0
    with maintenance(place):
        _finish(place)
        chain = list(checked_chain(place))
        for slot, group in groupby(chain, key=lambda pair: pair[0].slot):
            with _slot(place, slot) as free:
                old = _old(list(group), before, free)
                if old:
                    _note(place, slot, old)
                    for segment, _ in old:
                        segment.path.unlink()
                count += len(old)
    return count


def _old(
    group: list[tuple[Segment, Segment | None]], before: int, free: bool
) -> list[tuple[Segment, Segment | None]]:
    """The first segments of a slot that are old enough; the last only where nobody writes."""
    old = []
    for segment, follower in group:
        if follower is not None:
            last = follower.created
        else:
            last = _last_time(segment) if free and end_of(segment.path) else before
        if last >= before:
            break
        old.append((segment, follower))
    return old


def _last_time(segment: Segment) -> int:
    times = [getattr(entry.record, "ns", 0) for entry in read_segment(segment, None)]
    return max(segment.created, *times)


def _note(folder: Path, slot: int, old: list[tuple[Segment, Segment | None]]) -> None:
    """Write down what goes, before it goes."""
    notes: dict[str, Any] = removed_of(folder)
    known = notes.get(str(slot), {})
    last, follower = old[-1]
    ended = end_of(last.path)
    if follower is not None:
        chain = follower.previous
    else:
        chain = (ended[1].first or ended[1].digest)[:CHAIN] if ended is not None else b""
    counts = {name: int(known.get(name, 0)) for name in ("segments", "decisions", "spent")}
    for segment, after in old:
        counts["segments"] += 1
        for entry in read_segment(segment, after):
            counts["decisions"] += isinstance(entry.record, DecisionRecord)
            if isinstance(entry.record, SpendRecord):
                counts["spent"] += entry.record.spent
    notes[str(slot)] = {"chain": chain.hex(), **counts}
    with replacing(folder / REMOVED) as file:
        file.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _finish(folder: Path) -> None:
    """Remove what was noted as removed before a stop; a segment that a writer begins meanwhile is
    in the second look only.
    """
    there = {segment.path for segment in segments_of(folder)}
    for path in there - {segment.path for segment, _ in checked_chain(folder)}:
        path.unlink()


@contextmanager
def _slot(folder: Path, slot: int) -> Iterator[bool]:
    """Hold a slot where nobody writes in it: whether it was to be had."""
    lock = os.open(folder / f"{slot:05d}.lock", os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = True
    except OSError:
        free = False
    try:
        yield free
    finally:
        os.close(lock)
