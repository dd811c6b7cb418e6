"""Several workers: one is killed, settings change, all stop; and what cannot start says why."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from contextlib import ExitStack, suppress

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from serving.conftest import QUIET, start, until

from equipoise.core.errors import InputError
from equipoise.serving.app.openapi import HOT
from equipoise.serving.app.settings import Launch
from equipoise.serving.app.tokens import new_token
from equipoise.serving.log.reader import read_records
from equipoise.serving.records import DecisionRecord, EndRecord

JSON = {"content-type": "application/json"}
MOST = 5  # requests that a worker has in hand
LIMITS = f"[serve.limits]\nin_flight = {MOST}\ndrain_seconds = 0.3\nread_seconds = 1.0\n"
SETTINGS = f"[serve]\nworkers = 2\n{QUIET}{LIMITS}body_bytes = {{size}}\n"


@pytest.fixture(scope="module")
def pairs():
    """Services of two workers; the last one runs, unless a test stopped it."""
    children = []
    yield children
    for child in children:
        child.stop(signal.SIGKILL)


@pytest.fixture
def pair(pairs, published, tmp_path_factory):
    """A service of two workers with settings of its own, whichever test came before."""
    if not pairs or pairs[-1].process.poll() is not None:
        state = tmp_path_factory.mktemp("pair") / "pair-serving"
        shutil.copytree(published, state, ignore=shutil.ignore_patterns("log", "index", "counters"))
        (state.parent / "serve.toml").write_text(SETTINGS.format(size=1000))
        pairs.append(start(state, "--config", state.parent / "serve.toml"))
    return pairs[-1]


def workers_of(child) -> list[int]:
    """The processes of its workers."""
    folder = f"/proc/{child.process.pid}/task/{child.process.pid}/children"
    with open(folder) as listed:
        return [int(pid) for pid in listed.read().split()]


def counted(child, name: str) -> float:
    """The sum of all series of a name."""
    page = httpx.get(f"{child.url}/metrics", timeout=30).text
    return sum(
        float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name)
    )


def decide(child, unit: str) -> dict:
    """A decision, by a connection of its own."""
    body = json.dumps({"unit": unit, "key": unit}).encode()
    return httpx.post(f"{child.url}/decide", content=body, headers=JSON, timeout=30).json()


def long_one(child, size: int) -> int:
    """The status of the answer to a body a little longer than a size, in bytes."""
    body = json.dumps({"unit": "a" * size}).encode()
    return httpx.post(f"{child.url}/decide", content=body, headers=JSON, timeout=30).status_code


def test_a_killed_worker_loses_nothing_and_is_replaced(pair):
    until(lambda: counted(pair, "equipoise_workers") == 2)
    answered = {decide(pair, f"{i:07d}")["decision"] for i in range(20)}
    before = counted(pair, "equipoise_decisions_total")
    assert before >= len(answered) == 20
    dead = workers_of(pair)[0]
    os.kill(dead, signal.SIGKILL)
    for i in range(20):  # what hits the dead one's connections is tried again, with the same key
        for _ in range(5):
            with suppress(httpx.TransportError):
                again = decide(pair, f"{i:07d}")["decision"]
                break
        assert again in answered
    until(lambda: counted(pair, "equipoise_workers") == 1)
    until(lambda: counted(pair, "equipoise_workers") == 2)
    assert dead not in workers_of(pair)
    assert "another takes over" in "".join(pair.err)
    assert counted(pair, "equipoise_decisions_total") >= before


def test_settings_are_taken_all_or_none(pair):
    file = pair.state.parent / "serve.toml"
    file.write_text(SETTINGS.format(size=1000))
    pair.process.send_signal(signal.SIGHUP)
    until(lambda: {long_one(pair, 1000) for _ in range(6)} == {413})
    file.write_text(SETTINGS.format(size=5000) + "[serve.log]\nkeep = 'for ever'\nroll_bytes = 1\n")
    pair.process.send_signal(signal.SIGHUP)
    until(lambda: "settings not taken" in "".join(pair.err))
    assert long_one(pair, 1000) == 413
    file.write_text(SETTINGS.format(size=5000) + "[serve.store]\nkind = 'redis'\n")
    pair.process.send_signal(signal.SIGHUP)
    until(lambda: "must name the Redis of the service" in "".join(pair.err))
    assert long_one(pair, 1000) == 413
    file.write_text(SETTINGS.format(size=5000))
    pair.process.send_signal(signal.SIGHUP)
    until(lambda: {long_one(pair, 1000) for _ in range(6)} == {200})


def test_a_replacement_runs_by_the_settings_that_were_taken(pair):
    """Half of a file stands there meanwhile."""
    file = pair.state.parent / "serve.toml"
    file.write_text(SETTINGS.format(size=800))
    pair.process.send_signal(signal.SIGHUP)
    until(lambda: {long_one(pair, 1000) for _ in range(6)} == {413})
    until(lambda: {long_one(pair, 600) for _ in range(6)} == {200})
    file.write_text(SETTINGS.format(size=10)[:-40])
    dead = workers_of(pair)[0]
    os.kill(dead, signal.SIGKILL)
    until(lambda: counted(pair, "equipoise_workers") == 1)
    until(lambda: counted(pair, "equipoise_workers") == 2)
    assert {long_one(pair, 600) for _ in range(6)} == {200}
    assert {long_one(pair, 1000) for _ in range(6)} == {413}
    file.write_text(SETTINGS.format(size=5000))


def test_a_worker_has_only_so_many_requests_in_hand_on_every_path(pair):
    """Those without a token take no place of the others; and the console has a rate, too."""
    host, port = pair.url.removeprefix("http://").split(":")
    lines = f"host: {host}:{port}", "content-type: application/json", "content-length: 9"
    for path in ("/admin/kill", "/console/login"):
        with ExitStack() as stack:
            slow = []
            for _ in range(3 * MOST):
                link = socket.create_connection((host, int(port)), timeout=30)
                slow.append(stack.enter_context(link))
                slow[-1].sendall("\r\n".join((f"POST {path} HTTP/1.1", *lines, "", "")).encode())
            if path == "/console/login":
                assert decide(pair, "0000031")["unit"] == "0000031"
            statuses = [int(one.recv(12).split()[1]) for one in slow]
        assert statuses.count(503) >= MOST
        assert statuses.count(408) >= MOST
    (pair.state.parent / "serve.toml").write_text(SETTINGS.format(size=5000) + "rate = 1.0\n")
    pair.process.send_signal(signal.SIGHUP)
    until(lambda: httpx.get(f"{pair.url}/console", timeout=30).status_code == 429)
    (pair.state.parent / "serve.toml").write_text(SETTINGS.format(size=5000))
    pair.process.send_signal(signal.SIGHUP)
    until(lambda: {decide(pair, "0000032").get("unit") for _ in range(6)} == {"0000032"})


def answered(operation, url: str, examples: int) -> set[int]:
    """The statuses of requests that an operation's schema allows."""
    seen = set()

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case):
        seen.add(case.call(base_url=url, timeout=30).status_code)

    ask()
    return seen


def test_whatever_the_openapi_allows_no_answer_is_500(pair):
    """A small form; `make bench NAME=serving_http` asks longer."""
    schema = schemathesis.openapi.from_url(f"{pair.url}/openapi.json", timeout=30)
    hot = {f"{route.method.upper()} {route.path}" for route in HOT}
    operations = [found.ok() for found in schema.get_all_operations()]
    operations = [one for one in operations if one.label in hot]
    assert len(operations) == len(hot)
    codes = {one.label: answered(one, pair.url, 3) for one in operations}
    assert not {label for label, seen in codes.items() if 500 in seen}
    assert "failed:" not in "".join(pair.err)


def test_a_body_that_does_not_come_is_408(pair):
    host, port = pair.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as slow:
        head = f"POST /decide HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
        slow.sendall(f"{head}content-length: 99\r\n\r\n{{".encode())
        reply = slow.makefile("rb").read()  # until the service closes
    assert reply.startswith(b"HTTP/1.1 408 Request Timeout")
    assert b"come within 1 s" in reply
    assert b"\r\nconnection: close\r\n" in reply


def test_what_is_in_hand_is_answered_before_the_end(pair):
    """A request whose body comes slowly, a signal, and then the rest of the body."""
    host, port = pair.url.removeprefix("http://").split(":")
    body = b'{"unit":"0000030"}'
    with socket.create_connection((host, int(port)), timeout=30) as slow:
        head = f"POST /decide HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
        slow.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:5])
        time.sleep(0.2)
        pair.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        slow.sendall(body[5:])
        reply = slow.recv(10_000)
    assert reply.startswith(b"HTTP/1.1 200 OK")
    assert pair.stop() == 0
    entries = list(read_records(pair.state / "log"))
    assert "0000030" in {e.record.unit for e in entries if isinstance(e.record, DecisionRecord)}
    ends = {e.path for e in entries if isinstance(e.record, EndRecord)}
    assert ends == {e.path for e in entries}


def test_what_cannot_start_says_why_in_one_line(tmp_path, monkeypatch):
    launch = Launch(str(tmp_path), given={"host": "0.0.0.0"})
    monkeypatch.delenv("EQUIPOISE_TOKENS", raising=False)
    with pytest.raises(InputError, match="--new-token decide,reward"):
        launch.settings()
    monkeypatch.setenv("EQUIPOISE_TOKENS", new_token(["read"])[0])
    assert len(launch.settings().tokens) == 1
    with pytest.raises(InputError, match=r"serve\.port"):
        Launch(str(tmp_path), given={"port": -1}).settings()
