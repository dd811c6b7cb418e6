"""What every engine can do with partitions.

    group   one worker for each partition, which holds what it made of it between calls
    run     a function of each partition, nothing held

A worker is made of its partition and of what all share, and of nothing else: one that dies is made
again, and its calls are repeated.  So its methods depend on their arguments alone, or change
nothing that a second call would change again.  Results come in the order of the partitions,
whichever comes to its end first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, silent
from equipoise.core.registry import Registry

R = TypeVar("R")
ENGINES = Registry(
    "engine",
    {
        "local": "equipoise.scale.local:local_executor",
        "ray": "equipoise.scale.ray_engine:ray_executor",
    },
)


class Group(ABC):
    """The workers of all partitions; how many stands in ``parts``."""

    parts: int

    def call(self, method: str, *args: Any) -> list[Any]:
        """Ask every worker the same.

        Parameters
        ----------
        method : str
            Of the workers.
        *args : object
            Its arguments.

        Returns
        -------
        list
            One answer a partition, in their order.
        """
        return self.each(method, [args] * self.parts)

    @abstractmethod
    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The same, each worker with arguments of its own."""

    @abstractmethod
    def stream(self, method: str, *args: Any) -> Iterator[tuple[int, Any]]:
        """The place of each partition and its answer to the same, as they come."""

    @abstractmethod
    def close(self) -> None:
        """Let the workers go."""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the workers go."""
        self.close()


class Executor(ABC):
    """Where workers live.

    Attributes
    ----------
    apart : bool
        Whether they share nothing with this process, so that any code may run in several at a
        time: fits set warnings' filters, a generator of torch and numbers of threads, which a
        process has once.
    """

    apart = False

    @abstractmethod
    def group(
        self,
        worker: Callable[..., Any],
        parts: Sequence[Any],
        *shared: Any,
        progress: Progress = silent,
        what: str = "",
    ) -> Group:
        """A worker for each part, ``worker(part, *shared)``; progress is told how many parts are
        done in every call.
        """

    def run(
        self,
        function: Callable[..., R],
        parts: Sequence[Any],
        *shared: Any,
        progress: Progress = silent,
        what: str = "",
    ) -> list[R]:
        """The answers of a function of each part, in their order; no more parts are worked on at a
        time than there are workers.

        Parameters
        ----------
        function : callable
            (part, *shared) -> an answer; on a cluster importable by name.
        parts : sequence
            Partitions, or anything else.
        *shared : object
            What every call is given.
        progress : callable, default silent
            Told how many parts are done.
        what : str, default ""
            What is being done.

        Returns
        -------
        list
            One answer a part.
        """
        stream = self.stream(function, parts, *shared, progress=progress, what=what)
        return in_order(stream, len(parts))

    @abstractmethod
    def stream(
        self,
        function: Callable[..., R],
        parts: Sequence[Any],
        *shared: Any,
        progress: Progress = silent,
        what: str = "",
    ) -> Generator[tuple[int, R], None, None]:
        """The place of each part and its answer, as they come; closed before its end, it leaves
        nothing at work.
        """

    @abstractmethod
    def processes(self) -> list[dict[str, Any]]:
        """What each process beside this one did: ``machine``, ``pid``, ``done`` calls, ``peak_mb``
        of memory, whether it is ``alive``.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of what the executor started."""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of what the executor started."""
        self.close()


def pieces_of(executor: Executor | None) -> Callable[..., Any] | None:
    """What does pieces of work of any kind, for `core.parallel.worked_by`; None: this process."""
    return executor.stream if executor is not None and executor.apart else None


def in_order(answers: Iterable[tuple[int, R]], total: int) -> list[R]:
    """Answers that come with their places, by these."""
    placed = dict(answers)
    return [placed[place] for place in range(total)]


def executor_of(
    engine: str = "local", address: str | None = None, workers: int | None = None
) -> Executor:
    """The executor of an engine.

    Parameters
    ----------
    engine : str, default "local"
        A name of `ENGINES`.
    address : str or None, default None
        Of a cluster that runs; None: this machine.
    workers : int or None, default None
        How many partitions are worked on at a time; None: as many as there are cores.

    Returns
    -------
    Executor
        Ready to work.

    Raises
    ------
    InputError
        Where there is no such engine, or it takes no address, or the workers are none.

    Examples
    --------
    >>> executor_of().run(len, ["ab", "c"])
    [2, 1]
    """
    if workers is not None and workers < 1:
        raise InputError("workers", "be a whole number >= 1", workers)
    executor: Executor = ENGINES.load(engine)(address, workers)
    return executor
