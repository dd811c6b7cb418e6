"""Sums over partitions by a fixed tree, so that every engine gives the same bits.

Floating-point addition depends on its order.  Here neighbours are added first, then the sums of
neighbours, and so on: the tree is known from the number of partitions alone, never from which of
them came to its end first (Higham 1993, "The accuracy of floating point summation": the error grows
with the tree's depth, log2 of the parts).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

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


class Tree(Generic[T]):
    """`pairwise` of results that come in any order: the same bits, and of results that come about
    in order no more than log2 of the parts are held.

    Parameters
    ----------
    total : int
        How many parts there are.
    add : callable
        As of `pairwise`.

    Examples
    --------
    >>> tree = Tree(3, lambda one, other: f"({one}{other})")
    >>> for place in (2, 0, 1):
    ...     tree.put(place, "abc"[place])
    >>> tree.result()
    '((ab)c)'
    """

    def __init__(self, total: int, add: Callable[[T, T], T]) -> None:
        self.total, self.add = total, add
        self._waiting: dict[tuple[int, int], T] = {}
        self._whole: list[T] = []

    def put(self, place: int, part: T) -> None:
        """Add the result of one part.

        Parameters
        ----------
        place : int
            Of the part, from 0.
        part : object
            Its result.
        """
        level, size = 0, self.total
        while size > 1:
            beside = place ^ 1
            if beside < size:
                if (level, beside) not in self._waiting:
                    self._waiting[level, place] = part
                    return
                other = self._waiting.pop((level, beside))
                part = self.add(part, other) if place < beside else self.add(other, part)
            level, place, size = level + 1, place // 2, (size + 1) // 2
        self._whole.append(part)

    def result(self) -> T:
        """All parts together.

        Returns
        -------
        object
            As of `pairwise`.

        Raises
        ------
        InputError
            Where a part is missing.
        """
        if len(self._whole) != 1:
            raise InputError("a sum over partitions", "have all of them", "some")
        return self._whole[0]
