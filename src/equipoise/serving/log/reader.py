"""Read a decision log: every record in the order it was written, and nothing that is not whole.

A slot's last segment may be written at this moment, or its writer may have died: what is read ends
with its last whole frame.  Anywhere else a byte that is not as it was written is an error that
names the file and the place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby, zip_longest
from pathlib import Path
from typing import NamedTuple

from equipoise.core.errors import DataError
from equipoise.core.places import expanded
from equipoise.serving.log.segments import (
    CHAIN,
    FIX,
    NONE_BEFORE,
    Segment,
    digest_of,
    end_of,
    frames,
    record_of,
    segments_of,
    whole_until,
)
from equipoise.serving.records import Context, DecisionRecord, EndRecord, Record

new = tuple.__new__  # a third of the time of a named tuple's own
REMOVED = "removed.json"  # what retention took away, by slot


class LogEntry(NamedTuple):
    """A record of a log.

    Attributes
    ----------
    path : Path
        Its segment.
    context : Context or None
        Of a decision: the one that it names; of anything else: the last one that began.
    record : Record
        Itself.
    payload : bytes
        The same as it stands in the file.
    """

    path: Path
    context: Context | None
    record: Record
    payload: bytes


def read_records(folder: Path | str, *, closed: bool = False) -> Iterator[LogEntry]:
    """Every record of a log, slot after slot, each in the order it was written.

    Parameters
    ----------
    folder : path
        Of the log.
    closed : bool, default False
        Whether to leave out segments that may still grow.

    Yields
    ------
    LogEntry
        Contexts and ends too.

    Raises
    ------
    DataError
        Where there is no log, a segment is missing, or a byte is not as it was written.
    """
    for segment, follower in checked_chain(log_folder(folder)):
        if closed and follower is None and end_of(segment.path) is None:
            continue
        yield from read_segment(segment, follower)


def log_folder(folder: Path | str) -> Path:
    """The folder of a log, which is there."""
    place = expanded(folder)
    inner = place / "log"
    place = inner if inner.is_dir() and not list(place.glob("*.eqlog")) else place
    if not place.is_dir():
        fix = "name the folder of segments, such as voucher-serving/log"
        raise DataError("a decision log", "be a folder", "no such folder", str(place), fix)
    return place


def checked_chain(folder: Path) -> Iterator[tuple[Segment, Segment | None]]:
    """Each segment and the one after it in its slot; a missing one is an error."""
    removed = removed_of(folder)
    for slot, group in groupby(segments_of(folder), key=lambda one: one.slot):
        segments = list(group)
        begin = chain_begin(removed, slot)
        while len(segments) > 1 and segments[0].previous != begin:
            del segments[0]  # removed but for the file itself
        if segments[0].previous != begin:
            _missing(segments[0])
        yield from zip_longest(segments, segments[1:])


def chain_begin(removed: Mapping[str, Mapping[str, int | str]], slot: int) -> bytes:
    """What the header of a slot's first segment names."""
    return bytes.fromhex(str(removed.get(str(slot), {}).get("chain", NONE_BEFORE.hex())))


def removed_of(folder: Path) -> dict[str, dict[str, int | str]]:
    """What retention took away, by slot."""
    file = folder / REMOVED
    try:
        notes: dict[str, dict[str, int | str]] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(REMOVED, "be JSON", str(error), str(file), FIX) from error
    return notes


def _missing(segment: Segment) -> None:
    got = f"one that names another before it, {segment.previous.hex()}"
    fix = "restore the missing file from a copy"
    raise DataError("a segment", "follow the one before it", got, str(segment.path), fix)


def read_segment(segment: Segment, follower: Segment | None) -> Iterator[LogEntry]:
    """The records of a segment, after its bytes were verified as far as anything vouches for them.

    ``follower`` is the next segment of the slot.  Without one and without an end record the tail
    may be torn.
    """
    path, ended = segment.path, end_of(segment.path)
    if ended is not None:
        _verify(segment, ended, follower)
    elif follower is not None:
        _verify_open(segment, follower)
    contexts: dict[int, Context] = {}
    last: Context | None = None
    with path.open("rb") as stream:
        for offset, payload in frames(stream):
            record = record_of(payload, path, offset)
            if type(record) is DecisionRecord:
                context = contexts.get(record.context)
                if context is None:
                    must, got = "name a context before it", record.context
                    raise DataError("a decision", must, got, f"{path}, byte {offset:,}", FIX)
                yield new(LogEntry, (path, context, record, payload))
                continue
            if isinstance(record, Context):
                last = contexts[record.number] = record
            yield new(LogEntry, (path, last, record, payload))


def _verify(segment: Segment, ended: tuple[int, EndRecord], follower: Segment | None) -> None:
    """That a segment with an end is as it was written, and that the next one follows it."""
    offset, end = ended
    if digest_of(segment.path, offset) != end.digest:
        good = whole_until(segment.path)
        place = good if good < offset else 0
        must, got = "have the sha256 of its end record", "other bytes"
        where = f"{segment.path}, byte {place:,}"
        raise DataError("a segment of the log", must, got, where, FIX)
    if follower is not None and follower.previous != (end.first or end.digest)[:CHAIN]:
        _missing(follower)


def _verify_open(segment: Segment, follower: Segment) -> None:
    """That a segment without an end, as a failing disk leaves one, has all that was written."""
    good, size = whole_until(segment.path), segment.path.stat().st_size
    if good != size:
        must, got = "hold whole frames only", f"{size - good:,} bytes of something else"
        where = f"{segment.path}, byte {good:,}"
        raise DataError("a segment of the log", must, got, where, FIX)
    if digest_of(segment.path, good)[:CHAIN] != follower.previous:
        _missing(follower)
