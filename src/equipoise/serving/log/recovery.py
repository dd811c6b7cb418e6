"""What a dead writer left: a torn tail is cut, counted and told; the segment gets its end record.

A tail is torn where a write was cut short: nothing that was acknowledged is in it.  Where whole
frames stand behind the tear, as after a power cut that lost a page, the bytes are kept beside the
segment, in a file ``.torn``.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from equipoise.serving.log.reader import chain_begin, read_segment, removed_of
from equipoise.serving.log.segments import (
    CHAIN,
    FRAME,
    HEADER,
    NAME,
    NONE_BEFORE,
    Segment,
    digest_of,
    end_of,
    frame_of,
    frames,
    record_of,
    segments_of,
)
from equipoise.serving.records import Context, DecisionRecord, EndRecord, SpendRecord

TORN = ".torn"
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recovery:
    """What was found in a slot when it was opened.

    Attributes
    ----------
    segment : str
        The file that had no end; "" where the last writer closed well.
    records : int
        Whole ones in it.
    bytes_cut, frames_cut : int
        Behind them: bytes, and whole frames among those.
    boot : str
        The start of the machine in which it was written.
    chain : bytes
        What the next segment's header names.
    created : int
        The time in the last header, in nanoseconds since 1970.
    epochs : frozenset of int
        That were used.

    Examples
    --------
    >>> Recovery().records
    0
    """

    segment: str = ""
    records: int = 0
    bytes_cut: int = 0
    frames_cut: int = 0
    boot: str = ""
    chain: bytes = NONE_BEFORE
    created: int = 0
    epochs: frozenset[int] = frozenset()


def recover(folder: Path, slot: int) -> Recovery:
    """Cut the torn tail of a slot's last segment, if there is one, and write its end."""
    segments = segments_of(folder, slot)
    _remove_empty(folder, slot, {one.path for one in segments})
    epochs = frozenset(one.epoch for one in segments)
    if not segments:
        return Recovery(chain=chain_begin(removed_of(folder), slot))
    last = segments[-1]
    ended = end_of(last.path)
    if ended is not None:
        end = ended[1]
        chain = (end.first or end.digest)[:CHAIN]
        return Recovery(chain=chain, created=last.created, epochs=epochs)
    return _ended(last, epochs)


def _remove_empty(folder: Path, slot: int, known: set[Path]) -> None:
    """Take away files whose header was never written; one with something behind is kept beside."""
    for path in folder.iterdir():
        parts = NAME.fullmatch(path.name)
        if parts is None or int(parts[1]) != slot or path in known:
            continue
        if path.read_bytes()[HEADER.size :].strip(b"\0"):
            LOGGER.warning("%s: no header, and records behind; kept as %s", path.name, TORN)
            path.rename(path.with_name(path.name + TORN))
        else:
            path.unlink()


def _ended(segment: Segment, epochs: frozenset[int]) -> Recovery:
    path = segment.path
    boot, records, good = "", 0, HEADER.size
    with path.open("rb") as stream:
        for offset, payload in frames(stream):
            record = record_of(payload, path, offset)
            if isinstance(record, Context):
                boot = record.boot
            records, good = records + 1, offset + FRAME.size + len(payload)
    bytes_cut, frames_cut = _cut(path, good)
    digest = digest_of(path, good)
    _append(path, frame_of(EndRecord(records, digest)))
    if bytes_cut:
        LOGGER.warning(
            "%s: %d bytes of a torn tail cut behind %d whole records", path.name, bytes_cut, records
        )
    counts = records, bytes_cut, frames_cut
    return Recovery(path.name, *counts, boot, digest[:CHAIN], segment.created, epochs)


def money_of(
    folder: Path | str, slot: int, since: int = 0
) -> tuple[dict[int, dict[bytes, int]], list[SpendRecord]]:
    """What a slot's log says of money: for a ledger whose worker died.

    Parameters
    ----------
    folder : path
        Of the log.
    slot : int
        The dead worker's, recovered.
    since : int, default 0
        When the oldest lease in question was opened, in nanoseconds since 1970: segments that ended
        before are not read.

    Returns
    -------
    holds : dict of int to dict
        Of each lease: decision -> millionths reserved on it.
    settled : list of SpendRecord
        In the order they were written.
    """
    holds: dict[int, dict[bytes, int]] = {}
    settled: list[SpendRecord] = []
    segments = segments_of(Path(folder), slot)
    for segment, follower in zip_longest(segments, segments[1:]):
        if follower is not None and follower.created < since:
            continue
        for _, _, record, _ in read_segment(segment, follower):
            if isinstance(record, DecisionRecord) and record.amount:
                holds.setdefault(record.lease, {})[record.id] = record.amount
            elif isinstance(record, SpendRecord):
                settled.append(record)
    return holds, settled


def _cut(path: Path, good: int) -> tuple[int, int]:
    """Cut what stands behind the whole frames: how many bytes, and how many whole frames there."""
    with path.open("rb") as stream:
        stream.seek(good)
        tail = stream.read()
    if not tail:
        return 0, 0
    whole = 0 if not any(tail) else _frames_behind(path, good)
    if whole:
        path.with_name(path.name + TORN).write_bytes(tail)
    os.truncate(path, good)
    return len(tail), whole


def _frames_behind(path: Path, good: int) -> int:
    """How many whole frames stand behind a tear: from the first place where one begins."""
    with path.open("rb") as stream:
        stream.seek(good)
        tail = stream.read()
        for place in range(1, len(tail) - FRAME.size):
            length, _ = FRAME.unpack_from(tail, place)
            if 0 < length <= len(tail) - place - FRAME.size:
                count = sum(1 for _ in frames(stream, good + place))
                if count:
                    return count
    return 0


def _append(path: Path, data: bytes) -> None:
    """Add whole frames to a file and put it on disk, or leave it as it was."""
    size = path.stat().st_size
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        if os.write(file, data) != len(data):
            with suppress(OSError):
                os.ftruncate(file, size)
            raise OSError(28, "No space left on device", str(path))
        os.fsync(file)
    finally:
        os.close(file)
