"""Durability "disk", over HTTP: whoever has an answer has it of a decision that is on disk, also
where the disk fails.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from serving.conftest import QUIET, start

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


@pytest.fixture
def child(published, tmp_path):
    state, told = tmp_path / "shop-serving", tmp_path / "synced"
    others = shutil.ignore_patterns("log", "index", "control", "counters", "*.lock")
    shutil.copytree(published, state, ignore=others)
    settings = tmp_path / "serve.toml"
    settings.write_text(f'[serve.log]\ndurability = "disk"\n{QUIET}')
    child = start(state, "--config", settings, code=(CODE, str(told)))
    yield child
    assert child.stop() == 0, child.err


def test_an_answer_is_of_a_decision_that_is_on_disk(child, tmp_path):
    told = tmp_path / "synced"
    with child.client() as http:
        for number in range(6):
            decision = http.post("/decide", json={"unit": f"{number:07d}"}).json()["decision"]
            synced = [line.split(" ", 1) for line in told.read_text().splitlines()]
            on_disk = [Path(file).read_bytes()[: int(size)] for size, file in synced]
            assert any(bytes.fromhex(decision) in part for part in on_disk), number


def test_no_retry_is_told_of_a_decision_that_may_be_lost(child, tmp_path):
    fails = tmp_path / "synced-fails"
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
