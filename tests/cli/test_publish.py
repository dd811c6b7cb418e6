"""`equipoise publish`, `promote`, `rollback`, `versions` and `gc`, on one state folder."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.load import load_live
from equipoise.serving.stores.redis_units import RedisUnits


@pytest.fixture
def units(shipped, tmp_path):
    file = tmp_path / "units.parquet"
    pq.write_table(shipped.table, file)
    return file


def test_publish_and_back(equipoise, shipped, units, tmp_path):
    state = tmp_path / "shop"
    first = equipoise("publish", shipped.folder, "--state", state, "--by", "ann")
    assert first.out.endswith(f"is live, number 1: no known units, {state}\n")
    told = equipoise("publish", shipped.folder, "--state", state, "--units", units, "--json")
    second = json.loads(told.out)
    assert (second["sequence"], second["units"], second["differs"]) == (2, 600, [])
    listed = json.loads(equipoise("versions", state, "--json").out)
    assert [row["on"] for row in listed["snapshots"]] == [["live"], []]
    assert [row["by"] for row in listed["changes"]][1] == "ann"
    assert "known units" in equipoise("versions", state).out
    back = equipoise("rollback", state)
    assert back.out.startswith(f"{second['previous'][:12]} is live, number 3")
    assert "rollback" in equipoise("versions", state, "--changes").out
    again = equipoise(
        "publish", second["snapshot"][:12], "--state", state, "--channel", "candidate"
    )
    assert "is candidate, number 1: 600 known units" in again.out
    assert json.loads(equipoise("promote", state, "--json").out)["snapshot"] == second["snapshot"]
    assert equipoise("gc", state, "--older-than", "0").out == "0 snapshots removed; 2 are kept\n"
    assert Channels(state).live().sequence == 4


def test_the_state_folder_stands_beside_the_run(equipoise, shipped, tmp_path):
    run = tmp_path / "voucher"
    run.mkdir()
    (run / "policy").symlink_to(shipped.folder)
    assert equipoise("publish", run, "--quiet").code == 0
    assert (tmp_path / "voucher-serving" / "channels" / "live.json").exists()


def test_units_in_redis_too(equipoise, shipped, units, tmp_path, redis_server, monkeypatch):
    state = tmp_path / "shop"
    words = ["publish", shipped.folder, "--state", state, "--units", units, "--redis"]
    assert "EQUIPOISE_REDIS_URL must name the Redis" in equipoise(*words).line
    monkeypatch.setenv("EQUIPOISE_REDIS_URL", redis_server.url)
    before = RedisUnits(redis_server.url).channel("live")
    assert equipoise(*words).code == 0
    live, there = Channels(state).live(), RedisUnits(redis_server.url).channel("live")
    assert there == live.to_json()
    assert there["sequence"] > (before or {"sequence": 0})["sequence"]
    local, remote = load_live(state), load_live(state, redis=redis_server.url)
    unit = shipped.table["user"][3].as_py()
    assert remote.store.get(unit).values.tobytes() == local.store.get(unit).values.tobytes()
    local.close()
    remote.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["publish", "nowhere"], "a run must be a folder; got none at nowhere"),
        (
            ["publish", "ab12", "--state", "STATE"],
            "snapshot 'ab12' must be one of the state folder",
        ),
        (
            ["publish", "POLICY", "--state", "STATE", "--channel", "best"],
            "be 'live' or 'candidate'",
        ),
        (["publish", "ab12", "--state", "STATE", "--units", "x.csv"], "--units must go with a run"),
        (["publish", "POLICY", "--state", "STATE", "--units", "no.csv"], "no.csv"),
        (["rollback", "STATE"], "a rollback must have a snapshot from before"),
        (["promote", "STATE"], "a promotion must have a candidate"),
        (["versions", "STATE"], "a state folder must have snapshots; got none"),
    ],
)
def test_what_is_wrong_is_one_line(equipoise, shipped, tmp_path, words, said):
    places = {"STATE": tmp_path / "state", "POLICY": shipped.folder}
    call = equipoise(*(places.get(word, word) for word in words))
    assert call.code == 2
    assert said in call.line
