"""A tree by places among bins: what the search moves about, before it is put in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from equipoise.allocation.rules.kernels import COLUMN, CUT, LEFT, MISSING, NONE, RIGHT, UNSET
from equipoise.allocation.rules.questions import Bins
from equipoise.core.arrays import Bools, Ints

Path = tuple[bool, ...]  # of a node: the answers that lead to it


@dataclass(frozen=True)
class Splits:
    """A split with what follows on its left (yes) and right; or a leaf and its candidate."""

    candidate: int = NONE
    column: int = NONE
    cut: int = 0
    missing: bool = False
    yes: Splits | None = None
    no: Splits | None = None

    @classmethod
    def one(cls, out: Ints) -> Splits:
        """A single split as the kernels write it, (5,); a leaf where its column is none."""
        if out[COLUMN] == NONE:
            return cls(int(out[LEFT]))
        yes, no = cls(int(out[LEFT])), cls(int(out[RIGHT]))
        return cls(NONE, int(out[COLUMN]), int(out[CUT]), bool(out[MISSING]), yes, no)

    @classmethod
    def of(cls, trio: Ints) -> Splits:
        """A root with both sides as the kernels write them, (3, 5)."""
        root = cls.one(trio[0])
        if trio[1, CUT] == UNSET:
            return root
        return replace(root, yes=cls.one(trio[1]), no=cls.one(trio[2]))

    def left_bins(self, one: Bins) -> Bools:
        """Which bins of its column the split sends left, (b,)."""
        own = np.arange(one.size)
        if not one.ordered:
            subset: Bools = (self.cut >> own) & 1 == 1
            return subset
        return np.where(own == one.size - 1, self.missing, own <= self.cut)

    def left(self, codes: Ints, bins: Sequence[Bins], start: Ints) -> Bools:
        """Which rows the split sends left, (n,)."""
        side = self.left_bins(bins[self.column])
        left: Bools = side[codes[:, self.column] - start[self.column]]
        return left

    def choice(self, codes: Ints, bins: Sequence[Bins], start: Ints) -> Ints:
        """What each row gets, (n,)."""
        if self.yes is None or self.no is None:
            return np.full(len(codes), self.candidate, np.int64)
        left = self.left(codes, bins, start)
        yes, no = (side.choice(codes, bins, start) for side in (self.yes, self.no))
        return np.where(left, yes, no)

    def parted(self, codes: Ints, bins: Sequence[Bins], start: Ints) -> list[int]:
        """How many rows each split parts."""
        if self.yes is None or self.no is None:
            return []
        left = self.left(codes, bins, start)
        sides = (self.yes, codes[left]), (self.no, codes[~left])
        return [len(codes), *(n for side, own in sides for n in side.parted(own, bins, start))]

    def at(self, path: Path) -> Splits:
        """The node at a path; a leaf above it stands for what it would hold."""
        if not path or self.yes is None or self.no is None:
            return self
        return (self.yes if path[0] else self.no).at(path[1:])

    def put(self, path: Path, node: Splits) -> Splits:
        """The tree with another node at a path."""
        if not path or self.yes is None or self.no is None:
            return node
        if path[0]:
            return replace(self, yes=self.yes.put(path[1:], node))
        return replace(self, no=self.no.put(path[1:], node))

    def slots(self, depth: int) -> list[Path]:
        """The paths to nodes that may hold one split, or part of the tree above a leaf."""
        if self.yes is None or self.no is None or depth <= 1:
            return [()]
        yes, no = self.yes.slots(depth - 1), self.no.slots(depth - 1)
        return [*((True, *path) for path in yes), *((False, *path) for path in no)]

    def rows(self, path: Path, codes: Ints, bins: Sequence[Bins], start: Ints) -> Bools:
        """Which rows reach a path, (n,)."""
        here = np.ones(len(codes), np.bool_)
        if not path or self.yes is None or self.no is None:
            return here
        left = self.left(codes, bins, start)
        side, node = (left, self.yes) if path[0] else (~left, self.no)
        here[:] = side
        here[side] = node.rows(path[1:], codes[side], bins, start)
        return here


def splits_of(one: Bins, column: int) -> list[Splits]:
    """Every split of a column, without what follows."""
    if not one.ordered:
        return [Splits(column=column, cut=mask) for mask in range(1, 1 << (one.size - 1))]
    last = one.size - 2
    known = [Splits(column=column, cut=cut) for cut in range(last + one.gaps)]
    with_gaps = [Splits(column=column, cut=cut, missing=True) for cut in range(last * one.gaps)]
    return known + with_gaps
