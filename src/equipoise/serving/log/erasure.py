"""A unit that asks to be forgotten: a tombstone at once, its records emptied in closed segments.

What names or describes the unit goes: its id, features, effects, labels, costs, scores, the values
of its rewards.  What is counted stays: the decision with its time, choice, probability, reason and
money, and how many exposures and rewards it had.  A rewritten segment keeps the digest that the
next one's header names.  The tombstone stays, with the unit's sha256 for its id.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from equipoise.core.snapshot import replacing
from equipoise.serving.log.reader import checked_chain, log_folder, read_segment
from equipoise.serving.log.recovery import TORN
from equipoise.serving.log.segments import (
    HEADER,
    Segment,
    digest_of,
    end_of,
    frame_of,
    framed,
    whole_until,
)
from equipoise.serving.records import DecisionRecord, EndRecord, ErasedRecord, Record, RewardRecord

MARK, EMPTIED = "sha256:", ""  # for the id: of a tombstone's unit, of a decision's
LOCK = "maintenance.lock"


@dataclass(frozen=True)
class Erasure:
    """What an erasure came to.

    Attributes
    ----------
    units : int
        Forgotten whole.
    decisions, rewards : int
        Records that were emptied.
    segments : int
        Rewritten.
    waiting : int
        Units with records in a segment that may still grow: for the next time.

    Examples
    --------
    >>> Erasure(1, 20, 3, 2, 0).segments
    2
    """

    units: int
    decisions: int
    rewards: int
    segments: int
    waiting: int


class _Found:
    """What concerns erased units: tombstones, decisions, and the segments they are in."""

    def __init__(self, tombstones: dict[str, int]) -> None:
        self.tombstones = tombstones
        self.units_of: dict[bytes, str] = {}  # of decisions
        self.places: dict[Path, set[str]] = {}

    def note(self, path: Path, record: Record) -> None:
        """Note what concerns one of them."""
        unit = None
        if isinstance(record, DecisionRecord):
            if record.unit == EMPTIED:
                self.units_of.setdefault(record.id, EMPTIED)
            elif record.ns <= self.tombstones.get(record.unit, -1):
                unit = self.units_of[record.id] = record.unit
        elif isinstance(record, RewardRecord):
            unit = self.units_of.get(record.decision)
            unit = None if math.isnan(record.value) else unit
        elif isinstance(record, ErasedRecord) and record.unit in self.tombstones:
            unit = record.unit
        if unit is not None:
            self.places.setdefault(path, set()).add(unit)


def mark_of(unit: str) -> str:
    """What stands for the id of an erased unit."""
    return MARK + hashlib.sha256(unit.encode()).hexdigest()[:32]


def mark_in(tombstone: ErasedRecord) -> str:
    """The mark of a tombstone's unit, whose id it has until it is rewritten."""
    unit = tombstone.unit
    return unit if unit.startswith(MARK) else mark_of(unit)


def tombstones(folder: Path | str) -> dict[str, int]:
    """When units asked to be forgotten.

    Parameters
    ----------
    folder : path
        Of the log.

    Returns
    -------
    dict of str to int
        By mark (`mark_of` a unit), in nanoseconds since 1970; of several times the first.
    """
    erased: dict[str, int] = {}
    for _, record in _records(log_folder(folder)):
        if isinstance(record, ErasedRecord):
            mark = mark_in(record)
            erased[mark] = min(record.ns, erased.get(mark, record.ns))
    return erased


def rewrite_erased(folder: Path | str) -> Erasure:
    """Empty the records of units with a tombstone, in all segments that are closed.

    Parameters
    ----------
    folder : path
        Of the log; its writers may be at work.

    Returns
    -------
    Erasure
        Where nothing was left to do, all zeros: it may be called again at any time.

    Raises
    ------
    DataError
        Where the log is damaged.
    """
    place = log_folder(folder)
    with maintenance(place):
        tombstones: dict[str, int] = {}
        for _, record in _records(place):
            if isinstance(record, ErasedRecord):
                tombstones[record.unit] = max(record.ns, tombstones.get(record.unit, 0))
        if not tombstones:
            return Erasure(0, 0, 0, 0, 0)
        tombstones = {unit: ns for unit, ns in tombstones.items() if not unit.startswith(MARK)}
        found = _Found(tombstones)
        for _ in range(2):  # a reward may stand in a slot that is read before its decision's
            for path, record in _records(place):
                found.note(path, record)
        chain = list(checked_chain(place))
        open_ones = {one.path for one, after in chain if after is None and not end_of(one.path)}
        waiting = {unit for path in open_ones for unit in found.places.get(path, ())} - {EMPTIED}
        changed: Counter[type] = Counter()
        segments = 0
        for segment, follower in chain:
            if segment.path in found.places and segment.path not in open_ones:
                changed += _rewrite(segment, follower, found, waiting)
                segments += 1
        for file in place.glob(f"*{TORN}"):
            file.unlink()
    counts = changed[DecisionRecord], changed[RewardRecord], segments
    return Erasure(len(tombstones) - len(waiting), *counts, len(waiting))


@contextmanager
def maintenance(folder: Path) -> Iterator[None]:
    """One at a time may change what is closed."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _records(folder: Path) -> Iterator[tuple[Path, Record]]:
    for segment, follower in checked_chain(folder):
        for entry in read_segment(segment, follower):
            yield entry.path, entry.record


def _rewrite(
    segment: Segment, follower: Segment | None, found: _Found, waiting: set[str]
) -> Counter[type]:
    """Write a segment anew without the units: how many records of each type were changed."""
    ended = end_of(segment.path)
    first = ended[1].first or ended[1].digest if ended is not None else b""
    first = first or digest_of(segment.path, whole_until(segment.path))
    changed: Counter[type] = Counter()
    count = 0
    with replacing(segment.path) as beside, beside.open("w+b") as out:
        with segment.path.open("rb") as stream:
            out.write(stream.read(HEADER.size))
        for _, _, record, payload in read_segment(segment, follower):
            if isinstance(record, EndRecord):
                break
            other = _without(record, found, waiting)
            changed[type(record)] += other is not None
            out.write(framed(payload) if other is None else frame_of(other))
            count += 1
        out.flush()
        out.write(frame_of(EndRecord(count, digest_of(beside, out.tell()), first)))
    return changed


def _without(record: Record, found: _Found, waiting: set[str]) -> Record | None:
    """What takes the place of a record; None: it stays."""
    if isinstance(record, DecisionRecord) and found.units_of.get(record.id):
        return _emptied(record)
    if isinstance(record, RewardRecord) and record.decision in found.units_of:
        return None if math.isnan(record.value) else replace(record, value=math.nan, key="")
    if isinstance(record, ErasedRecord) and record.unit in found.tombstones.keys() - waiting:
        return replace(record, unit=mark_of(record.unit))
    return None


def _emptied(record: DecisionRecord) -> DecisionRecord:
    """What is counted of a decision, without what names or describes its unit."""
    return replace(
        record,
        unit=EMPTIED,
        features=None,
        effects=b"",
        errors=b"",
        labels={},
        cost=b"",
        eligible=b"",
        previous=-2,
        weights=b"",
        request=None,
        scores=b"",
        key=b"",
        shadows=(),
    )
