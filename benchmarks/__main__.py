"""`python -m benchmarks NAME [NAME ...]`: run benchmarks; without a name, list them."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HELPERS = {"__init__", "__main__", "neighbours", "peers", "record", "worlds"}
NAMES = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in HELPERS)


def main() -> int:
    """Run the benchmarks named on the command line."""
    wanted = sys.argv[1:]
    unknown = [name for name in wanted if name not in NAMES]
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
