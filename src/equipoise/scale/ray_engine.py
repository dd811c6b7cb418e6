"""The engine of a Ray cluster (Moritz et al. 2018, "Ray: A distributed framework for emerging AI
applications"), or of processes on this machine that Ray starts for the while: extra ``scale``.

Actors of Ray Core hold the partitions; what travels is what is asked and what is answered.  Only
functions and classes that every machine can import by name are sent, with plain data, arrays and
Arrow; what is sent is read-only on the other side.  A cluster that we start listens on this machine
only, and is ended with the executor; one that is given by its address stays as it is.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

from equipoise.core.errors import ClusterError, InputError, MissingExtra
from equipoise.core.progress import Progress, silent
from equipoise.core.quiet import errors_alone
from equipoise.scale.executor import Executor, Group, in_order
from equipoise.scale.host import Call, Spec
from equipoise.scale.hosts import Hosts, Process
from equipoise.scale.local import cores

R = TypeVar("R")
MESSAGE = 16  # calls that go to a process in one message
KNOCK = 10.0  # seconds until an address has answered
PATIENCE = 120.0  # seconds until a process has started
BY_DEFAULT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # else messages about processes that died go to stdout
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
FIX = 'pip install "equipoise[scale]"'


class RayExecutor(Executor):
    """Works in processes of a Ray cluster.

    Parameters
    ----------
    address : str or None, default None
        Of a cluster that runs, as "10.0.0.1:6379", or "auto" on one of its machines; None: one of
        this machine alone, which is ended with the executor, or the one that this process already
        uses.
    actors : int or None, default None
        How many processes, each of one CPU; None: as many as there are free CPUs.
    memory : int or None, default None
        Bytes that each process needs, where the cluster is to count them.
    patience : float, default 120.0
        Seconds to wait for a process to start.

    Raises
    ------
    MissingExtra
        Where Ray is not installed.
    ClusterError
        Where the cluster does not answer.
    """

    apart = True

    def __init__(
        self,
        address: str | None = None,
        actors: int | None = None,
        memory: int | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.address, self.actors, self.memory, self.patience = address, actors, memory, patience
        self._ray = _import_ray()
        self._own = not self._ray.is_initialized()
        if self._own:
            _connect(self._ray, address, actors or cores())
        free = int(self._ray.available_resources().get("CPU", 1))
        options = {"num_cpus": 1, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        if memory is not None:
            options["memory"] = memory
        self._hosts = Hosts(self._ray, actors or max(free, 1), options, patience)
        self._keys = count()

    def group(
        self,
        worker: Callable[..., Any],
        parts: Sequence[Any],
        *shared: Any,
        progress: Progress = silent,
        what: str = "",
    ) -> RayGroup:
        """A worker for each part, made when it is first asked.

        Parameters
        ----------
        worker : callable
            (part, *shared) -> a worker; importable by name.
        parts : sequence
            Partitions, or anything else.
        *shared : object
            What every worker is given.
        progress : callable, default silent
            Told how many parts are done in every call.
        what : str, default ""
            What is being done.

        Returns
        -------
        RayGroup
            Of these workers.
        """
        return RayGroup(self, self.put(worker, parts, shared), len(parts), progress, what)

    def stream(
        self,
        function: Callable[..., R],
        parts: Sequence[Any],
        *shared: Any,
        progress: Progress = silent,
        what: str = "",
    ) -> Generator[tuple[int, R], None, None]:
        """The answers as they come."""
        key, sent = self.put(function, parts, shared)
        calls = [[Call(place, None)] for place in range(len(parts))]
        try:
            yield from self.answers(key, sent, calls, None, progress, what)
        finally:
            self._hosts.forget(key)

    def answers(
        self,
        key: int,
        spec: Sequence[Any],
        tasks: Sequence[Sequence[Call]],
        homes: dict[int, Process] | None,
        progress: Progress,
        what: str,
    ) -> Iterator[tuple[int, Any]]:
        """Places and answers as they come; arguments as of `Hosts.work`.

        Parameters
        ----------
        key : int
            Of the group.
        spec : sequence of one
            Where its `Spec` is.
        tasks : sequence of sequences of Call
            Each goes to one process.
        homes : dict of int to Process, or None
            Which process holds the worker of a place.
        progress : callable
            Told of all calls, and of those of each process.
        what : str
            What is being done.

        Yields
        ------
        tuple of int and object
            A place and its answer.
        """
        self._hosts.start(len(tasks))
        total, own = sum(map(len, tasks)), Counter[str]()
        work = self._hosts.work(key, spec, tasks, homes)
        for done, (process, call, answer) in enumerate(work, 1):
            own[process.name] += 1
            held = f"{process.peak / 2**20:.0f} MB"
            progress(what, done, total)
            progress(f"{what}, {process.name} | {held}", own[process.name], total)
            yield call.place, answer

    def put(
        self, make: Callable[..., Any], parts: Sequence[Any], shared: tuple[Any, ...]
    ) -> tuple[int, list[Any]]:
        """A new key, and where all processes find how workers are made; each takes its parts."""
        spec = Spec(_named(make), tuple(map(self._ray.put, parts)), shared)
        return next(self._keys), [self._ray.put(spec)]

    def spread(self, key: int, homes: dict[int, Process], parts: int) -> None:
        """Bring up to date which process holds the worker of each place of a group."""
        self._hosts.start(parts)
        self._hosts.spread(key, homes, parts)

    def forget(self, key: int) -> None:
        """Let the workers of a group go."""
        self._hosts.forget(key)

    def processes(self) -> list[dict[str, Any]]:
        """What each process did so far.

        Returns
        -------
        list of dict
            ``machine``, ``pid``, how many calls it has ``done``, its ``peak_mb`` of memory, and
            whether it is ``alive``.
        """
        alive, lost = self._hosts.processes, self._hosts.lost
        return [
            {
                "machine": one.machine,
                "pid": one.pid,
                "done": one.done,
                "peak_mb": one.peak / 2**20,
                "alive": one in alive,
            }
            for one in (*alive, *lost)
        ]

    def close(self) -> None:
        """End the processes, and the cluster where it is ours."""
        if not self._ray.is_initialized():
            return
        self._hosts.close()
        if self._own:
            self._ray.shutdown()


class RayGroup(Group):
    """Workers that live in processes of a cluster.

    Parameters
    ----------
    executor : RayExecutor
        Whose processes.
    sent : tuple of int and list
        The key of the group, and where its `Spec` is.
    parts : int
        How many workers.
    progress : callable
        Told how many workers have answered.
    what : str
        What is being done.
    """

    def __init__(
        self,
        executor: RayExecutor,
        sent: tuple[int, list[Any]],
        parts: int,
        progress: Progress = silent,
        what: str = "",
    ) -> None:
        self.executor, self.progress, self.what = executor, progress, what
        self.parts = parts
        self._key, self._spec = sent
        self._homes: dict[int, Process] = {}

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Ask every worker something of its own."""
        calls = [Call(place, method, tuple(own)) for place, own in enumerate(arguments)]
        self.executor.spread(self._key, self._homes, self.parts)
        by_home: dict[int, list[Call]] = {}
        for call in calls:
            by_home.setdefault(id(self._homes[call.place]), []).append(call)
        tasks = [
            own[start : start + MESSAGE]
            for own in by_home.values()
            for start in range(0, len(own), MESSAGE)
        ]
        return in_order(self._answers(tasks), self.parts)

    def stream(self, method: str, *args: Any) -> Iterator[tuple[int, Any]]:
        """Ask every worker the same, and take the answers as they come."""
        self.executor.spread(self._key, self._homes, self.parts)
        yield from self._answers([[Call(place, method, args)] for place in range(self.parts)])

    def _answers(self, tasks: Sequence[Sequence[Call]]) -> Iterator[tuple[int, Any]]:
        return self.executor.answers(
            self._key, self._spec, tasks, self._homes, self.progress, self.what
        )

    def close(self) -> None:
        """Let the workers go; their processes stay for others."""
        self.executor.forget(self._key)


def ray_executor(address: str | None, workers: int | None) -> RayExecutor:
    """The executor of a cluster; None for one of this machine, and for as many workers as it has
    free CPUs.
    """
    return RayExecutor(address, workers)


def _import_ray() -> Any:
    with _environment(BY_DEFAULT):
        try:
            import ray
        except ImportError as error:
            got = f"no module {error.name!r}"
            raise MissingExtra("the extra 'scale'", "be installed", got, fix=FIX) from error
    return ray


def _connect(ray: Any, address: str | None, cpus: int) -> None:
    """Start a cluster of this machine, or join the one of an address."""
    how: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if address is None:
        how |= {"num_cpus": cpus, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    else:
        _knock(address)
    with _environment(BY_DEFAULT), _own_signals(), errors_alone("ray._private.authentication"):
        try:
            ray.init(address or "local", **how)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _silent(address, " ".join(str(error).split())[:200]) from error


def _knock(address: str) -> None:
    """Refuse an address where nothing listens; Ray would wait there for many minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdecimal():  # "auto"
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK).close()
    except (OSError, OverflowError) as error:
        raise _silent(address, str(error)) from error


def _silent(address: str | None, got: str) -> ClusterError:
    """What is wrong with a cluster that does not answer."""
    what = "a cluster on this machine" if address is None else "the address of a cluster"
    fix = "look whether it runs (ray status), and whether its ports are open to this machine"
    return ClusterError(what, "answer", got, address or "", fix)


@contextmanager
def _environment(default: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment, for the block, where nobody has set them."""
    ours = {name: value for name, value in default.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _own_signals() -> Iterator[None]:
    """What this process does at a signal stays what it was."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _named(thing: Callable[..., R]) -> Callable[..., R]:
    """Refuse what other machines cannot import by its name: it would have to travel as code."""
    name = f"{getattr(thing, '__module__', None)}.{getattr(thing, '__qualname__', '<none>')}"
    if "<" in name or name.startswith(("None.", "__main__.")):
        fix = "define it at the top of a module that every machine can import"
        raise InputError("what a cluster works with", "be importable by name", name, fix=fix)
    return thing
