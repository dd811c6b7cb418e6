"""Follow a decision log and tell what has changed.

Segments are read as they grow, each byte once, the slots merged by time.  With a new live snapshot
every reference begins anew; with other prices or weights that of the scores and of the mix does.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from equipoise.core.durations import nanoseconds
from equipoise.core.snapshot import replacing
from equipoise.serving.config import MonitorConfig
from equipoise.serving.log.reader import log_folder
from equipoise.serving.log.segments import Followed, record_of, segments_of
from equipoise.serving.monitors.alarms import Alarm, Board, Figure, Report
from equipoise.serving.monitors.books import Books
from equipoise.serving.monitors.drift import (
    Blocks,
    Columns,
    Known,
    feature_columns,
    score_columns,
    unit_columns,
)
from equipoise.serving.monitors.mechanism import Mechanism
from equipoise.serving.records import (
    CANDIDATE,
    DRY_RUN,
    KILLED,
    LOW_PRICES,
    OVERRIDE,
    Context,
    DecisionRecord,
    Record,
    RewardRecord,
)

DAY = 86_400 * 10**9
LEAST_DELAY = 0.1  # of the PSI of delays: traffic by the hour moves them, too


class Entry(NamedTuple):
    """A record, when it was, and the context of a decision."""

    ns: int
    context: Context | None
    record: Record


class Tail:
    """What is new in one slot of a log."""

    def __init__(self, folder: Path, slot: int) -> None:
        self.folder, self.slot = folder, slot
        self._at = 0  # when the segment was created that is read now
        self._followed = Followed()
        self._contexts: dict[int, Context] = {}

    def read(self) -> Iterator[Entry]:
        """The records since the last call, each once; a tail that is not whole waits."""
        for segment in segments_of(self.folder, self.slot):
            if segment.created < self._at:
                continue
            if segment.created > self._at:
                self._at, self._followed, self._contexts = segment.created, Followed(), {}
            yield from self._read(segment.path)

    def _read(self, path: Path) -> Iterator[Entry]:
        with path.open("rb") as stream:
            for offset, payload in self._followed.more(stream):
                record = record_of(payload, path, offset)
                if isinstance(record, Context):
                    self._contexts[record.number] = record
                    yield Entry(record.ns, record, record)
                elif isinstance(record, DecisionRecord):
                    yield Entry(record.ns, self._contexts.get(record.context), record)
                else:
                    yield Entry(getattr(record, "ns", 0), None, record)


class Watch:
    """Monitors over one log.

    Parameters
    ----------
    log : path
        Its folder, or the state folder of a service.
    config : MonitorConfig, optional
        What is a reference, and what an alarm.
    books : Books, optional
        The budget, to be held against the log.

    Raises
    ------
    DataError
        Where there is no log.
    """

    def __init__(
        self, log: Path | str, config: MonitorConfig | None = None, books: Books | None = None
    ) -> None:
        self.folder, self.config, self.books = log_folder(log), config or MonitorConfig(), books
        self.board = Board(self.config)
        self._tails: dict[int, Tail] = {}
        self._snapshot, self._ground = "", b""
        self._start = self._ns = self._decisions = self._rewards = 0
        self._delay = nanoseconds(self.config.delay, "[serve.monitors] delay")
        blocks = partial(Blocks, config=self.config, board=self.board)
        self._features, self._units = blocks(feature_columns), blocks(unit_columns)
        self._scores = blocks(partial(score_columns, ()))
        self._delays: dict[str, Blocks] = {}
        self._mechanism = Mechanism(self.config, self.board)

    def update(self) -> Report:
        """Read what is new, and say what stands now.

        Returns
        -------
        Report
            Figures and alarms.
        """
        if self.books is not None:
            self.books.read_book()
        slots = sorted({segment.slot for segment in segments_of(self.folder)})
        tails = [self._tails.setdefault(slot, Tail(self.folder, slot)) for slot in slots]
        for entry in heapq.merge(*(tail.read() for tail in tails), key=lambda entry: entry.ns):
            self._take(entry)
        if self.books is not None:
            self._tell_books(self.books)
        return self.report()

    def report(self) -> Report:
        """Say what stands now, without reading.

        Returns
        -------
        Report
            Figures and alarms.
        """
        blocks = {"features": self._features, "scores": self._scores, "units": self._units}
        return Report(
            ns=self._ns,
            decisions=self._decisions,
            rewards=self._rewards,
            figures=list(self.board.figures.values()),
            alarms=sorted(self.board.alarms.values(), key=lambda alarm: alarm.since),
            reference={name: one.reference for name, one in blocks.items()},
        )

    def _take(self, entry: Entry) -> None:
        record = entry.record
        self._ns = max(self._ns, entry.ns)
        self._start = self._start or entry.ns
        if self.books is not None:
            self.books.first = self.books.first or self._start
            self.books.add(record)
        if isinstance(record, DecisionRecord) and entry.context is not None:
            self._decisions += 1
            if not record.flags & DRY_RUN:
                self._decided(record, entry.context)
        elif isinstance(record, RewardRecord):
            self._rewards += 1
            self._rewarded(record)

    def _decided(self, record: DecisionRecord, context: Context) -> None:
        ns, day = record.ns, record.ns // DAY
        self._new_snapshot(context)
        self._mechanism.add(record, context, day)
        if record.flags & (KILLED | OVERRIDE):
            return
        self._units.add(not record.scores, ns, day)
        if record.features is not None:
            self._features.add(record, ns, day)
        if record.scores and not (record.weights or record.flags & (CANDIDATE | LOW_PRICES)):
            self._scores.add(record, ns, day)

    def _new_snapshot(self, context: Context) -> None:
        """Begin anew what another snapshot, or other prices, would change."""
        if context.snapshot != self._snapshot:
            for blocks in (self._features, self._units, *self._delays.values()):
                blocks.begin()
        ground = context.prices + context.weights
        if context.snapshot != self._snapshot or ground != self._ground:
            self._scores.columns = partial(score_columns, context.cells)
            self._scores.begin()
        self._snapshot, self._ground = context.snapshot, ground

    def _rewarded(self, record: RewardRecord) -> None:
        """A delay, where all that are as long have had the time to come."""
        made = int.from_bytes(record.decision[:6], "big") * 1_000_000
        delay = record.at - made
        if not 0 <= delay <= self._delay or record.ns < self._start + self._delay:
            return
        name = record.name
        if name not in self._delays:
            self._delays[name] = Blocks(
                partial(_delays, name), self.config, self.board, LEAST_DELAY
            )
        self._delays[name].add(delay / 1e9, record.ns, record.ns // DAY)

    def _tell_books(self, books: Books) -> None:
        wrong = books.differences()
        key = "books", "budget", "day"
        of: dict[str, Any] = {"monitor": key[0], "column": key[1], "span": key[2]}
        p = 0.0 if wrong else 1.0
        self.board.figures[key] = Figure(**of, value=len(wrong), p=p, n=1, ns=self._ns)
        before = self.board.alarms.pop(key, None)
        if wrong:
            since = self._ns if before is None else before.since
            text = "; ".join(wrong[:3])
            self.board.alarms[key] = Alarm(
                **of, value=len(wrong), threshold=1, p=p, since=since, text=text
            )


def _delays(name: str, rows: list[float], known: Known) -> Columns:
    return {("delay", name): rows}


def follow(
    watch: Watch,
    out: Path | str | None,
    stop: threading.Event,
    every: float = 60.0,
    tell: Callable[[Report], None] = lambda report: None,
) -> None:
    """Look every so often, until told to stop; each report is written and told.

    Parameters
    ----------
    watch : Watch
        Of a log.
    out : path or None
        The JSON file of the last report, replaced whole.
    stop : threading.Event
        Ends it.
    every : float, default 60.0
        Seconds between looks.
    tell : callable, optional
        Takes each report.
    """
    while True:
        report = watch.update()
        if out is not None:
            with replacing(Path(out)) as beside:
                beside.write_bytes(msgspec.json.encode(report))
        tell(report)
        if stop.wait(every):
            return
