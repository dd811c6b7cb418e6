"""replay  The log of one worker, K = 10 candidates, 3 metrics, 5 demands, a group column, units in
     memory, decided again.  First one policy, then with a holdout of .1, a candidate policy at .3
     and exploration of .1, with prices that an operator changes on the way.  CPU of this process,
     best of three.

replay_us                reading, deciding and comparing a decision, one policy
replay_two_us            with two policies
replay_different         decisions of both that differ in any bit
replay_decisions         how many there were
replay_seen              1 where one bit of one unit's effects, changed, is seen and named
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import figure
from benchmarks.serving_engine import POLICY, K, Snapshot, known_units, snapshot
from equipoise.serving.config import ServeConfig
from equipoise.serving.engine import operator
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.messages import DecideRequest
from equipoise.serving.replay.compare import LogReplay, replay_log

SIZES = {"test": 500, "quick": 20_000, "full": 500_000}  # decisions, of each of two logs
UNITS, BATCH, RUNS = 1_000, 1_000, 3


def decided(folder: Path, n: int, several: bool) -> dict[str, Snapshot]:
    """A log of n decisions, and the snapshots that made it."""
    units = known_units(UNITS, K, 0)
    live = snapshot("a" * 64, POLICY, units)
    other = snapshot("b" * 64, POLICY, known_units(UNITS, K, 1))
    shares = ServeConfig(holdout=0.1, share=0.3, explore=0.1)
    config = shares if several else ServeConfig()
    log, shared = DecisionLog(folder / "log", 0), SharedState(folder)
    engine = Engine(live, config, log, shared, candidate=other if several else None, seed=1)
    requests = [DecideRequest(unit=unit) for unit in units]
    for at in range(0, n, BATCH):
        if several and at == n // BATCH // 2 * BATCH:
            operator.set_prices(engine, {"budget": 0.5})
        engine.decide_batch(requests[: min(BATCH, n - at)], time.time_ns())
    engine.close()
    log.close()
    return {live.id: live, other.id: other}


def replayed(folder: Path, snapshots: dict[str, Snapshot]) -> tuple[float, LogReplay]:
    """CPU seconds, the best of some, and what differs."""
    best = np.inf
    for _ in range(RUNS):
        began = time.process_time()
        replay = replay_log(folder / "log", snapshots.get)
        best = min(best, time.process_time() - began)
    return float(best), replay


def is_seen(folder: Path, snapshots: dict[str, Snapshot]) -> bool:
    """Whether another last bit of one effect is told."""
    live = snapshots["a" * 64]
    units = dict(live.store.units)
    facts = units["u7"]
    values = facts.values.copy()
    values[3, 0] = np.nextafter(values[3, 0], 9.0)
    units["u7"] = facts._replace(values=values)
    other = snapshots | {live.id: snapshot(live.id, POLICY, units)}
    first = replay_log(folder / "log", other.get).first
    return bool(first) and (first[0]["unit"], first[0]["candidate"]) == ("u7", "offer 3")


def figures(form: str) -> list[dict[str, Any]]:
    """What deciding a log again costs, and what differs."""
    n, us = SIZES[form], "CPU us"
    different = done = 0
    found: dict[str, float] = {}
    seen = False
    for name in ("replay_us", "replay_two_us"):
        with tempfile.TemporaryDirectory() as room:
            folder = Path(room)
            snapshots = decided(folder, n, name == "replay_two_us")
            took, replay = replayed(folder, snapshots)
            found[name] = took / n * 1e6
            done += replay.decisions
            different += sum(replay.differing.values())
            seen = is_seen(folder, snapshots)
    return [
        *(figure(name, value, unit=us, n=n) for name, value in found.items()),
        figure("replay_different", different, n=done),
        figure("replay_decisions", done),
        figure("replay_seen", int(seen)),
    ]
