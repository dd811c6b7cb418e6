"""log  The decision log alone, with decisions of ten candidates and six raw features, as
     `tests/fixtures/decision_log.py` writes them.  CPU is that of the process, threads included;
     best of five runs, since the machine is shared.  Kills: a writer of its own process appends
     three decisions at a time, says each id on a file once it is acknowledged, and is killed at a
     random moment, by turns under both durabilities, with segments of 40 kB.

log_overhead_us           CPU of an id and of appending a decision (write), durability "process"
log_overhead_disk_us      the same until it is acknowledged on disk, 16 clients at once
log_overhead_disk_64_us   64 clients at once; log_overhead_disk_1_us: one
log_bytes                 of a decision
log_read_us               CPU to read and verify a record
log_compaction_us         CPU of a record that becomes a row, a third of them with a reward
kill_lost, kill_doubled   acknowledged decisions that are not in the log, or twice
kill_acknowledged         how many there were; kill_kills: kills
log_damage_wrong          cuts, zero and random tails, flipped bits of a segment after which
                          anything but the whole records before is read; log_damage_cases: how many
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import figure
from equipoise.serving.config import LogConfig
from equipoise.serving.log.compaction import compact_log
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.segments import HEADER, frames
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.records import DecisionRecord, RewardRecord
from tests.fixtures import decision_log
from tests.fixtures.decision_log import a_context, a_decision, write_log

ROOT = Path(__file__).parents[1]
SIZES = {"quick": (20_000, 10), "full": (200_000, 50)}  # decisions, kills
RUNS = 5
DAY = 86_400 * 10**9


def overhead(folder: Path, durability: Any, clients: int, n: int) -> float:
    """CPU microseconds of logging a decision."""
    log = DecisionLog(folder, 0, LogConfig(durability=durability))
    context = log.context(a_context())
    decisions = [a_decision(log, context, number) for number in range(256)]

    async def client(each: int) -> None:
        for number in range(each):
            log.new_ids(1)[0]
            since = log.failed_syncs
            log.append(decisions[number % 256])
            await log.acknowledged(since)

    async def all_clients() -> float:
        began = time.process_time()
        await asyncio.gather(*(client(n // clients) for _ in range(clients)))
        return time.process_time() - began

    took = asyncio.run(all_clients()) / (n // clients * clients)
    log.close()
    return took * 1e6


def least(measure: Any) -> float:
    """The best of some runs, each in a folder of its own."""
    best = np.inf
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            best = min(best, measure(Path(folder)))
    return float(best)


def reading(folder: Path, n: int) -> tuple[float, float, float]:
    """Bytes of a decision; CPU microseconds to read a record, and to compact one."""
    log = DecisionLog(folder / "log", 0)
    context = log.context(a_context())
    rng = np.random.default_rng(0)
    size = log.bytes_written
    for number in range(n):
        log.append(a_decision(log, context, number))
    size = log.bytes_written - size
    ids = [e.record.id for e in read_records(folder / "log") if type(e.record) is DecisionRecord]
    for place in rng.integers(0, n, n // 3):
        now = time.time_ns()
        log.append(RewardRecord(ids[place], now, now, "sales", float(place % 5)))
    log.close()
    began = time.process_time()
    records = sum(1 for _ in read_records(folder / "log"))
    read = time.process_time() - began
    began = time.process_time()
    compact_log(folder / "log", folder / "out", now=time.time_ns() + 100 * DAY)
    compacted = time.process_time() - began
    return size / n, read / records * 1e6, compacted / records * 1e6


def kills(folder: Path, count: int) -> dict[str, int]:
    """What was lost and doubled over so many kills."""
    log, acknowledged = folder / "log", set()
    rng = np.random.default_rng(0)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"}
    for kill in range(count):
        said = folder / f"said {kill}"
        how = ("process", "disk")[kill % 2]
        command = [sys.executable, decision_log.__file__, str(log), "3", how, str(said)]
        with subprocess.Popen(command, env=environment) as worker:
            while not said.exists() or not said.stat().st_size:
                if worker.poll() is not None:
                    raise RuntimeError("the writer ended by itself")
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.5))
            worker.send_signal(signal.SIGKILL)
        raw = said.read_bytes()
        acknowledged |= {raw[at : at + 16] for at in range(0, len(raw) // 16 * 16, 16)}
    DecisionLog(log, 3).close()
    ids = [e.record.id for e in read_records(log) if isinstance(e.record, DecisionRecord)]
    return {
        "lost": len(acknowledged - set(ids)),
        "doubled": len(ids) - len(set(ids)),
        "acknowledged": len(acknowledged),
    }


def damage(folder: Path, cases: int) -> int:
    """After how many cuts and flips something else is read than the whole records before."""
    write_log(folder, 40)
    raw = next(folder.glob("*.eqlog")).read_bytes()
    rng, wrong = np.random.default_rng(0), 0
    every = [(place, payload) for place, payload in frames(io.BytesIO(raw))]
    payloads = [payload for _, payload in every]
    ends = np.array([place + 8 + len(payload) for place, payload in every])
    for case in range(cases):
        cut = int(rng.integers(HEADER.size, len(raw)))
        spoilt = bytearray(raw[:cut])
        if case % 4 == 0:
            spoilt += bytes(int(rng.integers(0, 500)))
        elif case % 4 == 1:
            spoilt += rng.bytes(int(rng.integers(0, 500)))
        elif case % 4 == 2:
            spoilt = bytearray(raw)
            spoilt[cut] ^= 1 << int(rng.integers(8))
        read = [payload for _, payload in frames(io.BytesIO(bytes(spoilt)))]
        wrong += read != payloads[: int((ends <= cut).sum())]
    return wrong


def figures(form: str) -> list[dict[str, Any]]:
    """Everything about the log alone."""
    n, count = SIZES[form]
    us = "CPU us"
    several = {
        "log_overhead_us": least(lambda folder: overhead(folder, "process", 1, n)),
        "log_overhead_disk_us": least(lambda folder: overhead(folder, "disk", 16, n)),
        "log_overhead_disk_64_us": least(lambda folder: overhead(folder, "disk", 64, n)),
        "log_overhead_disk_1_us": least(lambda folder: overhead(folder, "disk", 1, n // 20)),
    }
    with tempfile.TemporaryDirectory() as folder:
        size, read, compacted = reading(Path(folder), n)
    with tempfile.TemporaryDirectory() as folder:
        killed = kills(Path(folder), count)
    with tempfile.TemporaryDirectory() as folder:
        wrong = damage(Path(folder), n // 10)
    return [
        *(figure(name, value, unit=us, n=n) for name, value in several.items()),
        figure("log_bytes", size, unit="bytes", n=n),
        figure("log_read_us", read, unit=us, n=n),
        figure("log_compaction_us", compacted, unit=us, n=n),
        figure("kill_lost", killed["lost"], n=count),
        figure("kill_doubled", killed["doubled"], n=count),
        figure("kill_acknowledged", killed["acknowledged"], n=count),
        figure("kill_kills", count),
        figure("log_damage_wrong", wrong, n=n // 10),
        figure("log_damage_cases", n // 10),
    ]
