"""The console of a worker: its state folder, its money, and who may see it now."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from equipoise.serving.app.operations import Operation, Operations
from equipoise.serving.console.data import Change, Money
from equipoise.serving.console.folder import FolderConsole
from equipoise.serving.console.router import console_router
from equipoise.serving.engine.controls import SHARES
from equipoise.serving.ledger.money import period_of
from equipoise.serving.snapshots.state import State

if TYPE_CHECKING:
    from equipoise.serving.app.worker import Worker

LONG = 200  # operations that the audit shows


def add_console(app: FastAPI, worker: Worker) -> None:
    """Add the console's pages.

    Parameters
    ----------
    app : FastAPI
        Of the worker.
    worker : Worker
        Which any worker of the service may be: pages show what all of them do.
    """
    config, operations = worker.config, Operations(worker.state / "operations.sqlite")
    console = FolderConsole(
        worker.state,
        config.policy,
        shares=lambda: {name: getattr(worker.config, name) for name in SHARES},
        money=lambda: money_of(worker),
        known=lambda unit: known(worker, unit),
        redis=worker.redis_units,
        operations=lambda: changes(operations),
        note=lambda what, by, about: operations.add(
            Operation(at=time.time(), by=by, what=what, about=about)
        ),
    )
    app.include_router(
        console_router(
            console,
            lambda: worker.tokens,
            secret_of(worker.state),
            stopping=lambda: not worker.ready,
            count=worker.gate.count,
        )
    )


def secret_of(state: Path) -> bytes:
    """What forms are numbered by: the same in all workers, and after a restart."""
    return hashlib.sha256(f"console {State(state).seed()}".encode()).digest()


def money_of(worker: Worker) -> Money | None:
    """The budget of the present period."""
    budget = worker.config.budget
    if worker.ledger is None or budget is None:
        return None
    sums = worker.ledger.state()
    demands = worker.engine.now.live.policy.demands
    currency = next((demand.unit for demand in demands if demand.kind == "budget"), "")
    start = period_of(time.time_ns(), budget.seconds) * budget.seconds
    parts = {name: float(sums[name]) for name in ("left", "leased", "reserved", "spent")}
    total = float(sums["budget"])
    return Money(total=total, **parts, currency=currency, start=start, seconds=budget.seconds)


def known(worker: Worker, unit: str) -> bool | None:
    """Whether a unit's effects are stored; None where the store is not asked at once."""
    live = worker.engine.now.live
    if not live.quick or worker.engine.is_erased(unit):
        return None
    return live.get(unit) is not None


def changes(operations: Operations) -> list[Change]:
    """What operators set, as lines of the audit."""
    return [
        Change(at=one.at, action=f"{one.what} {in_words(one.about)}".strip(), by=one.by)
        for one in operations.last(LONG)
    ]


def in_words(about: dict[str, Any]) -> str:
    """How something was set.

    >>> in_words({"on": True}), in_words({"shares": {"holdout": 0.1}})
    ('on', 'holdout 0.1')
    """
    words = []
    for name, value in about.items():
        if isinstance(value, dict):
            words += [f"{key} {part:g}" for key, part in value.items()]
        elif isinstance(value, bool):
            words.append(name if value else "off")
        elif name != "unit":
            words.append(f"{name} {'as before' if value is None else value}")
    return ", ".join(words)
