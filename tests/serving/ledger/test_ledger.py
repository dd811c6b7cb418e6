"""The ledger against a plain model: whatever is reserved, settled, repeated, lost or killed, no
more than the budget is ever promised, and in the end the books say what the log says.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

import pytest
from fixtures.redis_server import RedisServer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from equipoise.core.errors import InputError
from equipoise.serving.config import BudgetConfig
from equipoise.serving.errors import LedgerError
from equipoise.serving.ledger import ledger as ledger_module
from equipoise.serving.ledger import money as money_module
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.logged_money import differences, logged_money
from equipoise.serving.ledger.money import MILLION, OPEN, SEALED, Entry, Lease, check
from equipoise.serving.ledger.redis_book import RedisBook
from equipoise.serving.ledger.sqlite_book import SqliteBook
from equipoise.serving.records import DecisionRecord, SpendRecord

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # thousands of syncs in a test
TOTAL = 100 * MILLION
FOREVER = BudgetConfig(total=100.0, seconds=1e9)  # one period
QUICK = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


def decided(number: int, hold, ns: int = 1) -> DecisionRecord:
    """A decision with money, as the log has it."""
    return DecisionRecord(
        number.to_bytes(16, "big"), ns, 0, "u", 0, None, b"", b"", {}, b"", b"", -2, b"", None,
        b"", 0, 0, 1.0, 0, 0, lease=hold.lease, amount=hold.amount,
    )  # fmt: skip


def spend(record: DecisionRecord, spent: float, ns: int = 2) -> SpendRecord:
    return SpendRecord(record.id, ns, record.lease, record.amount, round(spent * MILLION))


@pytest.fixture(scope="module")
def redis_url(redis_server):
    return redis_server.url


NAMES = itertools.count()


def books(kind: str, folder: Path, url: str):
    """A maker of books on one budget."""
    if kind == "redis":
        name = f"budget-{next(NAMES)}"
        return lambda total=TOTAL, **more: RedisBook(url, name, total, **more)
    return lambda total=TOTAL, **more: SqliteBook(folder / "book.sqlite", total, **more)


@pytest.fixture(params=["sqlite", "redis"])
def book_of(request, tmp_path):
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    return books(request.param, tmp_path, url)


class Workers(RuleBasedStateMachine):
    """Three workers that share a book, their logs, and a plain model: what was promised."""

    kind, url = "sqlite", ""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.book_of = books(self.kind, self.folder, self.url)
        self.logs: list[list] = [[], [], []]
        self.open: dict[bytes, DecisionRecord] = {}
        self.spent: dict[bytes, int] = {}
        self.numbers = itertools.count(1)
        self.ledgers = [self.start(slot) for slot in range(3)]

    def start(self, slot: int) -> Ledger:
        own = logged_money(self.logs[slot])
        return Ledger(
            self.book_of(), slot, FOREVER, workers=3, boot="now", thread=False,
            holds=own.of_lease, entries=own.settled.values(),
        )  # fmt: skip

    @rule(slot=st.integers(0, 2), amount=st.floats(0.01, 30.0))
    def decide(self, slot, amount):
        hold = self.ledgers[slot].reserve(amount)
        if hold is not None:
            record = decided(next(self.numbers), hold)
            self.logs[slot].append(record)
            self.open[record.id] = record

    @rule(slot=st.integers(0, 2), amount=st.floats(0.01, 30.0))
    def log_is_full(self, slot, amount):
        hold = self.ledgers[slot].reserve(amount)
        if hold is not None:
            self.ledgers[slot].settle(hold, 0.0)

    @precondition(lambda self: self.open)
    @rule(slot=st.integers(0, 2), share=st.floats(0, 1), times=st.integers(0, 2), data=st.data())
    def claim(self, slot, share, times, data):
        """A reward comes to any worker, once, twice, or with the worker dead after the log."""
        record = data.draw(st.sampled_from(sorted(self.open.values(), key=lambda one: one.id)))
        money = record.amount * share / MILLION
        self.logs[slot].append(spend(record, money))
        self.spent[record.id] = self.logs[slot][-1].spent
        del self.open[record.id]
        for _ in range(times):
            self.ledgers[slot].settle(
                ledger_module.Hold(record.lease, record.amount), money, record.id
            )
        if not times:
            self.kill(slot)

    @rule(slot=st.integers(0, 2))
    def look(self, slot):
        self.ledgers[slot].tick()

    @rule(slot=st.integers(0, 2))
    def kill(self, slot):
        self.ledgers[slot].book.close()
        self.ledgers[slot] = self.start(slot)

    @rule(slot=st.integers(0, 2))
    def stop(self, slot):
        self.ledgers[slot].close()
        self.ledgers[slot] = self.start(slot)

    @invariant()
    def never_over(self):
        reserved = sum(record.amount for record in self.open.values())
        assert sum(self.spent.values()) + reserved <= TOTAL
        book = self.ledgers[0].book
        assert check(book.sums(), book.leases()) == []

    def teardown(self):
        for ledger in self.ledgers:
            ledger.close()
        book = self.book_of()
        money = logged_money(itertools.chain(*self.logs))
        assert differences(book, money) == []
        reserved = sum(record.amount for record in self.open.values())
        sums = book.sums()
        spent = sum(self.spent.values())
        assert sums[1:] == (TOTAL, TOTAL - reserved - spent, 0, reserved, spent, 0)
        book.close()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_never_over_and_in_the_end_exact(kind, request, monkeypatch):
    from hypothesis.stateful import run_state_machine_as_test

    url = request.getfixturevalue("redis_url") if kind == "redis" else ""
    monkeypatch.setattr(ledger_module, "GRACE", -1.0)
    machine = type("Machine", (Workers,), {"kind": kind, "url": url})
    run_state_machine_as_test(machine, settings=QUICK)


def test_by_hand(book_of):
    ledger = Ledger(book_of(), 0, FOREVER, thread=False)
    one, two = ledger.reserve(1.0), ledger.reserve(0.5)
    assert ledger.reserve(0.0) == (0, 0)
    ledger.settle(one, 0.25, b"a" * 16)
    ledger.settle(one, 0.25, b"a" * 16)
    ledger.settle(two, 0.0)  # never logged: back on the lease
    ledger._due["report"] = 0.0
    ledger.tick()
    state = ledger.state()
    assert state["spent"] == 0.25
    assert state["reserved"] == 0.0
    assert state["left"] + state["leased"] == 99.75
    with pytest.raises(InputError, match="be at most the 1 that were reserved; got 1.5"):
        ledger.settle(one, 1.5, b"b" * 16)
    ledger.close()


def offers(ledger: Ledger, amount: float) -> int:
    """How many offers can be made, asked until there was nothing for some time."""
    made = refused = 0
    while refused < 4:
        if ledger.reserve(amount):
            made += 1
            refused = 0
        else:
            refused += 1
            ledger.tick() if not ledger._threaded else time.sleep(0.06)
    return made


def test_all_of_it_can_be_spent_and_no_more(book_of, monkeypatch):
    monkeypatch.setattr(ledger_module, "GRACE", -1.0)
    ledger = Ledger(book_of(), 0, FOREVER, workers=4)
    assert offers(ledger, 0.75) == 133
    ledger.close()


def test_idle_money_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_module, "GRACE", -1.0)
    book_of = books("sqlite", tmp_path, "")
    one, two = (Ledger(book_of(), slot, FOREVER, workers=2, thread=False) for slot in range(2))
    taken = offers(two, 1.0)
    assert 90 < taken < 100
    with monkeypatch.context() as old:
        old.setattr(ledger_module, "AGE", -1.0)
        one.tick()
    assert taken + offers(two, 1.0) == 100
    one.close()
    two.close()


def test_a_lease_of_an_earlier_start_of_the_machine_is_spent_but_for_what_is_logged(book_of):
    first = Ledger(book_of(), 0, FOREVER, boot="before", thread=False)
    hold = first.reserve(1.0)
    first.book.close()  # the machine dies; what was logged in its last 50 ms is gone
    book = book_of()
    lease = next(one for one in book.leases() if one.id == hold.lease)
    book.close()
    holds = {hold.lease: {b"a" * 16: hold.amount}}
    ledger = Ledger(
        book_of(), 0, FOREVER, boot="now", holds=lambda id_: holds.get(id_, {}), thread=False
    )
    state = ledger.state()
    assert state["lost"] == state["spent"] == (lease.amount - hold.amount) / MILLION
    assert state["reserved"] == 1.0
    ledger.close()


def test_under_disk_durability_the_log_is_all_there_is(book_of):
    Ledger(book_of(), 0, FOREVER, boot="before", thread=False).book.close()
    ledger = Ledger(book_of(), 0, FOREVER, boot="now", durable=True, thread=False)
    assert ledger.state()["lost"] == 0
    ledger.close()


def test_a_new_period_has_its_own_money(book_of):
    now = [0]
    config = BudgetConfig(total=100.0, seconds=10.0)
    ledger = Ledger(book_of(), 0, config, clock=lambda: now[0], thread=False)
    held = [ledger.reserve(1.0) for _ in range(100)]
    assert all(held)
    assert ledger.reserve(1.0) is None
    now[0] = 10**10
    ledger.tick()
    ledger.settle(held[0], 0.0, b"a" * 16)  # money of the last period does not come back
    assert sum(ledger.reserve(1.0) is not None for _ in range(110)) == 100
    ledger.tick()
    book = ledger.book
    assert check(book.sums(), book.leases()) == []
    assert book.sums().reserved + book.sums().leased == TOTAL
    ledger.close()


def test_closed_leases_of_periods_that_are_over_go(book_of, monkeypatch):
    """What is reserved on others stays; what is said again of them changes nothing."""
    monkeypatch.setattr(ledger_module, "GRACE", -1.0)
    now, made, said = [0], [], []
    config = BudgetConfig(total=100.0, seconds=10.0)
    ledger = Ledger(book_of(), 0, config, clock=lambda: now[0], thread=False)
    waiting = decided(1 << 80, ledger.reserve(1.0), ns=0)
    for period in range(1, 16):
        now[0] = period * 10**10
        ledger.tick()
        for number in range(8):
            record = decided((period << 20) + number, ledger.reserve(1.0), ns=now[0])
            made.append(record)
            said.append(spend(record, 0.25, ns=now[0] + 1))
            ledger.settle(ledger_module.Hold(record.lease, record.amount), 0.25, record.id)
            ledger.tick()
    book = ledger.book
    leases = book.leases()
    assert len(leases) < 20  # of 30 and more that were opened
    assert {lease.period for lease in leases} >= {0, 14, 15}
    assert next(lease.rest for lease in leases if lease.id == waiting.lease) == MILLION
    assert check(book.sums(), leases) == []
    assert book.sums().spent == 2 * MILLION
    before = book.sums(), leases
    first = made[0]
    book.flow([Entry(first.id, first.lease, first.amount, 250_000)], {}, [])
    book.close_dead(first.lease, {first.id: first.amount}, False)
    assert (book.sums(), book.leases()) == before
    monkeypatch.setattr(money_module, "USED", 0)
    assert differences(book, logged_money([waiting, *made, *said])) == []
    new = decided(7, ledger_module.Hold(5, 1), ns=now[0])
    wrong = differences(book, logged_money([waiting, *made, *said, new]))
    assert wrong == ["the log names lease 5, the book does not"]
    ledger.close()


def test_no_step_of_a_book_looks_at_all_leases(tmp_path):
    path = tmp_path / "book.sqlite"
    SqliteBook(path, TOTAL).close()
    with sqlite3.connect(path) as old:
        old.execute("DROP INDEX lease_by_state")  # an earlier version made none
    old.close()
    book = SqliteBook(path, TOTAL)
    asked = []
    book._base.set_trace_callback(asked.append)
    lease = book.take(Lease(1, 0, "", 0, 0), 1, MILLION)
    book.flow([Entry(b"a" * 16, 1, MILLION, 10)], {1: lease.amount - MILLION}, [1])
    book.close_dead(1, {}, False)
    book.sums()
    book._base.set_trace_callback(None)
    plans = [
        (words, str(step[3]))
        for words in {one for one in asked if "lease" in one and "CREATE" not in one}
        for step in book._base.execute(f"EXPLAIN QUERY PLAN {words}")
    ]
    assert len(plans) > 8
    scans = [one for one in plans if "SCAN lease" in one[1] or one[1] in ("SCAN l", "SCAN s")]
    assert scans == []
    book.close()


@pytest.fixture
def own_redis():
    server = RedisServer()
    server.start()
    yield server
    server.stop()


def test_while_a_book_hangs_few_decisions_wait_for_it(own_redis):
    ledger = Ledger(RedisBook(own_redis.url, "hangs", TOTAL, deadline=0.8), 0, FOREVER)
    own_redis.freeze()
    while ledger.reserve(0.5):
        pass
    began = time.monotonic()
    assert [ledger.reserve(0.5) for _ in range(120)] == [None] * 120
    assert time.monotonic() - began < 0.3  # of 0.6 s
    own_redis.thaw()
    end = time.monotonic() + 10
    while not ledger.reserve(0.5) and time.monotonic() < end:
        time.sleep(0.01)
    assert time.monotonic() < end
    ledger.close()


def test_a_budget_is_raised_and_lowered(book_of):
    book = book_of()
    taken = book.take(Lease(1, 0, "", 0, 0), 1, 60 * MILLION)
    book.renew(0, 2 * TOTAL)
    assert book.sums().left == 2 * TOTAL - taken.amount
    book.renew(0, 10 * MILLION)  # less than is leased: nothing is left, nothing is taken back
    assert book.sums().left == 0
    assert check(book.sums(), book.leases()) == []
    book.close()


def test_a_lease_asked_for_twice_is_one(book_of):
    book = book_of()
    lease = Lease(5, 1, "boot", 0, 0, ns=7)
    assert book.take(lease, 1, 10) == book.take(lease, 1, 10)
    assert len(book.leases()) == 1
    book.flow([Entry(b"d" * 16, 5, 10, 10), Entry(b"d" * 16, 5, 10, 0)], {5: 3}, [])
    assert book.sums().spent == 10
    book.flow([Entry(b"e" * 16, 5, 2 * TOTAL, 0)], {}, [])  # more than the lease: not settled
    assert check(book.sums(), book.leases()) == []
    book.note("price/a", b"1")
    book.note("other", b"2")
    assert book.note("price/a", b"3", first=True) == b"1"
    assert book.notes("price/") == {"price/a": b"1"}
    book.forget("price/")
    assert book.notes("") == {"other": b"2"}
    book.close()


def test_a_lost_answer_loses_no_lease(book_of, monkeypatch):
    """The book opened a lease, and the worker was not told."""
    monkeypatch.setattr(ledger_module, "RETRY", 0.0)
    ledger = Ledger(book_of(), 0, FOREVER, thread=False)
    take = ledger.book.take

    def lost(*asked):
        take(*asked)
        raise LedgerError("the book", "answer", "nothing")

    monkeypatch.setattr(ledger.book, "take", lost)
    while ledger.reserve(0.5):
        pass
    monkeypatch.setattr(ledger.book, "take", take)
    assert offers(ledger, 0.5) > 100
    mine = {lease.id for lease in (*ledger._leases, *ledger._behind)}
    unsealed = {lease.id for lease in ledger.book.leases() if lease.state == OPEN}
    assert unsealed <= mine
    ledger.close()


def test_a_lost_book_is_made_anew_from_the_log(tmp_path, book_of):
    ledger = Ledger(book_of(), 0, FOREVER, thread=False)
    records = [decided(number, ledger.reserve(2.0)) for number in range(1, 20)]
    spends = [spend(record, 0.5) for record in records[:10]]
    for record, one in zip(records, spends, strict=False):
        ledger.settle(ledger_module.Hold(record.lease, record.amount), 0.5, one.decision)
    ledger.close()
    lose(book_of)
    money = logged_money(records + spends)
    book = book_of(lost=lambda: money.rebuilt(1e9))
    assert book.sums()[1:] == (TOTAL, TOTAL - 23 * MILLION, 0, 18 * MILLION, 5 * MILLION, 0)
    assert differences(book, money) == []
    again = Ledger(book, 0, FOREVER, entries=money.settled.values(), thread=False)
    assert again.state()["spent"] == 5.0  # what the log says again changes nothing
    again.close()


def lose(book_of):
    """Lose all of a book."""
    book = book_of()
    if isinstance(book, RedisBook):
        book._client.delete(*book._client.scan_iter(f"{book.name}*"))
    else:
        book.path.unlink()
    book.close()


def test_a_damaged_file_is_set_aside(tmp_path):
    path = tmp_path / "book.sqlite"
    SqliteBook(path, TOTAL).close()
    path.write_bytes(b"no book" * 1000)
    book = SqliteBook(path, TOTAL)
    assert book.sums().left == TOTAL
    assert list(tmp_path.glob("book.sqlite.damaged-*"))
    book.close()


def test_a_book_lost_under_its_workers_is_not_made_anew(tmp_path, monkeypatch):
    from equipoise.serving.ledger import sqlite_book

    monkeypatch.setattr(sqlite_book, "START", 0.05)
    path = tmp_path / "book.sqlite"
    ledger = Ledger(SqliteBook(path, TOTAL), 0, FOREVER, workers=1, thread=False)
    path.unlink()
    with pytest.raises(LedgerError, match="stop all workers"):
        SqliteBook(path, TOTAL)
    leased = ledger._leases[0].free
    assert offers(ledger, 0.1) == leased // 100_000  # what was leased, and no more
    assert "be there" in ledger.trouble
    ledger.close()


def test_a_locked_book_is_waited_for_without_money(tmp_path, monkeypatch):
    from equipoise.serving.ledger import sqlite_book

    monkeypatch.setattr(sqlite_book, "WAIT", 0.01)
    monkeypatch.setattr(ledger_module, "RETRY", 0.0)
    path = tmp_path / "book.sqlite"
    ledger = Ledger(SqliteBook(path, TOTAL), 0, FOREVER, thread=False)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    hold = ledger.reserve(1.0)
    ledger.settle(hold, 1.0, b"a" * 16)
    while ledger.reserve(1.0):
        pass
    assert "locked" in ledger.trouble
    assert ledger.state()["spent"] == 0.0  # as of before; the settled hold waits
    other.execute("ROLLBACK")
    other.close()
    assert offers(ledger, 1.0) > 50
    assert ledger.state()["spent"] == 1.0
    assert ledger.trouble == ""
    ledger.close()


def test_the_log_says_what_waits_and_what_conflicts():
    hold = ledger_module.Hold(3, 10)
    made = [decided(n << 80, hold) for n in (1, 2, 3)]
    records = [*made, spend(made[0], 0.000004, ns=5), spend(made[0], 0.000002, ns=4)]
    money = logged_money(records)
    assert money.settled[made[0].id].spent == 2  # the first by its time
    assert money.conflicts == 1
    assert [entry.decision for entry in money.waiting(3_000_000)] == [made[1].id]
    assert money.leases(1.0)[0][4:6] == (22, 2)
    assert money.leases(1.0)[0].state == SEALED


def test_a_broken_copy_is_caught(tmp_path):
    """Money that flows back twice is seen by the check of books and log."""
    book = SqliteBook(tmp_path / "book.sqlite", TOTAL)
    ledger = Ledger(book, 0, FOREVER, thread=False)
    record = decided(1, ledger.reserve(1.0))
    for decision in (record.id, b"x" * 16):
        ledger.settle(ledger_module.Hold(record.lease, record.amount), 0.25, decision)
    ledger.tick()
    money = logged_money([record, spend(record, 0.25)])
    assert any("500000 spent, the log 250000" in line for line in differences(book, money))
    ledger.close()
