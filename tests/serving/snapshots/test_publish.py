"""Snapshots: built, verified, published by whoever was first, rolled back, removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.units import FEATURES, unit_table
from sklearn.linear_model import LinearRegression

from equipoise.allocation.compiled_rule import CompiledRule
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.policy import read_scorer, write_scorer
from equipoise.artifacts.staying import Staying
from equipoise.artifacts.unit_scorer import UnitScorer
from equipoise.core.column_types import ColumnType
from equipoise.core.errors import DataError, InputError, SnapshotError
from equipoise.core.limits import Limit
from equipoise.core.start import Start
from equipoise.data import read_log
from equipoise.estimators import BoostedTrees, Bootstrapped, TLearner
from equipoise.neural.piecewise_linear import Inputs
from equipoise.neural.request_weights import NAMES, Weigher
from equipoise.pipeline import honest_policy
from equipoise.serving.app.publishing import example_request
from equipoise.serving.engine.weight_net import read_weight_net
from equipoise.serving.errors import ConflictError
from equipoise.serving.snapshots import self_test
from equipoise.serving.snapshots.audit import read_audit
from equipoise.serving.snapshots.build import BUILDING, build_snapshot
from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.load import load_live, load_snapshot
from equipoise.serving.snapshots.publish import (
    check_successor,
    follow,
    promote,
    publish,
    rollback,
    withdraw,
)
from equipoise.serving.snapshots.removal import remove_unnamed
from equipoise.serving.snapshots.state import State
from equipoise.serving.stores.redis_units import RedisUnits

KILLS = Path(__file__).parents[2] / "fixtures" / "publish_kills.py"


@pytest.fixture(scope="module")
def built(shipped, tmp_path_factory):
    """A state folder with three snapshots of one policy: of all units, of some, of none."""
    state = tmp_path_factory.mktemp("state") / "shop-serving"
    ids = []
    for rows in (600, 500):
        file = state.parent / f"{rows}.parquet"
        pq.write_table(shipped.table.slice(0, rows), file, row_group_size=128)
        ids.append(build_snapshot(state, shipped.folder, file))
    ids.append(build_snapshot(state, shipped.folder))
    return state, ids


@pytest.fixture
def state(built, tmp_path):
    """A copy, with the first one live."""
    folder = tmp_path / "state"
    shutil.copytree(built[0], folder)
    publish(folder, built[1][0], by="ann")
    return folder


@pytest.fixture
def ids(built):
    return built[1]


def test_a_snapshot_holds_the_policy_and_what_it_says_of_every_unit(built, ids, shipped):
    loaded = load_snapshot(built[0], ids[0])
    facts = next(shipped.scorer.facts(shipped.table.combine_chunks().to_batches()))
    for row, unit in enumerate(shipped.table["user"].to_pylist()):
        stored, computed = loaded.store.get(unit), facts.unit(row)
        assert stored.values.tobytes() == computed.values.tobytes()
        assert stored.cost.tobytes() == computed.cost.tobytes()
        assert stored.labels == computed.labels
    assert (loaded.id, loaded.self_test) == (ids[0], (64, 64))
    assert loaded.artifact.policy == shipped.scorer.policy
    assert loaded.meta["units"] == 600
    assert loaded.meta["columns"] == sorted(shipped.scorer.units.needed)
    loaded.close()
    bare = load_snapshot(built[0], ids[2])
    assert (bare.store, bare.self_test) == (None, (64, 0))
    assert not list(State(built[0]).snapshots.glob(f"{BUILDING}*"))


def test_the_same_policy_and_units_have_the_same_id(built, ids, shipped, tmp_path):
    upside_down = shipped.table.slice(0, 500).take(pa.array(np.arange(500)[::-1]))
    pq.write_table(upside_down, tmp_path / "units.parquet")
    assert build_snapshot(built[0], shipped.folder, tmp_path / "units.parquet") == ids[1]


def test_units_that_cannot_be_known(shipped, tmp_path):
    twice = pa.concat_tables([shipped.table, shipped.table.slice(7, 1)])
    pq.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(InputError, match="occur once; got one id at rows 7 and 600"):
        build_snapshot(tmp_path / "s", shipped.folder, tmp_path / "twice.parquet")
    pq.write_table(shipped.table.drop_columns("age"), tmp_path / "less.parquet")
    with pytest.raises(InputError, match="feature 'age' must be among the units' columns"):
        build_snapshot(tmp_path / "s", shipped.folder, tmp_path / "less.parquet")
    assert os.listdir(tmp_path / "s" / "snapshots") == []


def test_a_log_s_folder_is_no_state_folder(shipped, tmp_path):
    pq.write_table(shipped.table, tmp_path / "part.parquet")
    with pytest.raises(InputError, match=r"be the service's own; got one that holds 'part.parq"):
        build_snapshot(tmp_path, shipped.folder)
    assert os.listdir(tmp_path) == ["part.parquet"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mode": "each"}, "decide on one candidate or none.*publish one policy for each"),
        ({}, "decide each unit by itself.*without means of days"),
    ],
)
def test_what_one_request_cannot_be_answered_by_is_refused(shipped, tmp_path, change, words):
    scorer = read_scorer(shipped.folder)
    policy = replace(scorer.policy, **change, **({"demands": (), "prices": ()} if change else {}))
    staying = scorer.staying if change else Staying(average_days=7)
    write_scorer(tmp_path / "policy", replace(scorer, policy=policy, staying=staying), plan="")
    with pytest.raises(InputError, match=words):
        build_snapshot(tmp_path / "s", tmp_path / "policy")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("part", ["store/units.mdb", "policy/policy.json", "self_test/units.arrow"])
def test_a_changed_byte_is_refused_and_what_is_live_stays(state, ids, part):
    file = state / "snapshots" / ids[1] / part
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    with pytest.raises(SnapshotError, match=f"part '{part}' must have sha256"):
        publish(state, ids[1])
    assert Channels(state).live().snapshot == ids[0]


def test_a_snapshot_built_again_takes_the_place_of_a_damaged_one(state, ids, shipped):
    (state / "snapshots" / ids[2] / "policy" / "policy.json").write_text("{}")
    assert build_snapshot(state, shipped.folder) == ids[2]
    assert publish(state, ids[2]).snapshot == ids[2]


@pytest.mark.parametrize("what", ["a choice", "one bit of a score", "one bit of all scores"])
def test_a_machine_that_decides_otherwise_refuses(state, ids, what, monkeypatch):
    real = CompiledRule.decide_row

    def other(rule, facts, unit):
        said = real(rule, facts, unit)
        if what == "a choice":
            return said._replace(choice=-1 - said.choice)
        if what == "one bit of a score":
            return said._replace(score=np.nextafter(said.score, 9))
        return said._replace(scores=np.nextafter(said.scores, 9))

    monkeypatch.setattr(CompiledRule, "decide_row", other)
    with pytest.raises(SnapshotError, match="a self-test must give every bit it gave"):
        publish(state, ids[1])
    assert Channels(state).live().snapshot == ids[0]


def test_publish_and_back_and_further_back(state, ids):
    assert publish(state, ids[1], by="bob").sequence == 2
    last = publish(state, ids[2], by="bob")
    assert (last.sequence, last.previous, last.by) == (3, ids[1], "bob")
    back = rollback(state, by="eve")
    assert (back.snapshot, back.sequence, back.previous) == (ids[1], 4, ids[0])
    further = rollback(state, by="eve")
    assert (further.snapshot, further.sequence, further.previous) == (ids[0], 5, "")
    with pytest.raises(InputError, match="a rollback must have a snapshot from before; got none"):
        rollback(state)
    assert rollback(state, to=ids[2]).snapshot == ids[2]
    with pytest.raises(InputError, match="be another than the one that is live"):
        publish(state, ids[2])
    audit = read_audit(state / "audit.sqlite")
    assert [row["action"] for row in audit] == [*["rollback"] * 3, *["publish"] * 3]
    assert [row["sequence"] for row in audit] == [6, 5, 4, 3, 2, 1]


def test_a_candidate_is_promoted(state, ids):
    with pytest.raises(InputError, match="a promotion must have a candidate; got none"):
        promote(state)
    publish(state, ids[1], channel="candidate")
    assert Channels(state).live().snapshot == ids[0]
    assert promote(state, by="bob").snapshot == ids[1]
    channels = Channels(state)
    assert (channels.live().previous, channels.candidate()) == (ids[0], None)
    again = publish(state, ids[2], channel="candidate")
    assert again.sequence == 3  # it was taken away as the second
    withdraw(state)
    withdraw(state)
    assert Channels(state).candidate() is None


def test_who_saw_another_sequence_is_told_both_ids(state, ids):
    publish(state, ids[1], expect_sequence=1, by="bob")
    with pytest.raises(
        ConflictError, match=f"at sequence 1; got sequence 2: snapshot {ids[1]}, by bob.*{ids[2]}"
    ):
        publish(state, ids[2], expect_sequence=1, by="eve")
    assert Channels(state).live().snapshot == ids[1]


def test_of_two_who_publish_at_once_one_wins(state, ids):
    """Both saw the same sequence before either changed it."""
    outcomes = []

    def one(id):
        try:
            outcomes.append(publish(state, id, expect_sequence=1))
        except ConflictError as error:
            outcomes.append(error)

    threads = [Thread(target=one, args=(id,)) for id in ids[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [each for each in outcomes if not isinstance(each, ConflictError)]
    lost = [each for each in outcomes if isinstance(each, ConflictError)]
    assert len(won) == len(lost) == 1
    assert Channels(state).live() == won[0]
    assert all(id in str(lost[0]) for id in ids[1:])


def test_a_publish_that_is_killed_leaves_the_old_one_or_the_new_one(state, ids):
    words = [sys.executable, str(KILLS), str(state), ids[2], "1", "41", "400"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert told["ended"]
    assert told["old"] > 2
    assert told["new"] > 0


def test_a_publisher_that_died_before_its_row_is_in_the_audit_of_the_next(state, ids):
    channels = Channels(state)
    channels.write("live", channels.live()._replace(snapshot=ids[1], sequence=2, by="dead"))
    assert publish(state, ids[2]).sequence == 3
    rows = {row["sequence"]: row for row in read_audit(state / "audit.sqlite")}
    assert (rows[2]["by"], rows[2]["snapshot"], rows[3]["previous"]) == ("dead", ids[1], ids[1])


def test_channels_tell_when_to_look(state, ids):
    channels = Channels(state)
    assert not channels.changed()
    publish(state, ids[1])
    assert channels.changed()
    assert not channels.changed()
    publish(state, ids[2], channel="candidate")
    assert channels.changed()
    withdraw(state)
    assert channels.changed()
    assert not channels.changed()


def test_a_channel_that_is_damaged_is_named(state):
    (state / "channels" / "live.json").write_text("{")
    with pytest.raises(SnapshotError, match="a channel must be as it was written"):
        load_live(state)
    with pytest.raises(SnapshotError, match="have a snapshot that is live"):
        load_live(state / "nowhere")


def test_readers_of_the_old_one_read_on_while_another_is_published(state, ids):
    old = load_live(state)
    before = old.store.get("0000007")
    publish(state, ids[1])
    new = load_live(state)
    assert (old.id, new.id) == tuple(ids[:2])
    assert old.store.get("0000550") is not None
    assert new.store.get("0000550") is None
    assert old.store.get("0000007").values.tobytes() == before.values.tobytes()
    rollback(state)
    back = load_live(state)  # the file that is still open
    old.close()
    assert back.store.get("0000550") is not None
    new.close()
    back.close()


def test_other_candidates_must_be_asked_for():
    one = {"candidates": ["5", "10"], "control": "0", "columns": ["age"], "demands": ["budget"]}
    assert [str(each) for each in check_successor(one, {**one, "columns": ["city"]})] == [
        "columns: more city; no age"
    ]
    for other in ({"candidates": ["10", "5"]}, {"candidates": ["5"]}, {"control": "none"}):
        with pytest.raises(InputError, match="--replace-candidates"):
            check_successor(one, {**one, **other})
        assert check_successor(one, {**one, **other}, replace_candidates=True)


def test_a_key_signs_and_then_is_required(shipped, tmp_path, monkeypatch):
    bare = build_snapshot(tmp_path, shipped.folder)
    monkeypatch.setenv("EQUIPOISE_SIGNING_KEY", "secret")
    with pytest.raises(SnapshotError, match="be signed with EQUIPOISE_SIGNING_KEY; got none"):
        publish(tmp_path, bare)
    assert build_snapshot(tmp_path, shipped.folder) == bare  # signed now
    assert publish(tmp_path, bare).sequence == 1
    monkeypatch.setenv("EQUIPOISE_SIGNING_KEY", "another")
    with pytest.raises(SnapshotError, match="be signed with EQUIPOISE_SIGNING_KEY; got another"):
        load_live(tmp_path)
    monkeypatch.delenv("EQUIPOISE_SIGNING_KEY")
    load_live(tmp_path).close()


def test_what_nothing_names_is_removed(state, ids):
    dead = state / "snapshots" / f"{BUILDING}dead"
    dead.mkdir()
    assert remove_unnamed(state) == []  # all are young
    assert dead.exists()
    assert set(remove_unnamed(state, older_than=0, keep=[ids[1]])) == {ids[2]}
    assert not dead.exists()
    publish(state, ids[1])
    assert remove_unnamed(state, older_than=0) == []  # a rollback names the first
    assert sorted(State(state).ids()) == sorted(ids[:2])


def test_the_seed_is_drawn_once(tmp_path):
    state = State(tmp_path / "new")
    assert state.seed() == State(tmp_path / "new").seed()
    assert state.seed() != State(tmp_path / "other").seed()
    assert (tmp_path / "new" / "seed").stat().st_mode & 0o077 == 0


def weigher_of(metrics):
    """A net of zeros: all metrics weigh the same."""
    inputs, m = Inputs.learn(np.array([[0.0], [1.0], [2.0]])), len(metrics)
    shapes = [(1, inputs.slots, 2), (1, 2), (3, 2, 2), (3, 1, 2)]
    shapes += [(m, 2, 3), (m, 1, 3), (m, 2, 1), (m, 1, 1)]
    zeros = {name: np.zeros(shape) for name, shape in zip(NAMES, shapes, strict=True)}
    return Weigher(inputs, zeros, metrics)


def test_a_net_of_weights_is_of_the_policys_metrics(shipped, tmp_path):
    pytest.importorskip("safetensors")
    with pytest.raises(InputError, match=r"hold weights\.safetensors.*got no such file"):
        build_snapshot(tmp_path / "s", shipped.folder, weights=tmp_path)
    weigher_of(("other",)).save(tmp_path / "weights.safetensors")
    (tmp_path / "weights.json").write_text('{"features": ["hour"]}')
    with pytest.raises(InputError, match="for metrics of the policy: y; got other"):
        build_snapshot(tmp_path / "s", shipped.folder, weights=tmp_path)
    weigher_of(("y",)).save(tmp_path / "weights.safetensors")
    id = build_snapshot(tmp_path / "s", shipped.folder, weights=tmp_path)
    net = read_weight_net(State(tmp_path / "s").snapshot(id))
    assert net.weights({"hour": 3.0}) == {"y": 1.0}
    load_snapshot(tmp_path / "s", id).close()


def test_other_machines_follow_redis(state, ids, redis_server, tmp_path):
    redis, other = RedisUnits(redis_server.url, "follow"), tmp_path / "other"
    shutil.copytree(state, other)
    assert follow(other, redis) == []
    now = publish(state, ids[1], by="ann", redis=redis)
    publish(state, ids[2], channel="candidate", redis=redis)
    assert follow(other, redis) == ["live", "candidate"]
    assert follow(other, redis) == []
    assert Channels(other).live() == now
    assert {row["by"] for row in read_audit(other / "audit.sqlite")} == {
        "ann",
        "ann, redis",
        "redis",
    }
    promote(state, redis=redis)
    assert follow(other, redis) == ["live", "candidate"]
    assert (Channels(other).live().snapshot, Channels(other).candidate()) == (ids[2], None)
    shutil.rmtree(other / "snapshots" / ids[0])
    rollback(state, to=ids[0], redis=redis)
    with pytest.raises(SnapshotError, match="be in the state folder"):
        follow(other, redis)
    assert Channels(other).live().snapshot == ids[2]
    shutil.rmtree(state / "snapshots" / ids[1])
    assert redis.has(ids[0])
    remove_unnamed(state, older_than=1e6, redis=redis)
    assert redis.snapshots() == {ids[0]}
    redis.close()


@pytest.mark.parametrize("id", ["../../etc", "", "AB" * 32])
def test_an_id_is_no_path(state, id):
    with pytest.raises(InputError, match="the id of a snapshot must be 64 hex digits"):
        load_snapshot(state, id)


AGE = ColumnType("number", "int64")


@pytest.mark.parametrize("key", ["member", "age", "since", "start", "cost"])
def test_a_policy_is_tried_whatever_its_keys_are(shipped, tmp_path, key):
    """True or false, whole numbers and times among its groups, without units known ahead."""
    types = replace(shipped.scorer.columns, types=shipped.scorer.columns.types | {"age": AGE})
    limits = {"member": "true", "age": "7", "since": "2026-01-01"}
    scorer = replace(shipped.scorer, columns=types)
    if key in limits:
        scorer = replace(scorer, limits=(Limit(key, limits[key], ("1",)),))
    elif key == "start":
        scorer = replace(scorer, start=Start("age", until=30, factor=3, half_life_days=7))
    else:
        scorer = replace(scorer, costs=Costs((1.0,), column="age"))
    write_scorer(tmp_path / "policy", scorer, plan="")
    state = tmp_path / "state"
    with closing(load_snapshot(state, build_snapshot(state, tmp_path / "policy"))) as loaded:
        assert loaded.self_test == (64, 0)
    publish(state, loaded.id, by="ann")
    asked = json.loads(example_request(state)[2])
    assert UnitScorer(scorer).facts(asked["features"]).values.shape == (1, 1)
    assert scorer.id == "user"
    assert "user" not in asked["features"]


def test_a_policy_that_nothing_can_be_drawn_for_is_published_untried(
    shipped, tmp_path, monkeypatch
):
    monkeypatch.setattr(self_test, "drawn_units", lambda scorer: None)
    id = build_snapshot(tmp_path / "state", shipped.folder)
    with closing(load_snapshot(tmp_path / "state", id)) as loaded:
        assert loaded.self_test == (0, 0)


def test_a_policy_with_bootstrapped_errors_can_be_published(tmp_path):
    table = unit_table(200)
    log = read_log(table, treatment="arm", outcomes="y", features=FEATURES, id="user")
    learner = TLearner(BoostedTrees(3, min_child_samples=5), space=log.space)
    scorer = honest_policy(log, Bootstrapped(learner, 2), cv=2, cost=1.0, budget=0.4).scorer
    write_scorer(tmp_path / "policy", scorer, plan="")
    units = tmp_path / "units.parquet"
    pq.write_table(table.slice(0, 50), units)
    id = build_snapshot(tmp_path / "state", tmp_path / "policy", units)
    loaded = load_snapshot(tmp_path / "state", id)
    assert (loaded.self_test, UnitScorer(loaded.artifact).metrics) == ((64, 50), ("y",))
    (want,) = next(scorer.facts(table.slice(3, 1).to_batches())).errors
    assert loaded.store.get("0000003").errors.tobytes() == want.tobytes()
    assert want.min() > 0
    loaded.close()


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint8(), pa.date32(), pa.decimal128(20, 0)])
def test_ids_of_any_type_can_be_published(tmp_path, kind):
    """Codes of users are most often whole numbers."""
    n = 200
    rng = np.random.default_rng(0)
    x, arm = rng.normal(size=n), rng.integers(0, 2, n)
    ids = pa.array(range(n), pa.int32()).cast(kind)
    table = pa.table({"user": ids, "x": x, "arm": arm, "y": x * arm + rng.normal(size=n)})
    log = read_log(table, treatment="arm", outcomes="y", features=["x"], id="user")
    policy = honest_policy(log, TLearner(LinearRegression()), cv=2, cost=1.0, budget=0.4)
    write_scorer(tmp_path / "policy", policy.scorer, plan="")
    pq.write_table(table, tmp_path / "units.parquet")
    for units, tested in ((None, 0), (tmp_path / "units.parquet", 64)):
        snapshot = build_snapshot(tmp_path / "state", tmp_path / "policy", units)
        assert load_snapshot(tmp_path / "state", snapshot).self_test == (64, tested)


def test_a_policy_of_which_nothing_can_be_asked_can_be_published(shipped, tmp_path, monkeypatch):
    monkeypatch.setattr(self_test, "drawn_units", lambda scorer: None)
    snapshot = build_snapshot(tmp_path, shipped.folder)
    assert load_snapshot(tmp_path, snapshot).self_test == (0, 0)


@pytest.mark.parametrize("text", ["", "hello", "-5", "9" * 40, "\xff"])
def test_a_seed_that_is_none_is_told(tmp_path, text):
    (tmp_path / "seed").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match="the file 'seed' must hold a number; got another"):
        State(tmp_path).seed()
    (tmp_path / "seed").write_text(f"{2**62 - 1}\n")
    assert State(tmp_path).seed() == 2**62 - 1
