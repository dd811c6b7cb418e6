"""Monitors: silent where nothing changes, as rarely loud as promised, and loud where it matters."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.stats import binomtest, fisher_exact

from benchmarks.serving_monitors import (
    ALONE,
    CHANGES,
    HELD,
    REASONABLE,
    SPLIT,
    START,
    Change,
    stream,
    watched,
    write,
)
from equipoise.serving.config import BudgetConfig, MonitorConfig
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.money import MILLION, Entry
from equipoise.serving.ledger.sqlite_book import SqliteBook
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.monitors.alarms import Board, level
from equipoise.serving.monitors.books import Books
from equipoise.serving.monitors.chances import adjusted, probability_test, psi_test, share_test
from equipoise.serving.monitors.drift import MOST, Bins, Blocks, feature_columns
from equipoise.serving.monitors.watch import Watch, follow
from equipoise.serving.records import NO_BUDGET, DecisionRecord, SpendRecord


def test_two_bins_and_shares_by_the_exact_chance():
    a, b = np.array([980, 20]), np.array([470, 30])
    assert psi_test(a, b)[1] == pytest.approx(fisher_exact([a, b]).pvalue, rel=0.6)
    assert psi_test(a, a) == (0.0, 1.0)
    assert psi_test(a, np.zeros(2)) == (0.0, 1.0)
    assert share_test(130, 1000, 0.1) == pytest.approx(binomtest(130, 1000, 0.1).pvalue, rel=0.3)
    assert [share_test(0, 9, 0.0), share_test(9, 9, 1.0), share_test(8, 9, 1.0)] == [1, 1, 0]


def test_p_values_of_the_psi_are_even_where_nothing_changed():
    rng = np.random.default_rng(0)
    shares = [0.6, 0.3, 0.05, 0.04, 0.005, 0.005]  # rare bins are joined
    ps = [
        psi_test(rng.multinomial(2000, shares), rng.multinomial(1000, shares))[1]
        for _ in range(2000)
    ]
    for p in (0.5, 0.05, 0.01):
        assert abs(np.mean(np.array(ps) <= p) - p) < 4 * np.sqrt(p / 2000) * 0.8 + 0.002


def test_logged_probabilities_by_hand():
    p = np.array([0.5] * 50 + [0.1] * 12)
    other = np.repeat([False, True], [50, 12])
    mean, low, high, chance = probability_test(p, other, 100, 120)
    assert mean == pytest.approx((100 + 120) / 220)
    assert low < 1 < high
    assert chance == 1.0
    assert probability_test(p, other, 100, 300)[3] == pytest.approx(
        2 * share_test(12, 300, 0.1), abs=0.01
    )


def test_adjusted_as_benjamini_and_hochberg():
    from scipy.stats import false_discovery_control

    ps = np.random.default_rng(1).random(20) ** 3
    assert np.allclose(adjusted(ps), false_discovery_control(ps))


def test_bins_are_tenths_levels_and_what_is_missing():
    numbers = Bins([float(x) for x in range(100)] + [None, float("nan")])
    assert numbers.reference.tolist() == [10.0] * 10 + [2.0]
    text = Bins(["a"] * 3 + ["b", None])
    assert text.count(["b", "z", None, "a"]).tolist() == [1, 1, 1, 1]
    assert Bins([True, False, True]).count([False]).tolist() == [0, 1, 0, 0]
    assert numbers.count(["text", 5]).tolist()[-1] == 1  # of another type: missing


def test_false_alarms_are_as_rare_as_promised():
    """Blocks and days of five columns: 150 streams in which nothing changes."""
    rng = np.random.default_rng(2)
    config = MonitorConfig(reference=400, block=200, false_alarms=0.99, days=1, least_psi=0)
    promised = sum(level(config, look) for look in (1, 2, 3, 4)) + level(config, 1)
    loud = 0
    for _ in range(150):
        board = Board(config)
        blocks = Blocks(_five, config, board)
        for row in rng.standard_normal((1200, 5)).round(2).tolist():
            blocks.add(row, 1, 0)
            if board.alarms:
                loud += 1
                break
    assert 0.3 * promised < loud / 150 < promised + 3 * np.sqrt(promised / 150)


def test_columns_that_clients_make_up_are_bounded():
    """And of what is watched nothing is lost by names that come once."""
    board = Board(MonitorConfig())
    blocks = Blocks(feature_columns, MonitorConfig(reference=200, block=100), board)
    for row in range(300):
        made_up = {f"{row} {place}": 1.0 for place in range(20)}
        blocks.add(SimpleNamespace(features={"age": float(row % 50), **made_up}), 1, 0)
    columns = {column for _, column, _ in board.figures}
    assert "age" in columns
    assert len(columns) == MOST


def _five(rows, known):
    return {
        ("drift", str(place)): list(column) for place, column in enumerate(zip(*rows, strict=True))
    }


@pytest.mark.parametrize("seed", [0, 1])  # without and with a candidate policy
def test_quiet_where_nothing_changes(seed, tmp_path):
    assert watched(stream(6_000, seed, Change(), 0), REASONABLE, tmp_path) == set()


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_found(what, tmp_path):
    n, seed = (10_000, 3) if what == "delay" else (6_000, 2)
    assert what in watched(stream(n, seed, CHANGES[what], n // 2), REASONABLE, tmp_path)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state") / "log"
    write(folder, stream(4_000, 4, CHANGES["drift"], 2_000))
    return folder


def test_a_log_that_grows_is_read_once(log, tmp_path):
    context, records = stream(3_000, 4, Change(), 0)
    writer = DecisionLog(tmp_path / "log", 0)
    writer.context(context)
    watch = Watch(tmp_path, REASONABLE)
    for part in range(0, 6_000, 2_000):
        for record in records[part : part + 2_000]:
            writer.append(record)
        if part == 2_000:
            writer.roll()
        assert watch.update().decisions + watch.report().rewards == part + 2_000
    writer.close()
    whole = Watch(tmp_path, REASONABLE).update()
    assert whole.to_json() == watch.update().to_json()
    assert whole.reference == {"features": 1.0, "scores": 1.0, "units": 1.0}


def test_another_snapshot_begins_anew(tmp_path):
    _, records = stream(3_000, 0, CHANGES["drift"], 1_500)
    changed = [r for r in records[2_999:] if isinstance(r, DecisionRecord)]
    writer = DecisionLog(tmp_path / "log", 0)
    writer.context(ALONE)
    for record in records[:2_999]:
        writer.append(record)
    number = writer.context(replace(ALONE, snapshot="next"))
    for record in changed:
        writer.append(replace(record, context=number))
    writer.close()
    assert Watch(tmp_path, REASONABLE).update().alarms == []


def test_follow_writes_each_report(log, tmp_path):
    stop, told = threading.Event(), []
    follow(
        Watch(log, REASONABLE),
        tmp_path / "out.json",
        stop,
        0.0,
        lambda r: (told.append(r), stop.set()),
    )
    plain = json.loads((tmp_path / "out.json").read_text())
    assert plain == told[0].to_json()
    alarm = next(one for one in plain["alarms"] if one["monitor"] == "drift")
    assert alarm["column"] == "x0"
    assert alarm["value"] > alarm["threshold"] == 0.02
    assert alarm["text"].startswith("x0 is spread otherwise than in the reference: PSI 0.")
    assert START + 2_000 * 10**9 < alarm["since"] <= plain["ns"]


def test_refusals_of_the_budget_are_no_alarm(tmp_path):
    """A candidate that the budget refuses is served control: no word against the mechanism."""
    context, records = stream(4_000, 0, Change(), 0)
    refused = [
        replace(r, served=-1, probability=1.0, flags=r.flags | NO_BUDGET)
        if isinstance(r, DecisionRecord) and r.served == 2
        else r
        for r in records
    ]
    found = watched((context, refused), REASONABLE, tmp_path)
    assert not found & {"sample_ratio", "propensity"}


def test_wrong_probabilities_with_a_candidate_policy_are_found(tmp_path):
    """Logged as if nobody were held out."""
    _, records = stream(6_000, 1, Change(), 0)
    wrong = [
        replace(r, probability=(r.probability - HELD * (r.served == -1)) / (1 - HELD))
        if isinstance(r, DecisionRecord) and r.scores
        else r
        for r in records
    ]
    assert "propensity" in watched((SPLIT, wrong), REASONABLE, tmp_path)


def test_the_book_is_held_against_the_log(tmp_path):
    config = BudgetConfig(total=100.0, seconds=1e9)
    book = SqliteBook(tmp_path / "book.sqlite", 100 * MILLION)
    ledger = Ledger(book, 0, config, thread=False)
    writer = DecisionLog(tmp_path / "log", 0)
    writer.context(ALONE)
    watch = Watch(tmp_path, MonitorConfig(), Books(SqliteBook(tmp_path / "book.sqlite", None)))
    _, records = stream(10, 0, Change(), 0)
    for record in [r for r in records if isinstance(r, DecisionRecord)]:
        hold = ledger.reserve(0.1)
        record = replace(record, lease=hold.lease, amount=hold.amount)
        writer.append(record)
        writer.append(SpendRecord(record.id, record.ns, hold.lease, hold.amount, hold.amount // 2))
        ledger.settle(hold, hold.amount / 2 / MILLION, record.id)
    assert watch.update().alarms == []  # the log is ahead of the book
    ledger.tick()
    assert watch.update().alarms == []
    book.flow([Entry(b"never logged", hold.lease, MILLION // 10, MILLION // 10)], {}, [])
    alarm = watch.update().alarms[0]
    assert alarm.monitor == "books"
    assert "the book says 0.600000 spent, the log between 0.500000 and 0.500000" in alarm.text
    other = SqliteBook(tmp_path / "older.sqlite", 100 * MILLION)  # of before that lease
    watch = Watch(tmp_path, MonitorConfig(), Books(other))
    assert watch.update().alarms == []
    assert "the log names lease" in watch.update().alarms[0].text
    other.note("dropped", str(record.ns).encode())  # closed, and of a period that is over
    assert watch.update().alarms == []
    for one in (other, ledger, writer):
        one.close()
