"""The process that watches for a service: one, with a report, gone with its worker."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from benchmarks.serving_monitors import CHANGES, stream, write
from equipoise.serving.app.prometheus import HELP
from equipoise.serving.monitors.beside import MONITORS, REPORT, Beside, _is_watched, gauges

WORKER = """
import os, sys, time
from pathlib import Path
from equipoise.serving.config import MonitorConfig
from equipoise.serving.monitors.beside import REPORT, Beside
state, config = Path(sys.argv[1]), MonitorConfig(reference=1000, block=500, every=0.2)
one, two = Beside(state), Beside(state)
one.look_after(config)
for _ in range(600):
    time.sleep(0.05)
    if (state / REPORT).exists():
        break
two.look_after(config)
print(one._process.poll(), two._process, flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    write(folder / "log", stream(3_500, 0, CHANGES["drift"], 2_000))
    return folder


def test_one_watches_and_ends_with_its_worker(state):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WORKER, str(state)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None None"  # the first runs; the second was not needed
    end = time.monotonic() + 20
    while _is_watched(state):
        assert time.monotonic() < end
        time.sleep(0.05)
    told = {(name, *labels.values()): value for name, labels, value in gauges(state)}
    assert told["equipoise_alarm", "drift"] == 1
    assert {key[1] for key in told if key[0] == "equipoise_alarm"} == set(MONITORS)
    assert told["equipoise_drift_psi", "x0"] > 0.02
    assert told["equipoise_drift_psi", "scores: a"] >= 0
    assert 0 < told[("equipoise_sample_ratio_p_value",)] <= 1
    assert {key[0] for key in told} <= set(HELP)


def test_without_a_report_nothing_is_told(tmp_path):
    assert list(gauges(tmp_path)) == []
    (tmp_path / REPORT).write_text("half")
    assert list(gauges(tmp_path)) == []
    Beside(tmp_path).close()
