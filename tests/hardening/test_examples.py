"""Hostile logs, plans, units and snapshots: 2,000 of each end in an answer that no oracle refuses,
or in an error of ours.

`fixtures/hardening` makes them and says what the oracles know; `make bench NAME=hardening` runs
others, and counts.
"""

from __future__ import annotations

import shutil

import pytest
from fixtures.hardening import logs, plans, snapshots, units
from fixtures.hardening.shared import scratch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SUITES = {"logs": logs, "plans": plans, "units": units, "snapshots": snapshots}


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
@settings(
    max_examples=2000, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(rng=st.randoms(use_true_random=False))
def test_an_answer_or_an_error_of_ours(worlds, name, rng):
    verdict = SUITES[name].example(rng, worlds[name])
    assert verdict.good, verdict
