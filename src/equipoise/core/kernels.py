"""Kernels: functions that numba compiles on first use and keeps on disk, wherever that can be.

A compiled kernel lies beside its source; where that folder cannot be written to, in the user's
cache folder; where neither can (a read-only machine, no home), in a private folder among the
temporary files.  `NUMBA_CACHE_DIR` comes before all of them.  What was compiled ahead
(``equipoise warm`` while an image is built), beside the sources or in `NUMBA_CACHE_DIR`, is taken
along to wherever the cache is; where nothing can be written it is read where it lies, and the rest
is compiled anew by every process.

The first second of compiling is told once, to the log of this module; the command line shows it.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache as once
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, event

LOGGER = logging.getLogger(__name__)
PACKAGE = __name__.partition(".")[0]
WORTH_TELLING = 1.0  # seconds of compiling; a single kernel of another type takes less
COMPILED = (".nbc", ".nbi")  # code first, then the index that names it
GIVEN: str = numba.config.CACHE_DIR  # type: ignore[attr-defined]


def njit(*, cache: bool = True, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit` whose cache is where something can be written, or nowhere.

    Parameters
    ----------
    cache : bool, default True
        Whether to keep what is compiled.
    **options : object
        Of `numba.njit`.

    Returns
    -------
    callable
        The decorator.

    Examples
    --------
    >>> @njit(nogil=True)
    ... def twice(x):
    ...     return 2 * x
    >>> twice(21)
    42
    """

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            kernel = numba.njit(cache=cache, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            kernel = _cached_elsewhere(function, options)
        if kernel.stats.cache_path:
            _take_along(Path(function.__code__.co_filename).parent, Path(kernel.stats.cache_path))
        return kernel

    return compiled


def only_for(kernel: Any, *examples: Any) -> None:
    """Compile a kernel for arguments like the examples, and for no others after: a type that was
    not met before would else compile, for a second or more, in the middle of what is asked.

    Parameters
    ----------
    kernel : numba dispatcher
        A function under `njit`.
    *examples : object
        Its arguments; one that is an array which cannot be written to stands for both kinds.

    Examples
    --------
    >>> @njit()
    ... def first(x):
    ...     return x[0]
    >>> only_for(first, b"a")
    >>> first(b"b")
    98
    """
    kernel.compile(tuple(map(numba.typeof, examples)))
    kernel.disable_compile()


def _cached_elsewhere(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """The kernel where numba found no folder to write to."""
    folder = _private_folder()
    numba.config.CACHE_DIR = folder  # type: ignore[attr-defined]
    if folder:
        with suppress(RuntimeError):
            return numba.njit(cache=True, **options)(function)
    kernel = numba.njit(**options)(function)
    with suppress(RuntimeError):  # nothing of this file was compiled ahead
        kernel._cache = _compiled_ahead(function)
    return kernel


def _compiled_ahead(function: Callable[..., Any]) -> Any:
    """What was compiled ahead of a function, to be read and never written.

    Raises
    ------
    RuntimeError
        Where nothing was.
    """
    names = "InTreeCacheLocator", "_InTreeCacheLocator"  # of newer and of older versions
    base: Any = next(getattr(caching, name) for name in names if hasattr(caching, name))

    class Locator(base):  # type: ignore[misc]
        def ensure_cache_path(self) -> None:
            sources = Path(self._py_file).parent
            filled = [one for one in _ahead_of(sources) if any(one.glob(f"*{COMPILED[1]}"))]
            if not filled:
                raise FileNotFoundError(sources)
            self._cache_path = str(filled[0])

    class Kept(caching.CompileResultCacheImpl):
        _locator_classes = [Locator]  # noqa: RUF012 - numba's own is a list

    class ReadOnly(caching.FunctionCache):
        _impl_class = Kept

        def save_overload(self, sig: Any, data: Any) -> None:
            """Nothing can be written."""

    return ReadOnly(function)  # type: ignore[no-untyped-call]


def _ahead_of(sources: Path) -> list[Path]:
    """Where the kernels of a folder's files may have been compiled ahead."""
    given = GIVEN and Path(GIVEN, _subfolder(sources))
    return [*([given] if given else []), sources / "__pycache__"]


def _subfolder(sources: Path) -> str:
    """numba's name for a folder of sources, within a cache of many."""
    name: Any = caching._CacheLocator.get_suitable_cache_subpath
    return str(name(str(sources / "a.py")))


@once
def _private_folder() -> str:
    """A folder among the temporary files that is this user's alone, "" if there is none: numba
    trusts what it finds there.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    with suppress(OSError):
        folder = Path(tempfile.gettempdir()) / f"{PACKAGE}-kernels-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o022:
            return str(folder)
    return ""


@once
def _take_along(sources: Path, cache: Path) -> None:
    """Copy what was compiled ahead, where the cache is elsewhere."""
    for ahead in _ahead_of(sources):
        if ahead == cache:
            continue
        with suppress(OSError):
            for suffix in COMPILED:
                for file in ahead.glob(f"*{suffix}"):
                    if not (cache / file.name).exists():
                        whole = shutil.copy(file, cache / f"{file.name}.{os.getpid()}")
                        os.replace(whole, cache / file.name)


class Compiling(event.Listener):
    """Adds up what this package's kernels take to compile, and tells once.

    Attributes
    ----------
    seconds : float
        Spent compiling so far.
    kernels : int
        How often something was compiled.
    """

    def __init__(self) -> None:
        self.seconds, self.kernels = 0.0, 0
        self._depth, self._start, self._told = 0, 0.0, False
        self._kernel: Any = None

    def on_start(self, event: Any) -> None:
        """Note when the outermost kernel began; kernels that it calls are compiled within."""
        if self._depth == 0:
            self._start, self._kernel = time.perf_counter(), event.data["dispatcher"]
        self._depth += 1

    def on_end(self, event: Any) -> None:
        """Count the time, and tell when there is much of it."""
        self._depth -= 1
        self.kernels += 1
        spent = self.seconds + time.perf_counter() - self._start
        if self._depth == 0:
            self.seconds = spent
        if spent > WORTH_TELLING and not self._told:
            self._told = True
            LOGGER.info(
                "compiling kernels for this machine: seconds at the first use of each, once; %s",
                where(self._kernel),  # what it calls may be numba's own, which is not kept
            )


def where(kernel: Any) -> str:
    """Where a kernel is kept, in words.

    Parameters
    ----------
    kernel : numba dispatcher
        A function under `njit`.

    Returns
    -------
    str
        "kept in ...".
    """
    folder = kernel.stats.cache_path
    if not folder:
        return "no folder to keep them in: set NUMBA_CACHE_DIR to one that can be written to"
    here = Path(folder)
    return f"kept in {here.parent if here.name != '__pycache__' else _package_of(here)}"


def _package_of(folder: Path) -> Path:
    """The package that a folder beside a source lies in."""
    return next((above for above in folder.parents if above.name == PACKAGE), folder)


COMPILING = Compiling()
event.register("numba:compile", COMPILING)  # type: ignore[no-untyped-call]
