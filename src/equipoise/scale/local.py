"""The engine of one process: partitions one after another, or by some threads at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from types import TracebackType
from typing import Any, TypeVar

from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, silent

R = TypeVar("R")


class LocalExecutor:
    """Works in this process.

    Parameters
    ----------
    threads : int, default 1
        How many partitions are worked on at a time.

    Examples
    --------
    >>> LocalExecutor(2).run(pow, [2, 3], 2)
    [4, 9]
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def group(
        self,
        worker: Callable[..., Any],
        parts: Sequence[Any],
        *shared: Any,
        progress: Progress = silent,
        what: str = "",
    ) -> LocalGroup:
        """A worker for each part.

        Parameters
        ----------
        worker : callable
            (part, *shared) -> a worker.
        parts : sequence
            Partitions, or anything else.
        *shared : object
            What every worker is given.
        progress : callable, default silent
            Told how many parts are done, while workers are made and in every call.
        what : str, default ""
            What is being done.

        Returns
        -------
        LocalGroup
            Of these workers.
        """
        workers = self.run(worker, parts, *shared, progress=progress, what=what)
        return LocalGroup(workers, self, progress, what)

    def run(
        self,
        function: Callable[..., R],
        parts: Sequence[Any],
        *shared: Any,
        progress: Progress = silent,
        what: str = "",
    ) -> list[R]:
        """The answers of a function of each part, in their order.

        Parameters
        ----------
        function : callable
            (part, *shared) -> an answer.
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
        answers = dict(self.stream(function, [(part, *shared) for part in parts], progress, what))
        return [answers[place] for place in range(len(parts))]

    def stream(
        self,
        function: Callable[..., R],
        arguments: Sequence[tuple[Any, ...]],
        progress: Progress = silent,
        what: str = "",
    ) -> Iterator[tuple[int, R]]:
        """Places and answers of a function of each of some arguments, as they come.

        Parameters
        ----------
        function : callable
            Of these arguments.
        arguments : sequence of tuple
            Of each call.
        progress : callable, default silent
            Told how many calls are done.
        what : str, default ""
            What is being done.

        Yields
        ------
        tuple of int and object
            The place and its answer.
        """
        total = len(arguments)
        if self.threads == 1 or total < 2:
            for place, own in enumerate(arguments):
                yield place, function(*own)
                progress(what, place + 1, total)
            return
        pool, left = ThreadPoolExecutor(self.threads), enumerate(arguments)
        waiting: dict[Future[R], int] = {}
        try:
            done = 0
            while done < total:
                for place, own in islice(left, self.threads - len(waiting)):
                    waiting[pool.submit(function, *own)] = place
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    done += 1
                    yield waiting.pop(future), future.result()  # no answer is held longer
                    progress(what, done, total)
        finally:
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Nothing was started."""

    def __enter__(self) -> LocalExecutor:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing was started."""


class LocalGroup:
    """Workers that live in this process.

    Parameters
    ----------
    workers : list
        One a partition.
    executor : LocalExecutor
        What calls them.
    progress : callable, default silent
        Told how many workers have answered.
    what : str, default ""
        What is being done.

    Examples
    --------
    >>> with LocalExecutor().group(list, ["ab", "c"]) as group:
    ...     group.call("count", "a")
    [1, 0]
    """

    def __init__(
        self,
        workers: list[Any],
        executor: LocalExecutor,
        progress: Progress = silent,
        what: str = "",
    ) -> None:
        self.workers, self.executor, self.progress, self.what = workers, executor, progress, what

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
        return self.each(method, [args] * len(self.workers))

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Ask every worker something of its own.

        Parameters
        ----------
        method : str
            Of the workers.
        arguments : sequence of tuple
            The arguments for each.

        Returns
        -------
        list
            One answer a partition, in their order.
        """
        answers = dict(self._answers(method, arguments))
        return [answers[place] for place in range(len(self.workers))]

    def stream(self, method: str, *args: Any) -> Iterator[tuple[int, Any]]:
        """Ask every worker the same, and take the answers as they come.

        Parameters
        ----------
        method : str
            Of the workers.
        *args : object
            Its arguments.

        Yields
        ------
        tuple of int and object
            A partition's place and its answer.
        """
        yield from self._answers(method, [args] * len(self.workers))

    def _answers(
        self, method: str, arguments: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Any]]:
        calls = [(getattr(w, method), own) for w, own in zip(self.workers, arguments, strict=True)]
        return self.executor.stream(_called, calls, self.progress, self.what)

    def close(self) -> None:
        """Forget the workers."""
        self.workers = []

    def __enter__(self) -> LocalGroup:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Forget the workers."""
        self.close()


def _called(method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return method(*arguments)


def local_executor(address: str | None, workers: int | None) -> LocalExecutor:
    """The executor of this process; None for a thread a core."""
    if address is not None:
        fix = "leave the address out, or add --engine ray"
        raise InputError("the local engine", "have no address", repr(address), fix=fix)
    return LocalExecutor(workers or cores())


def cores() -> int:
    """The cores that this process may use.

    Returns
    -------
    int
        At least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
