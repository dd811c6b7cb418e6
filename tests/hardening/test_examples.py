"""Hostile logs, plans, units and snapshots: 2,000 of each end in an answer that no oracle refuses,
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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SUITES = {"logs": logs, "plans": plans, "units": units, "snapshots": snapshots}


class Worlds(dict):
    """Worlds that are not printed with each failure."""

    def __repr__(self):
        return "worlds"


@pytest.fixture(scope="module")
def worlds():
    """What each suite makes once, by name."""
    folder = scratch()
    every = Worlds()
    for name, suite in SUITES.items():
        (folder / name).mkdir()
        every[name] = suite.world(folder / name)
    yield every
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", SUITES)
@settings(
    max_examples=2000, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_answer_or_an_error_of_ours(worlds, name, seed):
    verdict = SUITES[name].example(Random(seed), worlds[name])
    assert verdict.good, verdict
