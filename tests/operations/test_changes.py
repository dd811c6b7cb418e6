"""What a day of new choices moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.allocation import churn
from equipoise.core.errors import InputError
from equipoise.operations import moves


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000))
def test_moves_add_up_to_churn(seed):
    rng = np.random.default_rng(seed)
    previous, choice = rng.integers(-2, 3, 60), rng.integers(-1, 3, 60)
    cost, activity = rng.random(3), rng.choice(["a", "b", "c"], 60)
    whole = churn(previous, choice, cost)
    parts = moves(previous, choice, activity, cost)
    assert sum(part["units"] for part in parts) == whole.units
    changed = sum(part["changed"] * part["units"] for part in parts)
    moved = sum(part["moved"] * part["units"] for part in parts)
    assert (changed, moved) == pytest.approx((whole.share * whole.units, whole.moved))


def test_packets_moved_by_hand():
    (part,) = moves(np.array([0, 1]), np.array([1, -1]), ["a", "a"], [1.0, 4.0], [2, 5])
    assert part == {"activity": "a", "units": 2, "changed": 1.0, "moved": 3.5, "packets_moved": 4.0}


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: moves(np.array([0]), np.array([3]), ["a"], [1.0]), "one of 1 candidates; got 3"),
        (
            lambda: moves(np.array([0]), np.array([0]), ["a"], [1.0], [1, 2]),
            "one per unit and cand",
        ),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(InputError, match=match):
        call()
