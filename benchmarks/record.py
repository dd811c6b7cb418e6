"""Write what a benchmark measured: benchmarks/results/<name>.json, from which the tables in docs/
are generated.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from equipoise.core.snapshot import replacing

RESULTS = Path(__file__).parent / "results"


def full() -> bool:
    """Whether the whole benchmark was asked for (FULL=1) and not its quick form."""
    return os.environ.get("FULL") == "1"


def one_thread() -> None:
    """Hold every numeric library of this process, and of those it starts, to one thread.  Call it
    before they are imported.
    """
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "LOKY_MAX_CPU_COUNT",
    ):
        os.environ[name] = "1"


def figure(
    name: str,
    value: float,
    *,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    against: str = "",
    n: int | None = None,
) -> dict[str, Any]:
    """One figure: its value with its range over runs or seeds, its unit, what it is measured
    against, and at which size.
    """
    return {
        "name": name,
        "value": value,
        "low": low,
        "high": high,
        "unit": unit,
        "against": against,
        "n": n,
    }


def interval(name: str, values: Any, unit: str, against: str = "") -> dict[str, Any]:
    """The mean over seeds with its 95 % Student interval."""
    from equipoise.reproduce.simulated import interval as interval_of

    mean, low, high = interval_of(values)
    return figure(name, mean, low=low, high=high, unit=unit, against=against, n=len(values))


def versions(*packages: str) -> dict[str, str]:
    """The versions that were measured: Python, the machine's kind, and the packages named."""
    return {"python": platform.python_version(), "machine": platform.machine()} | {
        p: metadata.version(p) for p in packages
    }


def record(
    name: str,
    protocol: str,
    versions: dict[str, str],
    seeds: Sequence[int],
    figures: Sequence[dict[str, Any]],
    **more: Any,
) -> Path:
    """Write one benchmark's figures, and what it keeps beside them; an interrupted run leaves the
    old file as it was.
    """
    result = {
        "name": name,
        "protocol": protocol,
        "versions": versions,
        "seeds": list(seeds),
        "figures": list(figures),
        **more,
    }
    path = RESULTS / f"{name}.json"
    with replacing(path) as beside:
        beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path
