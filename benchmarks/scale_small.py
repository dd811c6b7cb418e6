"""Small runs: what a run costs besides its rows, and what many features cost.

`fixed_cost_s` wall seconds of `equipoise run PLAN` as a process of its own, kernels compiled
before, on 2,000 rows of the log of part `run` with its estimator (20 features, three arms, two
metrics, 60 small boosted trees); `fixed_cost_cpu_s` its user and system seconds, `fixed_import_s`
the wall seconds of a process that only imports what the run had imported at its end; `report_kb`
the size of the report.  Medians of 5 (quick) or 15 (full) turns, the two processes by turns, with
the quartiles.

`drivers_share` of the wall time of a run of 20,000 rows and 400 features with the plan's own
defaults: what finding the drivers of the predicted effects takes, of all rows and of those that
segments are made of; median of 1 (quick) or 3 (full) runs, and their range.
"""

from __future__ import annotations

from benchmarks.record import figure, one_thread

one_thread()

import json  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from benchmarks.scale_run import command, write  # noqa: E402

Figures = list[dict[str, Any]]
ROWS = 2_000
WIDE, FEATURES = 20_000, 400
NAMES = """
from equipoise.cli.main import main
import json, sys
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps([name for name in sys.modules if name != "__main__"]))
"""
IMPORT = """
import importlib, json, sys
for name in json.loads(sys.stdin.read()):
    try:
        importlib.import_module(name)
    except Exception:  # of what is no module by itself
        pass
"""
PLAN = """
[log]
path = "log.parquet"
treatment = "arm"
outcomes = { spend = "amount", visits = "count" }
design = [0.5, 0.25, 0.25]
[space]
kind = "arms"
labels = ["none", "mail", "call"]
[policy]
weights = { spend = 1.0 }
cost = { mail = 0.1, call = 0.3 }
budget = { per_head = 0.08 }
"""
SHARE = """
import json, sys, time
from equipoise.pipeline import read_plan, run
from equipoise.pipeline import targeting
from equipoise.pipeline.findings import drivers as own, segments

spent = []


def timed(find):
    def drivers(*arguments):
        began = time.perf_counter()
        try:
            return find(*arguments)
        finally:
            spent.append(time.perf_counter() - began)
    return drivers


for module in (targeting, segments):
    if getattr(module, "drivers", None) is own.drivers:
        module.drivers = timed(own.drivers)
began = time.perf_counter()
run(read_plan(sys.argv[1]), sys.argv[2])
print(json.dumps([len(spent), sum(spent), time.perf_counter() - began]))
"""


def spread(name: str, values: list[float], **words: Any) -> dict[str, Any]:
    """The median of turns and its quartiles."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return figure(name, middle, low=low, high=high, n=len(values), **words)


def wall(line: list[str], **words: Any) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, **words)
    seconds, after = time.perf_counter() - began, os.times()
    spent = after.children_user + after.children_system
    return seconds, spent - before.children_user - before.children_system


def fixed(turns: int) -> Figures:
    """The cost of a run of next to nothing."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder, ROWS, 250_000)
        line = command(folder)
        wall(line)  # compiles
        plan = [str(folder / "plan.toml"), "-q"]
        said = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", NAMES, "run", *plan],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        names = said.stdout.splitlines()[-1]
        runs, imports = [], []
        for _ in range(turns):
            runs.append(wall(line))
            imports.append(
                wall([sys.executable, "-W", "ignore", "-c", IMPORT], input=names.encode())
            )
        size = (folder / "out" / "report.html").stat().st_size
    return [
        spread("fixed_cost_s", [seconds for seconds, _ in runs], unit="s"),
        spread("fixed_cost_cpu_s", [cpu for _, cpu in runs], unit="s"),
        spread("fixed_import_s", [seconds for seconds, _ in imports], unit="s"),
        figure("report_kb", size / 1e3, unit="kB"),
    ]


def wide(turns: int) -> Figures:
    """The share of drivers in a run of many features."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((WIDE, FEATURES), np.float32)
    arm = rng.choice(3, WIDE, p=[0.5, 0.25, 0.25])
    level = 1 + 0.3 * np.tanh(X[:, 2]) + 0.3 * (arm == 1) * np.maximum(X[:, 0], 0)
    columns: dict[str, Any] = {
        "arm": pa.array(np.array(["none", "mail", "call"])[arm]),
        "spend": rng.gamma(2.0, level / 2).astype(np.float32),
        "visits": rng.poisson(level).astype(np.float32),
    }
    shares = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pq.write_table(
            pa.table(columns | {f"x{j}": X[:, j] for j in range(FEATURES)}), folder / "log.parquet"
        )
        (folder / "plan.toml").write_text(PLAN)
        for turn in range(turns):
            line = [sys.executable, "-W", "ignore", "-c", SHARE, str(folder / "plan.toml")]
            said = subprocess.run(
                [*line, str(folder / f"out{turn}")], check=True, capture_output=True, text=True
            )
            times, spent, seconds = json.loads(said.stdout.splitlines()[-1])
            print(f"drivers: {times} times, {spent:.1f} of {seconds:.1f} s", flush=True)
            shares.append(spent / seconds)
    return [
        figure(
            "drivers_share",
            float(np.median(shares)),
            low=min(shares),
            high=max(shares),
            n=turns,
        )
    ]


def figures(form: str) -> Figures:
    """All of them."""
    turns = {"test": 1, "quick": 5, "full": 15}[form]
    return [*fixed(turns), *wide(3 if form == "full" else 1)]
