"""Nodes that share a book: a claim that reaches any of them is settled once, whatever is killed."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.served import SECOND, World

from equipoise.serving.config import BudgetConfig, RewardWindow, ServeConfig
from equipoise.serving.engine.refill import refill
from equipoise.serving.errors import LedgerError
from equipoise.serving.ledger import ledger as ledger_module
from equipoise.serving.ledger import nodes as nodes_module
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.logged_money import differences, logged_money
from equipoise.serving.ledger.money import MILLION, Entry
from equipoise.serving.ledger.nodes import Nodes
from equipoise.serving.ledger.redis_book import RedisBook
from equipoise.serving.log.recovery import money_of
from equipoise.serving.messages import RewardRequest
from equipoise.serving.records import DecisionRecord, SpendRecord

TOTAL, MINUTE = 40 * MILLION, 60 * SECOND
FOREVER = BudgetConfig(total=40.0, seconds=1e9, claimed="claimed")
CONFIG = ServeConfig(budget=FOREVER, rewards={"claimed": RewardWindow(window="10m")})
NAMES = itertools.count()


class Node:
    """One node: its folder, its log, its money; `die` leaves all as a kill does."""

    def __init__(self, folder: Path, number: int, url: str, name: str, slow: int = 0) -> None:
        self.folder, self.number, self.url, self.name = folder, number, url, name
        self.slow = slow  # by how much its clock is behind
        self.start(0)

    def start(self, now: int) -> None:
        world = World(self.folder, CONFIG, budget_of=self.money)
        self.world = world
        self.at(now)
        refill(world.engine, self.folder / "log", 0, world.ns)

    def money(self, log) -> Ledger:
        holds, spent = money_of(self.folder / "log", 0)
        book, owner = RedisBook(self.url, self.name, TOTAL), self.number << 16
        self.nodes = Nodes(book, self.number, owner, log.writer, str(self.folder), 600)
        self.ledger = Ledger(
            book, owner, FOREVER, workers=2, boot="now", thread=False, nodes=self.nodes,
            holds=lambda lease: holds.get(lease, {}),
            entries=[Entry(one.decision, one.lease, one.reserved, one.spent) for one in spent],
        )  # fmt: skip
        return self.ledger

    def at(self, now: int) -> None:
        self.world.ns = max(self.world.ns, 1_800_000_000 * SECOND + now - self.slow)

    def claim(self, decision: str, value: float) -> str:
        request = RewardRequest(decision=decision, name="claimed", value=value)
        engine = self.world.engine
        return asyncio.run(engine.reward_async(request, self.world.ns)).status

    def tick(self) -> None:
        self.ledger.tick()
        self.world.engine.tick(self.world.ns)
        self.ledger.tick()

    def die(self) -> None:
        shared = self.world.shared
        shared.recent._waiting.clear()
        shared._holds.clear()
        shared.close()
        self.world.log.close()
        self.ledger.book.close()

    def records(self, kind):
        return self.world.records(kind)


class Shared:
    """Two nodes, one clock five minutes slow, and a plain model: what was promised to whom."""

    def __init__(self, folder: Path, url: str, seed: int) -> None:
        self.rng, self.now, self.url = random.Random(seed), 0, url
        name = f"nodes-{next(NAMES)}"
        self.nodes = [
            Node(folder / f"{seed}-{number}", number, url, name, slow)
            for number, slow in ((1, 0), (2, 5 * MINUTE))
        ]
        self.amount: dict[str, int] = {}
        self.words: dict[str, set[float]] = {}  # of accepted claims

    def step(self) -> None:
        """What happens next, at any node."""
        steps = self.decide, self.claim, self.settle, self.look, self.later, self.kill
        self.rng.choices(steps, (4, 8, 6, 4, 3, 1))[0](self.rng.choice(self.nodes))

    def decide(self, node: Node) -> None:
        answer = node.world.decide("ann")
        if answer.candidate != "none":
            self.amount[answer.decision] = node.records(DecisionRecord)[-1].amount

    def claim(self, node: Node) -> None:
        """Of any node's decision, perhaps again, perhaps too late."""
        if self.amount:
            decision = self.rng.choice([*self.amount][-8:])
            value = float(self.rng.random() < 0.7)
            if node.claim(decision, value) in ("joined", "waiting"):
                self.words.setdefault(decision, set()).add(value)

    def look(self, node: Node) -> None:
        node.ledger.tick()

    def settle(self, node: Node) -> None:
        node.world.engine.tick(node.world.ns)

    def later(self, node: Node) -> None:
        self.now += self.rng.choice([2, 11]) * MINUTE
        for one in self.nodes:
            one.at(self.now)

    def kill(self, node: Node) -> None:
        node.die()
        node.start(self.now)

    def spent(self) -> dict[str, int]:
        records = (one for node in self.nodes for one in node.records(SpendRecord))
        return {one.decision.hex(): one.spent for one in records}

    def never_over(self) -> None:
        """Of two words that contradict, either may count."""
        spent = self.spent()
        for decision, words in self.words.items():
            worth = {self.amount[decision] if word else 250_000 for word in words}
            assert spent.get(decision) in worth | {None}
        assert sum(spent.get(one, amount) for one, amount in self.amount.items()) <= TOTAL

    def end(self) -> None:
        """All that was told is spent; in the end nothing is open, and the book is the logs'."""
        for node in self.nodes * 3:
            node.tick()
        self.never_over()
        assert self.words.keys() <= self.spent().keys()
        self.now += 40 * MINUTE
        for node in self.nodes * 3:
            node.at(self.now)
            node.tick()
        assert self.spent().keys() == self.amount.keys()
        kinds = DecisionRecord, SpendRecord
        records = [one for node in self.nodes for kind in kinds for one in node.records(kind)]
        assert differences(self.nodes[0].ledger.book, logged_money(records)) == []
        for node in self.nodes:
            node.world.close()
            node.ledger.close()


@pytest.fixture
def at_once(monkeypatch):
    """All that is due is done at the next tick."""
    monkeypatch.setattr(ledger_module, "GRACE", -1.0)
    monkeypatch.setattr(ledger_module, "LOOK", -1.0)


def walk(folder: Path, url: str, seed: int, steps: int = 60) -> None:
    shared = Shared(folder, url, seed)
    for _ in range(steps):
        shared.step()
        shared.never_over()
    shared.end()


@pytest.mark.parametrize("seed", [4, 12, 13])  # which see a broken order of expiry
def test_a_claim_at_any_node_is_settled_once(redis_server, tmp_path, at_once, seed):
    walk(tmp_path, redis_server.url, seed)


@pytest.fixture
def pair(redis_server, tmp_path, at_once):
    name = f"pair-{next(NAMES)}"
    nodes = [Node(tmp_path / str(n), n, redis_server.url, name) for n in (1, 2)]
    yield nodes
    for node in nodes:
        node.world.close()
        node.ledger.close()


def test_by_hand(pair):
    one, two = pair
    first, second, third = (one.world.decide("ann").decision for _ in range(3))
    assert two.claim(first, 1.0) == "joined"
    assert two.claim(first, 1.0) == "joined"  # no key: a reward of its own; the money is the same
    assert one.claim(first, 0.0) == "joined"  # told before the other's came: the first here
    one.tick()
    assert two.claim(second, 0.0) == "joined"
    one.tick()
    assert [(s.decision.hex(), s.spent) for s in one.records(SpendRecord)] == [
        (first, 250_000),
        (second, 250_000),
    ]
    for node in pair:
        node.at(11 * MINUTE)
    assert two.claim(third, 1.0) == "late"
    two.world.ns -= 5 * MINUTE  # by its clock there is time
    assert two.claim(third, 1.0) == "joined"  # and it is not given back yet
    one.tick()
    assert one.records(SpendRecord)[-1].spent == 2_250_000
    fourth = one.world.decide("ann").decision
    one.at(25 * MINUTE)
    one.tick()
    one.tick()
    assert one.records(SpendRecord)[-1].spent == 250_000
    assert two.claim(fourth, 1.0) == "late"
    assert one.ledger.state()["spent"] == 3.0
    assert two.claim("0" * 11 + "1" + "ab" * 10, 1.0) == "late"


def test_verdicts(pair):
    one, two = pair
    mine = one.world.log.new_ids(1)[0]
    assert one.nodes.hand_over(mine, True) == "own"
    assert one.nodes.hand_over(mine[:6] + b"\xff" * 10, True) == "unknown"
    assert two.nodes.hand_over(mine, True) == two.nodes.hand_over(mine, False) == "other"
    one.nodes.look()
    assert one.nodes.collected() == ({mine: True}, 0)
    one.nodes.settled(mine)
    one.nodes.look()
    assert one.nodes.collected() == ({}, 0)


def test_many_claims_are_collected_before_their_time_is_closed(pair, monkeypatch):
    monkeypatch.setattr(nodes_module, "LOOK", nodes_module.LOOK.replace("1000", "600"))
    one, two = pair
    ids = set(one.world.log.new_ids(900))
    for id in ids:
        two.nodes.hand_over(id, True)
    until = one.world.ns + SECOND
    one.nodes.close_before(until)
    one.nodes.look()
    claims, closed = one.nodes.collected()
    assert len(claims) < 900
    assert closed == 0
    while not closed:
        one.nodes.look()
        claims, closed = one.nodes.collected()
    assert closed == until
    assert claims.keys() == ids
    assert two.nodes.hand_over(min(ids), True) == "late"


def test_a_copied_folder_is_refused(pair, monkeypatch):
    monkeypatch.setattr(ledger_module, "START", 0.0)
    one, _ = pair
    place = str(one.folder) + " of another machine"
    copy = Nodes(one.ledger.book, 1, 1 << 16, b"writer", place, 600)
    with pytest.raises(LedgerError, match="copied state folder"):
        Ledger(one.ledger.book, 1 << 16, FOREVER, nodes=copy, thread=False)
    one.nodes.leave()
    copy.look()
    one.ledger.tick()
    assert "runs elsewhere" in one.ledger.trouble
    copy.leave()
    one.nodes.look()


def test_without_the_book_a_claim_of_another_node_is_to_be_sent_again(redis_server, tmp_path):
    from fixtures.redis_server import RedisServer

    server = RedisServer()
    server.start()
    one, two = (Node(tmp_path / str(n), n, server.url, "gone") for n in (1, 2))
    theirs, own = one.world.decide("ann").decision, two.world.decide("ann").decision
    server.stop()
    with pytest.raises(LedgerError):
        two.claim(theirs, 1.0)
    assert two.claim(own, 1.0) == "joined"  # this node's own needs nobody
    for node in (one, two):
        node.die()


CODE = """
import json, tempfile
from pathlib import Path
from benchmarks.serving_nodes import campaign
with tempfile.TemporaryDirectory() as folder:
    print(json.dumps(campaign(Path(folder) / "budget", "test", seed=1)))
"""


def test_killed_nodes_overspend_nothing_and_lose_no_claim(redis_server):
    """In a process of its own, which forks while nothing else runs in it."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["nodes_overspend"] == found["nodes_claims_lost"] == 0
    assert found["nodes_books_equal"] == 1
    assert found["nodes_claims_elsewhere"] > 5
