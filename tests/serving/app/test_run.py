"""The process that looks after workers: what it hands over, and how long it waits for their end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from tempfile import TemporaryFile

import pytest
import uvicorn

from equipoise.core.errors import InputError
from equipoise.serving.app import run
from equipoise.serving.app.run import Server, _Workers
from equipoise.serving.app.settings import Handover, Launch, Settings, must_go_on
from equipoise.serving.app.tokens import Tokens, new_token, token_of
from equipoise.serving.config import LimitsConfig, ServeConfig, StoreConfig, config_of
from equipoise.serving.errors import ConflictError

WORKER = "trap 'sleep 0.6; exit 0' TERM; echo; while :; do sleep 0.02; done"


def test_settings_and_tokens_are_handed_over_as_they_are():
    entries = [new_token(["read", "operate"], expires="2027-01-31")[0], new_token(["decide"])[0]]
    tokens = Tokens(map(token_of, entries))
    config = config_of({"workers": 2, "shadows": ["ab"], "rewards": {"y": {"window": "1d"}}})
    with TemporaryFile() as file:
        handover = Handover(file.fileno())
        handover.put(Settings(ServeConfig(), Tokens()))
        handover.put(Settings(config, tokens))
        os.pwrite(file.fileno(), b'{"half', os.fstat(file.fileno()).st_size)
        last = handover.settings()
    assert last.config == config
    assert last.config.model_fields_set == config.model_fields_set
    assert last.tokens._by_start == tokens._by_start


def test_what_stays_while_a_service_runs(tmp_path):
    now = ServeConfig()
    must_go_on(tmp_path, now, ServeConfig(holdout=0.1, store=StoreConfig(deadline=1.0)))
    for other in (ServeConfig(policy="b"), ServeConfig(store=StoreConfig(kind="redis"))):
        with pytest.raises(ConflictError, match="stay while the service runs"):
            must_go_on(tmp_path, now, other)
    with pytest.raises(InputError, match="'ab' must be one of the state folder"):
        must_go_on(tmp_path, now, ServeConfig(shadows=("ab",)))
    with pytest.raises(InputError, match=r"serve\.rewards\.y\.window must be a number and a unit"):
        config_of({"rewards": {"y": {"window": "for ever"}}})


def test_a_worker_that_drains_is_not_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "GRACE", 0.1)
    config = ServeConfig(limits=LimitsConfig(drain_seconds=5.0))
    worker = subprocess.Popen(["bash", "-c", WORKER], stdout=subprocess.PIPE)
    worker.stdout.readline()  # the trap is set
    workers = _Workers(Launch(str(tmp_path)), None, Settings(config, Tokens()), None)
    workers._running = [(worker, time.monotonic())]
    workers._stop()
    worker.stdout.close()
    assert worker.returncode == 0


def test_a_reload_that_comes_while_a_worker_starts_is_not_lost():
    async def app(scope, receive, send): ...

    server = Server(uvicorn.Config(app), None, lambda: None, 0)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
        with server.capture_signals():
            assert server._reload
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        signal.signal(signal.SIGHUP, before)
