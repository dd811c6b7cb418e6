"""A service under load of which a worker is killed, and then the process that looks after it; and
what a worker leaves whose slot nobody takes.
"""

from __future__ import annotations

import shutil
import signal
import time

import msgspec
import pytest
from fixtures.decision_log import a_context, a_decision

from benchmarks.serving_faults import campaign
from equipoise.core.policy import Policy
from equipoise.serving.app.money import open_ledger
from equipoise.serving.app.settings import Settings
from equipoise.serving.app.tokens import Tokens
from equipoise.serving.app.worker import Worker
from equipoise.serving.config import BudgetConfig, ServeConfig
from equipoise.serving.log.segments import segments_of, unended
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.records import SpendRecord

NONE = {"lost", "doubled", "wrong", "unequal", "keys_twice", "rewards", "unended"}
NONE = {f"http_kill_{name}" for name in (*NONE, "overspend", "books")} | {"http_errors_500"}


@pytest.fixture
def state(published, tmp_path):
    folder = tmp_path / "shop-serving"
    shutil.copytree(published, folder, ignore=shutil.ignore_patterns("log", "index", "counters"))
    return folder


def test_killed_under_load_nothing_is_lost_doubled_or_overspent(state):
    """A small form; `make bench NAME=serving` kills a hundred times."""
    found = campaign(
        state,
        "process",
        ["worker"],
        workers=2,
        last=signal.SIGKILL,
        unit=lambda n: f"{n % 600:07d}",
        claimed="y",
        total=1000.0,
    )
    assert found["http_kill_answers"] > 40
    assert {name: found[name] for name in NONE} == dict.fromkeys(NONE, 0)


def die(log, ledger) -> None:
    """Leave both as a kill does: leases open, and a record of which the end is missing."""
    ledger._stopped = True
    ledger._thread.join()
    ledger.book.close()
    log._end = lambda: None
    log.close()
    with segments_of(log.folder, log.slot)[-1].path.open("ab") as segment:
        segment.write(b"torn")


def test_a_claim_outlives_starts_that_fail(state):
    """The book hears of it from the log, however many began and died before they read it."""
    config = ServeConfig(budget=BudgetConfig(total=100.0, seconds=1e9, claimed="y"))
    policy = Policy(("1",), "0", ("y",), (1.0,))
    log = DecisionLog(state / "log", 0)
    ledger, _ = open_ledger(state, config, 0, policy)
    hold = ledger.reserve(1.5)
    plain = a_decision(log, log.context(a_context()), 0)
    log.append(msgspec.structs.replace(plain, lease=hold.lease, amount=hold.amount))
    log.append(SpendRecord(plain.id, log.now_ns(), hold.lease, hold.amount, 700_000))
    die(log, ledger)
    for _ in range(3):
        DecisionLog(state / "log", 0).close()
    again, log = open_ledger(state, config, 0, policy)[0], DecisionLog(state / "log", 0)
    assert (again.state()["spent"], again.state()["reserved"]) == (0.7, 0.0)
    again.close()
    log.close()


def test_a_dead_worker_s_slot_is_ended_by_whoever_starts(state):
    config = ServeConfig(budget=BudgetConfig(total=100.0, seconds=1e9, claimed="y"))
    log = DecisionLog(state / "log", 3)
    ledger, _ = open_ledger(state, config, 3, Policy(("1",), "0", ("y",), (1.0,)))
    hold = ledger.reserve(1.5)
    plain = a_decision(log, log.context(a_context()), 0)
    log.append(msgspec.structs.replace(plain, lease=hold.lease, amount=hold.amount))
    die(log, ledger)
    assert unended(state / "log") == [3]
    worker = Worker(state, lambda: Settings(config, Tokens()))
    assert worker.log.slot == 0
    assert unended(state / "log") == [0]
    money = worker.ledger.state()
    assert (money["reserved"], money["left"] + money["leased"]) == (1.5, 98.5)
    assert worker.engine.shared.held_before(time.time_ns()) != []
    worker.log.alarm = "the disk refused"  # until an operator takes note
    worker.reload()
    assert worker.log.alarm == ""
    worker.close()


def test_a_dead_slot_that_is_damaged_keeps_nobody_from_starting(state, caplog):
    config = ServeConfig(budget=BudgetConfig(total=100.0, seconds=1e9, claimed="y"))
    Worker(state, lambda: Settings(config, Tokens())).close()  # the index is filled
    log = DecisionLog(state / "log", 3)
    ledger, _ = open_ledger(state, config, 3, Policy(("1",), "0", ("y",), (1.0,)))
    context = log.context(a_context())
    for number in range(2):
        log.append(a_decision(log, context, number))
        log.roll()
    die(log, ledger)
    first = segments_of(log.folder, 3)[0].path
    raw = bytearray(first.read_bytes())
    raw[len(raw) // 2] ^= 1
    first.write_bytes(raw)
    worker = Worker(state, lambda: Settings(config, Tokens()))
    assert "adoption failed: DataError" in caplog.text
    assert worker.log.slot == 0
    worker.close()
