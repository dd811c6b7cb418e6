"""The order of a decision: each reason, what fails, and what nothing may leave behind."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest
from fixtures.served import (
    FACTS,
    NOON,
    SECOND,
    Artifact,
    Purse,
    Scoring,
    ServedSnapshot,
    Units,
    World,
    with_,
)

from equipoise.artifacts.costs import Costs
from equipoise.artifacts.staying import Staying
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy
from equipoise.serving.config import BudgetConfig, RewardWindow, ServeConfig, StoreConfig
from equipoise.serving.engine import operator
from equipoise.serving.engine.history import decision_status, forget_unit, unit_history
from equipoise.serving.engine.recent import Recent
from equipoise.serving.errors import LogUnavailable
from equipoise.serving.ledger.ledger import Ledger
from equipoise.serving.ledger.logged_money import differences, logged_money
from equipoise.serving.ledger.money import period_of
from equipoise.serving.ledger.pace import Pace
from equipoise.serving.ledger.sqlite_book import SqliteBook
from equipoise.serving.log.reader import read_records
from equipoise.serving.messages import DecideAnswer, DecideRequest
from equipoise.serving.reasons import REASONS
from equipoise.serving.records import (
    KILLED,
    MODEL,
    NO_BUDGET,
    OVERRIDE,
    REQUEST,
    STALE,
    Context,
    DecisionRecord,
    SpendRecord,
)

decoded = msgspec.json.Decoder(DecideAnswer).decode


@pytest.fixture
def world(tmp_path):
    with_log = World(tmp_path)
    yield with_log
    with_log.close()


class Broken(Scoring):
    """A model that fails."""

    def __init__(self):
        super().__init__(with_(), Artifact())

    def facts(self, features):
        raise ZeroDivisionError


def got(answer):
    return answer.candidate, answer.probability, answer.reason


def test_a_known_unit_gets_what_scores_best(world):
    answer = world.decide("ann")
    assert got(answer) == ("small", 1.0, "best_score")
    assert answer.scores == {"small": 2.0 - 0.5, "large": 3.0 - 0.5 * 4}
    assert (answer.weights, answer.prices) == ({"sales": 1.0, "visits": 0.0}, {"budget": 0.5})
    assert (answer.snapshot, answer.policy, answer.logged) == ("a" * 64, "policy", True)
    record = world.records(DecisionRecord)[0]
    assert record.id.hex() == answer.decision
    assert np.frombuffer(record.scores).tolist() == [1.5, 1.0]
    context = world.records(Context)[0]
    assert context.cells == ("none", "small", "large")
    assert context.seed == 11


def test_each_reason_that_needs_no_failure(world):
    assert got(world.decide("bob")) == ("none", 1.0, "below_threshold")
    assert got(world.decide("cid")) == ("none", 1.0, "not_eligible")
    assert got(world.decide("dan")) == ("none", 1.0, "unknown_unit")
    assert got(world.decide("dan", features={"worth": 1.0})) == ("small", 1.0, "best_score")
    operator.change_shares(world.engine, {"holdout": 1.0})
    assert got(world.decide("ann")) == ("none", 1.0, "holdout")
    operator.change_shares(world.engine, {"holdout": 0.0, "explore": 1.0})
    answer = world.decide("ann")
    assert (answer.reason, answer.probability) == ("explored", pytest.approx(1 / 3))
    operator.override(world.engine, "ann", "large")
    assert got(world.decide("ann")) == ("large", 1.0, "override")
    operator.kill(world.engine, True)
    assert got(world.decide("ann")) == ("none", 1.0, "killed")
    flags = [record.flags for record in world.records(DecisionRecord)]
    assert flags[-2:] == [OVERRIDE, KILLED]
    operator.kill(world.engine, False)
    operator.override(world.engine, "ann", None)
    assert world.decide("ann").reason == "explored"


def test_lots_and_the_days_of_a_unit(tmp_path):
    policy = with_(demands=(), prices=(), mode="random", shares=(0.5, 0.5))
    staying = Staying(column="class", days={"slow": 1000})
    facts = FACTS._replace(labels={"class": "slow"})
    live = ServedSnapshot(policy=policy, units={"ann": facts}, artifact=Artifact(staying=staying))
    world = World(tmp_path, live=live)
    assert world.decide("ann").reason == "lot"
    assert got(world.decide("ann", previous="large")) == ("large", 1.0, "cadence")
    world.close()


def test_what_comes_with_a_request(world):
    effects = [[0.0, 0.0], [9.0, 0.0]]
    answer = world.decide("dan", effects=effects, cost=[1.0, 2.0])
    assert answer.scores == {"small": -0.5, "large": 8.0}
    answer = world.decide("ann", weights={"sales": 2.0})
    assert answer.weights == {"sales": 2.0, "visits": 0.0}
    assert answer.scores["small"] == 3.5
    world.decide("eve", features={"worth": 2.0})
    asked, weighed, modelled = world.records(DecisionRecord)
    assert (asked.source, np.frombuffer(asked.effects).tolist()) == (REQUEST, [0, 0, 9, 0])
    assert np.frombuffer(weighed.weights).tolist() == [2.0, 0.0]
    assert (modelled.source, modelled.features) == (MODEL, {"worth": 2.0})


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"unit": ""}, "unit"),
        ({"unit": "\ud800"}, "unit"),
        ({"key": "k" * 2000}, "key"),
        ({"previous": "huge"}, "previous"),
        ({"effects": [[1.0]]}, "effects"),
        ({"effects": [[1.0, float("nan")], [1.0, 1.0]]}, "effects"),
        ({"cost": [1.0]}, "cost"),
        ({"unit": "nobody", "cost": [1.0]}, "cost"),
        ({"effects": [[1.0, 0.0], [1.0, 0.0]]}, "cost"),
        ({"errors": [[1.0, 0.0], [1.0, 0.0]]}, "errors"),
        ({"cost": [1.0, -1.0]}, "cost"),
        ({"weights": {"clicks": 1.0}}, "weights"),
        ({"weights": {"sales": 1.0}, "request": {}}, "weights and request"),
        ({"request": {"hour": 1.0}}, "request"),
        ({"unit": "dan", "features": {}}, "features['worth']"),
    ],
)
def test_only_what_is_wrong_is_an_error(world, fields, what):
    with pytest.raises(InputError) as caught:
        world.decide(**{"unit": "ann", **fields})
    assert caught.value.what == what
    assert world.records(DecisionRecord) == []


def test_a_store_that_fails_ends_in_control_or_the_model(world):
    world.live.store.broken = True
    assert got(world.decide("ann")) == ("none", 1.0, "store_timeout")
    assert got(world.decide("ann", features={"worth": 1.0})) == ("small", 1.0, "best_score")
    assert [r.flags for r in world.records(DecisionRecord)] == [STALE, STALE]
    world.live.store.broken = False
    assert world.decide("ann").reason == "best_score"


def test_a_slow_store_has_a_deadline(tmp_path):
    class Slow(Units):
        quick = False

        async def fetch(self, unit):
            await asyncio.sleep(0.2 if unit == "ann" else 0)
            return self.get(unit)

    live = ServedSnapshot()
    live.store = Slow(live.store.units)
    world = World(tmp_path, ServeConfig(store=StoreConfig(deadline=0.01)), live=live)
    assert not world.engine.quick

    async def ask(unit):
        return await world.engine.decide_async(DecideRequest(unit=unit), world.ns)

    assert asyncio.run(ask("ann")).reason == "store_timeout"
    assert asyncio.run(ask("bob")).reason == "below_threshold"
    world.close()


def test_a_model_that_fails_ends_in_control(world):
    world.live.scorer.facts = lambda features: {}["no such key"]
    assert got(world.decide("dan", features={"worth": 1.0})) == ("none", 1.0, "model_error")
    world.live.scorer.facts = lambda features: FACTS._replace(values=FACTS.values * np.nan)
    assert world.decide("dan", features={"worth": 1.0}).reason == "model_error"


def test_what_cannot_be_logged_is_not_done(tmp_path):
    world = World(tmp_path, budget=Purse(2.0))
    world.log.full = True
    answer = world.decide("ann", key="1")
    assert got(answer) == ("none", 1.0, "log_unavailable")
    assert not answer.logged
    assert world.engine.budget.left == 2.0
    operator.kill(world.engine, True)  # in force though no context can be begun
    assert world.decide("ann").reason == "log_unavailable"
    assert world.records(DecisionRecord) == []
    world.log.full = False
    world.ns += SECOND
    assert world.decide("ann").reason == "killed"
    world.close()


def test_money_is_reserved_and_comes_to_what_was_claimed(tmp_path):
    config = ServeConfig(budget=BudgetConfig(total=10.0, claimed="claimed"))
    world = World(tmp_path, config, budget=Purse(5.0))
    first, second = world.decide("ann"), world.decide("ann")
    assert world.engine.budget.left == 5.0 - 2 * 2.25  # the amount and what sending costs
    third = world.decide("ann")
    assert got(third) == ("none", 1.0, "budget")
    assert world.records(DecisionRecord)[-1].flags == NO_BUDGET
    assert world.reward(first.decision, "claimed", 1.0) == "joined"
    assert world.reward(first.decision, "claimed", 1.0) == "joined"  # settles nothing more
    world.engine.tick(world.ns)
    assert world.engine.budget.settled == [(2.25, 2.25, bytes.fromhex(first.decision))]
    world.ns += 29 * 86_400 * SECOND
    world.engine.tick(world.ns)
    assert world.engine.budget.settled[1:] == [(2.25, 0.25, bytes.fromhex(second.decision))]
    spent = [(record.reserved, record.spent) for record in world.records(SpendRecord)]
    assert spent == [(2_250_000, 2_250_000), (2_250_000, 250_000)]
    world.close()


def test_what_multiplies_the_amounts_is_sent_for_known_units_too(tmp_path):
    """The store has expected costs; of the most that an offer can cost it says nothing."""
    artifact = Artifact(costs=Costs((2.0, 6.0), column="size", metric="claimed"))
    config = ServeConfig(budget=BudgetConfig(total=50.0, claimed="claimed"))
    purse = Purse(50.0)
    world = World(tmp_path, config, live=ServedSnapshot(artifact=artifact), budget=purse)
    for features in ({}, {"size": None}, {"size": -1.0}, {"size": "2"}, {"size": True}):
        with pytest.raises(InputError, match=r"features\['size'\] must be a number >= 0"):
            world.decide("ann", features=features)
    assert purse.left == 50.0
    assert world.decide("ann", features={"size": 3.0}).candidate == "small"
    assert purse.left == 44.0
    assert world.decide("bob").reason == "below_threshold", "nothing to reserve"
    world.close()


def test_what_the_books_say_is_what_the_log_says(tmp_path):
    config = ServeConfig(budget=BudgetConfig(total=10.0, claimed="claimed", seconds=1e9))
    book = SqliteBook(tmp_path / "book.sqlite", 10_000_000, period_of(NOON, 1e9))
    ledger = Ledger(book, 0, config.budget, clock=lambda: NOON, thread=False)
    world = World(tmp_path, config, budget=ledger)
    answers = [world.decide("ann") for _ in range(6)]
    assert [answer.reason for answer in answers] == ["best_score"] * 4 + ["budget"] * 2
    for answer, value in zip(answers[:3], (1.0, 0.0, 0.0), strict=True):
        world.reward(answer.decision, "claimed", value)
    ledger.tick()
    assert ledger.state()["spent"] == 2.25 + 0.25 + 0.25
    assert world.decide("ann").reason == "budget"  # which asks for what came back
    ledger.tick()
    assert world.decide("ann").reason == "best_score"
    ledger.tick()
    entries = read_records(tmp_path / "log")
    assert differences(book, logged_money(entry.record for entry in entries)) == []
    world.close()
    ledger.close()


@pytest.mark.parametrize("left", [None, 5.0])
def test_own_effects_come_with_what_they_cost_where_a_budget_counts_it(tmp_path, left):
    """No offer is free because a request did not say what it costs."""
    free = Policy(("small", "large"), "none", ("sales", "visits"), (1.0, 0.0))
    world = World(tmp_path, live=ServedSnapshot(policy=free), budget=left and Purse(left))
    effects = [[0.0, 0.0], [9.0, 0.0]]
    assert world.decide("dan", effects=effects, cost=[1.0, 2.0]).candidate == "large"
    if left is None:
        assert world.decide("dan", effects=effects).candidate == "large"
    else:
        with pytest.raises(InputError, match="cost must be sent with effects: the service keeps"):
            world.decide("dan", effects=effects)
    world.close()


def test_without_claims_the_expected_cost_is_spent_at_once(tmp_path):
    world = World(tmp_path, ServeConfig(budget=BudgetConfig(total=9.0)), budget=Purse(1.5))
    assert [world.decide("ann").reason for _ in range(2)] == ["best_score", "budget"]
    assert world.engine.budget.settled[0][:2] == (1.0, 1.0)
    assert len(world.records(SpendRecord)) == 1
    world.close()


def test_a_dry_run_leaves_no_trace(tmp_path):
    config = ServeConfig(budget=BudgetConfig(total=9.0, claimed="claimed"))
    world = World(tmp_path, config, budget=Purse(9.0))
    usual, dry = world.decide("ann"), world.decide("ann", dry_run=True, key="1")
    assert (
        msgspec.structs.replace(dry, decision=usual.decision, logged=True, dry_run=False) == usual
    )
    assert (dry.decision, dry.logged, dry.dry_run) == ("", False, True)
    assert len(world.records(DecisionRecord)) == 1
    assert world.engine.budget.left == 9.0 - 2.25
    assert len(unit_history(world.engine, "ann", world.ns).decisions) == 1
    assert world.decide("ann", key="1").decision
    world.close()


def test_a_candidate_shares_the_traffic_and_a_shadow_only_looks_on(tmp_path):
    generous = ServedSnapshot("b" * 64, with_(prices=(0.0,)))
    broken = ServedSnapshot("c" * 64)
    broken.store.broken, broken.scorer = True, Broken()
    config = ServeConfig(share=0.5)
    world = World(tmp_path, config, candidate=generous, shadows=(generous, broken))
    answers = [world.decide(f"u{i}", features={"worth": 1.0}) for i in range(40)]
    told = {(a.candidate, a.probability, a.snapshot[0], a.prices["budget"]) for a in answers}
    assert told == {("small", 0.5, "a", 0.5), ("large", 0.5, "b", 0.0)}
    assert {record.shadows for record in world.records(DecisionRecord)} == {(1, -1)}
    operator.change_shares(world.engine, {"share": 1.0})
    assert world.decide("ann").snapshot == "b" * 64
    gone = world.engine.swap(live=generous)
    assert gone == [world.live, broken]
    assert world.decide("ann").snapshot == "b" * 64
    contexts = world.records(Context)
    assert [c.candidate_snapshot[:1] for c in contexts] == ["b", "b", ""]
    assert [record.context for record in world.records(DecisionRecord)][-2:] == [1, 2]
    world.close()


def test_snapshots_that_do_not_go_together_are_refused(world):
    others = ServedSnapshot("b" * 64, with_(candidates=("small", "huge")))
    with pytest.raises(InputError, match="cells"):
        world.engine.swap(candidate=others)
    each = with_(mode="each")
    with pytest.raises(InputError, match="mode"):
        ServedSnapshot("b" * 64, each)
    assert world.decide("ann").snapshot == "a" * 64


def test_rewards_of_metrics_of_every_snapshot_are_taken(world):
    answer = world.decide("ann")
    fewer = with_(metrics=("sales",), weights=(1.0,))
    others = with_(metrics=("profit",), weights=(1.0,))
    candidate = ServedSnapshot(id="c" * 64, policy=others, units={})
    world.engine.swap(ServedSnapshot(id="b" * 64, policy=fewer, units={}), candidate)
    for name in ("sales", "visits", "profit"):
        assert world.reward(answer.decision, name) == "joined"
    with pytest.raises(InputError, match="metrics: profit, sales, visits"):
        world.reward(answer.decision, "clicks")


def test_prices_are_set_in_one_step(world):
    before = world.decide("ann")
    operator.set_prices(world.engine, {"budget": 0.1})
    after = world.decide("ann")
    assert (after.candidate, after.prices) == ("large", {"budget": 0.1})
    contexts = world.records(Context)
    assert [np.frombuffer(c.prices)[0] for c in contexts] == [0.5, 0.1]
    assert decision_status(world.engine, before.decision, world.ns).answer == before
    for wrong in ({"money": 1.0}, {"budget": -1.0}):
        with pytest.raises(InputError):
            operator.set_prices(world.engine, wrong)
    operator.set_prices(world.engine, None)
    assert world.decide("ann").prices == {"budget": 0.5}


def test_a_paced_price_comes_into_force_and_an_operators_comes_first(tmp_path):
    book = SqliteBook(tmp_path / "book.sqlite", 100_000_000)
    config = BudgetConfig(total=100.0, pacing="resolve", requests=100)
    pace = Pace(book, 0, config, price=0.5)
    world = World(tmp_path, pacing=pace)
    world.decide("ann")
    world.decide("dan")
    value, cost, spent = pace._new[0]
    assert (value.tolist(), cost.tolist(), spent) == ([2.0, 3.0], [1.0, 4.0], 1.0)
    assert pace._new[1][2] == 0.0
    world.engine.tick(world.ns)
    assert world.decide("ann").prices == {"budget": 0.5}
    pace._price_now = lambda: 0.1  # type: ignore[method-assign]
    world.engine.tick(world.ns)
    assert world.decide("ann").prices == {"budget": 0.1}
    operator.set_prices(world.engine, {"budget": 0.7})
    assert world.decide("ann").prices == {"budget": 0.7}
    contexts = [np.frombuffer(context.prices)[0] for context in world.records(Context)]
    assert contexts == [0.5, 0.1, 0.7]
    world.close()
    book.close()


def test_other_workers_follow(tmp_path):
    world = World(tmp_path)
    other = World(tmp_path, slot=1)
    operator.kill(world.engine, True)
    other.ns += SECOND // 2
    assert other.decide("ann").reason == "killed"
    operator.kill(other.engine, False)
    with pytest.raises(InputError, match="override"):
        operator.override(world.engine, "ann", "huge")
    world.close()
    other.log.close()


def test_workers_find_what_each_other_wrote(tmp_path):
    world = World(tmp_path)
    other = World(tmp_path, slot=1)  # a process opens a table once, so they share the files
    recent = Recent(other.shared.index / "recent")
    recent.hours = world.shared.recent.hours
    other.shared._open_tables = world.shared.idempotency, recent, world.shared.open
    made = []
    for turn in range(6):
        one = (world, other)[turn % 2]
        made.append(one.decide("ann").decision)
        kept = [one.decide("bob").decision, one.decide("cid").decision]
        one.engine.tick(one.ns)
        world.ns = other.ns = world.ns + SECOND // 2
    other.engine.tick(other.ns)
    made.append(other.decide("ann").decision)  # not written yet

    def told(one, unit):
        history = unit_history(one.engine, unit, one.ns)
        return [status.answer.decision for status in history.decisions]

    assert told(other, "ann") == made[::-1]
    assert told(world, "ann") == made[-2::-1]
    assert len(told(world, "bob")) == len(told(world, "cid")) == 6
    for decision in (*made[:-1], *kept):
        assert decision_status(world.engine, decision, world.ns).answer.decision == decision
    assert forget_unit(other.engine, "ann", other.ns) == 7
    world.engine.tick(world.ns)
    for one in (world, other):
        assert (told(one, "ann"), len(told(one, "bob"))) == ([], 6)
        assert all(decision_status(one.engine, id, one.ns) is None for id in made)
        assert decision_status(one.engine, kept[0], one.ns) is not None
    other.log.close()
    world.close()


def test_what_is_logged_stands_in_the_index_byte_for_byte(world):
    ids = [bytes.fromhex(world.decide(unit).decision) for unit in ("ann", "bob") * 100]
    recent = world.shared.recent
    assert 0 < len(recent) < 128  # many are written without a tick
    table = recent.hours.of(world.ns)
    world.engine.tick(world.ns)
    with table.read() as change:
        stored = [change.get(b"d" + id) for id in ids]
    records = world.records(DecisionRecord)
    assert stored == [msgspec.msgpack.encode(record) for record in records]
    with table.read() as change:
        assert sum(name[:1] == b"u" for name, _ in change.cursor()) == 1  # 200 stand together
    assert recent.written_until(0) // 1_000_000 == world.ns // 1_000_000
    assert recent.written_until(1) == 0


def test_settings_come_into_force_whole_or_not_at_all(world):
    engine, before = world.engine, world.engine.config
    config = ServeConfig(holdout=1.0, rewards={"sales": RewardWindow(window="1s")})
    world.log.full = True
    with pytest.raises(LogUnavailable):
        engine.configure(config)
    assert engine.config is before
    assert engine.rewards.window("sales") == engine.rewards.window("visits")
    world.log.full = False
    assert world.decide("ann").reason == "best_score"
    engine.configure(config)
    assert engine.rewards.window("sales") == SECOND
    assert world.decide("ann").reason == "holdout"


def test_a_unit_that_asks_is_forgotten(world):
    operator.override(world.engine, "ann", "large")
    answers = [world.decide("ann") for _ in range(2)]
    world.engine.tick(world.ns)
    world.decide("ann")
    assert forget_unit(world.engine, "ann", world.ns) == 3
    history = unit_history(world.engine, "ann", world.ns)
    assert (history.known, history.override, history.decisions) == (False, None, [])
    assert world.decide("ann").reason == "unknown_unit"
    assert decision_status(world.engine, answers[0].decision, world.ns) is None
    assert (
        decision_status(world.engine, answers[0].decision, world.ns, world.folder / "log") is None
    )


def told(answers: list) -> list:
    """What answers say: their structs, whose JSON they are to the byte, and errors as they are."""
    structs = [one if isinstance(one, Exception) else decoded(one) for one in answers]
    for one, struct in zip(answers, structs, strict=True):
        assert isinstance(one, Exception) or msgspec.json.encode(struct) == one
    return structs


def test_a_batch_is_decided_as_its_units_are(tmp_path):
    config = ServeConfig(budget=BudgetConfig(total=9.0))
    world = World(tmp_path, config, budget=Purse(1.0))
    fields = [
        {"unit": "ann", "key": "1"},
        {"unit": "ann"},  # for this one nothing is left
        {"unit": "bob", "key": "1"},
        {"unit": "dan", "features": {}},
        {"unit": "cid", "dry_run": True},
    ]
    requests = [DecideRequest(**own) for own in fields]
    answers = world.engine.decide_batch(requests, world.ns)
    reasons = [getattr(answer, "reason", type(answer).__name__) for answer in told(answers)]
    assert reasons == ["best_score", "budget", "KeyReuse", "InputError", "not_eligible"]
    assert [r.unit for r in world.records(DecisionRecord)] == ["ann", "ann"]
    again = asyncio.run(world.engine.decide_batch_async(requests[:1], world.ns))
    assert again == answers[:1]
    world.log.full = True
    answers = world.engine.decide_batch(requests[1:2], world.ns)
    assert [answer.reason for answer in told(answers)] == ["log_unavailable"]
    world.close()


def test_what_fails_for_one_unit_leaves_the_others(tmp_path, monkeypatch):
    """Even what nobody foresaw; its key is free again."""
    world = World(tmp_path)
    get = world.engine.now.live.get

    odd = lambda unit: 5 if unit == "ann" else get(unit)  # noqa: E731
    monkeypatch.setattr(world.engine.now.live, "get", odd)
    requests = [DecideRequest(unit=unit, key=unit) for unit in ("bob", "ann", "cid")]
    answers = told(world.engine.decide_batch(requests, world.ns))
    assert [isinstance(one, Exception) for one in answers] == [False, True, False]
    monkeypatch.undo()
    assert world.engine.decide(requests[1], world.ns).unit == "ann"
    world.close()


def test_every_reason_is_reached_here():
    from pathlib import Path

    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in REASONS if f'"{name}"' not in text] == []


def test_an_erasure_that_cannot_be_logged_forgets_nothing(world):
    answer = world.decide("ann")
    world.log.full = True
    with pytest.raises(LogUnavailable):
        forget_unit(world.engine, "ann", world.ns)
    assert decision_status(world.engine, answer.decision, world.ns) is not None
