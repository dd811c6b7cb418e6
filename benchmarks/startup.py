"""What a newcomer waits for: `import equipoise`, `equipoise -h`, and the main job on real data
after installation.

Figures: import_s, import_heavy (heavy packages loaded by the import), help_s, main_job_s: wall
seconds, median of runs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import figure, record, versions

ROOT = Path(__file__).parent.parent
EQUIPOISE = str(Path(sys.executable).with_name("equipoise"))
HEAVY = ("torch", "lightgbm", "numba", "plotly", "pandas", "polars")
RUNS, JOBS = 7, 3


def seconds(command: list[str], runs: int) -> list[float]:
    """The wall time of each of several runs, after one that warms the disk."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return times[1:]


def over_bare_python() -> list[float]:
    """The time that `import equipoise` adds to starting Python, run by run."""
    bare = seconds([sys.executable, "-c", "pass"], RUNS)
    ours = seconds([sys.executable, "-c", "import equipoise"], RUNS)
    return [a - b for a, b in zip(ours, bare, strict=True)]


def main() -> None:
    """Measure and record."""
    probe = f"import sys, equipoise; print(sum(m in sys.modules for m in {HEAVY}))"
    heavy = int(
        subprocess.run(
            [sys.executable, "-c", probe], capture_output=True, text=True, check=True
        ).stdout
    )
    with tempfile.TemporaryDirectory() as folder:
        job = seconds([EQUIPOISE, "run", "examples/voucher.toml", "--out", f"{folder}/run"], JOBS)
    rows = []
    for name, times, against in [
        ("import_s", over_bare_python(), "starting Python alone"),
        ("help_s", seconds([EQUIPOISE, "-h"], RUNS), ""),
        ("main_job_s", job, ""),
    ]:
        rows.append(
            figure(
                name,
                statistics.median(times),
                low=min(times),
                high=max(times),
                unit="wall s",
                against=against,
                n=len(times),
            )
        )
    rows.append(figure("import_heavy", heavy, unit="packages", against=", ".join(HEAVY)))
    protocol = (
        "Each command as a whole process, after one warm run; median, and the range over runs (n"
        " runs)."
    )
    print(record("startup", protocol, versions("equipoise"), [], rows))


if __name__ == "__main__":
    main()
