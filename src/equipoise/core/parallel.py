"""Pieces of work that do not hang on each other: fits of folds, replicates of a bootstrap, worlds.

They are done here, one after another, unless whoever asked for the whole has named what does them
(`worked_by`), as `equipoise run --engine ray` does; answers are the same either way, and pieces
within a piece are done where that one is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from equipoise.core.progress import Progress, silent

R = TypeVar("R")
_ENGINE: ContextVar[Callable[..., Any] | None] = ContextVar("engine", default=None)


@contextmanager
def worked_by(engine: Callable[..., Any] | None) -> Iterator[None]:
    """For the block, have pieces of work done by an engine.

    Parameters
    ----------
    engine : callable or None
        The ``stream`` of an `equipoise.scale.executor.Executor` whose workers are processes; None:
        what did them before.
    """
    before = _ENGINE.get()
    token = _ENGINE.set(before if engine is None else engine)
    try:
        yield
    finally:
        _ENGINE.reset(token)


def as_they_come(
    function: Callable[..., R],
    parts: Sequence[Any],
    *shared: Any,
    progress: Progress = silent,
    what: str = "",
) -> Generator[tuple[int, R], None, None]:
    """The place of each part and what a function makes of it.

    Parameters
    ----------
    function : callable
        (part, *shared) -> an answer, which hangs on nothing else; importable by name.
    parts : sequence
        One a piece.
    *shared : object
        What every piece is given; it is not changed.
    progress : callable, default silent
        Told how many pieces are done.
    what : str, default ""
        What is being done.

    Yields
    ------
    tuple of int and object
        As pieces come to their ends.
    """
    engine = _ENGINE.get()
    if engine is not None and len(parts) > 1:
        with closing(engine(function, parts, *shared, progress=progress, what=what)) as answers:
            yield from answers
        return
    for place, part in enumerate(parts):
        answer = function(part, *shared)
        progress(what, place + 1, len(parts))
        yield place, answer


def in_order(
    function: Callable[..., R],
    parts: Sequence[Any],
    *shared: Any,
    progress: Progress = silent,
    what: str = "",
) -> Iterator[R]:
    """The answers of `as_they_come` in the order of the parts, each as early as that can be.

    Parameters
    ----------
    function : callable
        As there, and so on.
    parts : sequence
        One a piece.
    *shared : object
        What every piece is given.
    progress : callable, default silent
        Told how many pieces are done.
    what : str, default ""
        What is being done.

    Yields
    ------
    object
        An answer a part.

    Examples
    --------
    >>> list(in_order(pow, [2, 3], 2))
    [4, 9]
    """
    waiting: dict[int, R] = {}
    following = 0
    with closing(as_they_come(function, parts, *shared, progress=progress, what=what)) as answers:
        for place, answer in answers:
            waiting[place] = answer
            while following in waiting:
                yield waiting.pop(following)
                following += 1
