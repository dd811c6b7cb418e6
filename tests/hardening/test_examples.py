"""Hostile logs, plans, units and snapshots: 1,000 of each end in an answer that no oracle refuses,
or in an error of ours.

`fixtures/hardening` makes them and says what the oracles know; `make bench NAME=hardening` runs
others, and counts.
"""

from __future__ import annotations

import shutil
from random import Random

import pytest
from fixtures.hardening import logs, plans, snapshots, units
from fixtures.hardening.shared import scratch

SUITES = {"logs": logs, "plans": plans, "units": units, "snapshots": snapshots}
SEEDS = range(2 * 10**6, 2 * 10**6 + 1000)  # none of the benchmark


@pytest.fixture(scope="module")
def worlds():
    """What each suite makes once, by name."""
    folder = scratch()
    every = {}
    for name, suite in SUITES.items():
        (folder / name).mkdir()
        every[name] = suite.world(folder / name)
    yield every
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", SUITES)
def test_an_answer_or_an_error_of_ours(worlds, name):
    """By seeds alone: what hypothesis draws and keeps beside one took a third of the time."""
    bad = []
    for seed in SEEDS:
        verdict = SUITES[name].example(Random(seed), worlds[name])
        if not verdict.good:
            bad.append((seed, verdict))
    assert not bad
