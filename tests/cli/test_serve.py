"""`equipoise serve`: what it says before it serves; the service has its tests in tests/serving."""

from __future__ import annotations

import importlib.util

import pytest

from equipoise.serving.app.tokens import read_tokens


def test_help_teaches(equipoise):
    said = equipoise("serve", "-h").out
    assert "equipoise serve runs/voucher" in said
    assert "EQUIPOISE_TOKENS" in said


def test_a_new_token_is_one_that_the_service_reads(equipoise):
    lines = equipoise("serve", "--new-token", "decide,reward").out.splitlines()
    entry = lines[0].partition("'")[2].rstrip("'")
    secret = lines[1].rpartition(" ")[2]
    tokens = read_tokens({"EQUIPOISE_TOKENS": entry})
    assert tokens.find(f"Bearer {secret}".encode(), 0.0).scopes == {"decide", "reward"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "a service must have a run or a --state"),
        (["--new-token", "sing"], "the scopes of a token must be of decide"),
        (["nowhere"], "a run must be a folder; got none at nowhere"),
        (["."], "a run must have a policy; got none at ."),
        (["--state", "{}", "--config", "s.toml"], "serve.log.path must be a known key"),
        (["--state", "{}", "--config", "s.toml"], "keys: durability, roll_bytes"),
        (["--state", "nowhere", "--host", "0.0.0.0"], "--new-token decide,reward"),
        (["--state", "{}", "--port", "70000"], "serve.port must be less than or equal to 65535"),
        (["--state", "{}", "--config", "no.toml"], "the settings must be readable TOML"),
        (["--state", "{}"], "a service must have a live snapshot"),
    ],
)
def test_what_it_cannot_serve_is_said_in_one_line(
    equipoise, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.delenv("EQUIPOISE_TOKENS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text("[serve.log]\npath = '../..'\n")
    given = [word.format(tmp_path / "state") for word in arguments]
    said = equipoise("serve", "--port", "0", *given)
    assert said.code == 2
    assert words in said.line
    assert [path.name for path in tmp_path.iterdir()] == ["s.toml"], "nothing is left"


def test_without_the_extra_it_says_how_to_get_it(equipoise, monkeypatch):
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "uvicorn" else there(name)
    )
    assert 'pip install "equipoise[serve]"' in equipoise("serve", "runs/voucher").line
