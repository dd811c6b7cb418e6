"""redis  Three workers spend one budget of a book in a real Redis, by turns in one process: they
     reserve, settle, and are now and then left as a kill leaves them and begun again by what their
     log says.  Redis is killed with SIGKILL and started again, with an append-only file ("kept"),
     with nothing of what it knew ("gone"), or as it was some leases before ("older"), as from a
     copy or another server that had not heard of the last writes.

redis_overspend_kept, redis_overspend_gone
                          millionths reserved and spent above the budget, at any moment
redis_overspend_older     the same beyond what had been leased since Redis' memory ends
redis_twice_older         the same in all: what was leased, forgotten, and leased again
redis_books_kept          millionths by which the book differs from what was logged, in the end
redis_refused_gone        1 where in the end nobody leases, and nobody makes the book anew
redis_restarts            of Redis, kept; redis_decisions: of all walks
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.record import figure
from equipoise.serving.config import BudgetConfig
from equipoise.serving.errors import BookLost, LedgerError
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.money import MILLION, Entry, Rebuilt, micro
from equipoise.serving.ledger.redis_book import RedisBook
from equipoise.serving.protocols import Hold

WORKERS = 3
SIZES = {"test": (400, 3, 1), "quick": (2_000, 20, 3), "full": (5_000, 100, 10)}
# steps, restarts of Redis, seeds
ADDED = ("redis_restarts", "redis_decisions")
KINDS = ("kept", "gone", "older")


class Server:
    """A Redis of its own.

    Parameters
    ----------
    folder : Path
        Of its files.
    kept : bool
        Whether it has an append-only file that is synced at each write.
    """

    def __init__(self, folder: Path, kept: bool) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.words = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        self.words += ["--dir", str(folder), "--save", "", "--appendfsync", "always"]
        self.words += ["--appendonly", "yes" if kept else "no"]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not self.ask("PING").startswith(b"+PONG"):
            if time.monotonic() > end:
                raise TimeoutError("Redis did not start")
            time.sleep(0.01)

    def ask(self, word: str) -> bytes:
        """The beginning of its answer."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as link:
            link.sendall(f"{word}\r\n".encode())
            return link.recv(16)
        return b""

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


class Walk:
    """Workers that spend by turns, and what their logs say.

    Parameters
    ----------
    server : Server
        With the book.
    total : float
        The budget.
    seed : int
        Of the steps.
    """

    def __init__(self, server: Server, total: float, seed: int) -> None:
        self.server, self.total, self.rng = server, total, random.Random(seed)
        self.logs: list[dict[bytes, Hold]] = [{} for _ in range(WORKERS)]
        self.settled: list[list[Entry]] = [[] for _ in range(WORKERS)]
        self.workers: list[Ledger | None] = [None] * WORKERS
        self.committed = self.most = 0

    def lost(self) -> Rebuilt:
        """As the service: a book is not made anew of one log, where that names leases."""
        if any(self.logs):
            raise BookLost("the book", "be there", "none")
        return Rebuilt()

    def book(self) -> RedisBook:
        """A connection of its own."""
        return RedisBook(self.server.url, "budget", micro(self.total), lost=self.lost)

    def begin(self, slot: int) -> None:
        """Begin a worker, by what its log says."""
        holds: dict[int, dict[bytes, int]] = {}
        for decision, hold in self.logs[slot].items():
            holds.setdefault(hold.lease, {})[decision] = hold.amount
        try:
            self.workers[slot] = Ledger(
                self.book(),
                slot,
                BudgetConfig(total=self.total, seconds=1e9),
                workers=WORKERS,
                holds=lambda lease: holds.get(lease, {}),
                entries=self.settled[slot],
                thread=False,
            )
        except LedgerError:
            self.workers[slot] = None

    def step(self) -> None:
        """One step of one worker."""
        slot, what = self.rng.randrange(WORKERS), self.rng.random()
        worker = self.workers[slot]
        if worker is None:
            self.begin(slot)
        elif what < 0.01:
            worker.book.close()
            self.workers[slot] = None
        elif what < 0.6:
            hold = worker.reserve(self.rng.uniform(0.05, 2.0))
            if hold is not None:
                self.log(slot, hold)
        elif what < 0.9:
            self.settle(slot, worker)
        else:
            worker._due |= {"report": 0.0, "retry": 0.0}  # a second later
            worker.tick()

    def settle(self, slot: int, worker: Ledger) -> None:
        """A claim of a share, of a hold that waits."""
        done = {entry.decision for entry in self.settled[slot]}
        waiting = [decision for decision in self.logs[slot] if decision not in done]
        if waiting:
            decision = self.rng.choice(waiting)
            hold = self.logs[slot][decision]
            spent = round(hold.amount * self.rng.random())
            self.settled[slot].append(Entry(decision, *hold, spent))
            self.committed += spent - hold.amount
            worker.settle(hold, spent / MILLION, decision)

    def drain(self) -> int:
        """Spend what is leased; how many offers that were."""
        before = sum(map(len, self.logs))
        for _ in range(3):  # the last look may have brought a lease
            for slot, worker in enumerate(self.workers):
                while worker is not None and (hold := worker.reserve(0.05)) is not None:
                    self.log(slot, hold)
        return sum(map(len, self.logs)) - before

    def made(self) -> bool:
        """Whether there is a book."""
        with suppress(LedgerError):
            self.book().close()
            return True
        return False

    def log(self, slot: int, hold: Hold) -> None:
        """Write an offer down."""
        self.logs[slot][self.rng.randbytes(16)] = hold
        self.committed += hold.amount
        self.most = max(self.most, self.committed)

    def end(self) -> RedisBook:
        """Begin those that are dead, and close all."""
        for slot in range(WORKERS):
            if self.workers[slot] is None:
                self.begin(slot)
            worker = self.workers[slot]
            if worker is not None:
                worker.close()
        return self.book()


def walk(kind: str, steps: int, restarts: int, seed: int) -> dict[str, float]:
    """One walk under one kind of restart."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), kind == "kept")
        try:
            one = Walk(server, steps / 4, seed)  # less than is asked for
            return _walked(one, kind, steps, restarts if kind == "kept" else 1)
        finally:
            server.kill()


def _walked(one: Walk, kind: str, steps: int, restarts: int) -> dict[str, float]:
    for slot in range(WORKERS):
        one.begin(slot)
    forgotten = 0
    at = {round(steps * (number + 1) / (restarts + 1)) for number in range(restarts)}
    for number in range(steps):
        if number in at:
            if kind == "older":
                forgotten = _forgets(one)
            one.server.kill()
            for _ in range(10):
                one.step()  # nobody answers
            one.server.start()
        one.step()
    if kind == "gone":
        one.drain()
    over = max(0, one.most - micro(one.total))
    found = {f"redis_overspend_{kind}": float(max(0, over - forgotten))}
    found["redis_decisions"] = sum(map(len, one.logs))
    if kind == "kept":
        sums = one.end().sums()
        spent = sum(entry.spent for own in one.settled for entry in own)
        wrong = abs(sums.spent - spent) + abs(sums.reserved - (one.committed - spent))
        found |= {"redis_books_kept": wrong, "redis_restarts": restarts}
    elif kind == "gone":
        found["redis_refused_gone"] = float(one.drain() == 0 and not one.made())
    else:
        found["redis_twice_older"] = over
    return found


def _forgets(one: Walk) -> int:
    """Have Redis keep what it knows now, and lease some more: how much."""
    one.server.ask("SAVE")
    known = {lease.id for lease in one.book().leases()}
    for _ in range(100):
        one.step()
    return sum(lease.amount for lease in one.book().leases() if lease.id not in known)


def figures(form: str) -> list[dict[str, Any]]:
    """The figures of a Redis that dies."""
    steps, restarts, seeds = SIZES[form]
    found: dict[str, float] = {}
    for kind in KINDS:
        for seed in range(seeds):
            for name, value in walk(kind, steps, restarts, seed).items():
                worst = min if name == "redis_refused_gone" else max
                known = found.get(name, value)
                added = name in ADDED and name in found
                found[name] = known + value if added else worst(known, value)
    return [figure(name, value, n=steps * seeds) for name, value in found.items()]


if __name__ == "__main__":
    for one in figures(sys.argv[1] if sys.argv[1:] else "quick"):
        print(f"{one['name']:24} {one['value']:.6g}")
