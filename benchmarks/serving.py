"""The decision service: what a decision costs, what a fault costs, and whether the books add up.

Each part stands in a file of its own beside this one, which says what it measures and
how; `python -m benchmarks serving PART` measures one of them, and the recorded figures of the
others stay.
"""

from __future__ import annotations

from benchmarks.record import one_thread

one_thread()

import sys  # noqa: E402

from benchmarks.parts import record_files  # noqa: E402

PACKAGES = ("equipoise", "numpy", "numba", "msgspec", "lmdb", "redis", "fastapi", "uvicorn")


def main(wanted: list[str]) -> None:
    """Measure some parts, or every one, and record them beside the others."""
    record_files("serving", str(__doc__), PACKAGES, wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
