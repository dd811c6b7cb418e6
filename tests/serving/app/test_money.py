"""The money of a worker, opened: by the log of its own slot, of its own service."""

from __future__ import annotations

import pytest

from equipoise.core.policy import Policy
from equipoise.serving.app.money import open_ledger
from equipoise.serving.config import BudgetConfig, ServeConfig, StoreConfig
from equipoise.serving.errors import BookLost
from equipoise.serving.ledger.money import MILLION
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.records import Context, DecisionRecord

POLICY = Policy(("a",), "none", ("y",), (1.0,))


class Worker:
    """A slot's log and its ledger; `die` leaves both as a kill does."""

    def __init__(self, state, config: ServeConfig) -> None:
        self.log = DecisionLog(state / "log", 0)
        self.context = self.log.context(Context(0, 1, "policy", "snapshot"))
        ledger, pacing = open_ledger(state, config, 0, POLICY, self.log.writer)
        assert pacing is None
        self.ledger = ledger

    def decide(self, amount: float) -> None:
        hold = self.ledger.reserve(amount)
        self.log.append(
            DecisionRecord(
                self.log.new_ids(1)[0],
                2,
                self.context,
                "u",
                0,
                None,
                b"",
                b"",
                {},
                b"",
                b"",
                -2,
                b"",
                None,
                b"",
                0,
                0,
                1.0,
                0,
                0,
                lease=hold.lease,
                amount=hold.amount,
            )  # fmt: skip
        )

    def die(self) -> None:
        self.ledger._stopped = True
        self.ledger._thread.join()
        self.ledger.book.close()
        self.log.close()


def test_a_dead_worker_keeps_what_its_log_names(tmp_path):
    config = ServeConfig(budget=BudgetConfig(total=100.0, seconds=1e9))
    worker = Worker(tmp_path, config)
    worker.decide(1.5)
    worker.die()
    again = Worker(tmp_path, config)
    state = again.ledger.state()
    assert state["reserved"] == 1.5
    assert state["left"] + state["leased"] == 98.5
    again.ledger.close()
    again.log.close()


def test_services_that_share_a_budget_keep_out_of_each_others_leases(
    tmp_path, redis_server, monkeypatch
):
    monkeypatch.setenv("EQUIPOISE_REDIS_URL", redis_server.url)
    config = ServeConfig(
        policy=tmp_path.name,
        store=StoreConfig(kind="redis"),
        budget=BudgetConfig(total=100.0, seconds=1e9),
    )
    one, two = (Worker(tmp_path / name, config) for name in ("one", "two"))
    two.decide(1.0)
    one.die()
    one = Worker(tmp_path / "one", config)  # its slot is 0, as that of the other
    while two.ledger.reserve(0.5):
        pass
    sums = two.ledger.book.sums()
    assert sums.left + sums.leased + sums.reserved + sums.spent == 100 * MILLION
    assert one.ledger.book.leases()[1].state == 0
    for worker in (one, two):
        worker.die()
    client = one.ledger.book._client
    client.delete(*client.scan_iter(f"*{tmp_path.name}*"))
    with pytest.raises(BookLost, match="make it anew"):
        open_ledger(tmp_path / "two", config, 0, POLICY, bytes(6))
