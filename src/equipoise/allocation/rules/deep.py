"""The best tree of depth 3: every root, with the best tree of depth 2 on each of its sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equipoise.allocation.rules.kernels import best_tree
from equipoise.allocation.rules.questions import Bins
from equipoise.allocation.rules.splits import Splits, splits_of
from equipoise.core.arrays import Floats, Ints

Limits = tuple[float, float, float]  # the least count of a leaf, rounding, the toll of a split


def best_deep_tree(
    codes: Ints, gain: Floats, bins: tuple[Bins, ...], start: Ints, limits: Limits
) -> Splits:
    """The best tree of depth 3.   codes: (n, p); gain: (n, k + 1), counts behind."""
    least, margin, toll = limits
    kinds = np.array([one.ordered for one in bins], np.bool_)
    gaps = np.array([one.gaps for one in bins], np.bool_)
    best, trio = best_tree(codes, gain, (start, kinds, gaps), limits, 2)
    tree = Splits.of(trio)
    for root in [root for j, one in enumerate(bins) for root in splits_of(one, j)]:
        left = root.left(codes, bins, start)
        count = gain[left, -1].sum()
        if count < least or gain[:, -1].sum() - count < least:
            continue
        worth = -toll * float(np.sqrt(gain[:, -1].sum()))
        sides: list[Ints] = []
        for side in (left, ~left):
            own, trio = best_tree(codes[side], gain[side], (start, kinds, gaps), limits, 2)
            worth += own
            sides.append(trio)
        if worth > best + margin:
            best = worth
            tree = replace(root, yes=Splits.of(sides[0]), no=Splits.of(sides[1]))
    return tree
