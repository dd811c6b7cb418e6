"""store  Known units with K = 10 candidates and 6 metrics (568 bytes with a label); 1e5 of them,
       FULL=1: 1e6.  Reads by CPU of this thread, medians of blocks.

store_read_us             facts of a known unit from LMDB, decoded
store_read_arrays_us      the same from mapped arrays
store_decide_us           read and decided by the compiled rule
store_publish_s           facts in batches -> sorted, filled, on disk, every byte verified: seconds
store_publish_cpu_s       the same in CPU seconds, without making the facts
store_memory_mb_quarter, store_memory_mb_all
                          peak of the builder's own (anonymous) memory for a quarter, and for all
publish_s                 `build_snapshot` and `publish` of a file of units through a model of 2
                          arms x 2 metrics (T-learner, 20 trees): seconds
publish_errors            of a reader on a core of its own while that happens beside it, over and
                          over, and it swaps: reads that failed, or of a known unit gave nothing
publish_p99_ratio         p99 of how long its reads and decisions take, one after another as quick
                          as it can, while a publish goes on and until the swap, over p99 without;
                          medians and range of rounds
publish_late_p99_ratio    the same of how late they are at 1,000 /s after the moment each was due
publish_quiet_p99_us, publish_quiet_late_p99_ms
                          both without a publish
publish_swap_ms           the latest that one was within .1 s of the swap
publish_kills             publishers killed at a random moment of build and publish
publish_kill_wrong        of these left another state than the old or the new snapshot, whole
redis_us_per_key_1, redis_us_per_key_16, redis_us_per_key_64
                          CPU of the client for a key where so many ask at once, on uvloop
redis_frozen_ms           how long a unit waits at most when the server stops answering (deadline
                          20 ms)
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.record import figure
from equipoise.allocation import compile_rule
from equipoise.artifacts.unit_facts import FactsBatch
from equipoise.core.policy import Demand, Policy
from equipoise.core.snapshot import flush, seal_snapshot, verify_snapshot
from equipoise.serving.errors import StoreError
from equipoise.serving.snapshots.build import build_snapshot
from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.load import load_live
from equipoise.serving.snapshots.publish import publish
from equipoise.serving.snapshots.removal import remove_unnamed
from equipoise.serving.stores.building import build_store, open_store
from equipoise.serving.stores.redis_store import RedisStore
from equipoise.serving.stores.redis_units import RedisUnits

K, METRICS = 10, tuple(f"metric {j}" for j in range(6))
NAMES = tuple(f"offer {a}" for a in range(K))
RULE = Policy(
    NAMES,
    "none",
    METRICS[:3],
    (1.0, 0.2, -0.5),
    (
        Demand("budget", "cost", 100.0, kind="budget"),
        Demand("north", "cost", 9.0, column="region", factors=(("north", 1.0),), other=0.0),
    ),
    (0.3, 0.1),
)
REGIONS = np.array(["north", "south", "west"])
UNITS = {"test": 4_000, "quick": 100_000, "full": 1_000_000}
KILLS = {"test": 4, "quick": 20, "full": 100}
ROUNDS = {"test": 1, "quick": 3, "full": 5}
KEYS = {"test": 400, "quick": 8_000, "full": 40_000}
RATE, QUIET, SLICE, BATCH, READS = 1_000.0, 4.0, 0.25, 65_536, 20_000
Figures = list[dict[str, Any]]


def unit_id(i: int) -> str:
    """The id of a unit."""
    return str(1_000_000_000 + i)


def batches(n: int) -> Iterator[FactsBatch]:
    """Facts of n units, in no order: a block of facts again and again."""
    rng = np.random.default_rng(0)
    values, cost = rng.normal(size=(BATCH, K, 6)), rng.random((BATCH, K))
    regions = {"region": REGIONS[rng.integers(0, 3, BATCH)]}
    step = 7919  # a prime: n is no multiple of it
    for start in range(0, n, BATCH):
        m = min(BATCH, n - start)
        ids = pa.array([unit_id((start + i) * step % n) for i in range(m)])
        named = {name: labels[:m] for name, labels in regions.items()}
        yield FactsBatch(ids, values[:m], None, cost[:m], named)


def cpu_us(work: Callable[[str], Any], ids: list[str], blocks: int = 5) -> float:
    """Microseconds of CPU for a call, the median of blocks."""
    times = []
    for block in range(blocks):
        own = ids[block::blocks]
        begun = time.thread_time()
        for unit in own:
            work(unit)
        times.append((time.thread_time() - begun) / len(own) * 1e6)
    return statistics.median(times)


def reads(n: int, place: Path) -> Figures:
    """What reads and a build cost."""
    making = time.process_time()
    for _ in batches(n):
        pass
    making = time.process_time() - making
    begun, cpu = time.monotonic(), time.process_time()
    build_store(place / "snapshot" / "store", NAMES, METRICS, batches(n), kind="lmdb")
    seal_snapshot(place / "snapshot", {})
    flush(place / "snapshot")
    verify_snapshot(place / "snapshot")
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu - making
    build_store(place / "arrays", NAMES, METRICS, batches(n), kind="arrays")
    ids = [unit_id(i) for i in np.random.default_rng(1).integers(0, n, READS).tolist()]
    local, arrays = open_store(place / "snapshot" / "store"), open_store(place / "arrays")
    rule = compile_rule(RULE, METRICS)

    def decide(unit: str) -> Any:
        facts = local.get(unit)
        return None if facts is None else rule.decide_row(facts, unit)

    decide(ids[0])
    found = [
        figure("store_read_us", cpu_us(local.get, ids), unit="us", n=n),
        figure("store_read_arrays_us", cpu_us(arrays.get, ids), unit="us", n=n),
        figure("store_decide_us", cpu_us(decide, ids), unit="us", n=n),
        figure("store_publish_s", seconds, unit="s", n=n),
        figure("store_publish_cpu_s", cpu, unit="s", n=n),
    ]
    local.close()
    arrays.close()
    return found


def build_alone(n: int, place: str) -> None:
    """Build a store in this process, and print the peak of its own memory, in MB."""
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            text = Path("/proc/self/status").read_text(encoding="ascii")
            peak[0] = max(peak[0], int(text.partition("RssAnon:")[2].split()[0]) / 1024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    build_store(place, NAMES, METRICS, batches(n), kind="lmdb")
    done.set()
    watcher.join()
    print(json.dumps(peak[0]))


def memory(n: int, place: Path) -> Figures:
    """The builder's own memory for a quarter of the units, and for all."""
    found = []
    for name, units in (("quarter", n // 4), ("all", n)):
        call = f"build_alone({units}, {str(place / name)!r})"
        words = [sys.executable, "-c", f"from benchmarks.serving_store import *; {call}"]
        done = subprocess.run(words, capture_output=True, check=True)
        found.append(figure(f"store_memory_mb_{name}", float(done.stdout), unit="MB", n=units))
        shutil.rmtree(place / name)
    return found


def shop(place: Path, n: int) -> tuple[Path, Path]:
    """A policy's folder, and a file of n units."""
    from equipoise.artifacts.policy import write_scorer
    from equipoise.data import make_coupon_world
    from equipoise.estimators import BoostedTrees, TLearner
    from equipoise.pipeline import honest_policy

    log, _ = make_coupon_world(4_000, seed=0)
    learner = TLearner(BoostedTrees(20, num_leaves=8))
    scorer = honest_policy(log, learner, cv=2, cost=1.0, budget=0.5).scorer
    write_scorer(place / "policy", scorer, plan="")
    some = log.table.select(list(scorer.units.needed))
    name, file = str(scorer.id), place / "units.parquet"
    others, number = some.drop_columns(name), some.schema.field(name).type
    with pq.ParquetWriter(file, others.schema.append(pa.field(name, number))) as writer:
        for start in range(0, n, len(some)):
            m = min(len(some), n - start)
            ids = pa.array([int(unit_id(start + i)) for i in range(m)], number)
            writer.write_table(others.slice(0, m).append_column(name, ids))
    return place / "policy", file


class Reader:
    """Reads and decides, half of the time as quick as it can, half of the time at a fixed rate, and
    swaps to what is live.
    """

    def __init__(self, state: Path, n: int) -> None:
        self.state, self.n = state, n
        self.channels, self.now = Channels(state), load_live(state)
        scorer = self.now.artifact
        self.rule = compile_rule(scorer.policy, scorer.model.estimator.metrics_)
        self.errors, self.swaps, self.draw = 0, list[float](), random.Random(0)
        self._next: Any = None

    def load(self) -> None:
        """Load what is live, in a thread."""
        self._next = load_live(self.state)

    def look(self) -> None:
        """Swap where something else is live."""
        if self._next is not None:
            old, self.now, self._next = self.now, self._next, None
            self.swaps.append(time.monotonic())
            threading.Thread(target=old.close).start()
        elif self.channels.changed():
            threading.Thread(target=self.load).start()

    def one(self) -> None:
        """Read and decide."""
        unit = unit_id(self.draw.randrange(self.n))
        try:
            self.rule.decide_row(self.now.store.get(unit), unit)
        except Exception:
            self.errors += 1

    def read(self, seconds: float, until: Callable[[], bool] = lambda: False) -> Latencies:
        """How long reads took, and how late after they were due."""
        took, late, end = list[float](), list[tuple[float, float]](), time.monotonic() + seconds
        while time.monotonic() < end and not until():
            stop = time.monotonic() + SLICE
            while (begun := time.monotonic()) < stop:
                self.one()
                took.append(time.monotonic() - begun)
            self.look()
            due, stop = time.monotonic(), time.monotonic() + SLICE
            while due < stop:
                time.sleep(max(due - time.monotonic(), 0))
                self.one()
                late.append((due, time.monotonic() - due))
                due += 1 / RATE
            self.look()
        return Latencies(took, late)

    def beside(self, publisher: subprocess.Popen[bytes]) -> Latencies:
        """The same while a publisher works, and until the swap."""
        before = len(self.swaps)
        parts = [
            self.read(600.0, lambda: publisher.poll() is not None),
            self.read(20.0, lambda: len(self.swaps) > before),
            self.read(2 * SLICE),
        ]
        if publisher.returncode:
            raise RuntimeError("the publisher failed")
        return Latencies(*(sum(lists, start=[]) for lists in zip(*parts, strict=True)))


class Latencies(NamedTuple):
    """Of reads in seconds: how long each ``took``; when each was due, and how ``late`` it was."""

    took: list[float]
    late: list[tuple[float, float]]

    def p99(self) -> tuple[float, float]:
        """Of how long, and of how late."""
        return float(np.quantile(self.took, 0.99)), float(np.quantile(self.late, 0.99, axis=0)[1])

    def stall(self, at: float) -> float:
        """How late a read was at most within .1 s of a moment."""
        return max([late for due, late in self.late if abs(due - at) < 0.1], default=0.0)


def publish_beside(n: int, rounds: int, place: Path) -> Figures:
    """A reader while publishes go on beside it."""
    policy, file = shop(place, n)
    state = place / "state"
    begun = time.monotonic()
    first = build_snapshot(state, policy, file)
    publish(state, first)
    seconds = time.monotonic() - begun
    half = place / "half.parquet"
    pq.write_table(pq.read_table(file).slice(0, n // 2), half)
    reader = Reader(state, n // 2)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    code = (
        f"import os, sys; os.sched_setaffinity(0, {cores[1:] or cores})\n"
        "from equipoise.serving.snapshots.build import build_snapshot as b\n"
        "from equipoise.serving.snapshots.publish import publish as p\n"
        "p(sys.argv[1], b(*sys.argv[1:]))"
    )
    reader.read(1.0)
    rows = []
    for turn in range(rounds):
        quiet = reader.read(QUIET)
        units = half if turn % 2 == 0 else file
        words = [sys.executable, "-W", "ignore", "-c", code, str(state), str(policy), str(units)]
        busy = reader.beside(subprocess.Popen(words))
        (took, late), (before, on_time) = busy.p99(), quiet.p99()
        rows.append((took / before, late / on_time, 1e6 * before, 1e3 * on_time))
        rows[-1] += (1e3 * busy.stall(reader.swaps[-1]),)
    reader.now.close()
    os.sched_setaffinity(0, cores)

    def spread(name: str, column: int, unit: str = "", against: str = "") -> dict[str, Any]:
        values = [row[column] for row in rows]
        middle, low, high = statistics.median(values), min(values), max(values)
        return figure(name, middle, low=low, high=high, unit=unit, against=against, n=rounds)

    return [
        figure("publish_s", seconds, unit="s", n=n),
        figure("publish_errors", reader.errors, against="0", n=len(reader.swaps)),
        spread("publish_p99_ratio", 0, against="1.5"),
        spread("publish_late_p99_ratio", 1),
        spread("publish_quiet_p99_us", 2, "us"),
        spread("publish_quiet_late_p99_ms", 3, "ms"),
        spread("publish_swap_ms", 4, "ms"),
    ]


def kills(times: int, place: Path) -> Figures:
    """Publishers that are killed at a random moment."""
    policy, file = shop(place, 2_000)
    half, state, draw = place / "half.parquet", place / "state", random.Random(0)
    pq.write_table(pq.read_table(file).slice(0, 1_000), half)
    known = {build_snapshot(state, policy, units): units for units in (file, half)}
    publish(state, next(iter(known)))
    load_live(state).close()
    begun = time.monotonic()
    state2 = place / "timed"
    build_snapshot(state2, policy, half)
    publish(state2, build_snapshot(state2, policy, file))
    usual, wrong = 1.2 * (time.monotonic() - begun), 0
    for _ in range(times):
        live = Channels(state).live()
        target = next(id for id in known if live is None or id != live.snapshot)
        shutil.rmtree(state / "snapshots" / target, ignore_errors=True)
        child = os.fork()
        if child == 0:
            publish(state, build_snapshot(state, policy, known[target]))
            os._exit(0)
        time.sleep(draw.random() * usual)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        try:
            loaded = load_live(state)
            wrong += loaded.id not in known or loaded.store is None
            loaded.close()
        except Exception:
            wrong += 1
    remove_unnamed(state, older_than=0)
    left = [path for path in (state / "snapshots").iterdir() if path.name[0] == "."]
    return [
        figure("publish_kills", times),
        figure("publish_kill_wrong", wrong + len(left), against="0", n=times),
    ]


@contextmanager
def redis_server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis of our own, in memory: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0", server
    finally:
        server.send_signal(signal.SIGCONT)
        server.terminate()
        server.wait()


async def redis_keys(url: str, ids: list[str], clients: int) -> float:
    """Microseconds of CPU for a key."""
    store = RedisStore(url, "bench", deadline=5.0)

    async def client(own: list[str]) -> None:
        for unit in own:
            await store.fetch(unit)

    await store.fetch(ids[0])
    cpu = time.process_time()
    await asyncio.gather(*(client(ids[j::clients]) for j in range(clients)))
    spent = time.process_time() - cpu
    await store.aclose()
    return spent / len(ids) * 1e6


async def redis_frozen(url: str, server: subprocess.Popen[bytes], ids: list[str]) -> float:
    """The longest that a unit waits for a frozen server, in milliseconds."""
    store, longest = RedisStore(url, "bench", deadline=0.02, pause=0.1), 0.0
    await store.fetch(ids[0])
    server.send_signal(signal.SIGSTOP)
    for unit in ids[:200]:
        begun = time.monotonic()
        try:
            await store.fetch(unit)
        except StoreError:
            longest = max(longest, time.monotonic() - begun)
        await asyncio.sleep(0.002)
    server.send_signal(signal.SIGCONT)
    await store.aclose()
    return 1000 * longest


def redis_reads(keys: int, place: Path) -> Figures:
    """What units cost over Redis; nothing where it is not installed."""
    if shutil.which("redis-server") is None:
        return []
    import uvloop  # as the service

    build_store(place / "store", NAMES, METRICS, batches(10_000))
    local, found = open_store(place / "store"), []
    ids = [unit_id(i) for i in np.random.default_rng(2).integers(0, 10_000, keys).tolist()]
    with redis_server() as (url, server):
        units = RedisUnits(url)
        units.upload("bench", local.header, local.items())
        for clients in (1, 16, 64):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                cost = runner.run(redis_keys(url, ids, clients))
            found.append(figure(f"redis_us_per_key_{clients}", cost, unit="us", n=keys))
        frozen = asyncio.run(redis_frozen(url, server, ids))
        found.append(figure("redis_frozen_ms", frozen, unit="ms"))
        units.close()
    local.close()
    return found


def figures(form: str) -> Figures:
    """All of it."""
    n = UNITS[form]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        places = [place / name for name in ("reads", "memory", "beside", "kills", "redis")]
        for each in places:
            each.mkdir()
        found = reads(n, places[0])
        shutil.rmtree(places[0])
        found += memory(n, places[1]) if form != "test" else []
        found += publish_beside(n, ROUNDS[form], places[2])
        shutil.rmtree(places[2])
        found += kills(KILLS[form], places[3])
        return found + redis_reads(KEYS[form], places[4])
