"""http  A real service: K = 10 candidates, 3 metrics, a budget, 100,000 stored units, one worker
     without tokens, JSON in and JSON out with all scores.  The server has one core, the load the
     other; each figure is paired with ``POST /empty`` of the same server, in turns, in one run.
     CPU is that of the server's process, all threads, kernel included.  wrk (16 connections) makes
     the closed loops; the open loop sends at fixed times, whatever comes back, and a latency counts
     from when a request was due.

decide_cpu_over_empty         CPU of a decision over that of the empty route, which is read and
                              answered as a decision is, by turns; durability "process";
                              decide_cpu_over_empty_disk: "disk"
decide_cpu_over_asgi          the same over an empty endpoint of the server's ASGI, which hot routes
                              leave out; decide_cpu_over_asgi_disk
decide_cpu_over_empty_same_rate  the first, both at 70 % of the peak of decisions: a client that has
                              to wait for answers sleeps, and who answers pays for waking it
decide_cpu_us, empty_cpu_us, asgi_cpu_us   the three; decide_cpu_us_disk
decide_over_empty_p99         p99 of 1,500 decisions a second over that of as many empty requests:
                              the median of many short turns, and its 95 % interval by bootstrap
                              over pairs of turns; decide_over_empty_p99_disk
decide_p50_ms, decide_p99_ms, empty_p99_ms  of that load
batch_us_per_unit             CPU of a unit in a batch of 1,000
ready_s                       from the start of the process until it is ready, kernels compiled
worker_mb                     resident then, the pages of the store included
schema_500                    answers of 500 to requests that schemathesis makes of the OpenAPI;
                              schema_requests: how many
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.record import figure

K, METRICS, UNITS, CONNECTIONS, RATE = 10, ("sales", "visits", "returns"), 100_000, 16, 1500
CODE = "import sys; from equipoise.cli.main import main; main(sys.argv[1:])"
LUA = """local n = 0
request = function()
  n = n + 1
  local body = string.format('{"unit":"unit-%%06d"}', (n * 7919) %% %d)
  return wrk.format("POST", "%s", {["content-type"]="application/json"}, body)
end
"""
BATCH_LUA = """local parts = {}
for i = 0, 999 do parts[#parts + 1] = string.format('{"unit":"unit-%06d"}', (i * 79) % 100000) end
local body = '{"units":[' .. table.concat(parts, ",") .. "]}"
request = function()
  return wrk.format("POST", "/decide/batch", {["content-type"]="application/json"}, body)
end
"""
SECONDS = {"test": 1, "quick": 5, "full": 20}
TURNS = {"test": 1, "quick": 5, "full": 9}
OPEN_TURNS = {"test": 1, "quick": 15, "full": 45}
OPEN_SECONDS = 2.0
MANY = 64  # connections that have a pause between an answer and the next request
EXAMPLES = {"test": 2, "quick": 30, "full": 300}
Figures = list[dict[str, Any]]


def shop(place: Path, units: int = UNITS) -> Path:
    """A state folder where a policy is live that knows some units."""
    from equipoise.artifacts.policy import write_scorer
    from equipoise.data import read_log
    from equipoise.estimators import BoostedTrees, TLearner
    from equipoise.pipeline import honest_policy
    from equipoise.serving.app.publishing import make_live
    from equipoise.treatments import Arms

    rng = np.random.default_rng(0)
    rows = 4_000
    X, arm = rng.normal(size=(max(units, rows), 4)), rng.integers(0, K + 1, rows)
    table = pa.table(
        {f"x{j}": X[:rows, j] for j in range(4)}
        | {"unit": [f"log-{i}" for i in range(rows)], "arm": arm.astype(str)}
        | {m: rng.normal(size=rows) + 0.1 * arm * X[:rows, j] for j, m in enumerate(METRICS)}
    )
    log = read_log(
        table,
        treatment="arm",
        space=Arms([str(a) for a in range(K + 1)]),
        outcomes=list(METRICS),
        features=[f"x{j}" for j in range(4)],
        id="unit",
    )
    learner = TLearner(BoostedTrees(8, num_leaves=8))
    weights = {"sales": 1.0, "visits": 0.2, "returns": 0.5}
    scorer = honest_policy(log, learner, cv=2, weights=weights, cost=1.0, budget=0.5).scorer
    write_scorer(place / "policy", scorer, plan="")
    known = {f"x{j}": X[:units, j] for j in range(4)}
    pq.write_table(
        pa.table(known | {"unit": [f"unit-{i:06d}" for i in range(units)]}), place / "units.parquet"
    )
    make_live(place / "shop-serving", place / "policy", place / "units.parquet", "unit")
    return place / "shop-serving"


@contextmanager
def served(state: Path, durability: str = "process") -> Iterator[tuple[str, int, float]]:
    """A service on the first core: its address, its process, and how long it took to be ready."""
    config = state.parent / f"{durability}.toml"
    config.write_text(f'[serve.log]\ndurability = "{durability}"\n')
    words = [sys.executable, "-W", "ignore", "-c", CODE, "serve", "--state", str(state)]
    words += ["--config", str(config), "--port", "0", "--empty"]
    cores = sorted(os.sched_getaffinity(0))
    began = time.perf_counter()
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cores[0]}),
    )
    url = ""
    for line in process.stdout or ():
        if "is served at" in line:
            url = line.split(" at ")[1].split()[0]
        if "Ctrl-C" in line:
            break
    try:
        yield url, process.pid, time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        if process.stdout:
            process.stdout.close()


def cpu(pid: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """What a process has in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory(pid: int) -> tuple[float, float]:
    """What a process has of its own, and what it maps of files, in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    told = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    return float(told["RssAnon"][0]) / 1e3, float(told["RssFile"][0]) / 1e3


def closed_loop(
    url: str, pid: int, script: str, seconds: int, pause: int = 0
) -> tuple[float, float]:
    """CPU microseconds of a request under wrk, and requests a second; with a pause in milliseconds
    between an answer and the next request of a connection, of which there are more then.
    """
    before = cpu(pid)
    load = by_wrk(url, script, seconds, MANY if pause else CONNECTIONS, pause)
    if load.refused:
        raise RuntimeError(f"{load.refused} of {load.made} requests were refused")
    return (cpu(pid) - before) / load.made * 1e6, load.made / seconds


class Load(NamedTuple):
    """What wrk tells: answers, those other than 200, and milliseconds."""

    made: int
    refused: int
    p50: float
    p99: float


def by_wrk(url: str, script: str, seconds: int, connections: int, pause: int = 0) -> Load:
    """The load that wrk makes from the last core."""
    if pause:
        script += f"delay = function() return {pause} end\n"
    last = sorted(os.sched_getaffinity(0))[-1]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        said = subprocess.run(
            ["taskset", "-c", str(last), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
            + ["--latency", "-s", file.name, url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    lines = [line.split() for line in said.splitlines()]
    made = next(int(words[0]) for words in lines if words[1:3] == ["requests", "in"])
    refused = next((int(words[-1]) for words in lines if words[:1] == ["Non-2xx"]), 0)
    p50, p99 = (
        milliseconds(next(words[1] for words in lines if words[:1] == [share]))
        for share in ("50%", "99%")
    )
    return Load(made, refused, p50, p99)


def milliseconds(said: str) -> float:
    """A time as wrk says it."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", said).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


class Connection(asyncio.Protocol):
    """One connection of the open loop: a request at a time."""

    def __init__(self) -> None:
        self.left, self.done = b"", asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.left += data
        head, blank, body = self.left.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self.left = b""
            self.done.set_result(head[9:12])

    async def ask(self, request: bytes) -> bytes:
        """Send, and wait for the answer."""
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(request)  # type: ignore[attr-defined]
        return await self.done


async def open_loop(url: str, path: str, rate: float, seconds: float) -> np.ndarray:
    """Milliseconds from when each request was due to its answer."""
    host, port = url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(4 * CONNECTIONS):
        _, connection = await loop.create_connection(Connection, host, int(port))
        free.put_nowait(connection)
    latencies: list[float] = []

    async def one(number: int, due: float) -> None:
        body = b'{"unit":"unit-%06d"}' % (number * 7919 % UNITS)
        head = f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
        connection = await free.get()
        status = await connection.ask(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        latencies.append((loop.time() - due) * 1e3)
        free.put_nowait(connection)
        if status != b"200":
            raise RuntimeError(f"{path} answered {status!r}")

    began, tasks = loop.time() + 0.1, set()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        while (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        tasks.add(task := asyncio.create_task(one(number, due)))
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait().transport.close()  # type: ignore[attr-defined]
    return np.array(latencies)


def by_microseconds() -> asyncio.AbstractEventLoop:
    """An event loop whose sleeps are as long as they are asked to be: others count milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def on_last_core(url: str, path: str, rate: float, seconds: float) -> np.ndarray:
    """The open loop, away from the server's core and before all else on its own."""
    cores, before = os.sched_getaffinity(0), os.sched_getscheduler(0)
    os.sched_setaffinity(0, {sorted(cores)[-1]})
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        with asyncio.Runner(loop_factory=by_microseconds) as runner:
            return runner.run(open_loop(url, path, rate, seconds))
    finally:
        os.sched_setscheduler(0, before, os.sched_param(0))
        os.sched_setaffinity(0, cores)


def paired(state: Path, durability: str, form: str) -> Figures:
    """A decision against the empty route, by turns."""
    end = "" if durability == "process" else "_disk"
    paths = {"decide": "/decide", "empty": "/empty", "asgi": "/empty/asgi"}
    ways = {way: LUA % (UNITS, path) for way, path in paths.items()}
    used: dict[str, list[float]] = {way: [] for way in ways}
    paced: dict[str, list[float]] = {"decide": [], "empty": []}
    late: dict[str, list[np.ndarray]] = {"decide": [], "empty": []}
    with served(state, durability) as (url, pid, _):
        peak = [closed_loop(url, pid, script, 1)[1] for script in ways.values()][0]
        pause = max(1, round(1000 * MANY / (0.7 * peak)))
        for _ in range(TURNS[form]):
            for way, script in ways.items():
                used[way].append(closed_loop(url, pid, script, SECONDS[form])[0])
            for way in paced:
                paced[way].append(closed_loop(url, pid, ways[way], SECONDS[form], pause)[0])
        for _ in range(OPEN_TURNS[form]):
            for way in late:
                late[way].append(on_last_core(url, f"/{way}", RATE, OPEN_SECONDS))
    cpu_us = {way: np.array(values) for way, values in used.items()}
    same_rate = np.array(paced["decide"]) / np.array(paced["empty"])
    p99 = {way: np.array([np.quantile(one, 0.99) for one in runs]) for way, runs in late.items()}
    every = np.concatenate(late["decide"])
    found = [
        ranged(
            f"decide_cpu_over_empty{end}", cpu_us["decide"] / cpu_us["empty"], "", "POST /empty"
        ),
        ranged(f"decide_cpu_over_asgi{end}", cpu_us["decide"] / cpu_us["asgi"], "", "ASGI"),
        ranged(f"decide_cpu_over_empty_same_rate{end}", same_rate, "", "POST /empty"),
        ranged(f"decide_cpu_us{end}", used["decide"], "us"),
        over_pairs(f"decide_over_empty_p99{end}", p99["decide"] / p99["empty"]),
        figure(f"decide_p50_ms{end}", float(np.median(every)), unit="ms", n=len(every)),
        ranged(f"decide_p99_ms{end}", p99["decide"], "ms"),
        ranged(f"empty_p99_ms{end}", p99["empty"], "ms"),
    ]
    if not end:
        found += [ranged(f"{way}_cpu_us", used[way], "us") for way in ("empty", "asgi")]
    return found


def over_pairs(name: str, ratios: np.ndarray) -> dict[str, Any]:
    """The median of ratios over pairs of turns, with its 95 % interval by bootstrap."""
    draws = np.random.default_rng(0).choice(ratios, (2_000, len(ratios)))
    low, high = np.quantile(np.median(draws, 1), (0.025, 0.975))
    return figure(
        name,
        float(np.median(ratios)),
        low=float(low),
        high=float(high),
        against="POST /empty",
        n=len(ratios),
    )


def ranged(name: str, values: Any, unit: str, against: str = "") -> dict[str, Any]:
    """The median of turns, and their range."""
    values = np.asarray(values)
    return figure(
        name,
        float(np.median(values)),
        low=float(values.min()),
        high=float(values.max()),
        unit=unit,
        against=against,
        n=len(values),
    )


def once(state: Path, form: str) -> Figures:
    """What is measured of one start: readiness, memory, batches, the OpenAPI."""
    with served(state) as (url, pid, ready):
        resident = megabytes(pid)
        closed_loop(url, pid, BATCH_LUA, 1)
        batches = [
            closed_loop(url, pid, BATCH_LUA, SECONDS[form])[0] / 1000 for _ in range(TURNS[form])
        ]
        wrong, asked = by_schema(url, EXAMPLES[form])
    return [
        figure("ready_s", ready, unit="s"),
        figure("worker_mb", resident, unit="MB"),
        ranged("batch_us_per_unit", batches, "us"),
        figure("schema_500", wrong),
        figure("schema_requests", asked),
    ]


def by_schema(url: str, examples: int) -> tuple[int, int]:
    """Answers of 500 to what the OpenAPI allows, and how many requests that were."""
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    codes: list[int] = []
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    for found in schema.get_all_operations():

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=found.ok().as_strategy())
        def ask(case: Any) -> None:
            codes.append(case.call(base_url=url).status_code)

        ask()
    return codes.count(500), len(codes)


def figures(form: str) -> Figures:
    """All figures of a form."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk must be installed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        state = shop(Path(folder), 2_000 if form == "test" else UNITS)
        found = once(state, form)
        for durability in ("process", "disk"):
            found += paired(state, durability, form)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(figures(sys.argv[1] if sys.argv[1:] else "quick"), indent=1))
