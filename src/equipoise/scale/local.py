"""The engine of one process: partitions one after another, or by some threads at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
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
        stream = self.stream(function, parts, *shared, progress=progress, what=what)
        answers = dict(stream)
        return [answers[place] for place in range(len(parts))]

    def stream(
        self,
        function: Callable[..., R],
        parts: Sequence[Any],
        *shared: Any,
        progress: Progress = silent,
        what: str = "",
    ) -> Generator[tuple[int, R], None, None]:
        """The answers as they come.

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

        Yields
        ------
        tuple of int and object
            The place of a part, and its answer.
        """
        calls = [(function, (part, *shared)) for part in parts]
        yield from _answers(calls, self.threads, progress, what)

    def processes(self) -> list[dict[str, Any]]:
        """No process but this one.

        Returns
        -------
        list of dict
            Empty.
        """
        return []

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
        answers = dict(self._calls(method, arguments))
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
        yield from self._calls(method, [args] * len(self.workers))

    def _calls(
        self, method: str, arguments: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Any]]:
        calls = [(getattr(w, method), own) for w, own in zip(self.workers, arguments, strict=True)]
        return _answers(calls, self.executor.threads, self.progress, self.what)

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


def _answers(
    calls: Sequence[tuple[Callable[..., R], tuple[Any, ...]]],
    threads: int,
    progress: Progress,
    what: str,
) -> Generator[tuple[int, R], None, None]:
    """Places and answers of calls, as they come; progress is told how many there are."""
    total = len(calls)
    if threads == 1 or total < 2:
        for place, (function, arguments) in enumerate(calls):
            answer = function(*arguments)
            progress(what, place + 1, total)
            yield place, answer
        return
    pool = ThreadPoolExecutor(threads)
    try:
        waiting: dict[Future[R], int] = {
            pool.submit(function, *arguments): place
            for place, (function, arguments) in enumerate(calls)
        }
        for done, future in enumerate(as_completed(waiting), 1):
            progress(what, done, total)
            yield waiting[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


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
