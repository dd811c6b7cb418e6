"""Neighbours: processes that keep every core and the memory busy while something is timed, as on a
machine that others work on.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

SORTS = """
import numpy as np
column = np.random.default_rng(0).standard_normal(3_000_000)
while True:
    np.sort(column)
"""


@contextlib.contextmanager
def neighbours(busy: bool = True) -> Iterator[None]:
    """A process that sorts for ever on each core; nobody where ``busy`` is False."""
    command = [sys.executable, "-c", SORTS]
    crowd = [subprocess.Popen(command) for _ in range(busy * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in crowd:
            process.kill()
            process.wait()
