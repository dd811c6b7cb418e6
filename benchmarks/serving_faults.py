"""faults  A real service of several workers with a budget, under a load over HTTP: kept
     connections, every request with a key, rewards for half of what was offered.  At random moments
     one is killed with SIGKILL: a worker, or the process that looks after them, or all at once;
     those that have no parent any more end themselves, and the service is started again.  Clients
     send again what got no answer, with the same key, and now and then what did.  In the end every
     answer that came is held against the logs, and the book against them.  Half of the kills under
     each durability.

http_kill_kills        SIGKILLs; http_kill_answers: answers that came meanwhile
http_kill_lost         answers whose decision no log holds
http_kill_doubled      ids of decisions that the logs hold twice
http_kill_wrong        answers that differ from the log in unit, candidate, probability, reason,
                       scores or snapshot, or whose offer holds no money there
http_kill_unequal      keys of which two answers differed in a byte
http_kill_keys_twice   keys of which the logs hold more than one decision
http_kill_rewards      rewards told "joined" that are not in the logs exactly once, or "waiting" and
                       not at all
http_kill_unspent      claims told so that are not spent
http_kill_overspend    millionths reserved and spent above the budget, at any moment
http_kill_books        leases of which book and logs differ, or that are open still when all ended
http_kill_unended      segments without an end when all ended
http_errors_500        answers of 500; http_errors_503: of 503, which may be asked again
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.record import figure
from benchmarks.serving_http import CODE, shop
from benchmarks.workers import money_moves, most_at_a_time
from equipoise.serving.app.meters import ALIVE
from equipoise.serving.engine.answers import answer_json
from equipoise.serving.ledger.logged_money import differences, logged_money
from equipoise.serving.ledger.money import OPEN, micro
from equipoise.serving.ledger.sqlite_book import SqliteBook
from equipoise.serving.log.reader import LogEntry, read_records
from equipoise.serving.log.segments import end_of, segments_of
from equipoise.serving.messages import DecideAnswer
from equipoise.serving.records import DecisionRecord, RewardRecord

UNITS, WORKERS, CONNECTIONS, TOTAL = 5_000, 3, 8, 20_000.0
KILLS = {"quick": 5, "full": 25}  # under each durability
KINDS = {"worker": 0.7, "parent": 0.15, "all": 0.15}  # who is killed, and how often
BETWEEN = (0.1, 2.0)  # seconds between kills
KEPT = 100  # requests of one connection, so that all workers have some
REWARDED, AGAIN, TAKEN = 0.5, 0.05, 0.6  # of answers; of them sent again; of rewards with a claim
SOON, END = 0.3, 180.0  # seconds until a request is sent again; until all must be answered
READY = "equipoise_workers"
SOME = 20  # answers between two kills, at least
SETTINGS = """[serve]
workers = {workers}
[serve.monitors]
every = 0
[serve.log]
durability = "{durability}"
roll_bytes = 1_000_000
[serve.budget]
total = {total}
claimed = "{claimed}"
seconds = 1e9
"""
HEAD = (
    "POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
    "content-type: application/json\r\ncontent-length: {size}\r\n\r\n"
)
_answer = msgspec.json.Decoder(DecideAnswer).decode


@dataclass
class Heard:
    """What clients were told.

    Attributes
    ----------
    answers : dict of int to list of bytes
        By the number of the key.
    joined : set of str
        Keys of rewards that were told "joined".
    waiting : set of str
        And "waiting".
    taken : set of str
        Decisions whose claims were told one of both.
    codes : Counter
        Statuses of all answers.
    """

    answers: dict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    joined: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    codes: Counter[int] = field(default_factory=Counter)


class Service:
    """`equipoise serve`, on a port that stays.

    Parameters
    ----------
    state : Path
        Its folder.
    settings : Path
        Its file of settings.
    """

    def __init__(self, state: Path, settings: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.words = [sys.executable, "-W", "ignore", "-c", CODE, "serve", "--quiet"]
        self.words += ["--state", str(state), "--config", str(settings), "--port", str(self.port)]
        self.lines = (state.parent / "lines.txt").open("ab")
        self.process = self._begin()

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=self.lines)

    def workers(self) -> list[int]:
        """The processes that serve."""
        pid = self.process.pid
        with suppress(OSError):
            listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
            return [int(child) for child in listed.split()]
        return []

    def ready(self) -> float:
        """How many workers say that they are ready."""
        link = HTTPConnection("127.0.0.1", self.port, timeout=10)
        with suppress(OSError, HTTPException), closing(link):
            link.request("GET", "/metrics")
            lines = link.getresponse().read().decode().splitlines()
            return sum(float(one.split()[-1]) for one in lines if one.startswith(READY))
        return 0.0

    def look_after(self) -> None:
        """Start it again where it ended: others may still have its port."""
        if self.process.poll() is not None:
            self.process = self._begin()

    def stop(self, sig: int = signal.SIGTERM) -> None:
        """End it, and see that its workers end."""
        workers = self.workers()
        self.process.send_signal(sig)
        code, end = self.process.wait(60), time.monotonic() + 60
        while any(is_there(pid) for pid in workers) and time.monotonic() < end:
            time.sleep(0.05)
        self.lines.close()
        if code not in (0, -sig) or any(is_there(pid) for pid in workers):
            raise RuntimeError(f"the service ended with {code}, or its workers did not")


def is_there(pid: int) -> bool:
    """Whether a process runs."""
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0] != "Z"
    return False


class Load:
    """Clients.

    Parameters
    ----------
    port : int
        Of the service.
    unit : callable
        The unit of a number.
    claimed : str
        The reward that says that an offer was taken.
    seed : int
        Of what is sent again and rewarded.
    """

    def __init__(self, port: int, unit: Callable[[int], str], claimed: str, seed: int) -> None:
        self.port, self.unit, self.claimed = port, unit, claimed
        self.rng = random.Random(seed)
        self.heard = Heard()
        self.jobs: deque[tuple[float, str, int, bytes]] = deque()  # when due, path, number, body
        self.next, self.ending = 0, False

    def job(self) -> tuple[str, int, bytes] | None:
        """What is to be sent: what is due again, else something new."""
        now = time.monotonic()
        for _ in range(len(self.jobs)):
            due, path, number, body = self.jobs.popleft()
            if due <= now:
                return path, number, body
            self.jobs.append((due, path, number, body))
        if self.ending:
            return None
        self.next += 1
        asked = {"unit": self.unit(self.next), "key": f"key {self.next}"}
        return "/decide", self.next, json.dumps(asked).encode()

    def later(self, path: str, number: int, body: bytes) -> None:
        """Send it in a moment."""
        self.jobs.append((time.monotonic() + SOON, path, number, body))

    async def client(self) -> None:
        """One connection after another, until all is answered."""
        while not (self.ending and not self.jobs):
            with suppress(OSError, EOFError, ValueError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    await self._talk(reader, writer)
                finally:
                    writer.close()
            await asyncio.sleep(0.02)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(KEPT):
            while (job := self.job()) is None:
                if not self.jobs:
                    return
                await asyncio.sleep(0.02)
            path, number, body = job
            head = HEAD.format(path=path, port=self.port, size=len(body)).encode()
            try:
                writer.write(head + body)
                code, said = await asyncio.wait_for(_reply(reader), 30)
            except BaseException:
                self.later(*job)
                raise
            self.heard.codes[code] += 1
            if code not in (200, 202):
                self.later(*job)
            elif path == "/decide":
                self._decided(number, body, said)
            else:
                self._rewarded(json.loads(body), json.loads(said)["status"])

    def _rewarded(self, asked: dict[str, Any], status: str) -> None:
        heard = self.heard
        if status in ("joined", "waiting"):
            (heard.joined if status == "joined" else heard.waiting).add(asked["key"])
            if asked["value"]:
                heard.taken.add(asked["decision"])

    def _decided(self, number: int, body: bytes, said: bytes) -> None:
        first = number not in self.heard.answers
        self.heard.answers[number].append(said)
        if self.rng.random() < AGAIN:
            self.later("/decide", number, body)
        if first and self.rng.random() < REWARDED:
            reward = {"decision": _answer(said).decision, "name": self.claimed, "key": f"r{number}"}
            value = float(self.rng.random() < TAKEN)
            self.later("/reward", number, json.dumps({**reward, "value": value}).encode())


async def _reply(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(size)


async def killing(
    service: Service, load: Load, workers: int, kinds: Sequence[str], rng: random.Random
) -> None:
    """Kill at random moments, and see that the service is there again."""
    for kind in kinds:
        told, here = sum(load.heard.codes.values()), list[int]()
        while len(here) < workers or sum(load.heard.codes.values()) < told + SOME:
            await asyncio.sleep(0.02)
            service.look_after()
            here = service.workers()
        await asyncio.sleep(rng.uniform(*BETWEEN))
        victims = [rng.choice(here)] if kind == "worker" else [service.process.pid]
        for pid in victims + here * (kind == "all"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def _under_load(
    service: Service, load: Load, workers: int, kinds: Sequence[str], rng: random.Random
) -> None:
    clients = [asyncio.create_task(load.client()) for _ in range(CONNECTIONS)]
    await killing(service, load, workers, kinds, rng)
    load.ending = True
    end = time.monotonic() + END
    while not all(one.done() for one in clients) and time.monotonic() < end:
        service.look_after()
        await asyncio.sleep(0.05)
    await asyncio.sleep(ALIVE + 0.5)  # who died is counted no more
    while await asyncio.to_thread(service.ready) < workers:
        service.look_after()
        await asyncio.sleep(0.05)
    if load.jobs:
        raise RuntimeError(f"{len(load.jobs)} requests have no answer: {load.heard.codes}")
    await asyncio.gather(*clients)


def campaign(
    state: Path,
    durability: str,
    kinds: Sequence[str],
    *,
    seed: int = 0,
    workers: int = WORKERS,
    last: int = signal.SIGTERM,
    unit: Callable[[int], str] = lambda n: f"unit-{n % UNITS:06d}",
    claimed: str = "sales",
    total: float = TOTAL,
) -> dict[str, float]:
    """Serve, load and kill; then compare what was told with the logs and the book.

    Parameters
    ----------
    state : Path
        A folder where a policy is live.
    durability : {"process", "disk"}
        Of the log.
    kinds : sequence of str
        Who is killed, one after another: of `KINDS`.
    seed : int
        Of the moments.
    workers : int
        How many.
    last : int
        The signal that ends the service: under SIGKILL its workers end themselves.
    unit : callable
        A known unit of a number.
    claimed : str
        A metric of the policy.
    total : float
        The budget.

    Returns
    -------
    dict
        Figures by name.
    """
    settings = state.parent / f"{durability}.toml"
    about = {"workers": workers, "durability": durability, "total": total, "claimed": claimed}
    settings.write_text(SETTINGS.format(**about), encoding="utf-8")
    service = Service(state, settings)
    load = Load(service.port, unit, claimed, seed)
    try:
        asyncio.run(_under_load(service, load, workers, kinds, random.Random(seed)))
    finally:
        service.stop(last)
    heard = load.heard
    answers = sum(map(len, heard.answers.values()))
    counts = {"http_kill_kills": len(kinds), "http_kill_answers": answers}
    errors = {f"http_errors_{code}": heard.codes[code] for code in (500, 503)}
    return counts | compared(state, heard, total) | errors


def compared(state: Path, heard: Heard, total: float) -> dict[str, float]:
    """What was told, against the logs and the book."""
    entries = [*read_records(state / "log")]
    made = [entry for entry in entries if isinstance(entry.record, DecisionRecord)]
    by_id = {entry.record.id.hex(): entry for entry in made}  # type: ignore[union-attr]
    keys = Counter(entry.record.key[:8] for entry in made)  # type: ignore[union-attr]
    rewards = Counter(e.record.key for e in entries if isinstance(e.record, RewardRecord))
    told = [_answer(one) for every in heard.answers.values() for one in set(every)]
    lost = [one for one in told if one.decision not in by_id]
    wrong = [one for one in told if one.decision in by_id and differs(one, by_id[one.decision])]
    unended = [one for one in segments_of(state / "log") if end_of(one.path) is None]
    return {
        "http_kill_lost": len(lost),
        "http_kill_doubled": len(made) - len(by_id),
        "http_kill_wrong": len(wrong),
        "http_kill_unequal": sum(len(set(every)) > 1 for every in heard.answers.values()),
        "http_kill_keys_twice": sum(times > 1 for times in keys.values()),
        "http_kill_rewards": sum(rewards[key] != 1 for key in heard.joined)
        + sum(not rewards[key] for key in heard.waiting),
        "http_kill_unended": len(unended),
        **money(state, entries, total, heard.taken),
    }


def differs(told: DecideAnswer, entry: LogEntry) -> bool:
    """Whether an answer is not what the log says."""
    record, context = entry.record, entry.context
    if not isinstance(record, DecisionRecord) or context is None:
        return True
    logged = _answer(answer_json(record, context, None))
    same = all(
        getattr(told, name) == getattr(logged, name)
        for name in ("unit", "candidate", "probability", "reason", "scores", "snapshot", "logged")
    )
    return not same or (record.served >= 0) != (record.amount > 0 and record.lease > 0)


def money(state: Path, entries: list[LogEntry], total: float, taken: set[str]) -> dict[str, float]:
    """The book against the logs, the most that was reserved and spent at a time, and claims that
    were told and are not spent.
    """
    records = [entry.record for entry in entries]
    book = SqliteBook(state / "book.sqlite", None)
    logged = logged_money(records)
    wrong = differences(book, logged)
    wrong += [f"lease {one.id} is open" for one in book.leases() if one.state == OPEN]
    book.close()
    for line in wrong[:5]:
        print(line, file=sys.stderr)
    most = most_at_a_time(money_moves(records))
    held = {one.id.hex() for one in records if isinstance(one, DecisionRecord) and one.amount}
    whole = {id.hex() for id, entry in logged.settled.items() if entry.spent == entry.reserved}
    return {
        "http_kill_overspend": max(0, most - micro(total)),
        "http_kill_books": len(wrong),
        "http_kill_unspent": len(taken & held - whole),
    }


def figures(form: str) -> list[dict[str, Any]]:
    """The figures of a service that is killed."""
    found: Counter[str] = Counter()
    for durability in ("process", "disk"):
        with tempfile.TemporaryDirectory() as folder:
            state = shop(Path(folder), UNITS)
            names = random.Random(durability).choices([*KINDS], [*KINDS.values()], k=KILLS[form])
            found.update(campaign(state, durability, names))
    return [figure(name, value, n=int(found["http_kill_kills"])) for name, value in found.items()]


if __name__ == "__main__":
    for one in figures(sys.argv[1] if sys.argv[1:] else "quick"):
        print(f"{one['name']:24} {one['value']:.6g}")
