"""Requests that come twice, rewards that come early, late or twice, and what a restart leaves."""

from __future__ import annotations

import resource
from functools import partial

import msgspec
import pytest
from fixtures.served import NOON, SECOND, Purse, ServedSnapshot, World

from equipoise.core.errors import InputError
from equipoise.serving.config import BudgetConfig, LogConfig, RewardWindow, ServeConfig
from equipoise.serving.engine.history import decision_status, unit_history
from equipoise.serving.engine.idempotency import DONE, Idempotency, LoggedAnswer, key_hash
from equipoise.serving.engine.recent import Recent
from equipoise.serving.engine.refill import refill
from equipoise.serving.engine.tables import HOUR
from equipoise.serving.errors import ConflictError, InFlight, LogUnavailable
from equipoise.serving.log.reader import read_records
from equipoise.serving.messages import DecideRequest, ExposureRequest
from equipoise.serving.records import DecisionRecord, ExposureRecord, RewardRecord, SpendRecord

encode = msgspec.json.Encoder().encode


@pytest.fixture
def world(tmp_path):
    config = ServeConfig(rewards={"sales": RewardWindow(window="1d")})
    made = World(tmp_path, config)
    yield made
    made.close()


def beside(world):
    """Another worker of the same folder; a process opens a table once, so they share the files."""
    other, shared = World(world.folder, world.config, slot=1), world.shared
    own = Idempotency(shared.index / "idem", shared._is_dead), Recent(shared.index / "recent")
    own[0].hours, own[1].hours = shared.idempotency.hours, shared.recent.hours
    other.shared._open_tables = *own, shared.open
    return other


def restarted(world, **parts):
    """Another worker in its place, as after a kill: what was not written is lost."""
    world.shared.recent._waiting.clear()
    world.shared._holds.clear()
    world.shared.close()
    world.log.close()
    again = World(world.folder, world.config, **parts)
    again.ns = world.ns
    return again


# ---- keys ----


def test_the_same_request_has_the_same_bytes(world):
    first = world.decide("ann", key="1", features={"a": 1.0, "b": 2.0})
    world.ns += HOUR
    again = world.decide("ann", key="1", features={"b": 2.0, "a": 1.0})
    assert encode(again) == encode(first)
    assert len(world.records(DecisionRecord)) == 1
    with pytest.raises(ConflictError, match="another body"):
        world.decide("bob", key="1")
    world.ns += 3 * HOUR
    assert world.decide("bob", key="1").unit == "bob"


def test_a_key_in_hand_is_its_writer_s_however_long_it_takes(world):
    """A disk that stalls, a long batch: no clock makes the request another one's."""
    request, unsynced = DecideRequest(unit="ann", key="1"), []
    other = beside(world)
    refill(other.engine, world.folder / "log", 1, world.ns)
    (first,) = world.engine.decide_batch([request], world.ns, unsynced)
    for hours in (0, 1):
        world.ns = other.ns = NOON + hours * HOUR + 11 * SECOND
        for each in (world, other):
            with pytest.raises(InFlight):
                each.engine.decide(request, each.ns)
    world.engine.keep(unsynced)
    assert other.engine.decide_batch([request], world.ns) == [first]
    other.log.close()


def test_a_mark_of_an_older_version_is_kept_until_the_log_was_read(world):
    request, idempotency = DecideRequest(unit="ann", key="1"), world.shared.idempotency
    key, ns = key_hash(request), world.ns.to_bytes(8, "little")
    with idempotency.hours.of(world.ns).write() as change:
        change.put(key[:8], b"P" + key[8:] + ns)
    world.shared.took_over(ns[:2] + b"next")
    with pytest.raises(InFlight):
        world.engine.decide(request, world.ns)
    idempotency.refill([LoggedAnswer(key, DONE, b"{}", world.ns)])
    assert world.engine.decide_batch([request], world.ns) == [b"{}"]


def test_what_fails_in_a_way_that_nobody_foresaw_is_not_decided_again(world):
    request = DecideRequest(unit="ann", key="1")
    count, world.engine._count = world.engine._count, lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        world.engine.decide(request, world.ns)
    world.engine._count = count
    with pytest.raises(LogUnavailable, match="the first decision of this key must be on disk"):
        world.engine.decide(request, world.ns)
    assert len(world.records(DecisionRecord)) == 1


def test_at_the_turn_of_the_hour_the_slower_of_two_sees_the_quicker_one(world):
    """One reads its clock, stalls, and takes the key in hand when the hour is another one."""
    request, turn = DecideRequest(unit="ann", key="1"), (NOON // HOUR + 1) * HOUR
    other = beside(world)
    other.ns = turn + 20 * SECOND
    first = other.engine.decide(request, other.ns)
    world.ns = turn + 21 * SECOND
    assert world.engine.decide(request, turn - 1) == first
    waited = iter([turn - 1, *4 * [world.ns]])  # for the lock
    idempotency, writer = world.shared.idempotency, world.log.writer
    found = idempotency.begin([key_hash(request)], writer, lambda: next(waited))
    assert found == [encode(first)]
    other.log.close()


@pytest.mark.parametrize("step", [HOUR, HOUR + 20 * SECOND], ids=["at its turn", "within it"])
def test_a_key_whose_first_request_died_hours_ago_is_decided_once(world, step):
    request = DecideRequest(unit="ann", key="1")
    dead, idempotency = b"\0\5died", world.shared.idempotency
    assert idempotency.begin([key_hash(request)], dead, world.time) == [None]
    world.shared.took_over(b"\0\5next")
    for _ in range(2):
        world.ns += step
        first, again = (world.engine.decide(request, world.ns) for _ in range(2))
        assert encode(again) == encode(first)
        assert len(world.records(DecisionRecord)) == 1
    assert idempotency.begin([key_hash(request)], dead, world.time) == [encode(first)]


@pytest.mark.parametrize("well", [True, False], ids=["synced", "failed"])
def test_a_key_is_answered_for_once_the_disk_has_its_decision(world, well):
    request, unsynced = DecideRequest(unit="ann", key="1"), []
    (first,) = world.engine.decide_batch([request], world.ns, unsynced)
    with pytest.raises(InFlight):
        world.engine.decide(request, world.ns)
    world.engine.keep(unsynced, lost=not well)
    world.ns += HOUR
    (again,) = world.engine.decide_batch([request], world.ns)
    if well:
        assert again == first
    else:
        assert isinstance(again, LogUnavailable)
        assert "must be on disk" in str(again)
    with pytest.raises(ConflictError, match="another body"):
        world.decide("bob", key="1")
    assert len(world.records(DecisionRecord)) == 1


def test_an_answer_that_no_table_took_is_kept_later(world):
    request, unsynced = DecideRequest(unit="ann", key="1"), []
    (first,) = world.engine.decide_batch([request], world.ns, unsynced)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, usual[1]))
    try:
        world.engine.keep(unsynced)
        world.engine.tick(world.ns)
        assert world.engine.decide_batch([request], world.ns) == [first]
        assert not world.decide("ann", key="2").logged  # or ever more would be kept in memory
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    world.engine.tick(world.ns)
    assert world.engine.decide_batch([request], world.ns) == [first]
    assert world.decide("ann", key="2").logged
    assert world.shared.idempotency.oldest is None


def test_while_answers_cannot_be_kept_no_more_keys_are_taken(world, monkeypatch):
    """They would be in memory alone, ever more of them."""
    request, unsynced = DecideRequest(unit="ann", key="1"), []
    (first,) = world.engine.decide_batch([request], world.ns, unsynced)
    with monkeypatch.context() as disk:
        full = LogUnavailable("a table", "be writable", "a full disk")
        disk.setattr(world.shared.idempotency, "_write", partial(raised, full))
        world.engine.keep(unsynced)
        assert world.decide("ann", key="2").reason == "log_unavailable"
        assert world.engine.decide_batch([request], world.ns) == [first]
    assert world.decide("ann", key="2").logged


def raised(error):
    raise error


def test_a_wrong_request_takes_no_key(world):
    with pytest.raises(InputError):
        world.decide("dan", key="1", features={})
    assert world.decide("dan", key="1", features={"worth": 1.0}).logged


def test_at_the_turn_of_the_hour_a_key_is_found(world):
    world.ns = (world.ns // HOUR + 1) * HOUR - 1
    first = world.decide("ann", key="1")
    world.ns += 2
    assert world.decide("ann", key="1") == first
    world.ns += HOUR
    second = world.decide("ann", key="2")
    assert world.decide("ann", key="2") == second


# ---- rewards ----


def sums(world, decision):
    status = decision_status(world.engine, decision, world.ns)
    return {name: (own.value, own.count) for name, own in status.rewards.items()}


def test_rewards_are_summed_once_each(world):
    decision = world.decide("ann").decision
    assert world.reward(decision, value=1.0, key="a") == "joined"
    assert world.reward(decision, value=9.0, key="a") == "duplicate"
    assert world.reward(decision, value=2.0) == "joined"
    assert world.reward(decision, "visits", value=5.0) == "joined"
    assert sums(world, decision) == {"sales": (3.0, 2), "visits": (5.0, 1)}
    assert world.reward(decision, value=7.0, op="set") == "joined"
    assert sums(world, decision)["sales"] == (7.0, 3)
    assert [r.value for r in world.records(RewardRecord)] == [1.0, 2.0, 5.0, 7.0]


def test_a_late_reward_is_kept_and_not_joined(world):
    decision = world.decide("ann").decision
    made = world.ns
    world.ns += 25 * HOUR
    assert world.reward(decision, key="a") == "late"
    assert world.reward(decision, key="a") == "duplicate"
    assert world.reward(decision, at=(made + HOUR) / 1e9) == "joined"
    assert [r.late for r in world.records(RewardRecord)] == [True, False]


def test_of_decisions_older_than_the_index_repeats_are_noticed(world):
    decision = world.decide("ann").decision
    world.ns += 40 * HOUR
    assert world.reward(decision, "visits", key="a") == "joined"
    world.ns += 2 * HOUR
    assert world.reward(decision, "visits", key="a") == "duplicate"
    assert world.reward(decision, "visits", value=2.0, key="b") == "joined"
    log = world.folder / "log"
    status = decision_status(world.engine, decision, world.ns, log)
    assert status.answer.unit == "ann"
    assert status.rewards["visits"].value == 3.0


@pytest.mark.parametrize(
    "fields",
    [
        {"decision": "ab"},
        {"decision": "ff" * 16},
        {"name": "clicks"},
        {"value": float("inf")},
        {"op": "multiply"},
        {"at": 1.0},
        {"at": 4e9},
    ],
)
def test_wrong_rewards_are_refused(world, fields):
    decision = world.decide("ann").decision
    with pytest.raises(InputError):
        world.reward(**{"decision": decision, **fields})
    assert world.records(RewardRecord) == []


def test_a_reward_quicker_than_its_decision_waits(tmp_path):
    world = World(tmp_path)
    refill(world.engine, tmp_path / "log", 0, world.ns)
    decision = world.decide("bob").decision
    early = world.decide("ann").decision
    del world.shared.recent._waiting[bytes.fromhex(early)]  # of another worker, for a moment
    assert world.reward(early) == "waiting"
    exposure = ExposureRequest(decision=early)
    assert world.engine.exposure(exposure, world.ns).status == "waiting"
    elsewhere = early[:12] + "ff" * 10  # of another node
    assert world.reward(elsewhere) == "waiting"
    world.engine.tick(world.ns)
    assert len(world.shared.waiting()) == 3
    refill(world.engine, tmp_path / "log", 0, world.ns)
    world.engine.tick(world.ns)
    assert (len(world.records(RewardRecord)), len(world.records(ExposureRecord))) == (2, 1)
    status = decision_status(world.engine, early, world.ns)
    assert (status.shown, status.rewards["sales"].value) == (True, 1.0)
    assert world.engine.exposure(exposure, world.ns).status == "duplicate"
    assert sums(world, decision) == {}
    assert len(world.shared.waiting()) == 1
    world.ns += 2 * HOUR
    world.engine.tick(world.ns)
    assert world.shared.waiting() == []
    assert [r.decision.hex() for r in world.records(RewardRecord)] == [early, elsewhere]
    world.close()


def test_a_reward_that_cannot_be_logged_can_be_sent_again(world):
    decision = world.decide("ann").decision
    world.log.full = True
    with pytest.raises(LogUnavailable):
        world.reward(decision, key="a")
    world.log.full = False
    assert world.reward(decision, key="a") == "joined"


@pytest.mark.parametrize("what", ["reward", "claim", "exposure"])
def test_what_no_table_takes_leaves_no_trace_in_the_log(tmp_path, what):
    """The disk has room for the record, and none for the table: it can be sent again."""
    config = ServeConfig(budget=BudgetConfig(total=9.0, claimed="claimed"))
    world = World(tmp_path, config, budget=Purse(9.0))
    decision = world.decide("ann").decision
    world.engine.tick(world.ns)

    def send() -> None:
        if what == "exposure":
            world.engine.exposure(ExposureRequest(decision=decision), world.ns)
        else:
            world.reward(decision, "claimed" if what == "claim" else "sales")

    (table,) = (tmp_path / "index" / "recent").glob("*/data.mdb")
    kinds = ExposureRecord, RewardRecord, SpendRecord
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    segment = max(path.stat().st_size for path in (tmp_path / "log").glob("*.eqlog"))
    assert segment + 1000 < 2 * 4096 < table.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 4096, usual[1]))
    try:
        for _ in range(3):
            with pytest.raises(LogUnavailable, match="a table of the service"):
                send()
            assert not any(world.records(kind) for kind in kinds)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    send()
    world.decide("ann")
    assert sum(len(world.records(kind)) for kind in kinds) == (2 if what == "claim" else 1)
    world.close()
    assert len([*read_records(tmp_path / "log", closed=True)]) > 3  # count and digest are right


# ---- restarts ----


def test_who_died_between_the_log_and_the_answer_is_answered_for(tmp_path):
    world = World(tmp_path)
    refill(world.engine, tmp_path / "log", 0, world.ns)
    request, other = DecideRequest(unit="ann", key="1"), DecideRequest(unit="ann", key="2")
    world.shared.idempotency.finish = lambda *_: None  # type: ignore[method-assign]
    first = world.engine.decide(request, world.ns)
    with pytest.raises(InFlight):
        world.engine.decide(request, world.ns)
    world.shared.idempotency.begin([key_hash(other)], world.log.writer, world.time)
    again = restarted(world)
    for one in (request, other):
        with pytest.raises(InFlight):  # until its log was read
            again.engine.decide(one, again.ns)
    refill(again.engine, tmp_path / "log", 0, again.ns)
    assert encode(again.engine.decide(request, again.ns)) == encode(first)
    assert len(again.records(DecisionRecord)) == 1
    assert again.engine.decide(other, again.ns).logged
    again.close()


def test_who_died_in_a_long_batch_is_answered_for_all_of_it(tmp_path, monkeypatch):
    """Minutes and segments after its first decisions, which others can see already."""
    monkeypatch.setattr("equipoise.serving.engine.refill.MANY", 2)
    world = World(tmp_path)
    refill(world.engine, tmp_path / "log", 0, world.ns)
    requests = [DecideRequest(unit="ann", key=str(number)) for number in range(6)]
    answers: list = []
    for request in requests:
        answers += world.engine.decide_batch([request], world.ns, [])
        world.engine.tick(world.ns)
        world.log.roll()
        world.ns += 60 * SECOND
    again = restarted(world)
    with monkeypatch.context() as death:  # in the middle of its start
        flush = again.shared.flush
        death.setattr(again.shared, "flush", lambda: (flush(), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            refill(again.engine, tmp_path / "log", 0, again.ns)
    again = restarted(again)
    refill(again.engine, tmp_path / "log", 0, again.ns)
    assert [again.engine.decide_batch([one], again.ns) for one in requests] == [
        [a] for a in answers
    ]
    assert len(again.records(DecisionRecord)) == len(requests)
    again.close()


@pytest.mark.parametrize("what", ["snapshot", "unit", "disk"])
@pytest.mark.parametrize("machine", [False, True], ids=["worker", "machine"])
def test_an_answer_that_nobody_can_give_again_is_refused(tmp_path, what, machine):
    config = ServeConfig(log=LogConfig(durability="disk"))
    world = World(tmp_path, config)
    refill(world.engine, tmp_path / "log", 0, world.ns)
    request = DecideRequest(unit="ann", key="1")
    (first,) = world.engine.decide_batch([request], world.ns, [])
    if what == "disk":
        world.log._sync_failed(world.log._file, OSError(5, "Input/output error"))
    if machine:
        (tmp_path / "index" / "boot").write_text("another start")
    live = ServedSnapshot("b" * 64) if what == "snapshot" else None
    again = restarted(world, live=live)
    if what == "unit":
        again.shared.controls.erase("ann")
    refill(again.engine, tmp_path / "log", 0, again.ns)
    (answer,) = again.engine.decide_batch([request], again.ns)
    if what == "disk":
        assert answer == first if machine else isinstance(answer, LogUnavailable)
    else:
        assert isinstance(answer, ConflictError)
        assert "snapshot that is not served any more" in str(answer)
    assert len(again.records(DecisionRecord)) == 1
    again.close()


def test_a_disk_that_is_full_ends_in_control_and_comes_back(tmp_path):
    world = World(tmp_path)
    first = world.decide("ann", key="1")
    world.engine.tick(world.ns)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, usual[1]))
    try:
        assert world.decide("ann", key="2").reason == "log_unavailable"
        assert world.decide("ann").reason == "log_unavailable"
        world.engine.tick(world.ns)
        with pytest.raises(LogUnavailable):
            world.reward(first.decision, key="a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    second = world.decide("ann", key="2")
    assert (second.reason, second.logged) == ("best_score", True)
    assert world.decide("ann", key="2") == second
    assert world.reward(second.decision) == world.reward(first.decision, key="a") == "joined"
    world.close()


@pytest.mark.parametrize("machine", [False, True], ids=["worker", "machine"])
def test_after_a_death_the_log_fills_the_index(tmp_path, machine):
    config = ServeConfig(budget=BudgetConfig(total=9.0, claimed="claimed"))
    world = World(tmp_path, config, budget=Purse(9.0))
    refill(world.engine, tmp_path / "log", 0, world.ns)  # as every worker does at its start
    old = world.decide("ann", key="1")
    world.reward(old.decision, "sales", 2.0, key="a")
    world.reward(old.decision, "claimed", 1.0)
    world.engine.tick(world.ns)
    world.engine.exposure(ExposureRequest(decision=old.decision), world.ns)
    new = world.decide("ann", key="2")
    if machine:
        (tmp_path / "index" / "boot").write_text("another start")
    again = restarted(world, budget=Purse(9.0))
    assert refill(again.engine, tmp_path / "log", 0, again.ns) == (2 if machine else 1)
    for answer in (old, new):
        assert encode(decision_status(again.engine, answer.decision, again.ns).answer) == encode(
            answer
        )
    assert encode(again.decide("ann", key="1")) == encode(old)
    assert encode(again.decide("ann", key="2")) == encode(new)
    with pytest.raises(ConflictError):
        again.decide("bob", key="2")
    assert again.reward(old.decision, "sales", 2.0, key="a") == "duplicate"
    status = decision_status(again.engine, old.decision, again.ns)
    assert (status.shown, status.rewards["sales"].value) == (True, 2.0)
    ids = [d.answer.decision for d in unit_history(again.engine, "ann", again.ns).decisions]
    assert ids == [new.decision, old.decision]
    again.reward(old.decision, "claimed", 1.0)
    again.reward(new.decision, "claimed", 1.0)
    assert [s[2].hex() for s in again.engine.budget.settled] == [new.decision]
    again.close()
