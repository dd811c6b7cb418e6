"""A tree within demands, made better split by split: one is chosen anew among all splits and
candidates that leave every demand kept, measured and not priced, until none is better; and so is
a question above others, with what follows its answers as it is.

At depth 1 that is the best tree itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from equipoise.allocation.rules.demands import SLACK, Candidate, Demands, Search
from equipoise.allocation.rules.kernels import NONE, move
from equipoise.allocation.rules.space import TreeSpace
from equipoise.allocation.rules.splits import Path, Splits, splits_of
from equipoise.core.arrays import Floats, Ints

ROUNDS = 4  # over all splits of a tree


def improve(space: TreeSpace, demands: Demands, result: Search[Splits]) -> Search[Splits]:
    """The best tree that the search met, or one that is better."""
    if result.best is not None and result.best.value >= result.bound:
        return result
    starts = [*([] if result.best is None else [result.best]), *result.near]
    every = list({one.rule: one for one in starts}.values())
    better = [one for start in every if (one := _improved(space, demands, start)) is not None]
    if result.best is not None:
        better.append(result.best)
    best = max(better, key=lambda one: one.value, default=None)
    return replace(result, best=best)


def _improved(
    space: TreeSpace, demands: Demands, start: Candidate[Splits]
) -> Candidate[Splits] | None:
    """A tree that keeps all demands, from one that may not."""
    best = start if demands.kept(start.used) else None
    tree = start.rule
    for _ in range(ROUNDS):
        before = tree
        above = {path[:-1] for path in tree.slots(space.depth) if path}
        for path in sorted([*tree.slots(space.depth), *above], key=len, reverse=True):
            choose = _question if path in above else _slot
            node = choose(space, demands, tree, path)
            one = None if node is None else space.candidate(tree.put(path, node))
            if one is None or not demands.kept(one.used):
                continue
            if best is None or one.value > best.value:
                best, tree = one, one.rule
        if tree == before:
            break
    return best


@dataclass(frozen=True)
class _Part:
    """What reaches a path of a tree: the rows that learn, the units that demands count, (n,) and
    (u,), and what is left of each demand, (m,).
    """

    rows: Ints
    units: Ints
    room: Floats

    @classmethod
    def of(cls, space: TreeSpace, demands: Demands, tree: Splits, path: Path) -> _Part:
        where = space.bins, space.start
        mine = tree.rows(path, space.counted, *where)
        elsewhere = np.where(mine, NONE, tree.choice(space.counted, *where))
        room = demands.bounds - demands.used(elsewhere) + SLACK * np.abs(demands.bounds)
        rows = np.flatnonzero(tree.rows(path, space.codes, *where))
        return cls(rows, np.flatnonzero(mine), room)

    def sums(self, space: TreeSpace, gain: Floats, usage: Floats) -> tuple[Floats, ...]:
        """Sums by bin and in all: of what rows gain (n, a), and of what units use (u, b)."""
        S, sums = int(space.start[-1]), []
        for codes, values, rows in (
            (space.codes, gain, self.rows),
            (space.counted, usage, self.units),
        ):
            H, T = np.zeros((S, values.shape[1])), np.zeros(values.shape[1])
            move(H, T, codes, np.ascontiguousarray(values), rows, 1.0)
            sums += [H, T]
        return tuple(sums)


def _question(space: TreeSpace, demands: Demands, tree: Splits, path: Path) -> Splits | None:
    """The best question at a path that leaves all demands kept, with its sides as they are."""
    node, part = tree.at(path), _Part.of(space, demands, tree, path)
    if node.yes is None or node.no is None:
        return None
    where, gain, usage = (space.bins, space.start), [], []
    for side in (node.yes, node.no):
        choice = side.choice(space.codes, *where)
        gain.append(np.pad(space.gains, ((0, 0), (1, 0)))[np.arange(len(choice)), choice + 1])
        counted = side.choice(space.counted, *where)
        use = np.pad(demands.usage, ((0, 0), (0, 0), (1, 0)))
        usage.append(use[:, np.arange(len(counted)), counted + 1].T)
    count = np.ones(len(space.gains))
    H, T, U, V = part.sums(space, np.column_stack([*gain, count]), np.column_stack(usage))
    m, best, better = len(demands), -np.inf, None
    for j, one in enumerate(space.bins):
        bins = slice(int(space.start[j]), int(space.start[j + 1]))
        splits = splits_of(one, j)
        left = np.array([split.left_bins(one) for split in splits], np.float64)
        gains, used = left @ H[bins], left @ U[bins]
        worth = gains[:, 0] + T[1] - gains[:, 1]
        spent = used[:, :m] + V[m:] - used[:, m:]
        kept = (spent <= part.room).all(axis=1) & (gains[:, 2] >= space.least)
        worth = np.where(kept & (T[2] - gains[:, 2] >= space.least), worth, -np.inf)
        if worth.size and worth.max() > best:
            best = float(worth.max())
            better = replace(splits[int(worth.argmax())], yes=node.yes, no=node.no)
    return better


def _slot(space: TreeSpace, demands: Demands, tree: Splits, path: Path) -> Splits | None:
    """The best split at a path of a tree that leaves all demands kept."""
    part = _Part.of(space, demands, tree, path)
    room, gain = part.room, np.column_stack([space.gains, np.ones(len(space.gains))])
    usage = demands.usage.transpose(1, 0, 2).reshape(len(space.counted), -1)
    H, T, U, V = part.sums(space, gain, usage)
    toll = space.toll * float(np.sqrt(len(part.rows)))
    shape = (-1, len(demands), gain.shape[1] - 1)
    best, node = _leaf(T, V.reshape(shape[1:]), room)
    for j, one in enumerate(space.bins):
        bins = slice(int(space.start[j]), int(space.start[j + 1]))
        splits = splits_of(one, j)
        left = np.array([split.left_bins(one) for split in splits], np.float64)
        gains, used = left @ H[bins], (left @ U[bins]).reshape(shape)
        enough = (gains[:, -1] >= space.least) & (T[-1] - gains[:, -1] >= space.least)
        worth = _pairs(gains[:, :-1], T[:-1])
        spent = _pairs(used, V.reshape(shape[1:]))
        kept = (spent <= room[:, None, None]).all(axis=1) & enough[:, None, None]
        worth = np.where(kept, worth - toll, -np.inf)
        if worth.size and worth.max() > best:
            best = float(worth.max())
            q, a, b = (int(i) for i in np.unravel_index(worth.argmax(), worth.shape))
            node = replace(splits[q], yes=Splits(a - 1), no=Splits(b - 1))
    return node


def _leaf(T: Floats, V: Floats, room: Floats) -> tuple[float, Splits | None]:
    """The best single candidate within what is left."""
    worth = np.concatenate([[0.0], T[:-1]])
    used = np.pad(V, ((0, 0), (1, 0)))
    worth = np.where((used <= room[:, None]).all(axis=0), worth, -np.inf)
    arm = int(worth.argmax())
    return float(worth[arm]), Splits(arm - 1) if np.isfinite(worth[arm]) else None


def _pairs(left: Floats, whole: Floats) -> Floats:
    """Sums of every candidate left with every one right, control first: (..., 1 + k, 1 + k)."""
    pad = [(0, 0)] * (left.ndim - 1) + [(1, 0)]
    one, other = np.pad(left, pad), np.pad(whole - left, pad)
    pairs: Floats = one[..., :, None] + other[..., None, :]
    return pairs
