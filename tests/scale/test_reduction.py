"""Sums over partitions: one tree, whatever the order in which parts came."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.scale.reduction import pairwise


@pytest.mark.parametrize(
    ("n", "tree"),
    [(1, "a"), (2, "(ab)"), (4, "((ab)(cd))"), (5, "(((ab)(cd))e)"), (6, "(((ab)(cd))(ef))")],
)
def test_the_tree_by_hand(n, tree):
    assert pairwise("abcdef"[:n], lambda one, other: f"({one}{other})") == tree


def test_the_error_grows_with_the_depth_alone():
    parts = np.full(2**16, 0.1)
    exact = 0.1 * 2**16
    assert pairwise(list(parts), operator.add) == exact  # every level doubles
    assert abs(np.cumsum(parts)[-1] - exact) > 1e-9  # one after the other does not


def test_no_parts_is_an_error():
    with pytest.raises(InputError, match="a sum over partitions must have a partition"):
        pairwise([], operator.add)
