"""What the service needs beside the library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from equipoise.core.errors import MissingExtra

FIX = 'pip install "equipoise[serve]"'


@contextmanager
def serving_extra() -> Iterator[None]:
    """Imports of the service's parts: what is not installed is named with the way to get it."""
    try:
        yield
    except MissingExtra:
        raise
    except ModuleNotFoundError as error:
        got = f"no module {error.name!r}"
        raise MissingExtra("the extra 'serve'", "be installed", got, fix=FIX) from error


def lmdb(what: str) -> Any:
    """The package, imported where it is needed: a store has another way without it.

    Parameters
    ----------
    what : str
        What needs it, for the error.

    Returns
    -------
    module
        `lmdb`.

    Raises
    ------
    MissingExtra
        Where it is not installed.
    """
    try:
        import lmdb as package
    except ImportError as error:
        raise MissingExtra(what, "have lmdb", "no such package", fix=FIX) from error
    return package
