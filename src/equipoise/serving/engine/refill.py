"""Fill the tables of a machine from its log: what a dead worker had not written yet, or, after
another start of the machine, all of the last hours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec

from equipoise.serving.engine.answers import answer_of, snapshot_of
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.idempotency import KEEP
from equipoise.serving.engine.recent import add_reward
from equipoise.serving.engine.rewards import MILLION
from equipoise.serving.engine.shared import Held
from equipoise.serving.engine.tables import HOUR
from equipoise.serving.log.reader import LogEntry, read_segment
from equipoise.serving.log.segments import segments_of
from equipoise.serving.records import (
    Context,
    DecisionRecord,
    ExposureRecord,
    RewardRecord,
    SpendRecord,
)

LAST = 2  # segments of a slot that a dead worker can have been writing
MANY = 10_000  # decisions between writes
logger = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


def refill(engine: Engine, log: Path, slot: int, now_ns: int) -> int:
    """Fill the tables as far as they need it; to be called once, before the first request.

    Parameters
    ----------
    engine : Engine
        Of the worker that starts.
    log : Path
        The folder of the log.
    slot : int
        Of the worker.
    now_ns : int
        The time.

    Returns
    -------
    int
        Decisions that were put back.
    """
    with engine.shared.starting() as empty:
        filled = _Refill(engine, now_ns, whole=empty)
        filled.run(_entries(log, None if empty else slot, now_ns))
    if filled.count:
        logger.info("%d decisions of the log were put back into the index", filled.count)
    return filled.count


def _entries(log: Path, slot: int | None, now_ns: int) -> Iterator[LogEntry]:
    """Records of the last hours: of one slot its last segments only."""
    segments = segments_of(log, slot)
    followers = [
        after if after is not None and after.slot == one.slot else None
        for one, after in zip(segments, [*segments[1:], None], strict=True)
    ]
    pairs = list(zip(segments, followers, strict=True))
    if slot is not None:
        pairs = pairs[-LAST:]
    for segment, follower in pairs:
        if follower is None or follower.created > now_ns - 24 * HOUR:
            yield from read_segment(segment, follower)


class _Refill:
    """One walk over a log."""

    def __init__(self, engine: Engine, now_ns: int, whole: bool) -> None:
        self.engine, self.shared, self.now_ns, self.whole = engine, engine.shared, now_ns, whole
        self.count = 0

    def run(self, entries: Iterator[LogEntry]) -> None:
        """Put back what is not there."""
        for entry in entries:
            context, record = entry.context, entry.record
            if isinstance(record, DecisionRecord) and context is not None:
                self._decision(record, context)
            elif isinstance(record, SpendRecord):
                self.shared.drop_hold(record.decision)
            elif self.whole and isinstance(record, RewardRecord):
                with self.shared.recent.table_for(record.decision, self.now_ns).write() as change:
                    add_reward(change, record)
            elif self.whole and isinstance(record, ExposureRecord):
                table = self.shared.recent.table_for(record.decision, self.now_ns)
                with table.write() as change:
                    change.put(b"e" + record.decision, record.ns.to_bytes(8, "big"))
        self.shared.flush()

    def _decision(self, record: DecisionRecord, context: Context) -> None:
        recent = self.shared.recent
        if self.engine.is_erased(record.unit) or recent.is_older(record.id, self.now_ns):
            return
        if not self.whole and recent.knows(record.id):
            return
        part = self.engine.now.parts.get(snapshot_of(record, context))
        held = None
        if record.lease and self.engine.rewards.claimed is not None:
            sent = part.sending[record.served] if part is not None and record.served >= 0 else 0.0
            held = Held(record.lease, record.amount, min(record.amount, round(sent * MILLION)))
        self.shared.note(record, context, held)
        self.count += 1
        if record.key and part is not None and self.now_ns - record.ns < KEEP * HOUR:
            answer = _encode(answer_of(record, context, part))
            self.shared.idempotency.refill(record.key, answer, record.ns)
        if len(recent) >= MANY:
            self.shared.flush()
