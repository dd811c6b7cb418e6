"""`equipoise watch`: a table, JSON and the exit code."""

from __future__ import annotations

import json

import pytest

from benchmarks.serving_monitors import CHANGES, stream, write
from equipoise.serving.ledger.redis_book import RedisBook
from equipoise.serving.snapshots.state import State


@pytest.fixture
def state(tmp_path):
    write(tmp_path / "log", stream(3_500, 0, CHANGES["drift"], 2_000))
    (tmp_path / "serve.toml").write_text("[serve.monitors]\nreference = 1000\nblock = 500\n")
    return tmp_path


def test_an_alarm_exits_with_1_in_a_table_and_as_json(equipoise, state):
    said = equipoise("watch", state, "--config", state / "serve.toml", "--out", state / "out.json")
    assert said.code == 1
    assert "3,500 decisions and 3,500 rewards" in said.out
    assert "Alarm: x0 is spread otherwise than in the reference: PSI" in said.out
    assert "!drift" in said.out
    said = equipoise("watch", state / "log", "--config", state / "serve.toml", "--json")
    assert said.code == 1
    assert json.loads(said.out) == json.loads((state / "out.json").read_text())


def test_quiet_before_the_reference_is_whole(equipoise, state):
    (state / "serve.toml").write_text("[serve.monitors]\nreference = 9000\n")
    said = equipoise("watch", state, "--config", state / "serve.toml")
    assert said.code == 0
    assert "The reference is not whole yet: features" in said.out


def test_a_book_in_redis_is_looked_at(equipoise, state, redis_server, monkeypatch):
    settings = state / "serve.toml"
    settings.write_text("[serve.store]\nkind = 'redis'\n[serve.budget]\ntotal = 1.0\n")
    RedisBook(redis_server.url, state.name, 1_000_000)
    State(state).node()
    monkeypatch.delenv("EQUIPOISE_REDIS_URL", raising=False)
    assert "must name the Redis" in equipoise("watch", state, "--config", settings).line
    monkeypatch.setenv("EQUIPOISE_REDIS_URL", redis_server.url)
    said = equipoise("watch", state / "log", "--config", settings, "--json")
    told = [one for one in json.loads(said.out)["figures"] if one["monitor"] == "books"]
    assert [one["value"] for one in told] == [0]


def test_no_log_exits_with_2(equipoise, tmp_path):
    assert "a decision log must be a folder" in equipoise("watch", tmp_path / "no").line
    said = equipoise("watch", tmp_path)  # any other folder: nothing in it is quiet
    assert (said.code, "a decision log must hold segments; got none" in said.line) == (2, True)
