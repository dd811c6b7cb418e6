"""The money of one worker, opened: its book, and what the log says of a worker that died."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

from equipoise.serving.config import BudgetConfig, ServeConfig
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.logged_money import logged_money
from equipoise.serving.ledger.money import Book, Entry, Rebuilt, micro, period_of
from equipoise.serving.ledger.redis_book import RedisBook
from equipoise.serving.ledger.sqlite_book import SqliteBook
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.recovery import money_of
from equipoise.serving.machine import boot_id

REDIS = "EQUIPOISE_REDIS_URL"


def open_ledger(state: Path, config: ServeConfig, slot: int) -> Ledger | None:
    """The ledger of a worker.

    Parameters
    ----------
    state : Path
        The folder of the service.
    config : ServeConfig
        With the budget; the book is in Redis where known units are.
    slot : int
        Of the worker; its log is recovered already.

    Returns
    -------
    Ledger or None
        None without a budget.

    Raises
    ------
    LedgerError
        Where the book cannot be reached.
    """
    if config.budget is None:
        return None
    log = state / "log"
    holds, spent = money_of(log, slot)
    return Ledger(
        _book(state, config, config.budget),
        slot,
        config.budget,
        workers=config.workers,
        boot=boot_id(),
        durable=config.log.durability == "disk",
        holds=lambda lease: holds.get(lease, {}),
        entries=[Entry(one.decision, one.lease, one.reserved, one.spent) for one in spent],
    )


def _book(state: Path, config: ServeConfig, budget: BudgetConfig) -> Book:
    total = micro(budget.total)
    period = period_of(time.time_ns(), budget.seconds)
    lost = partial(_logged, state / "log", budget.seconds)
    if config.store.kind == "redis":
        return RedisBook(os.environ.get(REDIS, ""), config.policy, total, period, lost)
    return SqliteBook(state / "book.sqlite", total, period, lost)


def _logged(log: Path, seconds: float) -> Rebuilt:
    """What a lost book is made anew of."""
    return logged_money(entry.record for entry in read_records(log)).rebuilt(seconds)
