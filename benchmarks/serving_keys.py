"""keys  Workers, processes of their own over one folder, all send the same requests with the same
     keys, in orders of their own, and rewards with keys for each other's decisions.  They are
     killed with SIGKILL at random moments and started again.  Truth is what the logs hold.  First
     under durability "process"; then, a tenth as many keys, under "disk": in long batches, whose
     keys are in hand for seconds, on a disk that stalls for up to three seconds and fails.

keys_doubled            keys, of which the logs hold more than one decision
keys_unequal            keys, of which two answers differed in a byte
keys_lost               keys with an answer whose decision no log holds
keys_refused            keys that are refused because the disk failed under them
keys_refused_answered   of them, those that had an answer
keys_rewards_lost       rewards that were told "joined" and are in no log
keys_rewards_doubled    keys of rewards that were told "joined" twice, or stand in the logs twice
                        under "process" (under "disk" what comes again is logged again)
keys_kills              workers killed
keys_count              keys
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.record import figure
from benchmarks.serving_engine import POLICY, K, known_units, snapshot
from equipoise.serving.config import LogConfig, ServeConfig
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.idempotency import KeyedAnswer
from equipoise.serving.engine.refill import refill
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.errors import ConflictError, LogUnavailable
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.messages import DecideRequest, RewardRequest
from equipoise.serving.records import DecisionRecord, RewardRecord

WORKERS = 3
SIZES = {"quick": (20_000, 20), "full": (200_000, 100)}  # keys, kills
BATCHES, CHUNK = (1, 60, 300), 50  # units of a batch, and of what is decided at once
PAUSE, STALL = 0.4, 3.0  # seconds at most: between those, and of a sync
STALLS, FAILS = 0.1, 0.1  # of the syncs
BETWEEN = (0.2, 1.0)  # seconds between kills
REWARDED = 0.3  # of the answers
encode = msgspec.json.Encoder().encode


def work(folder: Path, slot: int, keys: int, seed: int, durability: Any) -> None:
    """Send every request until each has an answer, and say what came."""
    rng, left = random.Random(seed), list(range(keys))
    settings = LogConfig(roll_bytes=4 << 20, durability=durability)
    log = DecisionLog(folder / "log", slot, settings)
    live = snapshot("a" * 64, POLICY, known_units(1_000, K, 0))
    shared, clock = SharedState(folder), log.now_ns
    engine = Engine(live, ServeConfig(log=settings), log, shared, seed=1, clock=clock)
    refill(engine, folder / "log", slot, clock())
    if durability == "disk":
        brittle(rng)
    rng.shuffle(left)
    with (folder / f"said-{slot}-{seed}.jsonl").open("ab", buffering=0) as said:
        while left:
            count = rng.choice(BATCHES)
            some, left = left[:count], left[count:]
            for number, answer in zip(some, ask(engine, log, some, rng), strict=True):
                if isinstance(answer, LogUnavailable):
                    said.write(encode([number, "refused"]) + b"\n")
                elif isinstance(answer, Exception) or b'"logged":true' not in answer:
                    left.append(number)
                    time.sleep(0.05 / len(left))
                else:
                    said.write(encode([number, answer.decode()]) + b"\n")
                    if rng.random() < REWARDED:
                        said.write(encode([number, reward(engine, number, answer)]) + b"\n")
            engine.tick(clock())
    engine.close()
    log.close()


def ask(
    engine: Engine, log: DecisionLog, numbers: Sequence[int], rng: random.Random
) -> list[bytes | Exception]:
    """The answers of some keys; under durability "disk" those of a batch, as the service makes it:
    kept and told once all of it is on disk.
    """
    requests = [DecideRequest(unit=f"u{n % 1_000}", key=f"key {n}") for n in numbers]
    if log.config.durability == "process":
        return [engine.decide_batch([one], log.now_ns())[0] for one in requests]
    answers: list[bytes | Exception] = []
    unsynced: list[KeyedAnswer] = []
    since = log.failed_syncs
    for start in range(0, len(numbers), CHUNK):
        if start:
            engine.tick(log.now_ns())
            time.sleep(rng.uniform(0, PAUSE))
        some = requests[start : start + CHUNK]
        answers += engine.decide_batch(some, log.now_ns(), unsynced)
    try:
        log.flush(since)
    except LogUnavailable:
        engine.keep(unsynced, lost=True)
        return [ConflictError("a batch", "be on disk", "an error")] * len(numbers)
    engine.keep(unsynced)
    return answers


def brittle(rng: random.Random) -> None:
    """Have the disk stall and fail from now on."""
    sync = os.fdatasync

    def syncs(file: int) -> None:
        lot = rng.random()
        if lot < STALLS:
            time.sleep(rng.uniform(0, STALL))
        elif lot > 1 - FAILS:
            raise OSError(5, "Input/output error")
        sync(file)

    os.fdatasync = syncs  # type: ignore[assignment]


def reward(engine: Engine, number: int, answer: bytes) -> str:
    """What is told of a reward with a key."""
    decision = msgspec.json.decode(answer)["decision"]
    request = RewardRequest(decision=decision, name="sales", value=1.0, key=f"{number}")
    return engine.reward(request, time.time_ns()).status


def campaign(folder: Path, keys: int, kills: int, seed: int, durability: str) -> dict[str, float]:
    """Let workers work and die; then compare what they said with the logs."""
    rng = random.Random(seed)
    count = 0

    def start(slot: int) -> subprocess.Popen[bytes]:
        nonlocal count
        count += 1
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.serving_keys"]
        command += [str(folder), str(slot), str(keys), str(count), durability]
        return subprocess.Popen(command)

    workers = {slot: start(slot) for slot in range(WORKERS)}
    done = 0
    while done < kills and any(one.poll() is None for one in workers.values()):
        time.sleep(rng.uniform(*BETWEEN))
        slot = rng.randrange(WORKERS)
        if workers[slot].poll() is None and list(folder.glob(f"said-{slot}-*")):
            os.kill(workers[slot].pid, signal.SIGKILL)
            workers[slot].wait()
            done += 1
            workers[slot] = start(slot)
    for one in workers.values():
        one.wait()
    return compared(folder, durability == "process") | {"keys_kills": done, "keys_count": keys}


def compared(folder: Path, once: bool) -> dict[str, float]:
    """What was said, against the logs; ``once``: whether those hold each reward once."""
    answers: dict[int, set[str]] = defaultdict(set)
    joined, refused = Counter[str](), set()
    for path in folder.glob("said-*"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            number, text = msgspec.json.decode(line)
            if text == "joined":
                joined[str(number)] += 1
            elif text == "refused":
                refused.add(number)
            elif text.startswith("{"):
                answers[number].add(text)
    decided: Counter[bytes] = Counter()
    ids, rewards = set(), Counter[str]()
    for entry in read_records(folder / "log"):
        record = entry.record
        if isinstance(record, DecisionRecord):
            decided[record.key[:8]] += 1
            ids.add(record.id.hex())
        elif isinstance(record, RewardRecord):
            rewards[record.key] += 1
    said = [msgspec.json.decode(text)["decision"] for own in answers.values() for text in own]
    return {
        "keys_doubled": sum(times > 1 for times in decided.values()),
        "keys_unequal": sum(len(own) > 1 for own in answers.values()),
        "keys_lost": sum(decision not in ids for decision in said),
        "keys_refused": len(refused),
        "keys_refused_answered": len(refused & answers.keys()),
        "keys_rewards_lost": len(joined - rewards.keys()),
        "keys_rewards_doubled": sum(times > 1 for times in (rewards if once else joined).values()),
    }


def figures(form: str) -> list[dict[str, Any]]:
    """The figures of keys."""
    keys, kills = SIZES[form]
    found: Counter[str] = Counter()
    for durability, count in (("process", keys), ("disk", keys // 10)):
        with tempfile.TemporaryDirectory() as folder:
            found.update(campaign(Path(folder), count, kills, 0, durability))
    return [figure(name, value, against="0", n=keys) for name, value in found.items()]


if __name__ == "__main__":
    if len(sys.argv) == 6:
        work(Path(sys.argv[1]), *map(int, sys.argv[2:5]), sys.argv[5])
    else:
        for one in figures(sys.argv[1] if sys.argv[1:] else "quick"):
            print(f"{one['name']:24} {one['value']:.6g}")
