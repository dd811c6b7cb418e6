"""Counters of several workers: sums, restarts, wrong files; and the page that Prometheus reads."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from equipoise.core.errors import DataError
from equipoise.serving.app.meters import COLUMNS, LOST, Histogram, Meters
from equipoise.serving.app.prometheus import Sums

NAME = "equipoise_decisions_total"


def total(meters: Meters, name: str) -> float:
    """The sum of all series of a name."""
    return sum(value for series, value in meters.sums() if series.name == name)


def test_a_killed_worker_goes_on_counting_in_its_row(tmp_path):
    file = tmp_path / "counters"
    ours = Meters(file, 0)
    ours.add(ours.column(NAME, reason="lot"), 2)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from equipoise.serving.app.meters import Meters\n"
        "other = Meters(Path(sys.argv[1]), 1)\n"
        f"other.add(other.column({NAME!r}, reason='holdout'))\n"
        f"other.add(other.column({NAME!r}, reason='lot'))\n"
        "os.kill(os.getpid(), 9)"
    )
    for restarts in (1, 2):
        subprocess.run([sys.executable, "-c", code, str(file)], check=False)
        assert total(ours, NAME) == 2 + 2 * restarts
    assert {s.labels: v for s, v in ours.sums()}[(("reason", "lot"),)] == 4


def test_what_is_so_now_is_of_those_that_live(tmp_path):
    file = tmp_path / "counters"
    living, dead = Meters(file, 0), Meters(file, 1)
    for meters, beat in ((living, 100.0), (dead, 90.0)):
        meters.beat(beat)
        meters.put(meters.column("equipoise_workers"), 1)
        meters.add(meters.column(NAME))
    sums = {series.name: value for series, value in living.sums(now=100.5)}
    assert (sums["equipoise_workers"], sums[NAME]) == (1, 2)


def test_no_column_left_is_counted_as_lost(tmp_path):
    meters = Meters(tmp_path / "counters", 0)
    for i in range(COLUMNS - 2):  # as after many publishes with other candidates
        meters.column(NAME, candidate=str(i))
    assert meters.column(NAME, candidate="late") == meters.column(LOST)
    assert meters.column(NAME, candidate="x" * 10_000) == meters.column(LOST)


def test_another_file_is_refused(tmp_path):
    file = tmp_path / "counters"
    file.write_bytes(b"something else")
    with pytest.raises(DataError, match="move it away"):
        Meters(file, 0)
    with pytest.raises(DataError, match=r"be in \[0, 257\)"):
        Meters(tmp_path / "other", 257)


def test_the_page_is_what_prometheus_reads(tmp_path):
    meters = Meters(tmp_path / "counters", 3)
    meters.add(meters.column(NAME, policy="p", candidate='a "b"\n', reason="lot"), 3)
    duration = Histogram(meters, "equipoise_decision_duration_seconds", (0.001, 0.01))
    for seconds in (0.0005, 0.001, 0.005, 5.0):
        duration.observe(seconds)
    meters.beat(time.time())
    meters.put(meters.column("equipoise_workers"), 1)
    gauges = [("equipoise_budget_left", {}, 12.5)]
    page = Sums(meters, lambda: gauges).page().decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    (decisions,) = families["equipoise_decisions"].samples
    assert (decisions.labels["candidate"], decisions.value) == ('a "b"\n', 3)
    assert {name: family.type for name, family in families.items()} == {
        "equipoise_decisions": "counter",
        "equipoise_decision_duration_seconds": "histogram",
        "equipoise_series_lost": "counter",
        "equipoise_workers": "gauge",
        "equipoise_budget_left": "gauge",
    }
    samples = families["equipoise_decision_duration_seconds"].samples
    buckets = {s.labels["le"]: s.value for s in samples if s.name.endswith("_bucket")}
    assert buckets == {"0.001": 2, "0.01": 3, "+Inf": 4}
    assert {s.name.rpartition("_")[2]: s.value for s in samples[-2:]} == {
        "count": 4,
        "sum": pytest.approx(5.0065),
    }
