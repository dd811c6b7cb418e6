"""Monitors in a process of their own, one beside all workers of a service: what they compute takes
nothing from requests.

Whoever holds the lock watches; any worker starts the process again where nobody does.  It ends
with the worker that started it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from equipoise.serving.config import MonitorConfig, ServeConfig
from equipoise.serving.monitors.alarms import WORDS, Report
from equipoise.serving.monitors.books import book_name, open_books
from equipoise.serving.monitors.watch import Watch, follow

LOCK, REPORT = "monitors.lock", "monitors.json"
NICE = 10
LOOK = 0.5  # seconds between looks whether the worker still lives
MONITORS = (*WORDS, "books")
Gauge = tuple[str, dict[str, str], float]


class Beside:
    """The process, as a worker sees it.

    Parameters
    ----------
    state : Path
        The folder of the service.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self._arguments: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def look_after(self, config: ServeConfig) -> None:
        """Start it where nobody watches, and anew with other settings of monitors."""
        arguments = [str(self.state), config.monitors.model_dump_json(), book_name(config)]
        if arguments != self._arguments:
            self.close()
        self._arguments = arguments
        ended = self._process is None or self._process.poll() is not None
        if ended and config.monitors.every > 0 and not _is_watched(self.state):
            command = [sys.executable, "-m", __name__, *arguments]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def close(self) -> None:
        """End it; a report is written whole or not at all."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _is_watched(state: Path) -> bool:
    file = _hold(state)
    if file is not None:
        os.close(file)
    return file is None


def _hold(state: Path) -> int | None:
    """The lock, or None where another process has it."""
    file = os.open(state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def gauges(state: Path) -> Iterator[Gauge]:
    """The last report as metrics: (name, labels, value).

    Parameters
    ----------
    state : Path
        The folder of the service.

    Yields
    ------
    tuple
        Nothing where nobody watched yet.
    """
    try:
        report = msgspec.json.decode((state / REPORT).read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError):
        return
    ratios = [figure.p for figure in report.figures if figure.monitor == "sample_ratio"]
    if ratios:
        yield "equipoise_sample_ratio_p_value", {}, min(ratios)
    for figure in report.figures:
        if figure.span == "block" and figure.monitor not in ("sample_ratio", "propensity"):
            plain = figure.monitor == "drift"
            column = figure.column if plain else f"{figure.monitor}: {figure.column}"
            yield "equipoise_drift_psi", {"column": column}, figure.value
    alarmed = {alarm.monitor for alarm in report.alarms}
    for monitor in MONITORS:
        yield "equipoise_alarm", {"monitor": monitor}, float(monitor in alarmed)


def main(state: Path, config: MonitorConfig, book: str) -> None:
    """Watch until the worker that started this is gone; ``book``: as of `open_books`."""
    parent, stop = os.getppid(), threading.Event()
    if _hold(state) is None:
        return
    os.nice(NICE)

    def end_with_parent() -> None:
        while os.getppid() == parent and not stop.wait(LOOK):
            pass
        stop.set()

    threading.Thread(target=end_with_parent, daemon=True).start()
    follow(Watch(state, config, open_books(state, book)), state / REPORT, stop, config.every)


if __name__ == "__main__":
    main(Path(sys.argv[1]), MonitorConfig.model_validate_json(sys.argv[2]), sys.argv[3])
