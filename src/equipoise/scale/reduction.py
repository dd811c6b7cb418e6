"""Sums over partitions by a fixed tree, so that every engine gives the same bits.

Floating-point addition depends on its order.  Here neighbours are added first, then the sums of
neighbours, and so on: the tree is known from the number of partitions alone, never from which of
them came to its end first (Higham 1993, "The accuracy of floating point summation": the error grows
with the tree's depth, log2 of the parts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from equipoise.core.errors import InputError

T = TypeVar("T")


def pairwise(parts: Sequence[T], add: Callable[[T, T], T]) -> T:
    """Combine the results of partitions, in their order.

    Parameters
    ----------
    parts : sequence
        One result for each partition, at least one.
    add : callable
        (the earlier one, the later one) -> both together.

    Returns
    -------
    object
        All of them together.

    Raises
    ------
    InputError
        Where there are no parts.

    Examples
    --------
    >>> pairwise(["a", "b", "c"], lambda one, other: f"({one}{other})")
    '((ab)c)'
    """
    if not parts:
        raise InputError("a sum over partitions", "have a partition at least", "none")
    level = list(parts)
    while len(level) > 1:
        pairs = [add(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]
