"""Fill the tables of a machine from its log: what a dead worker had not written yet, or, after
another start of the machine, all of the last hours.

Answers of keys come first, then the decisions, which say up to where all is written, and in the end
that the slot was taken over: whoever dies on the way, the next one begins where nothing is missing.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator
from itertools import starmap
from pathlib import Path

from equipoise.serving.engine.answers import answer_json, snapshot_of
from equipoise.serving.engine.deciding import DAY
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.idempotency import DONE, DOUBT, GONE, KEEP, LoggedAnswer
from equipoise.serving.engine.recent import time_of
from equipoise.serving.engine.rewards import MILLION
from equipoise.serving.engine.shared import HeldMoney
from equipoise.serving.engine.tables import HOUR
from equipoise.serving.log.reader import read_segment
from equipoise.serving.log.segments import Segment, end_of, frames, record_of, segments_of
from equipoise.serving.records import (
    Context,
    DecisionRecord,
    ExposureRecord,
    Record,
    RewardRecord,
    SpendRecord,
)

LAST = 3  # segments, at least: that of the new writer, and two that a dead one wrote last
SLACK = 1_000_000_000  # ns before what is known to be written
# how a decision begins: an array of 16 bits of length, the type, a text of 16 bytes: the id
DECISION, ID_AT = slice(3, 6), slice(6, 22)
DECISION_HEAD = b"\x02\xc4\x10"
MANY = 10_000  # decisions between writes
Entry = tuple[Context | None, Record, bool]  # and whether it is on disk
logger = logging.getLogger(__name__)


def refill(engine: Engine, log: Path, slot: int, now_ns: int) -> int:
    """Fill the tables as far as they need it; to be called once, before the first request.

    Parameters
    ----------
    engine : Engine
        Of the worker that starts.
    log : Path
        The folder of the log.
    slot : int
        Of the worker, or of a dead one that it holds.
    now_ns : int
        The time.

    Returns
    -------
    int
        Decisions that were put back.
    """
    claimed, since = engine.rewards.claimed, DAY
    if claimed is not None:
        since = max(DAY, engine.rewards.window(claimed))  # money may wait as long
    with engine.shared.starting() as empty:
        filled = _Refill(engine, now_ns, whole=empty)
        if empty:
            filled.run(_every(log, now_ns - since))
        else:
            written = engine.shared.recent.written_until(slot)
            must = engine.config.log.durability == "disk"
            filled.run(_last(log, slot, written - SLACK, now_ns - KEEP * HOUR, must))
        for segment in segments_of(log, slot)[-1:]:
            engine.shared.took_over(segment.writer)
    if filled.count:
        logger.info("%d decisions of the log were put back into the index", filled.count)
    return filled.count


def _every(log: Path, since: int) -> Iterator[Entry]:
    """The records of all slots since a moment, and some before."""
    segments = segments_of(log)
    for segment, after in zip(segments, [*segments[1:], None], strict=True):
        follower = after if after is not None and after.slot == segment.slot else None
        if follower is None or follower.created > since:
            for entry in read_segment(segment, follower):
                yield entry.context, entry.record, True


def _last(log: Path, slot: int, since: int, oldest: int, must: bool) -> Iterator[Entry]:
    """What the last writer of a slot did since a moment, of keys nothing older than ``oldest``;
    decisions before it are not decoded.  ``must``: who is told of one must have it on disk.
    """
    segments = segments_of(log, slot)
    for left, segment, follower in zip(
        range(len(segments), 0, -1), segments, [*segments[1:], None], strict=True
    ):
        if left > LAST and follower is not None and follower.created < max(since, oldest):
            continue
        sure = not must or _is_on_disk(segment, follower)
        contexts: dict[int, Context] = {}
        with segment.path.open("rb") as stream:
            for offset, payload in frames(stream):
                if payload[DECISION] == DECISION_HEAD and time_of(payload[ID_AT]) < since:
                    continue
                record = record_of(payload, segment.path, offset)
                if isinstance(record, Context):
                    contexts[record.number] = record
                number = record.context if isinstance(record, DecisionRecord) else -1
                yield contexts.get(number), record, sure


def _is_on_disk(segment: Segment, follower: Segment | None) -> bool:
    """Whether a disk has all of a segment, now; it refused to sync one that others follow and that
    has no end.
    """
    if follower is not None and end_of(segment.path) is None:
        return False
    file = os.open(segment.path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


class _Refill:
    """One walk over a log."""

    def __init__(self, engine: Engine, now_ns: int, whole: bool) -> None:
        self.engine, self.shared, self.now_ns, self.whole = engine, engine.shared, now_ns, whole
        self.count = 0
        # a dead worker can have left an answer out only of what it did last
        last = None if whole else MANY
        self.keyed: list[tuple[DecisionRecord, Context, bool]] = []
        self.came: deque[RewardRecord | ExposureRecord] = deque(maxlen=last)
        self.settled: set[bytes] = set()

    def run(self, entries: Iterator[Entry]) -> None:
        """Put back what is not there."""
        for context, record, sure in entries:
            if isinstance(record, DecisionRecord) and context is not None:
                self._decision(record, context, sure)
            elif isinstance(record, SpendRecord):
                self.settled.add(record.decision)
            elif isinstance(record, ExposureRecord) and self.whole:
                self.engine.rewards.put_back(record, self.now_ns, whole=True)
            elif isinstance(record, RewardRecord | ExposureRecord):
                self.came.append(record)
        self._flush()
        for id in self.settled:
            with self.shared.settling(id):
                pass
        for came in self.came:
            self.engine.rewards.put_back(came, self.now_ns, self.whole)
            if isinstance(came, RewardRecord) and came.decision not in self.settled:
                self.engine.rewards.settle_logged(came)

    def _flush(self) -> None:
        self.shared.idempotency.refill(starmap(self._answer, self.keyed))
        self.keyed.clear()
        self.shared.flush()

    def _answer(self, record: DecisionRecord, context: Context, sure: bool) -> LoggedAnswer:
        """What is to be said to a key that comes again."""
        part, state, answer = self.engine.now.parts.get(snapshot_of(record, context)), DOUBT, b""
        if sure and (part is None or self.engine.is_erased(record.unit)):
            state = GONE
        elif sure:
            state, answer = DONE, answer_json(record, context, part)
        return LoggedAnswer(record.key, state, answer, record.ns)

    def _decision(self, record: DecisionRecord, context: Context, sure: bool) -> None:
        recent, part = self.shared.recent, self.engine.now.parts.get(snapshot_of(record, context))
        if record.key and self.now_ns - record.ns < KEEP * HOUR:
            self.keyed.append((record, context, sure))
        if self.engine.is_erased(record.unit):
            return
        if not self.whole and recent.knows(record.id):
            return
        held = None
        if record.lease and self.engine.rewards.claimed is not None:
            sent = part.sending[record.served] if part is not None and record.served >= 0 else 0.0
            held = HeldMoney(record.lease, record.amount, min(record.amount, round(sent * MILLION)))
        if not recent.is_older(record.id, self.now_ns):
            self.shared.recent.add([record], context, [b""])
            if held is not None:
                self.shared.note_hold(record.id, held)
            self.count += 1
        elif held is not None:
            self.shared.hold({record.id: held})
        if len(recent) >= MANY:
            self._flush()
