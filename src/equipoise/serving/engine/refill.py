"""Fill the tables of a machine from its log: what a dead worker had not written yet, or, after
another start of the machine, all of the last hours.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from equipoise.serving.engine.answers import answer_json, snapshot_of
from equipoise.serving.engine.deciding import DAY
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.idempotency import KEEP
from equipoise.serving.engine.recent import time_of
from equipoise.serving.engine.rewards import MILLION
from equipoise.serving.engine.shared import HeldMoney
from equipoise.serving.engine.tables import HOUR
from equipoise.serving.log.reader import read_segment
from equipoise.serving.log.segments import frames, record_of, segments_of
from equipoise.serving.records import (
    Context,
    DecisionRecord,
    ExposureRecord,
    Record,
    RewardRecord,
    SpendRecord,
)

LAST = 3  # segments: that of the new writer, and two that a dead one can have been writing
SLACK = 1_000_000_000  # ns before what is known to be written
# how a decision begins: an array of 16 bits of length, the type, a text of 16 bytes: the id
DECISION, ID_AT = slice(3, 6), slice(6, 22)
DECISION_HEAD = b"\x02\xc4\x10"
MANY = 10_000  # decisions between writes
Entry = tuple[Context | None, Record]
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
        Of the worker.
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
            filled.run(_last(log, slot, written - SLACK))
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
                yield entry.context, entry.record


def _last(log: Path, slot: int, since: int) -> Iterator[Entry]:
    """What the last writer of a slot did since a moment; decisions before it are not decoded."""
    for segment in segments_of(log, slot)[-LAST:]:
        contexts: dict[int, Context] = {}
        with segment.path.open("rb") as stream:
            for offset, payload in frames(stream):
                if payload[DECISION] == DECISION_HEAD and time_of(payload[ID_AT]) < since:
                    continue
                record = record_of(payload, segment.path, offset)
                if isinstance(record, Context):
                    contexts[record.number] = record
                number = record.context if isinstance(record, DecisionRecord) else -1
                yield contexts.get(number), record


class _Refill:
    """One walk over a log."""

    def __init__(self, engine: Engine, now_ns: int, whole: bool) -> None:
        self.engine, self.shared, self.now_ns, self.whole = engine, engine.shared, now_ns, whole
        self.count = 0
        # a dead worker can have left an answer out only of what it did last
        last = None if whole else MANY
        self.keyed: deque[tuple[DecisionRecord, Context]] = deque(maxlen=last)
        self.came: deque[RewardRecord | ExposureRecord] = deque(maxlen=last)
        self.settled: set[bytes] = set()

    def run(self, entries: Iterator[Entry]) -> None:
        """Put back what is not there."""
        for context, record in entries:
            if isinstance(record, DecisionRecord) and context is not None:
                self._decision(record, context)
            elif isinstance(record, SpendRecord):
                self.settled.add(record.decision)
            elif isinstance(record, RewardRecord | ExposureRecord):
                self.came.append(record)
        self.shared.flush()
        for id in self.settled:
            with self.shared.settling(id):
                pass
        for came in self.came:
            self.engine.rewards.put_back(came, self.now_ns, self.whole)
            if isinstance(came, RewardRecord) and came.decision not in self.settled:
                self.engine.rewards.settle_logged(came)
        for one, context in self.keyed:
            part = self.engine.now.parts.get(snapshot_of(one, context))
            if part is not None:
                answer = answer_json(one, context, part)
                self.shared.idempotency.refill(one.key, answer, one.ns)

    def _decision(self, record: DecisionRecord, context: Context) -> None:
        recent, part = self.shared.recent, self.engine.now.parts.get(snapshot_of(record, context))
        if self.engine.is_erased(record.unit):
            return
        if record.key and self.now_ns - record.ns < KEEP * HOUR:
            self.keyed.append((record, context))
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
            self.shared.flush()
