"""A log decided again: every bit the same, every change seen and named."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from fixtures.served import (
    FACTS,
    NOON,
    POOR,
    SECOND,
    Purse,
    ServedSnapshot,
    World,
    with_,
)

from equipoise.core.errors import DataError, InputError
from equipoise.data import read_log
from equipoise.serving.config import BudgetConfig, RewardWindow, ServeConfig
from equipoise.serving.engine import operator
from equipoise.serving.engine.chance import Side, cell_chances, serve, shares_of
from equipoise.serving.log.compaction import compact_log
from equipoise.serving.records import KILLED, OVERRIDE, Context, DecisionRecord, ErasedRecord
from equipoise.serving.replay.again import Again, chances_by
from equipoise.serving.replay.against import compare_policies, supported
from equipoise.serving.replay.compare import replay_log
from equipoise.serving.replay.explain import explain_decision

LATER = NOON * 2


def loaded(letter, **changes):
    """A snapshot with an id of one letter."""
    return ServedSnapshot(id=letter * 64, **changes)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A log with all that a service can do at once, and its snapshots."""
    folder = tmp_path_factory.mktemp("everything")
    candidate, shadow = loaded("b", policy=with_(prices=(0.1,))), loaded("c")
    config = ServeConfig(share=0.3, holdout=0.1, explore=0.2, budget=BudgetConfig(total=500.0))
    purse = Purse(500.0)
    world = World(folder, config, candidate=candidate, shadows=(shadow,), budget=purse)
    rng = np.random.default_rng(0)
    for number in range(900):
        world.ns += SECOND
        fields: dict[str, Any] = {}
        if number % 2:
            fields["features"] = {"worth": float(rng.normal())}
        if number % 7 == 0:
            fields |= {"effects": rng.normal(size=(2, 2)).tolist(), "cost": [1.0, 4.0]}
        if number % 11 == 0:
            fields["cost"] = [1.5, 2.5]
        if number % 13 == 0:
            fields["weights"] = {"sales": 2.0}
        if number % 5 == 0:
            fields["previous"] = "small"
        world.decide(["ann", "bob", "cid", "dan", f"unit {number}"][number % 5], **fields)
        _happens(world, number)
    world.close()
    assert purse.left < 3, "the budget was used up"
    return folder, {one.id: one for one in (world.live, candidate, shadow)}


def _happens(world, number):
    """What an operator does, and what fails, in the course of the log."""
    if number == 100:
        operator.change_shares(world.engine, {"holdout": 0.0})
    if number in (150, 200):
        world.live.store.broken = number == 150
    if number == 250:
        operator.override(world.engine, "ann", "large")
    if number in (300, 330):
        operator.kill(world.engine, number == 300)
    if number == 350:
        operator.set_prices(world.engine, {"budget": 0.7})
        world.shared.controls.erase("bob")
        world.log.append(ErasedRecord("bob", world.ns))
    if number == 400:
        world.log.roll()
    if number == 500:  # of a snapshot that was live once
        prices = {"b" * 64: {"budget": 0.9}, "c" * 64: {"budget": 2.0}}
        world.shared.controls.change(lambda old: msgspec.structs.replace(old, prices=prices))
        world.engine.take_controls()


def test_every_bit_is_the_same(everything):
    folder, snapshots = everything
    replay = replay_log(folder / "log", snapshots.get)
    assert replay.same, replay.first
    assert replay.decisions + replay.skipped["set by an operator"] == 900
    assert replay.decisions > 700


def test_another_effect_is_seen_to_the_bit(everything):
    folder, snapshots = everything
    units = {"ann": FACTS._replace(values=np.nextafter(FACTS.values, 9.0)), "bob": POOR}
    other = loaded("a", units=units | {"cid": snapshots["a" * 64].store.units["cid"]})
    replay = replay_log(folder / "log", (snapshots | {other.id: other}).get)
    assert set(replay.differing) == {"scores"}
    assert replay.first[0] | {"decision": ""} == {
        "decision": "",
        "unit": "ann",
        "column": "scores",
        "candidate": "small",
        "then": 1.5,
        "now": 1.5 + 2**-51,
        "bits": "3ff8000000000000 3ff8000000000002",
        "steps": 2,
        "why": "input: effects of the store",
    }


def test_other_versions_and_inputs_are_named(everything, monkeypatch):
    folder, snapshots = everything
    other = loaded("a", policy=with_(weights=(1.0, 0.5)))
    here = {"equipoise": "9.9", "numpy": np.__version__, "cpu": "another"}
    monkeypatch.setattr("equipoise.serving.replay.compare.versions", lambda: here)
    replay = replay_log(folder / "log", (snapshots | {other.id: other}).get)
    why = replay.first[0]["why"]
    assert "input: the snapshot has other weights than the log says" in why
    assert "equipoise: " in why
    assert "9.9 now" in why
    assert "cpu: " in why


def test_a_model_that_takes_other_columns_is_a_difference(everything, monkeypatch):
    folder, snapshots = everything
    live = snapshots["a" * 64]

    def refuse(features):
        raise InputError("features['age']", "be there", "nothing")

    monkeypatch.setattr(live.scorer, "facts", refuse)
    replay = replay_log(folder / "log", snapshots.get)
    assert set(replay.differing) == {"error"}
    assert "features['age'] must be there" in replay.first[0]["now"]


def test_snapshots_that_are_not_there(everything):
    folder, snapshots = everything
    with pytest.raises(DataError, match="name the state folder by --policy"):
        replay_log(folder / "log", {}.get)
    wrong = loaded("a", policy=with_(demands=(), prices=()))
    with pytest.raises(DataError, match="a context of the log must have 0 prices; got 1"):
        replay_log(folder / "log", (snapshots | {wrong.id: wrong}).get)


def test_the_chance_of_each_cell_is_that_of_what_is_served(everything):
    _, snapshots = everything
    live, other = (snapshots[letter * 64].scorer.rule for letter in "ab")
    shares = shares_of(Context(0, 0, "", "", seed=5, share=0.4, holdout=0.2, explore=0.3), 2)
    eligible = np.array([True, False])
    for number in range(300):
        facts = FACTS._replace(values=FACTS.values * (number % 7 - 3))
        sides = Side(live, facts), Side(other, facts._replace(eligible=eligible))
        outcome = serve(shares, f"unit {number}", -2, *sides)
        chances = cell_chances(shares, f"unit {number}", -2, *sides)
        assert chances.sum() == pytest.approx(1.0)
        assert chances[outcome.served + 1] == pytest.approx(outcome.probability, rel=1e-14)


# ---- another policy ----

TRUTH = {"none": 0.0, "small": 1.0, "large": 2.0}


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """A log with much exploration, whose rewards have a known mean by what was served."""
    folder = tmp_path_factory.mktemp("explored")
    live = loaded("a", policy=with_(prices=(0.1,)))
    world = World(folder, ServeConfig(holdout=0.1, explore=0.6), live=live)
    rng = np.random.default_rng(1)
    worth = rng.uniform(-1, 1, 2000)
    for number, one in enumerate(worth.tolist()):
        answer = world.decide(f"unit {number}", features={"worth": one})
        world.reward(answer.decision, value=TRUTH[answer.candidate] + rng.normal())
    world.close()
    return folder, {live.id: live}, worth


def test_a_policy_is_valued_on_the_log_of_another(explored):
    folder, snapshots, worth = explored
    new = loaded("n", policy=with_(prices=(0.8,)))
    compared = compare_policies(folder / "log", snapshots.get, new, now=LATER)
    small, large = 2 * worth - 0.8, 3 * worth - 4 * 0.8
    choice = np.where(np.maximum(small, large) <= 0, 0, np.where(large > small, 2, 1))
    true = np.array(list(TRUTH.values()))[choice].mean()
    assert compared.told
    assert compared.effective > 0.3
    value = compared.values["sales"]
    for method in ("ips", "snips", "dr"):
        assert value[method][1] < true < value[method][2], method
        assert value[method][0] == pytest.approx(true, abs=0.12)
    assert value["gain"][2] < 0
    assert value["gain"][0] == pytest.approx(value["dr"][0] - value["logged"][0])
    assert compared.spend[1] == pytest.approx((choice == 1).mean() + 4 * (choice == 2).mean())
    assert compared.changed == sum(one["decisions"] for one in compared.transitions)
    same = loaded("n", policy=with_(prices=(0.1,)))
    assert compare_policies(folder / "log", snapshots.get, same, now=LATER).effective > 0.5


def test_decisions_for_which_nothing_was_drawn_are_compared_too(tmp_path):
    """As of a service without exploration, and of one that began to explore later."""
    live = loaded("a", policy=with_(prices=(0.1,)))
    world, rng = World(tmp_path, ServeConfig(), live=live), np.random.default_rng(1)
    for number, one in enumerate(rng.uniform(-1, 1, 300).tolist()):
        if number == 100:
            world.engine.configure(ServeConfig(explore=0.6))
        answer = world.decide(f"unit {number}", features={"worth": one})
        world.reward(answer.decision, value=TRUTH[answer.candidate] + rng.normal())
        if number == 80:
            first = compare_policies(tmp_path / "log", {live.id: live}.get, live, now=LATER)
    world.close()
    assert (first.told, first.changed, first.effective) == (True, 0, 1.0)
    value = first.values["sales"]
    assert value["gain"] == pytest.approx([0.0, 0.0, 0.0], abs=1e-12)
    assert value["ips"][0] == pytest.approx(value["logged"][0])
    later = compare_policies(tmp_path / "log", {live.id: live}.get, live, now=LATER)
    assert later.effective > 0.5
    assert later.values["sales"]["dr"][1] < later.values["sales"]["dr"][2]


def test_no_value_is_told_where_the_log_says_too_little(everything):
    folder, snapshots = everything
    windows = {"sales": RewardWindow()}
    contrary = loaded("n", policy=with_(weights=(-1.0, 0.0), prices=(0.0,)))
    compared = compare_policies(folder / "log", snapshots.get, contrary, rewards=windows, now=LATER)
    assert (compared.told, compared.values) == (False, {})
    assert compared.left_out["the budget was used up"] > 0
    assert compared.left_out["under the kill switch"] == 24, "bob is erased"
    assert "give it a share of the traffic" in compared.missing
    open_ones = compare_policies(folder / "log", snapshots.get, contrary, rewards=windows, now=NOON)
    assert (open_ones.judged, compared.judged) == (0, compared.decisions)
    assert "still open" in open_ones.missing
    for name in ("decisions", "changed", "transitions", "mix", "spend", "left_out"):
        assert getattr(open_ones, name) == getattr(compared, name), name


def test_without_rewards_all_but_a_value_is_told(tmp_path):
    live = loaded("a", policy=with_(prices=(0.1,)))
    world = World(tmp_path, ServeConfig(explore=0.5), live=live)
    for number in range(40):
        world.decide(f"unit {number}", features={"worth": 0.5 + number % 2})
    world.close()
    dearer = loaded("n", policy=with_(prices=(9.0,)))
    compared = compare_policies(tmp_path / "log", {live.id: live}.get, dearer, now=LATER)
    assert (compared.told, compared.values, compared.judged) == (False, {}, 0)
    assert "no rewards" in compared.missing
    assert compared.mix["none"][1] == 1.0
    assert compared.changed == round(40 * (1 - compared.mix["none"][0]))
    assert compared.spend[0] > compared.spend[1] == 0.0
    assert 0 < compared.effective < 1
    with pytest.raises(InputError, match="must hold decisions to compare; got 40 of a snapshot"):
        compare_policies(tmp_path / "log", {}.get, dearer)
    shown = {"sales": RewardWindow(exposure="required")}
    unseen = compare_policies(
        tmp_path / "log", {live.id: live}.get, dearer, rewards=shown, now=LATER
    )
    assert (unseen.decisions, unseen.judged, unseen.mix) == (40, 0, compared.mix)
    assert "were not shown" in unseen.missing


def test_what_the_log_could_not_have_shown_carries_no_weight():
    served = np.array([0, 1, 1, 2, 1])
    logged = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 1, 0], [0.2, 0.4, 0.4], [0.5, 0.5, 0]])
    new = np.array([[0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0, 1], [0, 1, 0]])
    assert supported(served, logged, new).tolist() == [True, False, False, True, True]
    new[4] = [0, 0, 1]
    last = supported(served, logged, new).tolist()
    assert last == [False, False, False, True, False], "of those left nobody got 1"


# ---- one decision ----


def test_the_terms_of_a_score_add_up(everything):
    folder, snapshots = everything
    contexts = _records(folder)
    for context, record in contexts[::17]:
        explained = explain_decision(folder / "log", record.id.hex(), snapshots.get)
        assert explained.probability == record.probability
        assert explained.again != bool(record.flags & (KILLED | OVERRIDE))
        for row in explained.scores:
            assert sum(row["terms"].values()) == pytest.approx(row["score"], abs=1e-12)
        if explained.parts:
            total = sum(part["chance"] * part["gives"] for part in explained.parts)
            assert total == pytest.approx(record.probability)
        assert explained.snapshot in (context.snapshot, context.candidate_snapshot)


def test_the_terms_of_a_rule_with_all_that_it_can_have(tmp_path):
    policy = with_(
        lower=0.5,
        keep=0.2,
        cost_weight=0.1,
        tie_penalty=0.01,
        segment="city",
        segment_weights=(("a", (2.0, 0.5)),),
    )
    facts = FACTS._replace(errors=np.full((2, 2), 0.3), labels={"city": "a"})
    live = loaded("a", policy=policy, units={"missing": facts})
    world = World(tmp_path, live=live)
    world.decide("missing", previous="small")
    world.close()
    (_, record), *_ = _records(tmp_path)
    explained = explain_decision(tmp_path / "log", record.id.hex(), {live.id: live}.get)
    assert explained.again
    small, large = explained.scores
    assert small["terms"] == pytest.approx(
        {
            "sales": 4.0,
            "doubt of sales": -0.3,
            "visits": 0.0,
            "doubt of visits": -0.075,
            "cost": -0.1,
            "keep": 0.2,
            "ties": small["terms"]["ties"],
            "price of budget": -0.5,
        }
    )
    assert sum(large["terms"].values()) == pytest.approx(large["score"], abs=1e-12)
    served = {"small": 1.0, "large": 4.0}[explained.served]
    assert explained.demands == [
        {"demand": "budget", "price": 0.5, "uses": served, "costs": 0.5 * served}
    ]


def test_a_metric_may_be_called_as_another_term_is(tmp_path):
    live = loaded("a", policy=with_(metrics=("cost", "keep"), cost_weight=0.1, keep=0.2))
    world = World(tmp_path, live=live)
    world.decide("ann", previous="small")
    world.close()
    (_, record), *_ = _records(tmp_path)
    small, _ = explain_decision(tmp_path / "log", record.id.hex(), {live.id: live}.get).scores
    assert (small["terms"]["cost"], small["terms"]["cost_"]) == (2.0, -0.1)
    assert sum(small["terms"].values()) == pytest.approx(small["score"])


def test_a_decision_that_is_not_there(everything):
    folder, snapshots = everything
    with pytest.raises(InputError, match="must be 32 hex digits; got 'ann'"):
        explain_decision(folder / "log", "ann", snapshots.get)
    with pytest.raises(InputError, match="a decision must be in the log"):
        explain_decision(folder / "log", "00" * 16, snapshots.get)
    _, record = _records(folder)[0]
    explained = explain_decision(folder / "log", record.id.hex(), {}.get)
    assert (explained.scores, explained.again) == ([], False)
    assert explained.served in TRUTH


def _records(folder):
    """All decisions with their contexts."""
    from equipoise.serving.log.reader import read_records

    entries = read_records(folder / "log")
    return [(e.context, e.record) for e in entries if isinstance(e.record, DecisionRecord)]


def test_a_context_is_decided_by_its_own_prices(everything):
    folder, snapshots = everything
    prices = {
        Again(context, snapshots.get, {}).now.live.policy.prices for context, _ in _records(folder)
    }
    assert prices == {(0.5,), (0.7,)}


def test_a_served_log_is_an_experiment_of_known_design(tmp_path):
    """The probability of every cell, by holdout, shares, exploration and lots at once, is in the
    rows, and what was served is a draw by them.
    """
    config = ServeConfig(share=0.3, holdout=0.1, explore=0.2)
    candidate = loaded("b", policy=with_(prices=(0.1,)))
    world = World(tmp_path, config, candidate=candidate)
    rng = np.random.default_rng(3)
    for number in range(1500):
        world.ns += SECOND
        worth = float(rng.normal())
        answer = world.decide(f"unit {number}", features={"worth": worth})
        world.reward(answer.decision, value=worth)
    world.close()
    snapshots = {one.id: one for one in (world.live, candidate)}
    windows = {"sales": RewardWindow(window="1h")}
    chances = chances_by(snapshots.get)
    result = compact_log(
        tmp_path / "log", tmp_path / "out", rewards=windows, now=LATER, chances=chances
    )
    assert (result.counts.rows, result.counts.no_chances) == (1500, 0)
    roles = {key: value for key, value in result.columns.items() if key not in ("arms", "unique")}
    place = tmp_path / "out" / "decisions"
    log = read_log(place, space=",".join(result.columns["arms"]), **roles)
    p, served = log.propensity, np.eye(len(log.cell_names))[log.cells]
    surprise = (served - p).sum(axis=0) / np.sqrt((p * (1 - p)).sum(axis=0))
    assert (np.abs(surprise) < 3.5).all()
    wrong = p[:, [0, 2, 1]]  # a copy that swaps the candidates is seen
    assert np.abs((served - wrong).sum(axis=0) / np.sqrt((p * (1 - p)).sum(axis=0))).max() > 3.5

    def others(erased):
        return lambda context, record: dict.fromkeys(context.cells, 1 / 3)

    told = compact_log(
        tmp_path / "log", tmp_path / "told", rewards=windows, now=LATER, chances=others
    )
    assert told.counts.no_chances == 1500, "they are not those that were logged"
    assert told.columns["action_propensity"] == "probability"
    assert "propensity" not in told.columns
