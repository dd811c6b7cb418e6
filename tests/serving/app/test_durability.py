"""Durability "disk", over HTTP: whoever has an answer has it of a decision that is on disk, also
where the disk fails.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from serving.conftest import QUIET, start

from equipoise.serving.log.segments import decode, frames
from equipoise.serving.records import (
    DecisionRecord,
    ErasedRecord,
    ExposureRecord,
    Record,
    RewardRecord,
)

CODE = """
import itertools, os, sys
from equipoise.cli.main import main
from equipoise.serving.log.disk import DiskSync

told, sync, turn = sys.argv.pop(1), os.fdatasync, itertools.count()


def noted(file):
    size = os.fstat(file).st_size
    if os.path.exists(told + "-fails"):
        raise OSError(5, "Input/output error")
    sync(file)
    with open(told, "a") as notes:
        notes.write(f"{size} {os.readlink(f'/proc/self/fd/{file}')}\\n")


os.fdatasync = noted
DiskSync.is_quick = property(lambda self: next(turn) % 2 == 0)  # both ways, by turns
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("durability")


@pytest.fixture(scope="module")
def child(published, folder):
    state, told = folder / "shop-serving", folder / "synced"
    others = shutil.ignore_patterns("log", "index", "control", "counters", "*.lock")
    shutil.copytree(published, state, ignore=others)
    settings = folder / "serve.toml"
    settings.write_text(f'[serve.log]\ndurability = "disk"\n{QUIET}')
    child = start(state, "--config", settings, code=(CODE, str(told)))
    yield child
    assert child.stop() == 0, child.err


def on_disk(folder: Path) -> list[Record]:
    """What a sync put there that did not fail."""
    sizes: dict[Path, int] = {}
    for line in (folder / "synced").read_text().splitlines():
        size, file = line.split(" ", 1)
        sizes[Path(file)] = int(size)
    parts = [io.BytesIO(file.read_bytes()[:size]) for file, size in sizes.items()]
    return [decode(payload) for part in parts for _, payload in frames(part)]


def test_an_answer_is_of_a_decision_that_is_on_disk(child, folder):
    with child.client() as http:
        for number in range(6):
            decision = http.post("/decide", json={"unit": f"{number:07d}"}).json()["decision"]
            decisions = [one for one in on_disk(folder) if isinstance(one, DecisionRecord)]
            assert decision in [one.id.hex() for one in decisions]


def test_what_a_failing_disk_lost_is_not_acknowledged_when_it_comes_again(child, folder):
    fails = folder / "synced-fails"
    with child.client() as http:
        decision = http.post("/decide", json={"unit": "0000001"}).json()["decision"]
        reward = {"decision": decision, "name": "y", "value": 1.0, "key": "1"}
        sends = [
            lambda: http.post("/reward", json=reward),
            lambda: http.post("/exposure", json={"decision": decision}),
            lambda: http.delete("/units/0000002"),
        ]
        kinds = RewardRecord, ExposureRecord, ErasedRecord
        for send, kind in zip(sends, kinds, strict=True):
            fails.touch()
            assert send().status_code == 503
            fails.unlink()
            assert not any(isinstance(one, kind) for one in on_disk(folder))
            assert send().status_code == 200
            assert sum(isinstance(one, kind) for one in on_disk(folder)) == 1


def test_no_retry_is_told_of_a_decision_that_may_be_lost(child, folder):
    fails = folder / "synced-fails"
    with child.client() as http:
        for number in range(4):
            body = {"unit": f"{number:07d}", "key": f"key {number}"}
            batch = {"units": [{"unit": "0000009", "key": f"batch {number}"}]}
            assert http.post("/decide", json={"unit": "0000008"}).status_code == 200
            fails.touch()
            assert http.post("/decide", json=body).status_code == 503
            assert http.post("/decide/batch", json=batch).status_code == 503
            fails.unlink()
            again = http.post("/decide", json=body)
            assert again.status_code == 503
            assert "must be on disk" in again.json()["detail"]
            (other,) = http.post("/decide/batch", json=batch).json()["answers"]
            assert other["status"] == 503
            assert http.post("/decide", json=body | {"key": f"new {number}"}).status_code == 200
