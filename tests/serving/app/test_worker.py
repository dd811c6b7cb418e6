"""One worker: what is published while another snapshot loads, and what cannot be loaded at once."""

from __future__ import annotations

import asyncio
import shutil
import threading

import pytest

from equipoise.serving.app import worker as worker_module
from equipoise.serving.app.settings import Settings
from equipoise.serving.app.tokens import Tokens
from equipoise.serving.app.worker import Worker
from equipoise.serving.config import MonitorConfig, ServeConfig
from equipoise.serving.log.reader import read_records
from equipoise.serving.records import Context
from equipoise.serving.snapshots.build import build_snapshot
from equipoise.serving.snapshots.channels import Channel, Channels
from equipoise.serving.snapshots.compiled import CompiledSnapshot
from equipoise.serving.snapshots.publish import publish, rollback
from equipoise.serving.snapshots.state import State

CONFIG = ServeConfig(monitors=MonitorConfig(every=0))


@pytest.fixture
def state(published, tmp_path):
    folder = tmp_path / "shop-serving"
    others = shutil.ignore_patterns("log", "index", "control", "counters", "*.lock")
    shutil.copytree(published, folder, ignore=others)
    return folder


@pytest.fixture
def worker(state):
    worker = Worker(state, lambda: Settings(CONFIG, Tokens()))
    yield worker
    worker.close()


async def until(true) -> None:
    """Wait for something to become true."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


def test_a_rollback_during_a_publish_stays_and_nothing_is_left_open(
    state, worker, shipped, monkeypatch
):
    first, other = worker.engine.now.live.id, build_snapshot(state, shipped.folder)
    load, close, go = worker.load, CompiledSnapshot.close, threading.Event()
    loaded: list[CompiledSnapshot] = []
    closed: list[CompiledSnapshot] = []

    def slow(id: str) -> CompiledSnapshot:
        loaded.append(load(id))
        go.wait(30)
        return loaded[-1]

    def noted(snapshot: CompiledSnapshot) -> None:
        closed.append(snapshot)
        close(snapshot)

    monkeypatch.setattr(worker, "load", slow)
    monkeypatch.setattr(CompiledSnapshot, "close", noted)

    async def play() -> None:
        publish(state, other, by="ann")
        tasks = [asyncio.create_task(worker.take_channels()) for _ in range(2)]
        await until(lambda: loaded)
        rollback(state, by="ann")
        tasks.append(asyncio.create_task(worker.take_channels()))
        await asyncio.sleep(0.02)
        go.set()
        await asyncio.gather(*tasks)

    asyncio.run(play())
    assert worker.engine.now.live.id == first
    worker.close()
    contexts = [entry.record for entry in read_records(state / "log")]
    assert {one.snapshot for one in contexts if isinstance(one, Context)} == {first}
    assert {id(one) for one in loaded} <= {id(one) for one in closed}


def test_what_could_not_be_loaded_is_tried_again(state, worker, shipped, monkeypatch, caplog):
    monkeypatch.setattr(worker_module, "LOOK", 0.02)
    first, other = worker.engine.now.live.id, build_snapshot(state, shipped.folder)
    folder = State(state).snapshot(other)

    async def play() -> None:
        async with worker.running():
            folder.rename(state / "away")
            Channels(state).write("live", Channel(other, 2, first, "ann", 0.0))
            await until(lambda: "a snapshot was not taken" in caplog.text)
            assert worker.engine.now.live.id == first
            (state / "away").rename(folder)
            await until(lambda: worker.engine.now.live.id == other)

    asyncio.run(play())
    assert caplog.text.count("a snapshot was not taken") == 1
