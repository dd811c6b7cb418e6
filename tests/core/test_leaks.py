"""Features that tell an outcome are warned of, and sound ones hardly ever."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from equipoise.core.leaks import leaks
from equipoise.core.log import Log, Outcome, Roles
from equipoise.treatments import Arms


def log_of(f, *, y=None, kind="continuous", n=400, seed=0):
    """A log with one feature, f(x, t, y, rng) -> (n,)."""
    rng = np.random.default_rng(seed)
    x, t = rng.normal(size=n), rng.integers(0, 2, n)
    outcome = x + t + rng.normal(size=n) if y is None else y(x, t, rng)
    table = pa.table({"t": t, "y": outcome, "f": f(x, t, outcome, rng)})
    return Log(table, Roles("t", (Outcome("y", kind),), ("f",), design=(0.5, 0.5)), Arms())


def buys(x, t, rng):
    return (rng.random(len(x)) < 1 / (1 + np.exp(-x - t))).astype(float)


COPIES = {
    "itself": lambda x, t, y, rng: y,
    "with noise": lambda x, t, y, rng: y + 0.2 * y.std() * rng.normal(size=len(y)),
    "turned round": lambda x, t, y, rng: 7 - 3 * y,
    "rising": lambda x, t, y, rng: np.exp(3 * y),
    "only when treated": lambda x, t, y, rng: np.where(t == 1, y, rng.normal(size=len(y))),
    "known when treated": lambda x, t, y, rng: np.where(t == 1, x, 0.0),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_warned_of(name):
    check = leaks(log_of(COPIES[name]))
    assert check["status"] == "warn"
    assert check["rows"][0]["feature"] == "f"


@pytest.mark.parametrize(
    "copy",
    [
        lambda x, t, y, rng: np.where(y == 1, "bought", "not"),
        lambda x, t, y, rng: np.where(y == 1, rng.exponential(size=len(y)), np.nan),
        lambda x, t, y, rng: np.where(y == 1, rng.exponential(size=len(y)), 0.0),
        lambda x, t, y, rng: np.where(rng.random(len(y)) < 0.01, 1 - y, y),
    ],
    ids=["in words", "missing", "amount", "but for one in a hundred"],
)
def test_what_only_buyers_have_is_warned_of(copy):
    check = leaks(log_of(copy, y=buys, kind="binary"))
    assert check["status"] == "warn"
    assert "f nearly tells y" in check["summary"]


SOUND = {
    "a cause": lambda x, t, y, rng: x,
    "strong": lambda x, t, y, rng: y + 0.6 * y.std() * rng.normal(size=len(y)),
    "noise": lambda x, t, y, rng: rng.normal(size=len(y)),
    "rare": lambda x, t, y, rng: (rng.random(len(y)) < 0.01).astype(float),
    "constant": lambda x, t, y, rng: np.ones(len(y)),
    "words": lambda x, t, y, rng: np.where(x > 0, "a", "b"),
}


@pytest.mark.parametrize("name", SOUND)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(100, 600))
def test_a_sound_feature_is_not_warned_of(name, seed, n):
    assert leaks(log_of(SOUND[name], n=n, seed=seed))["status"] == "ok"


def test_few_rows_say_nothing():
    assert leaks(log_of(COPIES["itself"], n=60))["status"] == "ok"
