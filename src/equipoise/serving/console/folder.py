"""The console of a state folder: all that its pages show, from the files that the workers share, so
that it needs no worker's memory and any of them can serve it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.snapshot import read_manifest
from equipoise.serving.console.data import (
    Alarm,
    Change,
    Live,
    Money,
    Status,
    UnitLine,
    UnitView,
    Version,
    Watched,
    WatchedRow,
)
from equipoise.serving.console.tail import LogTail
from equipoise.serving.engine.controls import Controls
from equipoise.serving.explorer.states import ExplorerState, ExplorerStates
from equipoise.serving.log.erasure import mark_of
from equipoise.serving.log.segments import Segment, decode, frames, segments_of
from equipoise.serving.monitors.alarms import Report
from equipoise.serving.reasons import BY_CODE
from equipoise.serving.records import (
    Context,
    DecisionRecord,
    ErasedRecord,
    ExposureRecord,
    Record,
    RewardRecord,
    SpendRecord,
)
from equipoise.serving.snapshots.audit import read_audit
from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.publish import promote, rollback
from equipoise.serving.snapshots.state import SHOWN, State
from equipoise.serving.stores.redis_units import RedisUnits

SEGMENTS, LINES = 6, 200  # files that are read for one unit's history, and lines of it
NS, MICRO = 1e-9, 1e-6
REPORT = "monitors.json"  # where `equipoise watch --out` writes it
_report = msgspec.json.Decoder(Report).decode


class FolderConsole:
    """What a state folder tells the console.

    Parameters
    ----------
    state : path
        The state folder.
    policy : str, default "policy"
        The name that clients ask for.
    shares : callable, optional
        () -> those of the holdout, the candidate and exploration, as the settings have them now.
    money : callable, optional
        () -> `Money`, or None.
    watched : callable, optional
        () -> `Watched`, or None; by default what ``equipoise watch`` writes into the folder.
    known : callable, optional
        Unit -> whether its effects are known ahead.
    redis : callable, optional
        () -> where known units, and the channels, are written too.
    operations : callable, optional
        () -> what operators set, besides the channels.
    note : callable, optional
        Takes what was set here, by whom, and how.
    clock : callable, default `time.time`
        In seconds since 1970.

    Examples
    --------
    >>> FolderConsole("nowhere").status().snapshot
    ''
    """

    def __init__(
        self,
        state: Path | str,
        policy: str = "policy",
        *,
        shares: Callable[[], dict[str, float]] = dict,
        money: Callable[[], Money | None] = lambda: None,
        watched: Callable[[], Watched | None] | None = None,
        known: Callable[[str], bool | None] = lambda unit: None,
        redis: Callable[[], RedisUnits | None] = lambda: None,
        operations: Callable[[], list[Change]] = list,
        note: Callable[[str, str, dict[str, Any]], None] = lambda what, by, about: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state, self._policy, self._shares = State(Path(state)), policy, shares
        self._money, self._known, self._clock = money, known, clock
        self._watched = watched or self._read_watched
        self._redis, self._operations, self._note = redis, operations, note
        self._tail, self._explorers = LogTail(self._state.log), ExplorerStates(state)

    def status(self) -> Status:
        """What is served."""
        channels = Channels(self._state.path)
        live, candidate = channels.live(), channels.candidate()
        control = self._controls().now if self._has_controls else None
        return Status(
            policy=self._policy,
            snapshot="" if live is None else live.snapshot,
            candidate="" if candidate is None else candidate.snapshot,
            since=0.0 if live is None else live.at,
            killed=control is not None and control.kill,
            shares={**self._shares(), **({} if control is None else control.shares)},
        )

    def live(self) -> Live:
        """What happens now."""
        return self._tail.look(self._clock())

    def money(self) -> Money | None:
        """The budget."""
        return self._money()

    def watched(self) -> Watched | None:
        """What monitors say."""
        return self._watched()

    def versions(self) -> list[Version]:
        """The snapshots that are there."""
        channels = Channels(self._state.path)
        on = {"live": channels.live(), "candidate": channels.candidate()}
        versions = []
        for id in self._state.ids():
            folder, meta = self._state.snapshot(id), dict[str, Any](version="damaged")
            with suppress(SnapshotError):
                meta = read_manifest(folder).meta
            named = (name for name, channel in on.items() if channel and channel.snapshot == id)
            versions.append(
                Version(
                    snapshot=id,
                    made=folder.stat().st_mtime,
                    units=int(meta.get("units", 0)),
                    version=str(meta.get("version", "")),
                    channel=", ".join(named),
                )
            )
        return versions

    def changes(self) -> list[Change]:
        """The audit."""
        changes = [msgspec.convert(row, Change) for row in read_audit(self._state.audit)]
        return sorted([*changes, *self._operations()], key=lambda change: -change.at)

    def unit(self, unit: str) -> UnitView:
        """A unit's history, from the newest segments of the log."""
        control = self._controls().now if self._has_controls else None
        override = None if control is None else control.overrides.get(unit)
        lines = unit_lines(self._state.log, unit)[:LINES]
        return UnitView(unit=unit, known=self._known(unit), override=override, lines=lines)

    def explorer(self) -> ExplorerState | None:
        """The explorer of the live snapshot."""
        live = Channels(self._state.path).live()
        return None if live is None else self._explorers.get(live.snapshot)

    def promote(self, expect: str, by: str) -> None:
        """Make the candidate live."""
        candidate = Channels(self._state.path).candidate()
        if candidate is None or candidate.snapshot != expect:
            got = "none" if candidate is None else candidate.snapshot[:SHOWN]
            must, fix = f"still be {expect[:SHOWN]}", "load the page again"
            raise InputError("the candidate", must, got, fix=fix)
        promote(self._state.path, by=by, redis=self._redis())

    def rollback(self, to: str, by: str) -> None:
        """Make a snapshot live that was so before."""
        rollback(self._state.path, to=to, by=by, redis=self._redis())

    def kill(self, on: bool, by: str) -> None:
        """Give everybody control, or no longer."""
        self._controls().change(lambda old: msgspec.structs.replace(old, kill=on))
        self._note("kill", by, {"on": on})

    def _read_watched(self) -> Watched | None:
        """The last report of ``equipoise watch``; None where it never looked."""
        try:
            report = _report((self._state.path / REPORT).read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        alarms = {(alarm.monitor, alarm.column, alarm.span) for alarm in report.alarms}
        return Watched(
            alarms=[Alarm(a.monitor, a.column, a.text, a.since * NS) for a in report.alarms],
            rows=[
                WatchedRow(
                    monitor=f.monitor,
                    column=f.column,
                    span=f.span,
                    value=f.value,
                    expected=f.expected,
                    p=f.p,
                    n=f.n,
                    alarm=(f.monitor, f.column, f.span) in alarms,
                )
                for f in report.figures
            ],
            until=report.ns * NS,
        )

    @property
    def _has_controls(self) -> bool:
        return self._place.is_dir()

    @property
    def _place(self) -> Path:
        return self._state.path / "control"

    def _controls(self) -> Controls:
        return Controls(self._place)


def unit_lines(log: Path, unit: str) -> list[UnitLine]:
    """The history of a unit in the newest segments of a log, the newest line first.

    Parameters
    ----------
    log : Path
        The folder.
    unit : str
        Whom.

    Returns
    -------
    list of UnitLine
        Decisions, and what came of them.
    """
    if not log.is_dir():
        return []
    paths, mark = _newest(log), mark_of(unit)
    cells: dict[tuple[str, int], tuple[str, ...]] = {}
    decided: list[tuple[DecisionRecord, tuple[str, ...]]] = []
    erased = -1
    for path, record in _records(paths):
        if isinstance(record, Context):
            cells[path.name, record.number] = record.cells
        elif isinstance(record, DecisionRecord) and record.unit == unit:
            decided.append((record, cells.get((path.name, record.context), ())))
        elif isinstance(record, ErasedRecord) and record.unit in (unit, mark):
            erased = max(erased, record.ns)
    decided = [one for one in decided if one[0].ns > erased]
    lines = [_decided(record, names) for record, names in decided]
    if erased >= 0:
        lines.append(UnitLine(erased * NS, "erased", "it asked to be forgotten"))
    if own := {record.id for record, _ in decided}:
        lines += [line for _, record in _records(paths) for line in _came(record, own)]
    return sorted(lines, key=lambda line: -line.at)


def _newest(log: Path) -> list[Path]:
    """The newest segments, and whatever was written beside them: a tombstone is where the worker
    wrote it that was told, and not where the unit's decisions are.
    """
    every = segments_of(log)
    first = min([one.created for one in sorted(every, key=_created)[-SEGMENTS:]], default=0)
    last = {one.slot: one for one in every}
    kept = [
        one
        for one, after in zip(every, every[1:] + every[:1], strict=True)
        if one is last[one.slot] or after.created > first
    ]
    return [one.path for one in sorted(kept, key=_created)]


def _created(segment: Segment) -> int:
    return segment.created


def _records(paths: Iterable[Path]) -> Iterator[tuple[Path, Record]]:
    for path in paths:
        try:
            with path.open("rb") as stream:
                for _, payload in frames(stream):
                    yield path, decode(payload)
        except FileNotFoundError:  # retention took it away
            continue


def _decided(record: DecisionRecord, cells: tuple[str, ...]) -> UnitLine:
    name = cells[record.served + 1] if record.served + 1 < len(cells) else "?"
    chance = f"{record.probability:.3g}"
    details = f"{BY_CODE[record.reason].text}; with probability {chance}"
    return UnitLine(record.ns * NS, f"got {name}", details, record.id.hex())


def _came(record: Record, own: set[bytes]) -> Iterator[UnitLine]:
    """What came of the unit's decisions."""
    if not isinstance(record, ExposureRecord | RewardRecord | SpendRecord):
        return
    if record.decision not in own:
        return
    id = record.decision.hex()
    if isinstance(record, ExposureRecord):
        yield UnitLine(record.ns * NS, "was shown it", "", id)
    elif isinstance(record, RewardRecord):
        late = "; too late for its window" if record.late else ""
        how = "set to" if record.set else "of"
        yield UnitLine(record.at * NS, f"reward {record.name}", f"{how} {record.value:g}{late}", id)
    else:
        spent, reserved = record.spent * MICRO, record.reserved * MICRO
        yield UnitLine(record.ns * NS, "paid", f"{spent:g} of {reserved:g} reserved", id)
