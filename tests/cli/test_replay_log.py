"""`equipoise replay` and `equipoise explain` on the log of a service, from published snapshots."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pyarrow.parquet as pq
import pytest

from equipoise.artifacts.policy import read_scorer, write_scorer
from equipoise.cli.explain import _show
from equipoise.cli.replay_log import _show_comparison, _show_replay
from equipoise.serving.config import ServeConfig
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.log.reader import read_records
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.messages import DecideRequest, RewardRequest
from equipoise.serving.records import DecisionRecord
from equipoise.serving.replay.against import PolicyComparison
from equipoise.serving.replay.compare import LogReplay
from equipoise.serving.replay.explain import Explanation
from equipoise.serving.replay.snapshots import compiled
from equipoise.serving.snapshots.build import build_snapshot
from equipoise.serving.snapshots.publish import publish
from equipoise.serving.snapshots.state import State

KNOWN, UNITS = 120, 150  # in the store; asked about
DAY = 86_400 * 10**9


@pytest.fixture(scope="module")
def state(shipped, tmp_path_factory):
    """The folder of a service that decided for 150 units, most from its store, others by its
    model; and a policy of other prices, not published.
    """
    folder = tmp_path_factory.mktemp("served")
    place, units = folder / "shop-serving", folder / "units.parquet"
    pq.write_table(shipped.table.slice(0, KNOWN), units)
    id = build_snapshot(place, shipped.folder, units)
    publish(place, id, by="ann")
    live = compiled(State(place).snapshot(id))
    clock = [1_790_000_000 * 10**9]
    log, shared = (
        DecisionLog(place / "log", 0, clock=lambda: clock[0]),
        SharedState(place / "shared"),
    )
    config = ServeConfig(holdout=0.1, explore=0.5)
    engine = Engine(live, config, log, shared, seed=3, clock=lambda: clock[0])
    rng = np.random.default_rng(2)
    name = read_scorer(shipped.folder).id
    for row in shipped.table.slice(0, UNITS).to_pylist():
        clock[0] += 10**9
        unit = str(row.pop(name))
        features = {key: _sent(row[key]) for key in live.scorer.columns if key in row}
        answer = engine.decide(DecideRequest(unit=unit, features=features), clock[0])
        value = float(rng.normal()) + (answer.candidate != live.scorer.control)
        engine.reward(RewardRequest(decision=answer.decision, name="y", value=value), clock[0])
    engine.close()
    log.close()
    if live.store is not None:
        live.store.close()
    _dearer(shipped.folder, folder / "dearer")
    return folder


def _sent(value):
    """A value as it comes with a request."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bool | str | None):
        return value
    return float(value)


def _dearer(shipped, out):
    """The same policy with prices of ten times as much."""
    scorer = read_scorer(shipped)
    policy = scorer.policy
    prices = tuple(10 * price for price in policy.prices)
    write_scorer(out, replace(scorer, policy=replace(policy, prices=prices)), "")


def test_a_service_is_replayed_bit_for_bit(equipoise, state):
    said = equipoise("replay", state / "shop-serving" / "log")
    assert said.code == 0, said.out + said.err
    assert "150 decisions made again, every bit the same" in said.out
    again = equipoise("replay", state / "shop-serving", "--json")
    assert json.loads(again.out)["same"] is True
    sources = {r.source for r in records(state)}
    assert len(sources) == 2


def test_another_policy_is_held_against_it(equipoise, state):
    log = state / "shop-serving" / "log"
    said = equipoise("replay", log, "--against", state / "dearer", "--window", "1d")
    assert said.code in (0, 3), said.err
    assert "150 decisions compared" in said.out
    assert "From what to what" in said.out
    assert "effective sample: " in said.out
    own = State(state / "shop-serving").ids()[0]
    same = equipoise("replay", log, "--against", own[:8], "--json")
    told = json.loads(same.out)
    assert (same.code, told["told"], told["unknown"]) == (0, True, 0)
    assert set(told["values"]["y"]) == {"logged", "ips", "snips", "dr", "gain"}


def test_a_comparison_is_shown(capsys):
    value = dict.fromkeys(("logged", "ips", "snips", "dr", "gain"), [0.5, 0.25, 0.75])
    moves = [{"from": "none", "to": f"offer {n}", "decisions": 2} for n in range(12)]
    mix = {"none": [0.75, 0.5]}
    every = (100, {"erased": 3}, 24, moves, mix, [1.0, 2.5], 4, 5, 80, 0.5, True, "")
    compared = PolicyComparison(*every, {"sales": value})
    _show_comparison(compared)
    out = capsys.readouterr().out
    for words in (
        "100 decisions compared; left out: 3 erased",
        "24 would get something else (24.0%)",
        "expected cost a decision 1 -> 2.5",
        "of 4 it knows nothing",
        "and 2 other changes",
        "75.0%",
        "effective sample: 50.0% of the 80 judged decisions",
        "in 5 the log could not have shown",
        "0.50 [0.25, 0.75]",
    ):
        assert words in out, words
    _show_comparison(replace(compared, told=False, missing="the log holds no rewards"))
    assert "not told: the log holds no rewards" in capsys.readouterr().out


def test_a_difference_is_shown(capsys):
    first = {"decision": "ab", "unit": "ann", "column": "scores", "then": 1.0, "now": 2.0}
    replayed = LogReplay(10, {"scores": 1}, [first | {"why": "numpy: 1 then"}], {"erased": 2})
    _show_replay(replayed)
    out = capsys.readouterr().out
    assert "2 decisions left out: erased" in out
    assert "numpy: 1 then" in out
    assert "of 10 decisions scores in 1 differ" in out


def test_a_decision_is_explained(equipoise, state):
    log = state / "shop-serving" / "log"
    record = next(r for r in records(state) if r.served >= 0 and r.scores)
    said = equipoise("explain", record.id.hex(), "--log", log)
    assert said.code == 0, said.err
    assert f"{record.unit} got " in said.out
    assert "score" in said.out
    assert "the live policy" in said.out
    assert "every bit the same" in said.out
    told = json.loads(equipoise("explain", record.id.hex(), "--log", log, "--json").out)
    assert len(told["scores"]) == len(record.scores) // 8


def test_a_candidate_may_be_called_as_a_column_is(capsys):
    scores = [{"candidate": "term", "score": 2.5, "terms": {"sales": 2.5}}]
    said = "ab", "ann", "cd", 0, "term", "term", "best_score", "it is best", 1.0
    _show(Explanation(*said, scores=scores))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["term_", "term"] in lines
    assert ["sales", "2.5"] in lines


def test_wrong_use_is_explained(equipoise, state, tmp_path):
    log = state / "shop-serving" / "log"
    assert "the day must be one of a journal" in equipoise("replay", log, "2026-11-01").line
    assert "the day, or a service's log, must be named" in equipoise("replay", tmp_path).line
    assert "--window must go with --against" in equipoise("replay", log, "--window", "1d").line
    assert "must be there for replay" in equipoise("replay", log, "--policy", tmp_path).line
    said = equipoise("replay", log, "--against", "nobody")
    assert "another policy must be a snapshot or a run; got 'nobody'" in said.line
    said = equipoise("replay", log, "--against", tmp_path)
    assert "a policy must be a folder with a snapshot" in said.line
    assert "32 hex digits" in equipoise("explain", "ann", "--log", log).line
    said = equipoise("explain", "f" * 32, "--log", log)  # of a slot that nobody has had
    assert "a decision must be in the log" in said.line


def test_a_changed_snapshot_is_no_snapshot(equipoise, state, tmp_path):
    place = tmp_path / "state"
    shutil.copytree(state / "shop-serving", place)
    (snapshot,) = (place / "snapshots").iterdir()
    part = next(file for file in (snapshot / "policy").iterdir() if file.name != "manifest.json")
    os.chmod(part, 0o644)
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    assert "sha256" in equipoise("replay", place / "log").line


def records(state):
    """All decisions."""
    entries = read_records(state / "shop-serving" / "log")
    return [entry.record for entry in entries if isinstance(entry.record, DecisionRecord)]
