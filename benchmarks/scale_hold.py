"""Memory of `score --hold`: all units of a file, decided as a whole in one process.

`hold_bytes_per_row` is the slope of the peak of the process on the units, between files of 2 and 6
million (quick: 0.5 and 2): 3 cells, 2 metrics, 20 features, a budget per head and a floor on one
metric, ids of 10 letters.  It is 8 k for the worth, 8 k for each metric of a floor (k = 2
candidates), 14 for the id, 4 + 8 for the kind and its code, and what the solver takes at its peak,
about 30; costs that differ from unit to unit take 8 k more.  `hold_cpu_us_per_row` is the slope of
its CPU time.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.record import figure
from equipoise.allocation import budget, budgeted_policy, floor
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.model import Model
from equipoise.artifacts.policy import Scorer, write_scorer
from equipoise.core.features import FeatureMap
from equipoise.estimators import BoostedTrees, TLearner
from equipoise.treatments import Arms

Figures = list[dict[str, Any]]
D, LEARNT, GROUP = 20, 20_000, 100_000
FORMS = {"quick": (500_000, 2_000_000), "full": (2_000_000, 6_000_000)}
SCORE = """
import resource, sys, time
from equipoise.artifacts.batch import score_file
summary = score_file(*sys.argv[1:], hold=True)
assert summary["expected_cost"] <= summary["budget"] * (1 + 1e-9)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, time.process_time())
"""


def columns(n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Features of n units."""
    return {f"x{j}": rng.normal(size=n).astype(np.float32) for j in range(D)}


def write_policy(place: Path) -> None:
    """A policy of three cells that was learnt on some units."""
    rng = np.random.default_rng(0)
    x = columns(LEARNT, rng)
    arm = rng.integers(0, 3, LEARNT)
    sales = x["x0"] + arm * (1 + x["x1"]) + rng.normal(size=LEARNT)
    visits = x["x2"] - 0.2 * arm * (1 + x["x3"])
    features = FeatureMap().fit(pa.table(x))
    numbers = features.transform(pa.table(x))
    learner = TLearner(BoostedTrees(30, min_child_samples=50), space=Arms(["0", "1", "2"]))
    learner = learner.fit(numbers, np.column_stack([sales, visits]), treatment=arm.astype(str))
    effects = learner.effects(numbers)
    first, second = effects.metrics
    demands = [budget(0.4, per_head=True), floor(second, -0.1, per_head=True)]
    policy, _ = budgeted_policy(
        effects, weights={first: 1.0}, constraints=demands, cost=[1.0, 2.0], control="0"
    )
    model = Model(features, learner)
    write_scorer(place, Scorer(model, Costs((1.0, 2.0)), policy, id="user"), plan="")


def write_units(file: Path, n: int) -> None:
    """A file of units."""
    rng, writer = np.random.default_rng(n), None
    for start in range(0, n, GROUP):
        ids = [f"u{unit:09d}" for unit in range(start, start + GROUP)]
        table = pa.table({"user": ids, **columns(GROUP, rng)})
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def figures(form: str) -> Figures:
    """Peaks of two processes."""
    peaks, times = [], []
    with TemporaryDirectory() as folder:
        place = Path(folder)
        write_policy(place / "policy")
        for n in FORMS[form]:
            write_units(place / "units.parquet", n)
            names = [str(place / name) for name in ("policy", "units.parquet", "out.parquet")]
            command = [sys.executable, "-W", "ignore", "-c", SCORE, *names]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            peak, seconds = said.split()
            peaks.append(int(peak))
            times.append(float(seconds))
    n, rows = FORMS[form][1], FORMS[form][1] - FORMS[form][0]
    slope, cpu = (peaks[1] - peaks[0]) / rows, 1e6 * (times[1] - times[0]) / rows
    return [
        figure("hold_bytes_per_row", slope, unit="bytes a unit", n=n),
        figure("hold_cpu_us_per_row", cpu, unit="CPU us a unit", n=n),
        figure("hold_peak_gb", peaks[1] / 1e9, unit="GB", n=n),
    ]
