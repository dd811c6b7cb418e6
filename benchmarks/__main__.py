"""`python -m benchmarks NAME [NAME ...]`: run benchmarks, or all of a family, as truth of truth_*;
without a name, list them.  `python -m benchmarks serving PART [PART ...]` runs parts of one.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HELPERS = {"__init__", "__main__", "neighbours", "parts", "peers", "plain_logs", "record", "worlds"}
PARTED = (
    "firstday",
    "scale",
    "serving",
)  # take the names of their parts, which have files of their own
NAMES = sorted(
    file.stem
    for file in Path(__file__).parent.glob("*.py")
    if file.stem not in HELPERS and not file.stem.startswith(tuple(f"{name}_" for name in PARTED))
)


def main() -> int:
    """Run the benchmarks named on the command line."""
    if sys.argv[1:2] and sys.argv[1] in PARTED:
        sys.argv = sys.argv[1:]  # the parts
        runpy.run_module(f"benchmarks.{sys.argv[0]}", run_name="__main__")
        return 0
    family = {
        name: [name] if name in NAMES else [each for each in NAMES if each.startswith(f"{name}_")]
        for name in sys.argv[1:]
    }
    wanted = [each for names in family.values() for each in names]
    unknown = [name for name, names in family.items() if not names]
    if unknown or not wanted:
        print(
            "usage: make bench NAME=...   (FULL=1 for the whole form)\nbenchmarks:"
            f" {', '.join(NAMES)}"
        )
        return 2
    for name in wanted:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
