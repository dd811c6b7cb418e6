"""One price for all workers: the money lasts the day, and whoever dies delays no price."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.policy import Demand, Policy
from equipoise.serving.config import BudgetConfig
from equipoise.serving.ledger import ledger as ledger_module
from equipoise.serving.ledger import pace as pace_module
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.money import MILLION
from equipoise.serving.ledger.pace import Pace, budget_demand
from equipoise.serving.ledger.sqlite_book import SqliteBook

STEP, DAY, A_STEP = 900, 14_400, 120  # seconds, seconds, requests
TOTAL = 400.0  # of about 1,200 that the first price would spend


class Day:
    """Three workers, a clock of ours, requests of two offers, all at the price in force."""

    def __init__(self, folder, way: str) -> None:
        self.ns, self.rng = 0, np.random.default_rng(3)
        requests = A_STEP * DAY / STEP
        config = BudgetConfig(total=TOTAL, pacing=way, requests=requests, seconds=DAY)
        self.ledgers = []
        for slot in range(3):
            book = SqliteBook(folder / "book.sqlite", int(TOTAL * MILLION))
            pace = Pace(book, slot, config, 0.5, clock=lambda: self.ns)
            self.ledgers.append(
                Ledger(
                    book, slot, config, workers=3, pace=pace, clock=lambda: self.ns, thread=False
                )
            )

    def serve(self) -> None:
        """A step of requests, each by a worker at random, claimed at 70 %."""
        for number in range(A_STEP):
            self.ns += STEP * 10**9 // A_STEP
            ledger = self.ledgers[self.rng.integers(3)]
            cost = np.array([0.5, 1.0])
            value = self.rng.exponential([0.8, 1.2])
            score = value - ledger.price * cost
            served = int(score.argmax()) if score.max() > 0 else -1
            hold = ledger.reserve(float(cost[served])) if served >= 0 else None
            ledger.seen(value, cost, served if hold else -1)
            if hold and self.rng.random() < 0.3:
                ledger.settle(hold, 0.0, self.rng.bytes(16))
            if number % 10 == 0:
                ledger.tick()

    def look(self) -> set[float]:
        """All workers are told the price."""
        for ledger in itertools.chain(self.ledgers, self.ledgers):
            ledger._due["pace"] = 0.0
            ledger.tick()
        return {ledger.price for ledger in self.ledgers}

    def used(self) -> float:
        sums = self.ledgers[0].book.sums()
        return (sums.spent + sums.reserved) / MILLION


@pytest.fixture
def folder():
    """In memory, where there is such a place: hundreds of syncs."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture
def _at_once(monkeypatch):
    monkeypatch.setattr(pace_module, "LATE", 0.0)
    monkeypatch.setattr(pace_module, "EVERY", 0.0)
    monkeypatch.setattr(ledger_module, "REPORT", 0.0)
    monkeypatch.setattr(ledger_module, "GRACE", -1.0)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(("way", "margin"), [("resolve", 0.1), ("pi", 0.2)])
def test_the_money_lasts_the_day(folder, way, margin):
    day = Day(folder, way)
    spent = []
    for step in range(DAY // STEP):
        day.serve()
        assert len(day.look()) == 1
        spent.append(day.used() / TOTAL)
        if step == 4:
            day.ledgers[2].book.close()  # one dies; the others go on to find prices
            day.ledgers[2] = day.ledgers[1]
    assert abs(spent[7] - 0.5) < margin
    assert 1 - margin < spent[-2] <= 1.0
    for ledger in day.ledgers[:2]:
        ledger.close()


@pytest.mark.usefixtures("_at_once")
def test_without_pacing_the_same_day_is_dry_by_noon(folder):
    day = Day(folder, "price")
    for _ in range(8):
        day.serve()
    assert day.look() == {0.5}
    assert day.used() > 0.95 * TOTAL
    for ledger in day.ledgers:
        ledger.close()


@pytest.mark.usefixtures("_at_once")
def test_a_new_day_begins_with_the_last_price_and_profile(folder):
    day = Day(folder, "resolve")
    for _ in range(DAY // STEP):
        day.serve()
        last = day.look()
    assert day.ns == DAY * 10**9
    assert last == day.look() != {0.5}
    profile = day.ledgers[0].pace._profile(1)
    assert np.allclose(profile, STEP / DAY, atol=0.2 / 16)
    for ledger in day.ledgers:
        ledger.close()


def test_what_is_seen_while_the_book_is_away_takes_no_room(folder, monkeypatch):
    monkeypatch.setattr(ledger_module, "REPORT", 0.0)
    day = Day(folder, "resolve")
    ledger = day.ledgers[0]
    (folder / "book.sqlite").rename(folder / "away.sqlite")
    for _ in range(3):
        for _ in range(50):
            ledger.seen(np.array([1.0, 2.0]), np.array([0.5, 1.0]), 0)
        ledger.tick()
        assert not ledger.pace._new
    assert "be there" in ledger.trouble
    (folder / "away.sqlite").rename(folder / "book.sqlite")
    ledger._due["retry"] = ledger.pace._noted = 0.0
    ledger.tick()
    assert ledger.pace._seen(0)[0][0] == 150
    for one in day.ledgers:
        one.close()


def test_one_budget_over_all_is_paced():
    demands = (Demand("money", "cost", 1.0, kind="budget"), Demand("cap", "offers", 1.0))
    policy = Policy(("a",), "none", ("y",), (1.0,), demands=demands, prices=(0.25, 0.0))
    assert budget_demand(policy) == ("money", 0.25)
    with pytest.raises(InputError, match="a paced policy must have one budget over all; got 0"):
        budget_demand(Policy(("a",), "none", ("y",), (1.0,)))
    with pytest.raises(InputError, match="requests of a paced budget must be above 0"):
        Pace(None, 0, BudgetConfig(total=1.0, pacing="pi"), 1.0)
