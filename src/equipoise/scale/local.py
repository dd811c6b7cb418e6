"""The engine of one process: partitions one after another, or by some threads at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, silent
from equipoise.scale.executor import Executor, Group, in_order

R = TypeVar("R")


class LocalExecutor(Executor):
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

    def stream(
        self,
        function: Callable[..., R],
        parts: Sequence[Any],
        *shared: Any,
        progress: Progress = silent,
        what: str = "",
    ) -> Generator[tuple[int, R], None, None]:
        """The answers as they come."""
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


class LocalGroup(Group):
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
        self.parts = len(workers)

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Ask every worker something of its own."""
        return in_order(self._calls(method, arguments), self.parts)

    def stream(self, method: str, *args: Any) -> Iterator[tuple[int, Any]]:
        """Ask every worker the same, and take the answers as they come."""
        yield from self._calls(method, [args] * self.parts)

    def _calls(
        self, method: str, arguments: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Any]]:
        calls = [(getattr(w, method), own) for w, own in zip(self.workers, arguments, strict=True)]
        return _answers(calls, self.executor.threads, self.progress, self.what)

    def close(self) -> None:
        """Forget the workers."""
        self.workers, self.parts = [], 0


def _answers(
    calls: Sequence[tuple[Callable[..., R], tuple[Any, ...]]],
    threads: int,
    progress: Progress,
    what: str,
) -> Generator[tuple[int, R], None, None]:
    """Places and answers of calls, as they come; progress is told how many there are.  No more
    answers wait than there are threads, and one.
    """
    total = len(calls)
    if threads == 1 or total < 2:
        for place, (function, arguments) in enumerate(calls):
            answer = function(*arguments)
            progress(what, place + 1, total)
            yield place, answer
        return
    pool, left = ThreadPoolExecutor(threads), iter(enumerate(calls))
    waiting: dict[Future[R], int] = {}
    done = 0
    try:
        while True:
            for place, (function, arguments) in islice(left, threads + 1 - len(waiting)):
                waiting[pool.submit(function, *arguments)] = place
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                place, done = waiting.pop(future), done + 1
                progress(what, done, total)
                yield place, future.result()
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
