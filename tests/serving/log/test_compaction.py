"""Decisions come back as an experiment log: each row by hand, all of them through the readers."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.decision_log import NS, a_context, a_decision
from fixtures.served import FACTS, NOON, ServedSnapshot, World

from equipoise.core.errors import InputError
from equipoise.data import read_log
from equipoise.serving.config import LogConfig, RewardWindow
from equipoise.serving.log.compaction import compact_log
from equipoise.serving.log.erasure import rewrite_erased
from equipoise.serving.log.retention import remove_old
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.reasons import REASONS
from equipoise.serving.records import (
    CANDIDATE,
    DRY_RUN,
    KILLED,
    NO_BUDGET,
    OVERRIDE,
    ErasedRecord,
    ExposureRecord,
    RewardRecord,
    SpendRecord,
)

SECOND, DAY = 10**9, 86_400 * 10**9
WINDOWS = {"sales": RewardWindow(window="2h"), "visits": RewardWindow(window="1h", default=-1.0)}
NOW = NS + 400 * DAY


class Clock:
    """Time as a test sets it."""

    def __init__(self, now: int = NS) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def a_log(folder, **settings):
    """A log with a clock, and the number of its context."""
    clock = Clock()
    log = DecisionLog(folder, 0, LogConfig(**settings), clock=clock)
    return log, clock, log.context(a_context())


def rows_of(out):
    """What was written, by unit."""
    table = pq.read_table(out / "decisions")
    return {row["unit"]: row for row in table.to_pylist()}


def test_rewards_are_joined_by_their_windows(tmp_path):
    log, clock, context = a_log(tmp_path / "log")
    one, two, three = (
        a_decision(log, context, n, unit=unit) for n, unit in ((1, "a"), (2, "b"), (3, "c"))
    )
    log.append(one, two, three)

    def reward(decision, seconds, value, **more):
        at = NS + seconds * SECOND
        name = more.pop("name", "sales")
        log.append(RewardRecord(decision.id, at, at, name, value, **more))

    reward(one, 10, 2.0)
    reward(one, 20, 3.0, key="k")
    reward(one, 30, 50.0, key="k")  # again: changes nothing
    reward(one, 7201, 100.0)  # late
    reward(one, 40, 7.0, name="visits", set=False)
    reward(one, 50, 4.0, name="visits", set=True)
    reward(two, 60, 9.0, late=True)
    reward(two, 60, 5.0, name="extra")
    other = bytes(16)
    log.append(RewardRecord(other, NS, NS, "sales", 1.0))
    log.close()
    out = tmp_path / "out"
    result = compact_log(tmp_path / "log", out, rewards=WINDOWS, now=NOW)
    rows = rows_of(out)
    assert [rows[unit]["sales"] for unit in "abc"] == [5.0, 0.0, 0.0]
    assert [rows[unit]["visits"] for unit in "abc"] == [4.0, -1.0, -1.0]
    assert [rows[unit]["extra"] for unit in "abc"] == [0.0, 5.0, 0.0]
    assert result.counts.rewards == {
        "joined": 5,
        "late": 2,
        "given twice": 1,
        "of no decision": 1,
    }
    assert rows["b"]["served"] == "offer 1"
    assert rows["b"]["time"] == datetime.fromtimestamp(NS // SECOND, UTC)
    assert rows["b"]["decision"] == two.id.hex()
    assert rows["a"]["age"] == 1.0
    assert rows["a"]["new"] is True
    assert (rows["b"]["age"], rows["b"]["city"]) == (None, "a"), "a stored unit has its labels"


def test_what_is_in_no_estimate_is_left_out_and_counted(tmp_path):
    log, clock, context = a_log(tmp_path / "log")
    flags = {"set": OVERRIDE, "killed": KILLED, "dry": DRY_RUN, "poor": NO_BUDGET | CANDIDATE}
    for unit, flag in (flags | {"in": CANDIDATE}).items():
        log.append(a_decision(log, context, 3, unit=unit, flags=flag))
    log.append(a_decision(log, context, 3, unit="gone"), ErasedRecord("gone", NS + 1))
    log.append(a_decision(log, context, 3, unit="gone", ns=NS + 2))
    log.append(a_decision(log, context, 3, unit="kept", reason=REASONS["cadence"].code))
    twice = a_decision(log, context, 3, unit="twice")
    log.append(twice, twice)
    clock.now = NOW - 3600 * SECOND
    log.append(a_decision(log, context, 3, unit="open"))
    log.close()
    result = compact_log(tmp_path / "log", tmp_path / "out", rewards=WINDOWS, now=NOW)
    assert set(rows_of(tmp_path / "out")) == {"in", "gone", "twice"}
    assert +result.counts.left_out == {
        "set by an operator": 1,
        "under the kill switch": 1,
        "dry runs": 1,
        "the budget was used up": 1,
        "erased": 1,
        "kept by the cadence: nothing was drawn": 1,
        "twice in the log": 1,
        "window still open": 1,
    }
    assert (result.counts.seen, result.counts.rows) == (11, 3)


def test_costs_claims_and_exposures(tmp_path):
    log, _, context = a_log(tmp_path / "log")
    kinds = {
        "settled": {"amount": 5000, "lease": 1},
        "held": {"amount": 5000, "lease": 1},
        "expected": {},
        "control": {"served": -1},
        "unknown": {"cost": b""},
    }
    ids = {}
    for unit, changes in kinds.items():
        one = a_decision(log, context, 4, unit=unit, **changes)
        ids[unit] = one.id
        log.append(one)
        if unit != "held":
            log.append(ExposureRecord(one.id, NS + 1))
    claim = RewardRecord(ids["settled"], NS, NS, "claim", 2.0)
    log.append(SpendRecord(ids["settled"], NS, 1, 5000, 3000), claim)
    log.append(RewardRecord(ids["held"], NS, NS, "sales", 2.0))
    log.close()
    windows = WINDOWS | {"claim": RewardWindow()}
    result = compact_log(
        tmp_path / "log", tmp_path / "out", rewards=windows, claimed="claim", now=NOW
    )
    rows = rows_of(tmp_path / "out")
    cost = {unit: rows[unit]["cost"] for unit in kinds}
    assert cost == pytest.approx(
        {"settled": 0.003, "held": 0.005, "expected": 3.0, "control": 0.0, "unknown": None}
    )
    assert {unit for unit in kinds if rows[unit]["claimed"]} == {"settled"}
    assert (result.counts.held, result.counts.no_cost) == (1, 1)
    assert "cost" not in result.columns
    shown = {"sales": RewardWindow(exposure="required")}
    result = compact_log(tmp_path / "log", tmp_path / "shown", rewards=shown, now=NOW)
    assert "held" not in rows_of(tmp_path / "shown")
    assert result.counts.left_out["not shown"] == 1


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """1,500 decisions over three days in parts, and what was compacted of them."""
    folder = tmp_path_factory.mktemp("experiment")
    log, clock, context = a_log(folder / "log", roll_bytes=60_000)
    rng = np.random.default_rng(4)
    for number in range(1500):
        clock.now += 170 * SECOND
        features = {"age": float(rng.integers(20, 60)), "city": "ab"[number % 2], "odd": number % 3}
        served = int(rng.integers(-1, 3))
        one = a_decision(
            log,
            context,
            number,
            features=features | {"time": 1.0 + number % 5, "mail": f"{number}@example.org"},
            labels={},
            served=served,
            probability=0.25,
        )
        log.append(one)
        if rng.random() < 0.3 + 0.1 * served:
            log.append(RewardRecord(one.id, one.ns, one.ns, "sales", 1.0))
    log.close()
    result = compact_log(folder / "log", folder / "out", rewards=WINDOWS, now=NOW)
    return folder, result


def test_parts_and_days_do_not_change_what_is_joined(experiment, tmp_path, monkeypatch):
    folder, result = experiment
    assert len(result.days) >= 3
    monkeypatch.setattr("equipoise.serving.log.spill.ROWS", 100)
    compact_log(folder / "log", tmp_path, rewards=WINDOWS, now=NOW)
    groups = [pq.ParquetFile(f).num_row_groups for f in tmp_path.rglob("part.parquet")]
    assert max(groups) > 2
    tables = [
        pq.read_table(place / "decisions").sort_by("decision")
        for place in (folder / "out", tmp_path)
    ]
    assert tables[0].equals(tables[1])
    assert tables[0].num_rows == 1500


def test_read_log_reads_it_by_the_plan(experiment):
    folder, result = experiment
    roles = {key: value for key, value in result.columns.items() if key not in ("arms", "unique")}
    assert roles["time"] == "time_", "a feature keeps its name"
    assert result.columns["unique"] == ["mail"]
    assert "mail" not in roles["features"]
    log = read_log(folder / "out" / "decisions", space=",".join(result.columns["arms"]), **roles)
    assert len(log) == 1500
    assert log.cell_names == ("none", "offer 0", "offer 1", "offer 2")
    assert log.own_propensity == pytest.approx(np.full(1500, 0.25))
    assert result.columns["outcomes"] == ["sales"], "visits are the same in all rows"


def test_features_of_stored_units_come_from_their_file(tmp_path):
    log, _, context = a_log(tmp_path / "log")
    for number in range(6):
        one = a_decision(log, context, 2 * number, labels={})
        log.append(one, RewardRecord(one.id, NS, NS, "sales", 1.0))
    log.close()
    units = tmp_path / "units.parquet"
    ids = [f"unit {number}" for number in range(0, 20)]
    pq.write_table(pa.table({"who": ids, "age": list(range(20)), "city": ["x"] * 20}), units)
    result = compact_log(tmp_path / "log", tmp_path / "out", units=units, id="who", now=NOW)
    rows = rows_of(tmp_path / "out")
    assert [rows[f"unit {2 * n}"]["age"] for n in range(6)] == [0, 2, 4, 6, 8, 10]
    assert result.columns["features"] == ["age", "city"]
    with pytest.raises(InputError, match="did you mean 'who'"):
        compact_log(tmp_path / "log", tmp_path / "out", units=units, id="whom", now=NOW)
    with pytest.raises(InputError, match="say it by id"):
        compact_log(tmp_path / "log", tmp_path / "out", units=units, now=NOW)


@pytest.mark.parametrize(
    ("label", "value", "rows"),
    [
        ("missing", 2.0, [None, 2.0]),
        ("2", 2.0, [2.0, 2.0]),
        ("true", True, [True, True]),
        ("missing", True, [None, True]),
        ('"missing"', "Oslo", ["missing", "Oslo"]),
        ("north", 2.0, ["north", "2.0"]),
    ],
)
def test_labels_of_stored_units_are_values_beside_features(tmp_path, label, value, rows):
    """A column that the rule names: the store has its label, a request its value."""
    units = {"ann": FACTS._replace(labels={"g": label})}
    world = World(tmp_path, live=ServedSnapshot(units=units))
    for unit, features in (("ann", None), ("bob", {"worth": 1.0, "g": value})):
        world.ns += SECOND
        world.reward(world.decide(unit, features=features).decision)
    world.close()
    compact_log(tmp_path / "log", tmp_path / "out", now=NOON * 2)
    (part,) = (tmp_path / "out").rglob("part.parquet")
    assert pq.read_table(part, partitioning=None)["g"].to_pylist() == rows


def test_a_day_that_the_log_no_longer_holds_whole_stays_but_for_erased_units(tmp_path):
    log, clock, context = a_log(tmp_path / "log", roll_bytes=4096)
    for number in range(60):
        clock.now += 1200 * SECOND
        one = a_decision(log, context, number, unit=f"unit {number % 7}")
        log.append(one, RewardRecord(one.id, one.ns, one.ns, "sales", 1.0))
    out = tmp_path / "out"
    first = compact_log(tmp_path / "log", out, now=NOW)
    assert (first.counts.rows, len(first.days)) == (60, 2)
    whole = pq.read_table(out / "decisions")
    remove_old(tmp_path / "log", "6h", clock.now)
    again = compact_log(tmp_path / "log", out, now=NOW)
    assert again.kept
    assert pq.read_table(out / "decisions").equals(whole)
    log.erase("unit 3")
    log.close()
    compact_log(tmp_path / "log", out, now=NOW)
    rewrite_erased(tmp_path / "log")
    for _ in range(2):
        compact_log(tmp_path / "log", out, now=NOW)
        units = pq.read_table(out / "decisions")["unit"].to_pylist()
        assert "unit 3" not in units
        assert len(units) == sum(unit != "unit 3" for unit in whole["unit"].to_pylist())


def test_what_cannot_be_is_said(tmp_path):
    log, _, context = a_log(tmp_path / "log")
    log.append(a_decision(log, context, 1))
    with pytest.raises(InputError, match="a decision log must hold rewards"):
        compact_log(tmp_path / "log", tmp_path / "out", now=NOW)
    with pytest.raises(InputError, match="must be in the log; got claim"):
        compact_log(tmp_path / "log", tmp_path / "out", rewards=WINDOWS, claimed="claim")
    with pytest.raises(InputError, match="hold decisions to learn from; got 1 window still open"):
        compact_log(tmp_path / "log", tmp_path / "out", rewards=WINDOWS, now=NS)
    log.close()


def test_logs_of_several_machines_are_one(tmp_path):
    """A reward, an exposure and a key that came to the other machine are joined, once."""
    logs = {}
    for name in ("one", "two"):
        log, _, context = a_log(tmp_path / name / "log")
        logs[name] = log, a_decision(log, context, 2, unit=name, lease=5, amount=2_000_000)
        log.append(logs[name][1])
    (one, mine), (two, theirs) = logs.values()
    for log, at in ((two, NS + SECOND), (one, NS + 2 * SECOND)):
        log.append(RewardRecord(mine.id, at, at, "sales", 4.0, key="k"))
    one.append(RewardRecord(theirs.id, NS + SECOND, NS + SECOND, "sales", 3.0))
    two.append(ExposureRecord(mine.id, NS + SECOND))
    spend = SpendRecord(mine.id, NS + 5, 5, 2_000_000, 500_000)
    one.append(spend, SpendRecord(mine.id, NS + 9, 5, 2_000_000, 0))
    one.close()
    two.close()
    folders = [tmp_path / "one", tmp_path / "two"]
    result = compact_log(folders, tmp_path / "out", rewards=WINDOWS, now=NOW)
    rows = rows_of(tmp_path / "out")
    assert (rows["one"]["sales"], rows["two"]["sales"]) == (4.0, 3.0)
    assert (rows["one"]["shown"], rows["two"]["shown"]) == (True, False)
    assert (rows["one"]["cost"], rows["two"]["cost"]) == (0.5, 2.0)  # settled first; reserved
    assert +result.counts.rewards == {"joined": 2, "given twice": 1}
    alone = compact_log(folders[0], tmp_path / "alone", rewards=WINDOWS, now=NOW)
    assert alone.counts.rewards["of no decision"] == 1
