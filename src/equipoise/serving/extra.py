"""What the service needs beside the library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from equipoise.core.errors import MissingExtra


@contextmanager
def serving_extra() -> Iterator[None]:
    """Imports of the service's parts: what is not installed is named with the way to get it."""
    try:
        yield
    except MissingExtra:
        raise
    except ModuleNotFoundError as error:
        fix = 'pip install "equipoise[serve]"'
        got = f"no module {error.name!r}"
        raise MissingExtra("the extra 'serve'", "be installed", got, fix=fix) from error
