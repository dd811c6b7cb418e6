"""keys  Workers, processes of their own over one folder, all send the same requests with the same
     keys, in orders of their own, and rewards with keys for each other's decisions.  They are
     killed with SIGKILL at random moments and started again.  Truth is what the logs hold.

keys_doubled            keys, of which the logs hold more than one decision
keys_unequal            keys, of which two answers differed in a byte
keys_lost               keys with an answer whose decision no log holds
keys_rewards_lost       rewards that were told "joined" and are in no log
keys_rewards_doubled    keys of rewards that two logs' records hold, or one log's twice
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
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.record import figure
from benchmarks.serving_engine import POLICY, K, known_units, snapshot
from equipoise.serving.config import LogConfig, ServeConfig
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.refill import refill
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.errors import ConflictError
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.messages import DecideRequest, RewardRequest
from equipoise.serving.records import DecisionRecord, RewardRecord

WORKERS = 3
SIZES = {"test": (300, 3), "quick": (20_000, 20), "full": (200_000, 100)}  # keys, kills
BETWEEN = (0.2, 1.0)  # seconds between kills
REWARDED = 0.3  # of the answers
encode = msgspec.json.Encoder().encode


def work(folder: Path, slot: int, keys: int, seed: int) -> None:
    """Send every request until each has an answer, and say what came."""
    units = known_units(1_000, K, 0)
    log = DecisionLog(folder / "log", slot, LogConfig(roll_bytes=4 << 20))
    live = snapshot("a" * 64, POLICY, units)
    engine = Engine(live, ServeConfig(), log, SharedState(folder), seed=1)
    refill(engine, folder / "log", slot, time.time_ns())
    rng, left = random.Random(seed), list(range(keys))
    rng.shuffle(left)
    with (folder / f"said-{slot}-{seed}.jsonl").open("ab", buffering=0) as said:
        while left:
            waiting = []
            for number in left:
                request = DecideRequest(unit=f"u{number % 1_000}", key=f"key {number}")
                try:
                    answer = engine.decide(request, time.time_ns())
                except ConflictError:
                    waiting.append(number)
                    continue
                if not answer.logged:
                    waiting.append(number)
                    continue
                said.write(encode([number, encode(answer).decode()]) + b"\n")
                if rng.random() < REWARDED:
                    reward = RewardRequest(
                        decision=answer.decision, name="sales", value=1.0, key=f"{number}"
                    )
                    status = engine.reward(reward, time.time_ns()).status
                    said.write(encode([number, status]) + b"\n")
            engine.tick(time.time_ns())
            left = waiting
            time.sleep(0.05 if left else 0)
    engine.close()
    log.close()


def campaign(folder: Path, keys: int, kills: int, seed: int) -> dict[str, float]:
    """Let workers work and die; then compare what they said with the logs."""
    rng = random.Random(seed)
    count = 0

    def start(slot: int) -> subprocess.Popen[bytes]:
        nonlocal count
        count += 1
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.serving_keys"]
        command += [str(folder), str(slot), str(keys), str(count)]
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
    return compared(folder) | {"keys_kills": done, "keys_count": keys}


def compared(folder: Path) -> dict[str, float]:
    """What was said, against the logs."""
    answers: dict[int, set[str]] = defaultdict(set)
    joined = set()
    for path in folder.glob("said-*"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            number, text = msgspec.json.decode(line)
            if text == "joined":
                joined.add(str(number))
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
        "keys_rewards_lost": len(joined - rewards.keys()),
        "keys_rewards_doubled": sum(times > 1 for times in rewards.values()),
    }


def figures(form: str) -> list[dict[str, Any]]:
    """The figures of keys."""
    keys, kills = SIZES[form]
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(Path(folder), keys, kills, seed=0)
    return [figure(name, value, against="0", n=keys) for name, value in found.items()]


if __name__ == "__main__":
    if len(sys.argv) == 5:
        work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        for one in figures(sys.argv[1] if sys.argv[1:] else "quick"):
            print(f"{one['name']:24} {one['value']:.6g}")
