"""What a verb imports, out of the way of the collector of garbage: with it in the way a small run
takes a third more.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def imports_settled() -> Iterator[None]:
    """Nothing is collected while the block imports, and what is there at its end, the first time in
    a process, is not looked through again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        _freeze()
    finally:
        if was_on:
            gc.enable()


@cache  # the collector would count what is frozen object by object
def _freeze() -> None:
    gc.freeze()
