"""How long work tells its progress: a callback of what is being done, steps done and steps in
all.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(what: str, steps: int, total: int) -> None:
    """The callback that shows nothing."""
