"""Read what was decided, without deciding: a decision by its id, a unit's history; and forget a
unit.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import msgspec

from equipoise.serving.engine.answers import answer_json, snapshot_of
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.recent import WRITER, Logged, id_of, time_of, unit_hash
from equipoise.serving.log.reader import read_segment
from equipoise.serving.log.segments import segments_of
from equipoise.serving.messages import DecideAnswer, DecisionStatus, RewardSum, UnitHistory
from equipoise.serving.records import DecisionRecord, ErasedRecord

_answer = msgspec.json.Decoder(DecideAnswer).decode
FLAGS = (
    "dry_run",
    "override",
    "holdout",
    "killed",
    "low_prices",
    "stale",
    "no_budget",
    "explored",
    "candidate",
)


def decision_status(
    engine: Engine, decision: str, now_ns: int, log: Path | None = None
) -> DecisionStatus | None:
    """A decision and what came of it.

    Parameters
    ----------
    engine : Engine
        Of any worker of the machine.
    decision : str
        Its id, 32 hex digits.
    now_ns : int
        The time.
    log : Path, optional
        The folder of the log, where decisions are looked for that are older than the index.

    Returns
    -------
    DecisionStatus or None
        None: nobody knows it.

    Raises
    ------
    InputError
        Where the id is none.
    """
    id = id_of(decision)
    logged = engine.shared.recent.find(id)
    if logged is None and log is not None:
        logged = find_in_log(log, id)
        if logged is not None and engine.is_erased(logged.record.unit):
            logged = None
    return None if logged is None else _status(engine, logged, now_ns)


def unit_history(engine: Engine, unit: str, now_ns: int) -> UnitHistory:
    """The decisions of a unit in the last hours, by all workers of the machine.

    Parameters
    ----------
    engine : Engine
        Of any worker.
    unit : str
        Whom; nothing is decided or enrolled by asking.
    now_ns : int
        The time.

    Returns
    -------
    UnitHistory
        The last decision first.
    """
    now, known = engine.now, None
    if now.live.quick:
        known = not engine.is_erased(unit) and now.live.get(unit) is not None
    place = now.overrides.get(unit)
    return UnitHistory(
        unit=unit,
        known=known,
        override=None if place is None else now.live.cells[place + 1],
        decisions=[
            _status(engine, logged, now_ns) for logged in engine.shared.recent.of_unit(unit)
        ],
    )


def forget_unit(engine: Engine, unit: str, now_ns: int) -> int:
    """Forget a unit: from now on it is unknown to stores, its override and its history are gone,
    and the log has a tombstone, by which it is taken out of old segments.

    Parameters
    ----------
    engine : Engine
        Of any worker; the others follow within half a second.
    unit : str
        Whom.
    now_ns : int
        The time.

    Returns
    -------
    int
        How many of its decisions the index had.

    Raises
    ------
    LogUnavailable
        Where the tombstone cannot be written; nothing is then forgotten.
    """
    engine.sink.append(ErasedRecord(unit, now_ns))
    count = engine.shared.recent.forget(unit_hash(unit))
    engine.shared.controls.erase(unit)
    engine.take_controls()
    return count


def find_in_log(folder: Path, id: bytes) -> Logged | None:
    """A decision in the segments of its writer.

    Parameters
    ----------
    folder : Path
        Of the log.
    id : bytes
        Of the decision, 16: it names its writer and its time.

    Returns
    -------
    Logged or None
        None where it is not there.
    """
    slot = int.from_bytes(id[WRITER][:2], "big")
    epoch = int.from_bytes(id[WRITER][2:], "big")
    own = segments_of(folder, slot)
    for segment, follower in zip_longest(own, own[1:]):
        if segment.epoch != epoch or (follower is not None and follower.created < time_of(id)):
            continue
        for entry in read_segment(segment, follower):
            record = entry.record
            if isinstance(record, DecisionRecord) and record.id == id and entry.context:
                return Logged(record, entry.context)
    return None


def _status(engine: Engine, logged: Logged, now_ns: int) -> DecisionStatus:
    record, context = logged.record, logged.context
    part = engine.now.parts.get(snapshot_of(record, context))
    sums, shown = engine.shared.recent.outcomes(record.id, now_ns)
    return DecisionStatus(
        answer=_answer(answer_json(record, context, part)),
        at=record.ns / 1e9,
        chosen=context.cells[record.choice + 1],
        flags=[name for bit, name in enumerate(FLAGS) if record.flags >> bit & 1],
        shown=shown,
        rewards={
            name: RewardSum(value=own.value, count=own.count, at=own.at / 1e9)
            for name, own in sums.items()
        },
    )
