"""Tokens: forms, scopes, expiry, who may listen where; the gate: browsers, rates, full hands."""

from __future__ import annotations

import hashlib

import pytest

from equipoise.core.errors import InputError
from equipoise.serving.app.gate import Gate
from equipoise.serving.app.problems import Refusal, answer_of
from equipoise.serving.app.tokens import (
    Tokens,
    must_be_safe,
    new_token,
    read_tokens,
    token_of,
)
from equipoise.serving.config import LimitsConfig

SECRET = "eq_secret"
HASH = hashlib.sha256(SECRET.encode()).hexdigest()
BEARER = f"Bearer {SECRET}".encode()


def admit(gate: Gate, needed: str, *headers: tuple[bytes, bytes], host: bytes = b"localhost:80"):
    """The token of a request with these headers."""
    return gate.admit(
        "POST", [(b"host", host), (b"content-type", b"application/json"), *headers], needed
    )


def test_a_new_token_opens_what_its_scopes_say(tmp_path):
    entry, secret = new_token(["decide", "read"], expires="2027-01-31")
    file = tmp_path / "tokens"
    file.write_text(f"# the web shop\n{entry}  # since today\n\n")
    tokens = read_tokens({"EQUIPOISE_TOKENS_FILE": str(file)})
    token = tokens.find(f"bearer  {secret}".encode(), 1_801_439_999.0)
    assert sorted(token.scopes) == ["decide", "read"]
    assert secret not in entry
    with pytest.raises(Refusal, match="got one that has expired"):
        tokens.find(f"Bearer {secret}".encode(), 1_801_440_000.0)


@pytest.mark.parametrize("header", [b"", b"Basic abc", b"Bearer ", b"Bearer eq_other", b"\xff\xff"])
def test_no_token_is_401(header):
    with pytest.raises(Refusal) as refused:
        Tokens([token_of(f"{HASH} read")]).find(header, 0.0)
    status, body, headers = answer_of(refused.value)
    assert (status, headers[1]) == (401, (b"www-authenticate", b"Bearer"))
    assert b"eq_other" not in body


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (SECRET, "be HASH SCOPES"),
        (f"{HASH[:-2]} read", "be HASH SCOPES"),
        (f"{HASH}", "got none"),
        (f"{HASH} read,sing", "got sing"),
        (f"{HASH} read expires=soon", "another form"),
        (f"{HASH} read until=2027-01-01", "another form"),
    ],
)
def test_a_wrong_entry_is_told_without_being_shown(entry, words):
    with pytest.raises(InputError, match=words) as refused:
        read_tokens({"EQUIPOISE_TOKENS": f"{HASH} read;{entry}"})
    assert "entry 2 of EQUIPOISE_TOKENS" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_file_of_tokens_that_is_empty_lets_nobody_in(tmp_path):
    """As of a secret that was not there yet: the service was open then, without a word."""
    file = tmp_path / "tokens"
    for text in ("", "\n# none yet\n"):
        file.write_text(text)
        with pytest.raises(InputError, match="must name a file with an entry; got an empty one"):
            read_tokens({"EQUIPOISE_TOKENS_FILE": str(file)})


def test_no_tokens_no_other_machine():
    must_be_safe("127.0.0.1", Tokens())
    must_be_safe("0.0.0.0", Tokens([token_of(f"{HASH} read")]))
    with pytest.raises(InputError, match="--new-token decide,reward"):
        must_be_safe("0.0.0.0", Tokens())


def test_a_scope_that_is_not_there_is_403():
    gate = Gate(Tokens([token_of(f"{HASH} read")]), LimitsConfig())
    assert admit(gate, "read", (b"authorization", BEARER)).name == HASH[:8]
    with pytest.raises(Refusal, match="have the scope 'decide'"):
        admit(gate, "decide", (b"authorization", BEARER))


def test_who_was_let_in_is_not_for_good(monkeypatch):
    """An expired token on a connection that stays open; and tokens that were taken meanwhile."""
    tokens = Tokens([token_of(f"{HASH} read expires=2027-01-31")])
    gate = Gate(tokens, LimitsConfig())
    monkeypatch.setattr("equipoise.serving.app.gate.time", lambda: 1_801_439_999.0)
    token = admit(gate, "read", (b"authorization", BEARER))
    gate.again(token)
    monkeypatch.setattr("equipoise.serving.app.gate.time", lambda: 1_801_440_000.0)
    with pytest.raises(Refusal, match="got one that has expired"):
        gate.again(token)
    before = tokens.taken
    tokens.take(Tokens())
    assert tokens.taken != before


@pytest.mark.parametrize(
    ("headers", "host", "status"),
    [
        ([], b"127.0.0.1:8080", 0),
        ([], b"[::1]:8080", 0),
        ([], b"localhost", 0),
        ([(b"origin", b"http://localhost:80")], b"localhost:80", 0),
        ([(b"origin", b"https://evil.example")], b"localhost:80", 403),
        ([(b"origin", b"null")], b"localhost:80", 403),
        ([], b"evil.example:8080", 403),
        ([], b"", 403),
        ([(b"content-type", b"text/plain")], b"localhost", 415),
    ],
)
def test_without_tokens_no_page_of_others_gets_in(headers, host, status):
    gate = Gate(Tokens(), LimitsConfig())
    if status:
        with pytest.raises(Refusal) as refused:
            admit(gate, "operate", *headers, host=host)
        assert refused.value.status == status
    else:
        admit(gate, "operate", *headers, host=host)


def test_a_rate_is_kept_and_comes_back():
    now = [0.0]
    gate = Gate(Tokens(), LimitsConfig(rate=2), clock=lambda: now[0])
    for _ in range(2):
        admit(gate, "decide")
    with pytest.raises(Refusal) as refused:
        admit(gate, "decide")
    assert (refused.value.status, refused.value.headers) == (429, {"retry-after": "1"})
    now[0] = 0.5
    admit(gate, "decide")
    with pytest.raises(Refusal):
        admit(gate, "decide")


def test_hands_full_is_503():
    gate = Gate(Tokens(), LimitsConfig(in_flight=1))
    admit(gate, "decide")
    gate.in_flight = 1
    with pytest.raises(Refusal) as refused:
        admit(gate, "decide")
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "1"})
