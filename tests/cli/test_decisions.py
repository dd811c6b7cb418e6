"""`equipoise decisions`, from a service's log to a plan that is checked."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from fixtures.decision_log import NS, a_context, a_decision

from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.records import OVERRIDE, ExposureRecord, RewardRecord


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """The folder of a service with a log of 400 decisions."""
    folder = tmp_path_factory.mktemp("state")
    clock = [NS - 90 * 86_400 * 10**9]
    log = DecisionLog(folder / "log", 0, clock=lambda: clock[0])
    context = log.context(a_context())
    rng = np.random.default_rng(1)
    for number in range(400):
        clock[0] += 400 * 10**9
        served, age = int(rng.integers(-1, 2)), float(rng.integers(20, 60))
        changes = {"served": served, "probability": 1 / 3, "labels": {}, "features": {"age": age}}
        one = a_decision(log, context, number, flags=OVERRIDE if number == 7 else 0, **changes)
        log.append(one, ExposureRecord(one.id, one.ns + 10**9))
        if rng.random() < 0.3 + 0.2 * served:
            log.append(RewardRecord(one.id, one.ns, one.ns + 10**10, "sales", 1.0))
        if served >= 0 and rng.random() < 0.5:
            log.append(RewardRecord(one.id, one.ns, one.ns + 10**10, "taken", 1.0))
    log.close()
    settings = (
        '[serve.rewards.sales]\nwindow = "1d"\n[serve.budget]\ntotal = 9.0\nclaimed = "taken"'
    )
    (folder / "serve.toml").write_text(settings)
    return folder


def test_decisions_become_a_log_that_is_checked(equipoise, state, tmp_path):
    said = equipoise("decisions", state, "--config", state / "serve.toml", "--out", tmp_path)
    assert said.code == 0, said.err
    assert "399 decisions" in said.out
    assert "left out: 1 set by an operator" in said.out
    plan = (tmp_path / "plan.toml").read_text()
    assert 'claimed = "claimed"' in plan
    assert 'outcomes = ["sales"]' in plan
    checked = equipoise("check", tmp_path / "plan.toml")
    assert checked.code == 0, checked.out + checked.err
    assert "399 rows" in checked.out
    assert equipoise("check", tmp_path / "plan.toml", "--json").code == 0


def test_decisions_as_json(equipoise, state, tmp_path):
    said = equipoise("decisions", state / "log", "--out", tmp_path, "--window", "1h", "--json")
    told = json.loads(said.out)
    assert told["rows"] == 399
    assert told["columns"]["outcomes"] == ["sales", "taken"]
    assert told["days"]


def test_wrong_folders_and_lengths(equipoise, state, tmp_path):
    assert "a decision log must be a folder" in equipoise("decisions", tmp_path / "no").line
    said = equipoise("decisions", state, "--window", "soon", "--out", tmp_path)
    assert "must be a number and a unit of time; got 'soon'" in said.line


def test_without_the_extra_it_is_named(state, tmp_path):
    """In a process of its own: a module that was imported stays."""
    code = (
        "import sys; sys.modules['msgspec'] = None; sys.argv[0] = 'equipoise';"
        " from equipoise.cli.main import main; sys.exit(main())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, "decisions", state, "--out", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2
    assert 'pip install "equipoise[serve]"' in said.stderr
