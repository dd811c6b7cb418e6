"""nodes  Two nodes, processes of their own with a state folder each, spend one budget of a book in
     Redis.  Each offer can be taken within 1.5 seconds, and claims of any age come to either node,
     one in ten twice; the demand is above the budget.  Nodes are killed with SIGKILL at random
     moments; one is dead for longer at the end.  Truth is what a claim was answered: money is out
     where that was "joined" or "waiting".

nodes_overspend         of the budget, at any moment: offers taken, and open ones, above it
nodes_overspend_alone   the same where a node keeps a claim of the other's decision to itself
nodes_claims_lost       such claims that are not spent once both nodes are back
nodes_books_equal       1 where every lease's spent and reserved in the book are the logs'
nodes_unspent_share     of the budget, left at the end
nodes_claims            such claims; nodes_claims_elsewhere: told by the node that had not decided
nodes_claims_late       told "late"
nodes_kills             nodes killed
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.record import figure
from benchmarks.serving_engine import NAMES, Snapshot, known_units, snapshot
from benchmarks.serving_store import redis_server
from benchmarks.workers import forked, most_at_a_time
from equipoise.core.policy import Policy
from equipoise.serving.app.money import REDIS, open_ledger
from equipoise.serving.config import BudgetConfig, LogConfig, RewardWindow, ServeConfig, StoreConfig
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.refill import refill
from equipoise.serving.engine.rewards import GRACE
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.errors import LedgerError
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.logged_money import differences, logged_money
from equipoise.serving.ledger.money import micro
from equipoise.serving.ledger.redis_book import RedisBook
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.messages import DecideRequest, RewardRequest
from equipoise.serving.records import DecisionRecord, SpendRecord

NODES = ("one", "two")
UNITS, WINDOW, TAKEN = 50, 1.5, "taken"
POLICY = Policy(NAMES[:2], "none", ("sales", "visits", "cost"), (1.0, 0.2, -0.5))
CLAIMED, TWICE, TICK = 0.5, 0.1, 0.05
NEWEST = 60  # offers that are claimed
BETWEEN, AWAY = (0.2, 0.6), (0.0, 0.4)  # seconds between kills, and that a node is away
ACCEPTED = ("joined", "waiting")
LEAST, PATIENCE = 10, 60.0  # claims told elsewhere, and seconds that a busy machine has for them
# money, seconds with both nodes, seconds with one, kills
SIZES = {"test": (150.0, 1.2, 0.5, 2), "quick": (4_000.0, 12.0, 3.0, 20)}
SIZES["full"] = (30_000.0, 90.0, 10.0, 150)


def config_of(name: str, total: float) -> ServeConfig:
    """The settings of every node."""
    return ServeConfig(
        policy=name,
        store=StoreConfig(kind="redis"),
        log=LogConfig(roll_bytes=4 << 20),
        budget=BudgetConfig(total=total, claimed=TAKEN, seconds=1e9),
        rewards={TAKEN: RewardWindow(window=f"{WINDOW}s")},
    )


class Node:
    """One node at work."""

    def __init__(self, folder: Path, name: str, live: Snapshot, total: float, alone: bool) -> None:
        self.folder, state = folder, folder / name
        self.log = DecisionLog(state / "log", 0, LogConfig(roll_bytes=4 << 20))
        config = config_of(folder.name, total)
        ledger, _ = open_ledger(state, config, 0, live.scorer.rule.policy, self.log.writer)
        if ledger is None:
            raise RuntimeError("no ledger")
        self.ledger: Ledger = ledger
        if alone:
            ledger.nodes = None
        shared = SharedState(state)
        self.engine = Engine(live, config, self.log, shared, seed=1, budget=ledger)
        refill(self.engine, state / "log", 0, time.time_ns())
        self.offers = (folder / f"offers-{name}").open("ab", buffering=0)
        self.said = (folder / f"said-{name}").open("ab", buffering=0)
        self.loop, self.last = asyncio.new_event_loop(), 0.0

    def offer(self, unit: str) -> None:
        """One decision, told to all who may claim it."""
        answer = self.engine.decide(DecideRequest(unit=unit), time.time_ns())
        if answer.candidate != "none":
            self.offers.write(answer.decision.encode() + b"\n")

    def claim(self, decision: str) -> None:
        """A claim, and what it was told."""
        request = RewardRequest(decision=decision, name=TAKEN, value=1.0)
        with suppress(LedgerError):
            work = self.engine.reward_async(request, time.time_ns())
            status = self.loop.run_until_complete(work).status
            self.said.write(f"{decision} {status}\n".encode())

    def tick(self) -> None:
        """What is due."""
        if time.monotonic() - self.last > TICK:
            self.last = time.monotonic()
            self.engine.tick(time.time_ns())

    def close(self) -> None:
        """As a stop does."""
        self.engine.close()
        self.ledger.close()
        self.log.close()
        self.loop.close()


def work(folder: Path, name: str, live: Snapshot, total: float, alone: bool, seed: int) -> None:
    """Offer and claim until told to stop; then tick until nothing is open."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    rng, node = random.Random(seed), Node(folder, name, live, total, alone)
    read = dict.fromkeys(NODES, 0)
    pool: list[str] = []
    while not stopped:
        node.offer(f"u{rng.randrange(UNITS)}")
        for other in NODES:
            with suppress(FileNotFoundError), (folder / f"offers-{other}").open("rb") as lines:
                lines.seek(read[other])
                text = lines.read()
                whole = text[: text.rfind(b"\n") + 1]
                read[other] += len(whole)
                pool += [line.decode() for line in whole.split()]
        if pool and rng.random() < 0.7:
            node.claim(pool[rng.randrange(max(0, len(pool) - NEWEST), len(pool))])
            if rng.random() < TWICE:
                node.claim(pool[rng.randrange(max(0, len(pool) - NEWEST), len(pool))])
        node.tick()
    until = time.monotonic() + WINDOW + GRACE / 1e9 + 1.0
    while not alone and time.monotonic() < until:
        node.tick()
        time.sleep(TICK)
    node.close()


def campaign(folder: Path, form: str, seed: int, alone: bool = False) -> dict[str, float]:
    """Run nodes, kill some, and hold what was told against logs and book."""
    total, both, single, kills = SIZES[form]
    rng = random.Random(seed)
    live = snapshot("a" * 64, POLICY, known_units(UNITS, 2, 0))
    for name in NODES:
        (folder / name).mkdir(parents=True)
    with redis_server() as (url, _):
        os.environ[REDIS] = url
        about = live, total, alone
        running = {name: forked(work, folder, name, *about, seed) for name in NODES}
        end = time.monotonic() + both
        for number in range(kills):
            time.sleep(rng.uniform(*BETWEEN))
            name = rng.choice(NODES)
            kill(running[name], signal.SIGKILL)
            time.sleep(rng.uniform(*AWAY))
            running[name] = forked(work, folder, name, *about, seed + 2 + number)
        patience = end + PATIENCE
        while (now := time.monotonic()) < end or (now < patience and elsewhere(folder) <= LEAST):
            time.sleep(0.1)
        kill(running["two"], signal.SIGKILL)
        time.sleep(single)
        running["two"] = forked(work, folder, "two", *about, seed + 1)
        time.sleep(0.3)
        for child in running.values():
            os.kill(child, signal.SIGTERM)
        if any([os.waitpid(child, 0)[1] for child in running.values()]):
            raise RuntimeError("a node failed")
        book = RedisBook(url, folder.name, micro(total))
        found = verdict(folder, book, micro(total))
        book.close()
    return found | {"nodes_kills": kills + 1}


def kill(child: int, sig: int) -> None:
    """Send a signal, and wait for the end."""
    os.kill(child, sig)
    os.waitpid(child, 0)


def lines(file: Path) -> list[str]:
    """The lines of a file that are whole; none where it is not there yet."""
    return file.read_text().split("\n")[:-1] if file.exists() else []


def told(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """What claims were told: by decision, which node said what."""
    every: dict[str, list[tuple[str, str]]] = {}
    for name in NODES:
        for line in lines(folder / f"said-{name}"):
            decision, status = line.split()
            every.setdefault(decision, []).append((name, status))
    return every


def elsewhere(folder: Path) -> int:
    """Claims that were accepted by a node which had not decided."""
    decided = {name: set(lines(folder / f"offers-{name}")) for name in NODES}
    return sum(
        any(word in ACCEPTED and decision not in decided[name] for name, word in words)
        for decision, words in told(folder).items()
    )


def verdict(folder: Path, book: RedisBook, total: int) -> dict[str, float]:
    """What was told, against the logs and the book."""
    records = {
        name: [entry.record for entry in read_records(folder / name / "log")] for name in NODES
    }
    every = [record for own in records.values() for record in own]
    decisions = {one.id.hex(): one for one in every if isinstance(one, DecisionRecord)}
    money, said = logged_money(every), told(folder)
    taken = {id for id, words in said.items() if any(w in ACCEPTED for _, w in words)}
    moves = [(one.ns, one.amount) for one in decisions.values()]
    ended = {one.decision.hex(): one for one in every if isinstance(one, SpendRecord)}
    moves += [(one.ns, -one.reserved) for id, one in ended.items() if id not in taken]
    most = most_at_a_time(sorted(moves))
    lost = [
        id
        for id in taken
        if bytes.fromhex(id) not in money.settled or not money.settled[bytes.fromhex(id)].spent
    ]
    wrong = differences(book, money)
    for line in wrong[:5]:
        print(line, file=sys.stderr)
    sums = book.sums()
    return {
        "nodes_overspend": max(most - total, 0),
        "nodes_claims_lost": len(lost),
        "nodes_books_equal": float(not wrong),
        "nodes_unspent_share": (sums.left + sums.leased) / sums.total,
        "nodes_claims": len(taken),
        "nodes_claims_elsewhere": elsewhere(folder),
        "nodes_claims_late": sum(w == "late" for words in said.values() for _, w in words),
    }


def figures(form: str) -> list[dict[str, Any]]:
    """The figures of nodes."""
    with tempfile.TemporaryDirectory() as place:
        found = campaign(Path(place) / "budget", form, seed=0)
        if form != "test":
            alone = campaign(Path(place) / "alone", form, seed=0, alone=True)
            found["nodes_overspend_alone"] = alone["nodes_overspend"]
    against = {"nodes_overspend": "0", "nodes_claims_lost": "0", "nodes_books_equal": "1"}
    count = int(found["nodes_claims"])
    return [
        figure(name, value, against=against.get(name, ""), n=count) for name, value in found.items()
    ]


if __name__ == "__main__":
    for one in figures(sys.argv[1] if sys.argv[1:] else "quick"):
        print(f"{one['name']:24} {one['value']:.6g}")
