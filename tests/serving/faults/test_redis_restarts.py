"""A book in a real Redis that is killed: with its file, without one, and with one that is old."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.serving_redis import KINDS, SIZES, walk

STEPS, RESTARTS, _ = SIZES["test"]
EXACT = {
    "kept": {"redis_overspend_kept": 0, "redis_books_kept": 0},
    "gone": {"redis_overspend_gone": 0, "redis_refused_gone": 1},
    "older": {"redis_overspend_older": 0},
}


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_promised_of_a_redis_that_dies(kind):
    found = walk(kind, STEPS, RESTARTS, seed=1)
    assert {name: found[name] for name in EXACT[kind]} == EXACT[kind]
    assert found["redis_decisions"] > 50
    if kind == "older":  # else nothing was seen here
        assert found["redis_twice_older"] > 0
