"""The money of one worker, opened: its book, and what the log says of a worker that died."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from equipoise.core.arrays import Floats
from equipoise.core.durations import nanoseconds
from equipoise.core.policy import Policy
from equipoise.serving.config import BudgetConfig, RewardWindow, ServeConfig
from equipoise.serving.errors import BookLost
from equipoise.serving.ledger.ledger import PASSED, Ledger
from equipoise.serving.ledger.logged_money import logged_money
from equipoise.serving.ledger.money import OPEN, Book, Entry, Rebuilt, micro, period_of
from equipoise.serving.ledger.nodes import Nodes
from equipoise.serving.ledger.pace import Pace, budget_demand
from equipoise.serving.ledger.redis_book import REDIS, RedisBook
from equipoise.serving.ledger.sqlite_book import SqliteBook
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.recovery import money_of
from equipoise.serving.log.segments import Segment, segments_of
from equipoise.serving.machine import boot_id
from equipoise.serving.snapshots.state import State


class Paced:
    """The pacing of a ledger, as the engine asks for it: its thread speaks with the book.

    Parameters
    ----------
    ledger : Ledger
        With a pace.
    price : float
        Of the policy's budget, to begin with.
    """

    def __init__(self, ledger: Ledger, price: float) -> None:
        self.ledger, self.price = ledger, price

    def seen(self, value: Floats, cost: Floats, served: int) -> None:
        """Take note of one request."""
        self.ledger.seen(value, cost, served)

    def tick(self) -> float:
        """The price in force."""
        now = self.ledger.price
        return self.price if now is None else now


def open_ledger(
    state: Path, config: ServeConfig, slot: int, policy: Policy, writer: bytes = b""
) -> tuple[Ledger | None, Paced | None]:
    """The ledger of a worker.

    Parameters
    ----------
    state : Path
        The folder of the service.
    config : ServeConfig
        With the budget; the book is in Redis where known units are.
    slot : int
        Of the worker; its log is recovered already.
    policy : Policy
        What is live, whose budget may be paced.
    writer : bytes, default b""
        Of its log, by which other nodes know whose a decision is.

    Returns
    -------
    ledger : Ledger or None
        None without a budget.
    pacing : Paced or None
        None where no price follows the spend.

    Raises
    ------
    LedgerError
        Where the book cannot be reached.
    InputError
        Where a budget is to be paced that the policy has not.
    """
    budget = config.budget
    if budget is None:
        return None, None
    book = _book(state, config, budget)
    pace, price = None, 0.0
    if budget.pacing != "off":
        _, price = budget_demand(policy)
        pace = Pace(book, _owner(state, slot, book), budget, price)
    ledger = _ledger(state, config, budget, slot, book, pace, writer)
    return ledger, None if pace is None else Paced(ledger, price)


def settle_dead(state: Path, config: ServeConfig, slot: int) -> None:
    """Give back the money of a worker that died and whose slot nobody took.

    Parameters
    ----------
    state : Path
        The folder of the service.
    config : ServeConfig
        With the budget, or without one.
    slot : int
        Its log is recovered already, and held by the caller.

    Raises
    ------
    LedgerError
        Where the book cannot be reached.
    """
    if config.budget is not None:
        book = _book(state, config, config.budget)
        _ledger(state, config, config.budget, slot, book, thread=False).close()


def _ledger(
    state: Path,
    config: ServeConfig,
    budget: BudgetConfig,
    slot: int,
    book: Book,
    pace: Pace | None = None,
    writer: bytes = b"",
    thread: bool = True,
) -> Ledger:
    log, owner, nodes = state / "log", _owner(state, slot, book), None
    if isinstance(book, RedisBook):
        window = nanoseconds(config.rewards.get(budget.claimed or "", RewardWindow()).window) / 1e9
        nodes = Nodes(book, State(state).node(), owner, writer, _place(state), window)
    holds, spent = money_of(log, slot, _since(book, owner, segments_of(log, slot)))
    return Ledger(
        book,
        owner,
        budget,
        workers=config.workers,
        boot=boot_id(),
        durable=config.log.durability == "disk",
        holds=lambda lease: holds.get(lease, {}),
        entries=[Entry(one.decision, one.lease, one.reserved, one.spent) for one in spent],
        pace=pace,
        thread=thread,
        nodes=nodes,
    )


def _owner(state: Path, slot: int, book: Book) -> int:
    """A slot's number in the book: one in Redis has the workers of many services, each of which
    counts its slots from 0.
    """
    return slot if isinstance(book, SqliteBook) else State(state).node() << 16 | slot


def _place(state: Path) -> str:
    """Where a folder is: the same after a restart, another one of a copy."""
    about = state.stat()
    return f"{boot_id()}:{about.st_dev}:{about.st_ino}"


def _since(book: Book, owner: int, segments: list[Segment]) -> int:
    """From when on the slot's log is read: all that the book may not have, and all open leases."""
    name = f"{PASSED}{owner}"
    opened = [one.ns for one in book.leases() if one.slot == owner and one.state == OPEN]
    opened += [one.created for one in segments[-2:]]
    return min([*opened, int(book.notes(name).get(name, b"0"))], default=0)


def _book(state: Path, config: ServeConfig, budget: BudgetConfig) -> Book:
    total = micro(budget.total)
    period = period_of(time.time_ns(), budget.seconds)
    lost = partial(_logged, state / "log", budget.seconds)
    if config.store.kind == "redis":
        url = os.environ.get(REDIS, "")
        return RedisBook(url, config.policy, total, period, partial(_refused, lost))
    return SqliteBook(state / "book.sqlite", total, period, lost)


def _refused(lost: Callable[[], Rebuilt]) -> Rebuilt:
    """Nothing, where the log names no lease: one node's log does not know what others spent."""
    if lost().leases:
        fix = "with all services stopped, make it anew: RedisBook(..., lost=...) of all nodes' logs"
        raise BookLost("the book in Redis", "be there: the log names leases", "none", fix=fix)
    return Rebuilt()


def _logged(log: Path, seconds: float) -> Rebuilt:
    """What a lost book is made anew of."""
    return logged_money(entry.record for entry in read_records(log)).rebuilt(seconds)
