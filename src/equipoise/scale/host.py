"""What lives in a process of a cluster: workers of any number of partitions, each made when it is
first asked, so that a process that died is replaced by an empty one.

Nothing here runs on the driver, and Ray is not imported before it has to be there.
"""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from equipoise.scale.versions import versions


@dataclass(frozen=True)
class Spec:
    """How workers are made.

    Attributes
    ----------
    make : callable
        (part, *shared) -> a worker, or the answer of a function.
    parts : tuple
        Where the part of each worker is.
    shared : tuple
        What every worker is given.
    """

    make: Any
    parts: tuple[Any, ...]
    shared: tuple[Any, ...]


@dataclass(frozen=True)
class Call:
    """What is asked of the worker of a partition.

    Attributes
    ----------
    place : int
        Of the partition.
    method : str or None
        Of its worker; None: the function is called, and nothing is held.
    args : tuple
        Of the method.
    """

    place: int
    method: str | None
    args: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Failure:
    """An error of a worker, as it was raised.

    Attributes
    ----------
    error : Exception
        The error.
    trace : str
        Where it was raised.
    """

    error: Exception
    trace: str


class Host:
    """The workers of some partitions."""

    def __init__(self) -> None:
        self._specs: dict[int, Spec] = {}
        self._workers: dict[tuple[int, int], Any] = {}

    def about(self) -> dict[str, Any]:
        """The process and what is installed here."""
        return {"machine": platform.node(), "pid": os.getpid(), "versions": versions()}

    def work(self, key: int, spec: Sequence[Any], calls: Sequence[Call]) -> tuple[list[Any], int]:
        """The answers to calls, up to the first failure, and the most memory so far, in bytes.

        Parameters
        ----------
        key : int
            Of the group.
        spec : sequence of one
            Where its `Spec` is.
        calls : sequence of Call
            Of its partitions.

        Returns
        -------
        tuple of list and int
            An answer to each call; the last may be a `Failure`.
        """
        answers: list[Any] = []
        for call in calls:
            try:
                answers.append(self._answer(key, spec, call))
            except Exception as error:
                answers.append(Failure(error, traceback.format_exc()))
                break
        return answers, peak_bytes()

    def _answer(self, key: int, spec: Sequence[Any], call: Call) -> Any:
        import ray

        if key not in self._specs:
            sent: Spec = ray.get(spec[0])
            self._specs[key] = replace(sent, shared=writable(sent.shared))
        how, place = self._specs[key], call.place
        if call.method is None:
            return how.make(writable(ray.get(how.parts[place])), *how.shared)
        if (key, place) not in self._workers:
            part = writable(ray.get(how.parts[place]))
            self._workers[key, place] = how.make(part, *how.shared)
        return getattr(self._workers[key, place], call.method)(*writable(call.args))

    def forget(self, key: int, place: int | None = None) -> None:
        """Let a worker of a group go; None: all of them."""
        if place is None:
            self._specs.pop(key, None)
        gone = [one for one in self._workers if one == (key, one[1] if place is None else place)]
        for one in gone:
            del self._workers[one]


def writable(thing: Any) -> Any:
    """Arrays that came from another process as those of this one: compiled kernels know them, and
    what is made of them may be changed.

    Parameters
    ----------
    thing : object
        An array, or tuples, lists, dicts and dataclasses of them; anything else stays as it is.

    Returns
    -------
    object
        The same, with arrays that can be written.
    """
    if isinstance(thing, np.ndarray):
        return thing if thing.flags.writeable else thing.copy()
    if isinstance(thing, tuple) and hasattr(thing, "_fields"):
        return type(thing)(*map(writable, thing))
    if type(thing) in (tuple, list):
        return type(thing)(map(writable, thing))
    if type(thing) is dict:
        return {key: writable(value) for key, value in thing.items()}
    if is_dataclass(thing) and not isinstance(thing, type):
        same = copy(thing)
        for field in fields(thing):
            object.__setattr__(same, field.name, writable(getattr(thing, field.name)))
        return same
    return thing


def peak_bytes() -> int:
    """The most memory that this process had at a time; 0 where the system does not say.

    Returns
    -------
    int
        In bytes.
    """
    with suppress(ImportError):  # Windows
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return 0
