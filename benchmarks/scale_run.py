"""A whole run in bounded memory, as `equipoise run PLAN` in a process of its own.

The log: Parquet files of a million rows, 20 features and two metrics of 32 bits, an id, three arms
by lot, written chunk by chunk; the estimator is a T-learner of 60 boosted trees, the policy has a
budget, the plan's learn_rows is the default of 2,000,000.  At n = 1e5, 1e6 (run as a whole) and, in
the full form, 1e7 (a sample learns, the other rows judge); the quick form takes learn_rows =
250,000, so that 1e6 is judged by parts too.

`run_cpu_us_per_row` user and system seconds of the process over the rows, at the largest n;
`run_peak_gib` its largest resident memory there; `run_bytes_per_row` that over what a run of 10,000
rows takes, by row; `run_data_ratio` the same over the bytes of a row in the log; `run_exponent`
slope of log CPU on log rows, less the CPU of a run of 10,000 rows.

`run_kills` drivers killed (SIGKILL) at random moments of one run of 40,000 rows with learn_rows =
8,000, each followed by the next, until one comes to its end: how many left something half-written
at the run's place, or ended in other bytes than an undisturbed run (times.json apart); and
`run_covered` of intervals of the value of the rule in worlds whose truth is known, 40 in the quick
form and 200 in the full one.
"""

from __future__ import annotations

from benchmarks.record import figure, one_thread

one_thread()

import hashlib  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

Figures = list[dict[str, Any]]
FEATURES, CHUNK = 20, 1_000_000
ARMS = ("none", "mail", "call")
SMALL = 10_000
ROW_BYTES = 4 * (FEATURES + 2) + 8 + 1
PLAN = """
[log]
path = "log"
treatment = "arm"
outcomes = {{ spend = "amount", visits = "count" }}
features = [{features}]
id = "user"
design = [0.5, 0.25, 0.25]
[space]
kind = "arms"
labels = ["none", "mail", "call"]
[estimator]
name = "t-learner"
params = {{ outcome_model = {{ n_estimators = 60, num_leaves = 15 }} }}
[policy]
weights = {{ spend = 1.0, visits = 0.2 }}
cost = {{ mail = 0.1, call = 0.3 }}
budget = {{ per_head = 0.08 }}
[run]
learn_rows = {learn}
out = "out"
"""
COMMAND = "from equipoise.cli.main import main; import sys; sys.exit(main())"


def effect(X: np.ndarray) -> np.ndarray:
    """The true effects of the two offers on spending, (n, 2)."""
    return np.stack([0.3 * np.maximum(X[:, 0], 0), 0.5 * (X[:, 1] > 0.5) - 0.1], axis=1)


def chunk(start: int, n: int, seed: int) -> tuple[pa.Table, np.ndarray]:
    """n rows from one on, and their true effects on spending."""
    rng = np.random.default_rng((seed, start))
    X = rng.standard_normal((n, FEATURES), np.float32)
    arm = rng.choice(3, n, p=[0.5, 0.25, 0.25])
    tau = np.column_stack([np.zeros(n), effect(X)])
    level = 1.0 + 0.3 * np.tanh(X[:, 2]) + tau[np.arange(n), arm]
    columns: dict[str, Any] = {
        "user": np.arange(start, start + n),
        "arm": pa.DictionaryArray.from_arrays(pa.array(arm.astype(np.int8)), list(ARMS)),
        "spend": rng.gamma(2.0, level / 2).astype(np.float32),
        "visits": rng.poisson(1 + 0.2 * tau[np.arange(n), arm]).astype(np.float32),
    }
    return pa.table(columns | {f"x{j}": X[:, j] for j in range(FEATURES)}), tau[:, 1:]


def write(folder: Path, n: int, learn: int, seed: int = 0) -> None:
    """A plan and its log."""
    (folder / "log").mkdir(parents=True)
    for start in range(0, n, CHUNK):
        rows, _ = chunk(start, min(CHUNK, n - start), seed)
        pq.write_table(rows, folder / "log" / f"{start:09d}.parquet", row_group_size=250_000)
    features = ", ".join(f'"x{j}"' for j in range(FEATURES))
    (folder / "plan.toml").write_text(PLAN.format(features=features, learn=learn))


def command(folder: Path) -> list[str]:
    """The command line of the run."""
    return [sys.executable, "-W", "ignore", "-c", COMMAND, "run", str(folder / "plan.toml"), "-q"]


def cost(folder: Path) -> tuple[float, float]:
    """CPU seconds and peak memory in bytes of a run."""
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the run of {folder} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024.0


def costs(form: str) -> Figures:
    """CPU and memory over rows."""
    sizes = [100_000, 1_000_000, *([10_000_000] if form == "full" else [])]
    learn = 2_000_000 if form == "full" else 250_000
    measured = []
    for n in [SMALL, SMALL, *sizes]:  # the first one compiles
        with tempfile.TemporaryDirectory() as place:
            write(Path(place), n, learn)
            measured.append(cost(Path(place)))
            print(f"{n:>10,} rows: {measured[-1][0]:.1f} CPU s, {measured[-1][1] / 2**30:.2f} GiB")
    (base_cpu, base_peak), found = measured[1], measured[2:]
    cpu = np.array([seconds for seconds, _ in found])
    n, seconds, peak = sizes[-1], float(cpu[-1]), found[-1][1]
    by_row = (peak - base_peak) / n
    logs = np.log(sizes), np.log(np.maximum(cpu - base_cpu, 1e-3))
    slopes = np.diff(logs[1]) / np.diff(logs[0])
    exponent = float(np.polyfit(*logs, 1)[0])
    return [
        figure("run_cpu_us_per_row", 1e6 * seconds / n, unit="us", n=n),
        figure("run_peak_gib", peak / 2**30, unit="GiB", n=n),
        figure("run_bytes_per_row", by_row, unit="bytes", n=n),
        figure("run_data_ratio", by_row / ROW_BYTES, against="bytes of a row in the log", n=n),
        figure("run_exponent", exponent, low=float(slopes.min()), high=float(slopes.max()), n=n),
    ]


def digests(out: Path) -> dict[str, str]:
    """The sums of a run's files, but for its times."""
    files = sorted(file for file in out.rglob("*") if file.is_file() and file.name != "times.json")
    return {str(f.relative_to(out)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def kills(form: str) -> Figures:
    """Drivers killed at random moments."""
    wanted = 20 if form == "full" else 5
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        calm, folder = Path(place) / "calm", Path(place) / "run"
        write(calm, 40_000, 8_000)
        shutil.copytree(calm, folder)
        start = time.perf_counter()
        cost(calm)
        seconds, killed, broken = time.perf_counter() - start, 0, 0
        while killed < wanted:
            process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL)
            try:
                process.wait(float(rng.uniform(0.1, 1.0) * seconds))
                shutil.rmtree(folder / "out")  # it came to its end: once more
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
                there = (folder / "out").exists()  # after its last step, and then whole
                broken += there and digests(folder / "out") != digests(calm / "out")
        cost(folder)
        names = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
        left = names - {"log", "plan.toml", "out"}
        ends = digests(folder / "out"), digests(calm / "out")
        differ = {name for name in ends[1] if ends[0].get(name) != ends[1][name]}
        print(f"{killed} kills; left: {sorted(left)}; differ: {sorted(differ)}")
        broken += bool(left) + bool(differ)
    return [figure("run_kills", float(broken), unit="of so many kills", n=killed)]


def covered(form: str) -> Figures:
    """How often the interval of the rule's value holds the truth of the rows that judge."""
    from equipoise.artifacts.policy import read_scorer
    from equipoise.pipeline import read_plan, run
    from equipoise.pipeline.bounded.keys import SAMPLE, unit_draws
    from equipoise.pipeline.plan.log import open_log

    worlds, n, learn, held = 200 if form == "full" else 40, 20_000, 4_000, 0
    for seed in range(worlds):
        with tempfile.TemporaryDirectory() as place:
            write(Path(place), n, learn, seed)
            plan = read_plan(Path(place) / "plan.toml")
            findings = run(plan, Path(place) / "out")
            log, (_, tau) = open_log(plan), chunk(0, n, seed)
            choice = read_scorer(Path(place) / "out" / "policy").decided(log.table).choice
            judged = unit_draws(log.table, log.roles, 0, SAMPLE) >= learn / n
            gain = np.where(choice >= 0, tau[np.arange(n), np.maximum(choice, 0)], 0.0)[judged]
            _, low, high = findings["rivals"][0]["values"]["spend"]
            held += bool(low <= gain.mean() <= high)
    share = held / worlds
    reach = 1.96 * (share * (1 - share) / worlds) ** 0.5
    figures = figure("run_covered", share, low=share - reach, high=share + reach, n=worlds)
    return [{**figures, "against": "95 % intervals"}]


def figures(form: str) -> Figures:
    """All of them."""
    return [*costs(form), *kills(form), *covered(form)]
