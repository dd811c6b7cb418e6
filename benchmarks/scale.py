"""Scale: past one machine's memory, and past one machine.

Each part stands in a file of its own beside this one, which says what it measures and how;
`python -m benchmarks scale PART` measures one of them, and the recorded figures of the others stay.
"""

from __future__ import annotations

from benchmarks.record import one_thread

one_thread()

import sys  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402

from benchmarks.parts import record_parts  # noqa: E402
from benchmarks.record import versions  # noqa: E402

PACKAGES = ("equipoise", "numpy", "numba", "scipy", "pyarrow", "lightgbm", "ray")
FILES = sorted(Path(__file__).parent.glob("scale_*.py"))


def main(wanted: list[str]) -> None:
    """Measure some parts, or every one, and record them beside the others."""
    modules = {
        file.stem.removeprefix("scale_"): import_module(f"benchmarks.{file.stem}") for file in FILES
    }
    record_parts(
        "scale",
        {part: module.figures for part, module in modules.items()},
        wanted,
        protocols=[str(__doc__), *(str(module.__doc__) for module in modules.values())],
        versions=versions(*PACKAGES),
        seeds=[0],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
