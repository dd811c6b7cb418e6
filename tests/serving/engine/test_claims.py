"""What was told of a reward holds, whatever dies: it is in the log, once, and what it claims is
spent.
"""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack, contextmanager

import pytest
from fixtures.served import SECOND, Purse, World

from equipoise.serving.config import BudgetConfig, RewardWindow, ServeConfig
from equipoise.serving.engine import shared as shared_module
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.history import decision_status
from equipoise.serving.engine.refill import refill
from equipoise.serving.engine.tables import HOUR
from equipoise.serving.errors import LogUnavailable
from equipoise.serving.log.segments import frame_of
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.messages import ExposureRequest
from equipoise.serving.records import Context, ExposureRecord, RewardRecord, SpendRecord

CONFIG = ServeConfig(
    budget=BudgetConfig(total=9.0, claimed="claimed"),
    rewards={"claimed": RewardWindow(window="2d")},
)
DAY = 24 * HOUR
ALL, SENT = 2_250_000, 250_000  # millionths of an offer that is taken, and of one that is not


class Killed(BaseException):
    """The end of the process: nothing after it is done."""


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, CONFIG, budget=Purse(9.0))
    refill(made.engine, tmp_path / "log", 0, made.ns)
    return made


def restarted(world, machine=False):
    """Another worker in its place, perhaps after another start of the machine."""
    world.shared.recent._waiting.clear()
    world.shared._holds.clear()
    world.shared.close()
    world.log.close()
    if machine:
        (world.folder / "index" / "boot").write_text("another start")
    again = World(world.folder, CONFIG, budget=Purse(9.0))
    again.ns = world.ns
    refill(again.engine, world.folder / "log", 0, again.ns)
    return again


def dies_in(monkeypatch, of, name, before=False):
    """Have the process end as soon as this was called, or before it does a thing."""
    real = getattr(of, name)

    def last(*arguments):
        if not before:
            real(*arguments)
        raise Killed

    monkeypatch.setattr(of, name, last)


@contextmanager
def room(size):
    """A disk on which no file grows beyond this."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def sums(world, decision):
    status = decision_status(world.engine, decision, world.ns)
    return {name: (own.value, own.count) for name, own in status.rewards.items()}


def spent(world):
    """What was spent in the end, each word on it."""
    world.ns += 3 * DAY
    world.engine.tick(world.ns)
    return [record.spent for record in world.records(SpendRecord)]


@pytest.fixture
def decision(world):
    decision = world.decide("ann").decision
    world.engine.tick(world.ns)
    return decision


@pytest.fixture
def early(world):
    """A decision that is not known yet, as of another worker, for a moment."""
    decision = world.decide("ann").decision
    world.shared.flush()
    world.shared.recent._waiting.clear()
    world.shared.recent._table = None
    table = world.shared.recent.hours.of(world.ns)
    with table.write() as change:
        data = change.pop(b"d" + bytes.fromhex(decision))

    def becomes_known():
        with table.write() as change:
            change.put(b"d" + bytes.fromhex(decision), data)

    return decision, becomes_known


# ---- a claim and its spend ----


@pytest.mark.parametrize("key", ["a", None])
@pytest.mark.parametrize("place", ["in the log", "before it is told"])
def test_a_claim_is_spent_whenever_its_worker_dies(world, decision, monkeypatch, key, place):
    of = (world.log, "append") if place == "in the log" else (world.engine.budget, "settle")
    dies_in(monkeypatch, *of)
    with pytest.raises(Killed):
        world.reward(decision, "claimed", key=key)
    monkeypatch.undo()
    again = restarted(world)
    told = again.reward(decision, "claimed", key=key)  # it had no answer
    assert told == ("duplicate" if key else "joined")
    assert sums(again, decision) == {"claimed": (1.0, 1)}
    assert spent(again) == [ALL]
    again.close()


@pytest.mark.parametrize("read", [True, False])
def test_what_a_dead_worker_wrote_comes_before_the_end_of_the_window(
    world, decision, monkeypatch, read
):
    """Another worker would have given the money back, and the book have said less than the log."""
    dies_in(monkeypatch, world.log, "append")
    with pytest.raises(Killed):
        world.reward(decision, "claimed", key="a")
    monkeypatch.undo()
    os.close(world.log.log._own)  # as its process ends
    world.log.log._own = -1
    log = DecisionLog(world.folder / "log", 1, clock=world.time)
    parts = {"seed": 11, "clock": world.time, "budget": Purse(9.0)}
    other = Engine(world.live, CONFIG, log, world.shared, **parts)
    world.ns += 2 * DAY + 2 * SECOND
    for _ in range(2):
        other.tick(world.ns)
        assert [one.spent for one in world.records(SpendRecord)] == [ALL]
    assert other.budget.settled == []
    if read:
        log.close()
        again = restarted(world)
        assert not again.shared.holds(bytes.fromhex(decision))
        assert spent(again) == [ALL]
        again.close()
        return
    other.tick(world.ns + HOUR)  # nobody starts it again
    assert [one.spent for one in world.records(SpendRecord)] == [ALL, SENT]
    log.close()
    world.close()


@pytest.mark.parametrize("key", ["a", None])
def test_a_claim_that_fits_the_disk_in_part_leaves_nothing(world, decision, key):
    world.log.context(Context(0, 1, "policy", "snapshot", versions={"long": "x" * 400_000}))
    (segment,) = (world.folder / "log").glob("*.eqlog")
    id = bytes.fromhex(decision)
    record = RewardRecord(id, world.ns, world.ns, "claimed", 1.0, key=key or "")
    with room(segment.stat().st_size + len(frame_of(record)) + 8):
        for _ in range(2):
            with pytest.raises(LogUnavailable):
                world.reward(decision, "claimed", key=key)
            assert world.records(RewardRecord) == []
    assert world.reward(decision, "claimed", key=key) == "joined"
    assert sums(world, decision) == {"claimed": (1.0, 1)}
    assert len(world.records(RewardRecord)) == 1
    assert spent(world) == [ALL]
    world.close()


def test_where_the_index_alone_fails_the_claim_stands(world, decision, monkeypatch):
    """Its table had room for the hold, and none for the sum."""
    failed = []
    monkeypatch.setattr(world.engine.counters, "failed", failed.append)
    real = world.engine.budget.settle

    def fills_the_disk(*arguments):
        real(*arguments)
        stack.enter_context(room(4096))

    with ExitStack() as stack:
        monkeypatch.setattr(world.engine.budget, "settle", fills_the_disk)
        assert world.reward(decision, "claimed", key="a") == "joined"
    assert failed == ["index"]
    assert len(world.records(RewardRecord)) == 1
    assert spent(world) == [ALL]
    world.close()


@pytest.mark.parametrize("machine", [False, True], ids=["worker", "machine"])
@pytest.mark.parametrize("key", ["a", ""])
def test_a_logged_claim_without_its_spend_is_settled_at_the_start(world, decision, key, machine):
    """As a power cut tears it off, or an earlier version left it."""
    id, ns = bytes.fromhex(decision), world.ns + SECOND
    world.log.append(RewardRecord(id, ns, ns, "claimed", 1.0, key=key))
    world.log.append(RewardRecord(id, ns, ns, "claimed", 0.0, key="later", late=True))
    again = restarted(world, machine)
    assert [s[1:] for s in again.engine.budget.settled] == [(2.25, id)]
    assert spent(again) == [ALL]
    again.close()


# ---- what comes before its decision ----


@pytest.mark.parametrize("machine", [False, True], ids=["worker", "machine"])
def test_what_waits_outlives_a_death(world, early, machine):
    decision, _ = early
    elsewhere = decision[:12] + "ff" * 10
    for key in ("a", "a", None, None):
        assert world.reward(decision, "claimed", key=key) == "waiting"
        assert world.reward(elsewhere, key=key) == "waiting"
    for id in (decision, elsewhere):
        assert world.engine.exposure(ExposureRequest(decision=id), world.ns).status == "waiting"
    assert len(world.records(RewardRecord)) == 2 * 3
    assert len(world.records(ExposureRecord)) == 2
    again = restarted(world, machine)
    again.engine.tick(again.ns)
    again.engine.tick(again.ns)
    assert sums(again, decision) == {"claimed": (3.0, 3)}
    assert decision_status(again.engine, decision, again.ns).shown
    assert len(again.shared.waiting()) == (0 if machine else 4)
    assert again.reward(decision, "claimed", key="a") == "duplicate"
    assert spent(again) == [ALL]
    assert again.shared.waiting() == []
    assert len(again.records(RewardRecord)) == 2 * 3
    assert len(again.records(ExposureRecord)) == 2
    again.close()


@pytest.mark.parametrize("key", ["a", None])
def test_what_was_logged_as_its_worker_died_waits(world, monkeypatch, key):
    elsewhere = world.decide("ann").decision[:12] + "ff" * 10
    dies_in(monkeypatch, world.log, "append")
    with pytest.raises(Killed):
        world.reward(elsewhere, key=key)
    monkeypatch.undo()
    again = restarted(world)
    (one,) = again.shared.waiting()
    assert (one.early.reward.key, one.early.logged) == (key, True)
    third = restarted(again)
    assert len(third.shared.waiting()) == len(third.records(RewardRecord)) == 1
    third.close()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("key", ["a", None])
def test_what_waits_is_joined_once_whenever_its_worker_dies(world, early, monkeypatch, key, before):
    decision, becomes_known = early
    world.reward(decision, "claimed", key=key)
    becomes_known()
    dies_in(monkeypatch, world.shared, "take_waiting", before)
    with pytest.raises(Killed):
        world.engine.tick(world.ns)
    monkeypatch.undo()
    again = restarted(world)
    again.engine.tick(again.ns)
    assert sums(again, decision) == {"claimed": (1.0, 1)}
    assert again.shared.waiting() == []
    assert len(again.records(RewardRecord)) == 1
    assert spent(again) == [ALL]
    again.close()


def test_what_waits_is_joined_before_it_comes_again(world, early):
    decision, becomes_known = early
    assert world.reward(decision, key="a") == world.reward(decision, key="a") == "waiting"
    becomes_known()
    assert world.reward(decision, key="a") == "duplicate"
    assert sums(world, decision) == {"sales": (1.0, 1)}
    world.engine.tick(world.ns)
    assert sums(world, decision) == {"sales": (1.0, 1)}
    assert len(world.records(RewardRecord)) == 1
    world.close()


def test_what_nobody_knows_is_a_duplicate_after_an_hour_too(world, decision):
    elsewhere = decision[:12] + "ff" * 10
    exposure = ExposureRequest(decision=elsewhere)
    world.reward(elsewhere, key="a")
    world.engine.exposure(exposure, world.ns)
    world.ns += HOUR
    world.engine.tick(world.ns)
    assert world.reward(elsewhere, key="a") == "duplicate"
    assert world.engine.exposure(exposure, world.ns).status == "duplicate"
    assert len(world.records(RewardRecord)) == len(world.records(ExposureRecord)) == 1
    world.close()


def test_an_earlier_versions_waiting_reward_is_logged_as_it_is_joined(world, early):
    decision, becomes_known = early
    request = shared_module.RewardRequest(decision=decision, name="sales", value=1.0)
    old = shared_module._encode([world.ns, request])
    with world.shared.open.write() as change:
        change.put(b"w" + bytes.fromhex(decision) + b"8 random", old)
    becomes_known()
    world.engine.tick(world.ns)
    world.engine.tick(world.ns)
    assert sums(world, decision) == {"sales": (1.0, 1)}
    assert len(world.records(RewardRecord)) == 1
    world.close()


# ---- late ----


def test_a_claim_is_late_by_its_arrival(world, decision):
    made = world.ns
    world.ns += 2 * DAY + SECOND // 2
    at = (made + HOUR) / 1e9
    assert world.reward(decision, "claimed", at=at) == "late"
    assert world.reward(decision, at=at) == "joined"  # which costs nothing
    world.ns += DAY
    assert world.reward(decision, "claimed", at=at) == "late"
    assert spent(world) == [SENT]
    world.close()


def test_a_claim_that_came_in_time_finds_its_money(world, decision, monkeypatch):
    made, other = world.ns, world.decide("ann").decision
    monkeypatch.setattr(shared_module, "BATCH", 1)
    world.shared.flush()
    held = world.shared.recent.hours.of(made)
    with held.write() as change:
        change.delete(b"d" + bytes.fromhex(other))
    world.reward(other[:12] + "00" * 10)  # is looked at first
    assert world.reward(other, "claimed") == "waiting"
    world.ns = made + 2 * DAY + SECOND // 2
    world.engine.tick(world.ns)
    world.ns = made + 2 * DAY  # of a request that was in hand
    assert world.reward(decision, "claimed") == "joined"
    assert spent(world) == [ALL, ALL]
    world.close()
