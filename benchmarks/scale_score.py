"""Units by partitions: a cluster against threads, and a driver that is killed.

n units of 20 float32 features and an id in ten Parquet files, three arms, effects by two sets of 30
boosted trees; one partition a file, one Parquet file out.  `ray_overhead`: wall seconds of two
actors over those of one process with two threads, pairs in turn, the mean of the ratios with their
range; `ray_overhead_folder` the same where each partition stays a file.  The actors run already:
`ray_start_s` is what a cluster on this machine takes to start, with them.  The files must be equal,
byte by byte.  `score_cpu_us_per_row`: CPU of `score_file`, one thread, the least of three.
`score_kills_wrong`: of drivers killed at random moments, each going on from what those before left,
those after which the place of the result did not hold the earlier one, whole, and one more where
the last run differs from one without a kill.
"""

from __future__ import annotations

from benchmarks.record import figure, one_thread

one_thread()

import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

import equipoise as eq  # noqa: E402
from equipoise.artifacts.batch import score_file  # noqa: E402
from equipoise.artifacts.policy import write_scorer  # noqa: E402
from equipoise.core.arrays import Floats  # noqa: E402
from equipoise.estimators import BoostedTrees, TLearner  # noqa: E402
from equipoise.pipeline.scoring import score_units  # noqa: E402
from equipoise.scale.executor import Executor, executor_of  # noqa: E402
from equipoise.treatments import Arms  # noqa: E402

Figures = list[dict[str, Any]]
FEATURES, FILES, LOG = 20, 10, 20_000
PAIRS, WORKERS = 3, 2
KILLS = Path(__file__).parents[1] / "tests" / "fixtures" / "score_kills.py"


def features(n: int, seed: int) -> dict[str, Floats]:
    """Columns of float32."""
    x = np.random.default_rng(seed).normal(size=(n, FEATURES)).astype(np.float32)
    return {f"x{j}": x[:, j] for j in range(FEATURES)}


def ship_policy(folder: Path) -> None:
    """A policy learnt from a small log."""
    rng, x = np.random.default_rng(0), features(LOG, 1)
    arm = rng.integers(0, 3, LOG)
    y = x["x0"] + arm * (0.5 + 0.3 * x["x1"]) + rng.normal(size=LOG)
    log = eq.read_log(
        {"user": [f"u{i}" for i in range(LOG)], "arm": arm, "y": y, **x},
        treatment="arm",
        outcomes="y",
        features=list(x),
        id="user",
        space=Arms([0, 1, 2], control=0),
    )
    policy = eq.honest_policy(log, TLearner(BoostedTrees(30)), cv=2)
    write_scorer(folder, policy.scorer, plan="")


def write_units(folder: Path, n: int) -> None:
    """The units, in ten files."""
    folder.mkdir()
    each = n // FILES
    for file in range(FILES):
        ids = [f"u{i:09d}" for i in range(file * each, (file + 1) * each)]
        table = pa.table({"user": ids, **features(each, 100 + file)})
        pq.write_table(table, folder / f"{file:02d}.parquet")


def seconds(executor: Executor, folder: Path, out: Path, rows: int) -> float:
    """Wall seconds of one run."""
    start = time.perf_counter()
    score_units(folder / "policy", folder / "units", out, executor, rows=rows)
    return time.perf_counter() - start


def overhead(folder: Path, n: int) -> Figures:
    """A cluster's time over that of threads."""
    each, names = n // FILES, ("threads", "ray")
    start = time.perf_counter()
    ray = executor_of("ray", workers=WORKERS)
    ray.run(len, ["a"] * WORKERS)
    started = time.perf_counter() - start
    ratios: dict[str, list[float]] = {"ray_overhead": [], "ray_overhead_folder": []}
    walls: list[float] = []
    with ray:
        executors = dict(zip(names, (executor_of("local", workers=WORKERS), ray), strict=True))
        for name, ending in zip(ratios, (".parquet", ""), strict=True):
            outs = {engine: folder / f"{engine}{ending}" for engine in names}
            for pair in range(PAIRS + 1):
                order = names if pair % 2 else names[::-1]
                took = {e: seconds(executors[e], folder, outs[e], each) for e in order}
                if pair:  # the first one warms up
                    ratios[name].append(took["ray"] / took["threads"])
                    walls.append(took["threads"])
            if ending and outs["ray"].read_bytes() != outs["threads"].read_bytes():
                raise SystemExit("the files of the two engines differ")
        peak = max(one["peak_mb"] for one in ray.processes())
    against = f"{WORKERS} threads of one process"
    return [
        *(
            figure(name, float(np.mean(r)), low=min(r), high=max(r), against=against, n=n)
            for name, r in ratios.items()
        ),
        figure("score_threads_s", float(np.mean(walls)), low=min(walls), high=max(walls), unit="s"),
        figure("ray_start_s", started, unit="s"),
        figure("ray_peak_mb", peak, unit="MB, the larger of two actors", n=n),
    ]


def cpu(folder: Path, n: int) -> Figures:
    """What one process needs for a row."""
    file, each = folder / "units" / "00.parquet", n // FILES
    times = []
    for _ in range(4):
        start = time.process_time()
        score_file(folder / "policy", file, folder / "one.parquet")
        times.append((time.process_time() - start) / each * 1e6)
    return [figure("score_cpu_us_per_row", min(times[1:]), unit="CPU us", n=each)]


def kills(folder: Path, count: int) -> Figures:
    """Drivers killed at random moments."""
    rows = pq.read_table(folder / "units" / "00.parquet")[:2_000]
    (folder / "few").mkdir()
    pq.write_table(rows, folder / "few" / "a.parquet", row_group_size=100)
    arguments = [folder / "policy", folder / "few", folder / "few.parquet", str(count), "0"]
    command = [sys.executable, "-W", "ignore", str(KILLS), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    return [figure("score_kills_wrong", len(said["wrong"]) + len(said["left"]), n=said["kills"])]


def figures(form: str) -> Figures:
    """All figures, of 2e5 units or, in full, 5e6."""
    n, count = (200_000, 4) if form == "quick" else (5_000_000, 20)
    with TemporaryDirectory() as name:
        folder = Path(name)
        ship_policy(folder / "policy")
        write_units(folder / "units", n)
        return [*cpu(folder, n), *kills(folder, count), *overhead(folder, n)]
