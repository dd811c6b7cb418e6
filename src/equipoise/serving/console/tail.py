"""The last decisions of a service, read from its log as it grows: each byte once, by whoever looks.

All workers of a machine write into one folder, so any of them can show what all of them do.  A file
that was last written to before the minutes that are kept is not opened.
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

from equipoise.serving.console.data import Live, LiveDecision, Minute
from equipoise.serving.log.segments import HEADER, Followed, decode, segments_of
from equipoise.serving.reasons import BY_CODE
from equipoise.serving.records import (
    DRY_RUN,
    NOT_ESTIMATED,
    Context,
    DecisionRecord,
    Record,
    SpendRecord,
)

KEPT, MINUTES, SHOWN = 200, 60, 60  # decisions; minutes; seconds of one
MICRO, NS = 1e-6, 1e-9


class LogTail:
    """The end of a decision log.

    Parameters
    ----------
    folder : path
        Of the log; it need not be there yet.

    Examples
    --------
    >>> LogTail("nowhere").look(60.0).decisions
    []
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self._followed: dict[Path, tuple[Followed, int]] = {}  # and the size that it had
        self._contexts: dict[tuple[str, int], Context] = {}
        self._decisions: deque[LiveDecision] = deque(maxlen=KEPT)
        self._minutes: dict[int, Minute] = {}
        self._cells: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def look(self, now: float) -> Live:
        """Read on.

        Parameters
        ----------
        now : float
            In seconds since 1970.

        Returns
        -------
        Live
            The last decisions and minutes.
        """
        with self._lock:
            first = int(now) // SHOWN - MINUTES + 1
            if self._folder.is_dir():
                for segment in segments_of(self._folder):
                    self._read(segment.path, first * SHOWN)
            self._minutes = {m: one for m, one in self._minutes.items() if m >= first}
            minutes = [
                self._minutes.get(m, Minute(float(m * SHOWN)))
                for m in range(first, int(now) // SHOWN + 1)
            ]
            latest = sorted(self._decisions, key=lambda one: -one.at)
            return Live(now=now, cells=list(self._cells), decisions=latest, minutes=minutes)

    def _read(self, path: Path, since: float) -> None:
        """The whole frames of a file that were not there before."""
        try:
            stat = path.stat()
            followed, size = self._followed.get(path, (None, HEADER.size))
            if stat.st_size == size or (followed is None and stat.st_mtime < since):
                return
            followed = followed or Followed()
            self._followed[path] = followed, stat.st_size
            with path.open("rb") as stream:
                for _, payload in followed.more(stream):
                    self._take(path, decode(payload))
        except OSError:  # retention took it away
            self._followed.pop(path, None)

    def _take(self, path: Path, record: Record) -> None:
        if isinstance(record, DecisionRecord):
            self._decide(record, self._contexts.get((path.name, record.context)))
        elif isinstance(record, Context):
            self._contexts[path.name, record.number] = record
            self._cells = record.cells or self._cells
        elif isinstance(record, SpendRecord):
            self._minute(record.ns).spent += record.spent * MICRO

    def _decide(self, record: DecisionRecord, context: Context | None) -> None:
        cells = self._cells if context is None else context.cells
        name = cells[record.served + 1] if record.served + 1 < len(cells) else "?"
        reason = BY_CODE[record.reason]
        scores = memoryview(record.scores).cast("d") if len(record.scores) else ()
        score = scores[record.choice] if 0 <= record.choice < len(scores) else None
        self._decisions.append(
            LiveDecision(
                at=record.ns * NS,
                unit=record.unit,
                candidate=name,
                reason=reason.name,
                text=reason.text,
                probability=record.probability,
                score=score,
                counts=not record.flags & NOT_ESTIMATED,
                id=record.id.hex(),
            )
        )
        if record.flags & DRY_RUN:
            return
        minute = self._minute(record.ns)
        minute.cells[name] = minute.cells.get(name, 0) + 1
        minute.reasons[reason.name] = minute.reasons.get(reason.name, 0) + 1
        minute.reserved += record.amount * MICRO
        minute.slow = max(minute.slow, record.latency_us * MICRO)

    def _minute(self, ns: int) -> Minute:
        at = int(ns * NS) // SHOWN
        return self._minutes.setdefault(at, Minute(float(at * SHOWN)))
