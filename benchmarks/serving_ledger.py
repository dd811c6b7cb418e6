"""ledger  Four workers, processes of their own with a decision log each, spend one budget of a
     SQLite book: offers of .05 to 2, seven in ten claimed at a random share, by any later event,
     one claim in ten told twice.  Workers are killed with SIGKILL at random moments and started
     again; the demand is above the budget.  Truth is what the logs hold.

ledger_overspend        millionths reserved and spent above the budget, at the end and, by the
                        times in the log, at any moment
ledger_books_equal      1 where every lease's spent and reserved in the book are the log's
ledger_unspent_share    of the budget, left when all workers were refused (quick offers of .05)
ledger_events           decisions and claims in the logs
ledger_kills            workers killed
ledger_us               CPU of reserve and settle an event, one worker, its thread and SQLite's
                        writes included
ledger_reserve_us       of `reserve` alone, median
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import sys
import tempfile
import time
from multiprocessing import Array
from pathlib import Path
from typing import Any

from benchmarks.record import figure
from benchmarks.workers import forked, money_moves, most_at_a_time
from equipoise.serving.config import BudgetConfig, LogConfig
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.logged_money import differences, logged_money
from equipoise.serving.ledger.money import MILLION, Entry, micro
from equipoise.serving.ledger.sqlite_book import SqliteBook
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.recovery import money_of
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.protocols import Hold
from equipoise.serving.records import Context, DecisionRecord, SpendRecord

WORKERS = 4
DEAREST, CHEAPEST = 2.0, 0.05
CLAIMED, TWICE, WAITING = 0.7, 0.1, 200  # of the holds; of the claims; holds that wait at most
BETWEEN = (0.05, 0.4)  # seconds between kills
REFUSED = 20  # refusals in a row of the smallest offer after which the budget is spent
SIZES = {"test": (3_000, 4), "quick": (100_000, 12), "full": (1_000_000, 50)}  # events, kills


def decision(log: DecisionLog, context: int, hold: Hold) -> DecisionRecord:
    """A decision as small as one can be, with money."""
    return DecisionRecord(
        log.new_ids(1)[0], time.time_ns(), context, "u", 0, None, b"", b"", {}, b"", b"", -2, b"",
        None, b"", 0, 0, 1.0, 0, 0, lease=hold.lease, amount=hold.amount,
    )  # fmt: skip


def book_of(folder: Path, total: float) -> SqliteBook:
    """The book that all share."""
    return SqliteBook(folder / "book.sqlite", micro(total))


def worker(folder: Path, slot: int, total: float, events: int, done: Any, seed: int) -> None:
    """Spend and settle until there were enough events, then until nothing is left."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    rng = random.Random(seed)
    log = DecisionLog(folder / "log", slot, LogConfig(roll_bytes=4 << 20))
    context = log.context(Context(0, time.time_ns(), "policy", "snapshot"))
    holds, spent = money_of(folder / "log", slot)
    entries = [Entry(one.decision, one.lease, one.reserved, one.spent) for one in spent]
    config = BudgetConfig(total=total, seconds=1e9)
    ledger = Ledger(
        book_of(folder, total), slot, config, workers=WORKERS, entries=entries,
        holds=lambda lease: holds.get(lease, {}),
    )  # fmt: skip
    waiting: list[DecisionRecord] = []
    refused = 0
    while not stopped and refused < REFUSED:
        ending = sum(done) >= events
        hold = ledger.reserve(CHEAPEST if ending else rng.uniform(CHEAPEST, DEAREST))
        done[slot] += 1
        if hold is not None:
            refused = 0
            record = decision(log, context, hold)
            log.append(record)
            waiting.append(record)
        elif ending:
            refused += not waiting
            time.sleep(0.0 if waiting else 0.06)
        if waiting and (len(waiting) > WAITING or rng.random() < CLAIMED):
            done[slot] += 1
            claim(log, ledger, waiting.pop(rng.randrange(len(waiting))), rng)
    ledger.close()
    log.close()


def claim(log: DecisionLog, ledger: Ledger, record: DecisionRecord, rng: random.Random) -> None:
    """A share of what was reserved is claimed: into the log, then into the ledger."""
    spent = round(record.amount * rng.random())
    log.append(SpendRecord(record.id, time.time_ns(), record.lease, record.amount, spent))
    for _ in range(2 if rng.random() < TWICE else 1):
        ledger.settle(Hold(record.lease, record.amount), spent / MILLION, record.id)


def campaign(folder: Path, events: int, kills: int, seed: int) -> dict[str, float]:
    """Run workers, kill some, and hold books and logs against each other."""
    total = events * 0.25  # two events an offer of 1.0; about half of it comes back
    done = Array("q", WORKERS, lock=False)
    rng = random.Random(seed)
    about = total, events, done
    running = {slot: forked(worker, folder, slot, *about, slot) for slot in range(WORKERS)}
    for number in range(kills):
        time.sleep(rng.uniform(*BETWEEN))
        slot = rng.randrange(WORKERS)
        os.kill(running[slot], signal.SIGKILL)
        os.waitpid(running[slot], 0)
        running[slot] = forked(worker, folder, slot, *about, WORKERS + number)
    codes = [os.waitpid(child, 0)[1] for child in running.values()]
    if any(codes):
        raise RuntimeError(f"workers ended with {codes}")
    return verdict(folder, total) | {"ledger_kills": kills}


def verdict(folder: Path, total: float) -> dict[str, float]:
    """What the logs hold, against the budget and the book."""
    records = [entry.record for entry in read_records(folder / "log")]
    money = logged_money(records)
    book = book_of(folder, total)
    wrong = differences(book, money)
    for line in wrong[:5]:
        print(line, file=sys.stderr)
    sums = book.sums()
    book.close()
    moves = money_moves(records)
    return {
        "ledger_overspend": max(most_at_a_time(moves) - micro(total), 0),
        "ledger_books_equal": float(not wrong),
        "ledger_unspent_share": (sums.left + sums.leased) / sums.total,
        "ledger_events": len(moves),
    }


def speed(folder: Path, events: int) -> dict[str, float]:
    """CPU of one worker's reserve and settle, and the median of reserve alone."""
    config = BudgetConfig(total=1e9, seconds=1e9)
    ledger = Ledger(book_of(folder, 1e9), 0, config)
    begin = time.process_time()
    for number in range(events):
        hold = ledger.reserve(1.0)
        if hold is not None:
            ledger.settle(hold, 0.5, number.to_bytes(16, "big"))
    ledger.close()
    cpu = (time.process_time() - begin) / events
    ledger = Ledger(book_of(folder, 1e9), 0, config)
    times = []
    for _ in range(events // 10):
        begin = time.perf_counter()
        ledger.reserve(1.0)
        times.append(time.perf_counter() - begin)
    ledger.close()
    return {"ledger_us": cpu * 1e6, "ledger_reserve_us": statistics.median(times) * 1e6}


def figures(form: str) -> list[dict[str, Any]]:
    """The figures of the ledger."""
    events, kills = SIZES[form]
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(Path(folder), events, kills, seed=0)
    if form != "test":
        with tempfile.TemporaryDirectory() as folder:
            found |= speed(Path(folder), events)
    against = {"ledger_overspend": "0", "ledger_books_equal": "1", "ledger_us": "8"}
    return [
        figure(
            name,
            value,
            unit="us" if name.endswith("_us") else "",
            against=against.get(name, ""),
            n=events,
        )
        for name, value in found.items()
    ]


if __name__ == "__main__":
    for one in figures(sys.argv[1] if sys.argv[1:] else "quick"):
        print(f"{one['name']:24} {one['value']:.6g}")
