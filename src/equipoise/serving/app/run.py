"""Processes: one worker in this one, or several as fresh processes on one listening socket.

Workers are started anew, never forked: nothing that holds maps, threads or compiled code goes
through a fork.  A worker that dies is replaced, and takes over its slot of the log; one that dies
at once, several times, ends the service.

SIGTERM, SIGINT    not ready; drain; the end of the log, the leases settled; exit
SIGHUP             settings again: all of them, or none; a worker that is replaced has those that
                   were taken, whatever the file says meanwhile
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from equipoise.core.errors import DataError, EquipoiseError
from equipoise.serving.app.settings import Handover, Launch, Settings, must_go_on

if TYPE_CHECKING:
    from equipoise.serving.app.worker import Worker

GRACE = 10.0  # seconds for requests in hand, once no new ones come
BACKLOG = 2048
SOON, DEATHS = 2.0, 3  # a worker that lives no longer than that, so many times in a row
LOOK = 0.1  # seconds
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FAILED = 2
logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A server whose signals are ours.

    Parameters
    ----------
    config : uvicorn.Config
        Of the server.
    worker : Worker
        That it serves.
    told : callable
        Called once requests are welcome.
    parent : int
        The process that it must not outlive, from before this one began; 0: there is none.
    """

    def __init__(
        self, config: uvicorn.Config, worker: Worker, told: Callable[[], None], parent: int
    ) -> None:
        super().__init__(config)
        self.worker, self.told, self.parent = worker, told, parent
        self._stop_at = 0.0
        self._reload = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        self.told()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: what signals asked for; and a worker does not outlive its parent."""
        if self._reload:
            self._reload = False
            self.worker.reload()
        if self.parent and os.getppid() != self.parent:
            self.handle_exit(signal.SIGTERM, None)
        if self._stop_at and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second Ctrl-C does not wait."""
        if self._stop_at:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        self.worker.end_ready()
        self._stop_at = time.monotonic() + self.worker.config.limits.drain_seconds

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As long as it serves."""

        def again(sig: int, frame: FrameType | None) -> None:
            self._reload = True

        mine: dict[int, Any] = {signal.SIGTERM: self.handle_exit, signal.SIGINT: self.handle_exit}
        mine[signal.SIGHUP] = again
        before = {sig: signal.signal(sig, handler) for sig, handler in mine.items()}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # what came while it started, too
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


def serve(launch: Launch, told: Callable[[str, Settings], None]) -> None:
    """Serve until a signal ends it.

    Parameters
    ----------
    launch : Launch
        How.
    told : callable
        Called with the address and the settings, once requests are welcome.

    Raises
    ------
    EquipoiseError
        Where it cannot begin.
    """
    settings = launch.settings()
    with listening(settings.config.host, settings.config.port) as sock:
        host, port = sock.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if settings.config.workers == 1:
            serve_here(launch, sock, lambda: told(address, settings))
        else:
            with TemporaryFile(dir=launch.state) as file:
                workers = _Workers(launch, sock, settings, Handover(file.fileno()))
                workers.run(lambda: told(address, settings))


def serve_here(
    launch: Launch,
    sock: socket.socket,
    told: Callable[[], None],
    parent: int = 0,
    settings: Callable[[], Settings] | None = None,
) -> None:
    """One worker, in this process; a process that only looks after workers imports none of it."""
    from equipoise.serving.app.connection import Connection
    from equipoise.serving.app.hot import HotRoutes
    from equipoise.serving.app.rest import service
    from equipoise.serving.app.wire import IDLE
    from equipoise.serving.app.worker import Worker

    worker = Worker(Path(launch.state), settings or launch.settings)
    try:
        hot = HotRoutes(worker, launch.empty)
        config = uvicorn.Config(
            service(worker, launch.empty),
            http=cast(Any, partial(Connection, hot)),
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=int(GRACE),
            timeout_keep_alive=int(IDLE),
        )
        Server(config, worker, told, parent).run([sock])
    finally:
        worker.close()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            got = error.strerror or str(error)
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                fix = "name one as 127.0.0.1, ::1 or 0.0.0.0"
                raise DataError(
                    "the host", "be an address of this machine", got, host, fix
                ) from error
            fix = "choose another one by --port; 0 takes any that is free"
            raise DataError(f"port {port}", "be free", got, host, fix) from error
        sock.listen(BACKLOG)
        sock.set_inheritable(True)
        yield sock
    finally:
        sock.close()


class _Workers:
    """Several workers, each a process of its own."""

    def __init__(
        self, launch: Launch, sock: socket.socket, settings: Settings, handover: Handover
    ) -> None:
        self.launch, self.sock, self.settings, self.handover = launch, sock, settings, handover
        self._running: list[tuple[subprocess.Popen[bytes], float]] = []
        self._signals: list[int] = []

    def run(self, told: Callable[[], None]) -> None:
        """Until a signal, or until workers die at once."""
        for sig in SIGNALS:
            signal.signal(sig, lambda sig, frame: self._signals.append(sig))
        deaths = 0
        try:
            self.handover.put(self.settings)
            self._running = [self._start() for _ in range(self.settings.config.workers)]
            threading.Thread(target=self._tell, args=(told,), daemon=True).start()
            while not self._asked_to_stop():
                time.sleep(LOOK)
                deaths = self._replace(deaths)
                if deaths >= DEATHS:
                    got, fix = "three that died at once", "see what they said above"
                    raise DataError("a worker", "start", got, fix=fix)
        finally:
            self._stop()

    def _start(self) -> tuple[subprocess.Popen[bytes], float]:
        words = [sys.executable, "-W", "ignore", "-m", __name__]
        files = self.sock.fileno(), self.handover.file
        spec = json.dumps([os.getpid(), *files, *self.launch])
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # they wait until the worker has imported
        try:
            started = subprocess.Popen([*words, spec], pass_fds=files)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return started, time.monotonic()

    def _replace(self, deaths: int) -> int:
        """Start a worker for each that died; how many died at once, in a row."""
        for place, (process, began) in enumerate(self._running):
            if process.poll() is not None:
                soon = time.monotonic() - began < SOON
                deaths = deaths + 1 if soon else 0
                logger.error("a worker ended with code %s; another takes over", process.returncode)
                self._running[place] = self._start()
        return deaths

    def _asked_to_stop(self) -> bool:
        while self._signals:
            sig = self._signals.pop(0)
            if sig != signal.SIGHUP:
                return True
            self._reload()
        return False

    def _reload(self) -> None:
        """Take the settings again, for all workers and for those to come."""
        try:
            settings = self.launch.settings()
            must_go_on(Path(self.launch.state), self.settings.config, settings.config)
            self.handover.put(settings)
        except EquipoiseError as error:
            logger.error("settings not taken: %s must %s", error.what, error.must)
            return
        self.settings = settings
        self._send(signal.SIGHUP)

    def _send(self, sig: int) -> None:
        for process, _ in self._running:
            with suppress(ProcessLookupError):
                process.send_signal(sig)

    def _stop(self) -> None:
        self._send(signal.SIGTERM)
        drain = self.settings.config.limits.drain_seconds
        last = time.monotonic() + drain + 2 * GRACE
        for process, _ in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, last - time.monotonic()))
            if process.poll() is None:
                process.kill()
                process.wait()

    def _tell(self, told: Callable[[], None]) -> None:
        """Wait until a worker answers."""
        from http.client import HTTPConnection, HTTPException

        host, port = self.sock.getsockname()[:2]
        while True:
            link = HTTPConnection(host, port, timeout=5.0)
            with suppress(OSError, HTTPException):
                link.request("GET", "/health/ready")
                if link.getresponse().status == 200:
                    told()
                    return
            link.close()
            time.sleep(LOOK)


def main(spec: str) -> int:
    """One worker of several; its exit code."""
    for sig, do in ((signal.SIGTERM, _end), (signal.SIGINT, _end), (signal.SIGHUP, signal.SIG_IGN)):
        signal.signal(sig, do)  # until the server takes them: what is open is closed, too
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
    parent, number, handed, *rest = json.loads(spec)
    logging.basicConfig(level=logging.WARNING, format="equipoise: %(message)s")
    try:
        settings = Handover(handed).settings
        serve_here(Launch(*rest), socket.socket(fileno=number), lambda: None, parent, settings)
    except EquipoiseError as error:
        sys.stderr.write(f"equipoise: {error}\n")
        return FAILED
    return 0


def _end(sig: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
