"""The processes of a cluster that work for us, and what happens when one dies.

A process that dies, or whose machine does, is replaced by an empty one where the cluster has room;
until then the others do its work.  They make its workers again, of their partitions, and the calls
that were lost are repeated.  A partition in whose calls `TRIES` processes died is given up, with
its number and the reason.
"""

from __future__ import annotations

import logging
import platform
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.core.errors import ClusterError, EquipoiseError, MissingExtra
from equipoise.core.version import __version__
from equipoise.scale.host import Call, Failure, Host, writable
from equipoise.scale.versions import check_versions

LOGGER = logging.getLogger(__name__)
TRIES = 3  # deaths in calls of one partition
NO_MODULE = "No module named"
TICK = 0.5  # seconds between looks at what else happens
SHOWN = 300  # letters of what a cluster says


@dataclass(eq=False)
class Process:
    """An actor and what is known of it.

    Attributes
    ----------
    actor : object
        Ray's handle.
    machine : str
        Its name.
    pid : int
        Of its process.
    done : int
        The calls that it answered.
    peak : int
        The most memory that it had, in bytes.
    """

    actor: Any
    machine: str = ""
    pid: int = 0
    done: int = 0
    peak: int = 0

    @property
    def name(self) -> str:
        """Machine and process."""
        return f"{self.machine} {self.pid}"


Tasks = deque[Sequence[Call]]
Running = dict[Any, tuple[Process, Sequence[Call]]]


class Hosts:
    """Up to so many processes, started when they are needed.

    Parameters
    ----------
    ray : module
        With a cluster.
    most : int
        How many.
    options : dict
        Of each actor.
    patience : float
        Seconds to wait for a process.
    """

    def __init__(self, ray: Any, most: int, options: dict[str, Any], patience: float) -> None:
        self._ray, self._most, self._patience = ray, most, patience
        self._class = ray.remote(Host).options(**options)
        self._starting: dict[Any, Any] = {}  # what an actor says of itself, later -> actor
        self.processes: list[Process] = []
        self.lost: list[Process] = []
        self._refused = 0  # processes that did not start, since one did

    def start(self, wanted: int) -> None:
        """Have so many processes, or as many as the cluster has room for, at least one.  Those that
        are to replace others are not waited for.
        """
        missing = min(wanted, self._most) - len(self.processes) - len(self._starting)
        for _ in range(missing):
            self._start_one()
        end = time.monotonic() + self._patience * (missing > 0 or not self.processes)
        while self._starting and time.monotonic() < end:
            self._welcome(TICK)
        if self._starting and self.processes and missing > 0:
            LOGGER.warning(
                "%d of %d actors have not started in %.0f s; the others do their work",
                len(self._starting), len(self._starting) + len(self.processes), self._patience,
            )  # fmt: skip
        self._require_one()

    def _start_one(self) -> None:
        actor = self._class.remote()
        self._starting[actor.about.remote()] = actor

    def _welcome(self, wait: float) -> None:
        """Take in the processes that have started."""
        ready, _ = self._ray.wait(list(self._starting), num_returns=1, timeout=wait)
        for ref in ready:
            actor = self._starting.pop(ref)
            try:
                about = self._ray.get(ref)
            except self._ray.exceptions.RayActorError as error:
                self._refused += 1
                text = str(error)
                if "creation task" in text or NO_MODULE in text or self._refused >= TRIES:
                    raise _not_started(error) from error
                self._start_one()  # its machine died
                continue
            self._refused = 0
            check_versions(about["versions"], about["machine"])
            self.processes.append(Process(actor, about["machine"], about["pid"]))

    def _require_one(self) -> None:
        if self.processes:
            return
        free = self._ray.available_resources().get("CPU", 0.0)
        got = f"none in {self._patience:.0f} s, with {free:g} CPUs free"
        fix = "wait until the cluster has room, or ask for fewer workers or less memory"
        raise ClusterError("an actor", "start", got, fix=fix)

    def work(
        self,
        key: int,
        spec: Sequence[Any],
        tasks: Sequence[Sequence[Call]],
        homes: dict[int, Process] | None,
    ) -> Iterator[tuple[Process, Call, Any]]:
        """The answers to calls as they come, each with the process that gave it.

        Parameters
        ----------
        key : int
            Of the group.
        spec : sequence of one
            Where its `Spec` is.
        tasks : sequence of sequences of Call
            Each goes to one process, in one message.
        homes : dict of int to Process, or None
            Which process holds the worker of a place, brought up to date; None: any process will
            do for any task.

        Yields
        ------
        tuple of Process, Call and object
            Who answered what.
        """
        common: Tasks = deque()
        own: dict[int, Tasks] = {}
        for task in tasks:
            home = (homes or {}).get(task[0].place)
            queue = own.setdefault(id(home), deque()) if home in self.processes else common
            queue.append(task)
        running: Running = {}
        deaths: dict[int, int] = {}
        try:
            while common or running or any(own.values()):
                self._send(key, spec, common, own, running)
                for process, task, answers in self._answered(running, common, own, deaths):
                    for call, answer in zip(task, answers, strict=False):
                        if isinstance(answer, Failure):
                            if running:
                                self._ray.wait([*running], num_returns=len(running))
                            running.clear()
                            raise _as_raised(answer, process)
                        process.done += 1
                        if homes is not None:
                            homes[call.place] = process
                        yield process, call, writable(answer)
        finally:
            for process, _ in running.values():  # the caller went away
                self.processes.remove(process)
                self._ray.kill(process.actor)

    def _send(
        self,
        key: int,
        spec: Sequence[Any],
        common: Tasks,
        own: dict[int, Tasks],
        running: Running,
    ) -> None:
        """Give every process that has nothing to do a task of its own, or one that any may do."""
        busy = [process for process, _ in running.values()]
        for process in self.processes:
            queue = own.get(id(process)) or common
            if process not in busy and queue:
                task = queue.popleft()
                running[process.actor.work.remote(key, spec, task)] = process, task

    def _answered(
        self, running: Running, common: Tasks, own: dict[int, Tasks], deaths: dict[int, int]
    ) -> Iterator[tuple[Process, Sequence[Call], list[Any]]]:
        """What has been answered, once something was; what died is to be done again."""
        ready, _ = self._ray.wait([*running, *self._starting], num_returns=1, timeout=TICK)
        if any(ref in self._starting for ref in ready):
            self._welcome(0)
        for ref in set(ready) & running.keys():
            process, task = running.pop(ref)
            try:
                answers, process.peak = self._ray.get(ref)
            except self._ray.exceptions.RayActorError as error:
                common.extendleft(reversed([[call] for call in task]))
                common.extend(own.pop(id(process), ()))
                self._bury(process, error)
                _count(deaths, task, error)
                continue
            yield process, task, answers

    def _bury(self, process: Process, error: Exception) -> None:
        """Go on without a process, and ask for another."""
        LOGGER.warning("process %s died (%s); its work is done again", process.name, _said(error))
        self.processes.remove(process)
        self.lost.append(process)
        self._ray.kill(process.actor)  # where it is only out of reach
        self._start_one()
        if not self.processes:
            self.start(1)

    def spread(self, key: int, homes: dict[int, Process], parts: int) -> None:
        """Give every process its share of the places of a group: all in turn at first, later those
        of processes that died, and what others have too much of for one that is new.
        """
        share = -(-parts // len(self.processes))
        held: dict[int, list[int]] = {id(process): [] for process in self.processes}
        homeless = []
        for place in range(parts):
            home = homes.get(place)
            own = None if home is None else held.get(id(home))
            if own is None or len(own) == share:
                homeless.append(place)
                if own is not None and home is not None:
                    home.actor.forget.remote(key, place)
            else:
                own.append(place)
        for place in homeless:
            process = min(self.processes, key=lambda one: len(held[id(one)]))
            held[id(process)].append(place)
            homes[place] = process

    def forget(self, key: int) -> None:
        """Let the workers of a group go."""
        for process in self.processes:
            process.actor.forget.remote(key)

    def close(self) -> None:
        """End all processes."""
        for actor in [*(process.actor for process in self.processes), *self._starting.values()]:
            self._ray.kill(actor)
        self.processes, self._starting = [], {}


def _as_raised(failure: Failure, process: Process) -> Exception:
    """The error of a worker, and where it was: on another machine a path may lead elsewhere."""
    error = failure.error
    error.add_note(f"in process {process.name}:\n{failure.trace}")
    if isinstance(error, EquipoiseError) and process.machine != platform.node():
        error.where = f"{error.where} on {process.machine}".strip()
    return error


def _count(deaths: dict[int, int], task: Sequence[Call], error: Exception) -> None:
    """Give a partition up in whose calls too many processes died."""
    if len(task) > 1:  # which of them it was shows when they are asked one by one
        return
    place = task[0].place
    deaths[place] = deaths.get(place, 0) + 1
    if deaths[place] >= TRIES:
        got = f"{TRIES} that died: {_said(error)}"
        fix = "look at the memory of its machine: smaller partitions or fewer workers need less"
        raise ClusterError(f"partition {place}", "be done by a process", got, fix=fix)


def _not_started(error: Exception) -> Exception:
    """Why a process did not start, in our grammar."""
    text = str(error)
    if NO_MODULE in text:
        got = f"no module {text.split(NO_MODULE)[-1].split()[0]}"
        fix = f'pip install "equipoise[scale]=={__version__}" there'
        return MissingExtra("every machine of a cluster", "have Equipoise", got, fix=fix)
    fix = "look at its logs, and at what is installed there"
    return ClusterError("a process of the cluster", "start", _said(error), fix=fix)


def _said(error: Exception) -> str:
    """What a cluster says of a death, without its advice."""
    text = " ".join(str(error).split()).partition(" Some common causes")[0]
    detail = text.rpartition("Worker exit detail: ")[2] or text
    return detail if len(detail) <= SHOWN else f"{detail[:SHOWN]}..."
