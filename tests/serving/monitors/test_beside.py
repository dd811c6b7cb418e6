"""The process that watches for a service: one, with a report, gone with its worker."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing

import msgspec
import pytest
from fixtures.decision_log import a_context, a_decision

from benchmarks.serving_monitors import CHANGES, stream, write
from equipoise.serving.app.prometheus import HELP
from equipoise.serving.config import BudgetConfig, MonitorConfig, ServeConfig, StoreConfig
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.money import MILLION
from equipoise.serving.ledger.redis_book import RedisBook
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.monitors.beside import MONITORS, REPORT, Beside, _is_watched, gauges
from equipoise.serving.records import SpendRecord
from equipoise.serving.snapshots.state import State

WORKER = """
import os, sys, time
from pathlib import Path
from equipoise.serving.config import MonitorConfig, ServeConfig
from equipoise.serving.monitors.beside import REPORT, Beside
state = Path(sys.argv[1])
config = ServeConfig(monitors=MonitorConfig(reference=1000, block=500, every=0.2))
one, two = Beside(state), Beside(state)
one.look_after(config)
for _ in range(600):
    time.sleep(0.05)
    if (state / REPORT).exists():
        break
two.look_after(config)
print(one._process.poll(), two._process, flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    write(folder / "log", stream(3_500, 0, CHANGES["drift"], 2_000))
    return folder


def test_one_watches_and_ends_with_its_worker(state):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WORKER, str(state)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None None"  # the first runs; the second was not needed
    end = time.monotonic() + 20
    while _is_watched(state):
        assert time.monotonic() < end
        time.sleep(0.05)
    told = {(name, *labels.values()): value for name, labels, value in gauges(state)}
    assert told["equipoise_alarm", "drift"] == 1
    assert {key[1] for key in told if key[0] == "equipoise_alarm"} == set(MONITORS)
    assert told["equipoise_drift_psi", "x0"] > 0.02
    assert told["equipoise_drift_psi", "scores: a"] >= 0
    assert 0 < told[("equipoise_sample_ratio_p_value",)] <= 1
    assert {key[0] for key in told} <= set(HELP)


def test_a_book_in_redis_is_held_against_the_log(redis_server, tmp_path, monkeypatch):
    """Of its own leases: what other machines spend is in their logs."""
    monkeypatch.setenv("EQUIPOISE_REDIS_URL", redis_server.url)
    budget, name = BudgetConfig(total=100.0, seconds=1e9), tmp_path.name
    config = ServeConfig(
        policy=name,
        store=StoreConfig(kind="redis"),
        budget=budget,
        monitors=MonitorConfig(every=0.05),
    )
    book, node = RedisBook(redis_server.url, name, 100 * MILLION), State(tmp_path).node()
    ledgers = [Ledger(book, owner << 16, budget, thread=False) for owner in (node, node + 1)]
    beside = Beside(tmp_path)
    with closing(beside), closing(DecisionLog(tmp_path / "log", 0)) as log:
        context = log.context(a_context())
        for number, ledger in enumerate(ledgers):
            hold = ledger.reserve(0.1)
            plain = a_decision(log, context, number)
            if not number:
                log.append(msgspec.structs.replace(plain, lease=hold.lease, amount=hold.amount))
                log.append(SpendRecord(plain.id, log.now_ns(), hold.lease, hold.amount, 50_000))
            ledger.settle(hold, 0.05, plain.id)
            ledger.tick()

        def alarm() -> float:
            told = {tuple(labels.values()): value for _, labels, value in gauges(tmp_path)}
            return told.get(("books",), -1.0)

        def looks(value: float) -> None:
            end = time.monotonic() + 20
            while alarm() != value:
                assert time.monotonic() < end
                time.sleep(0.05)

        beside.look_after(config)
        looks(0.0)
        time.sleep(0.2)  # some more looks
        looks(0.0)
        keys = list(book._client.scan_iter(f"*{name}*"))
        book._client.delete(*keys)
        RedisBook(redis_server.url, name, 100 * MILLION)  # an older one, of before these leases
        looks(1.0)
    assert "the book does not: it is older" in (tmp_path / REPORT).read_text()


def test_without_a_report_nothing_is_told(tmp_path):
    assert list(gauges(tmp_path)) == []
    (tmp_path / REPORT).write_text("half")
    assert list(gauges(tmp_path)) == []
    Beside(tmp_path).close()
