"""One row through all trees of several ensembles at once, by bits.

The nodes of a feature are sorted by threshold, so that only those which send the row to the right
are looked at, one after another and without a branch that hangs on the tree; each clears the bits
of its left leaves.  The lowest bit left of a tree is the row's leaf.

    Lucchese, Nardini, Orlando, Perego, Tonellotto & Venturini (2015): QuickScorer, SIGIR.

The sums are those of `tree_scoring`, tree by tree in its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from equipoise.core.arrays import Ints
from equipoise.core.kernels import njit
from equipoise.learners.tree_scoring import (
    DE_BRUIJN,
    DEFAULT_LEFT,
    MISSING_NAN,
    MISSING_SHIFT,
    Forest,
    Trees,
)

ALL = np.uint32(0xFFFFFFFF)  # leaves


@njit(cache=True, nogil=True)
def clear_bits(x, first, feature_of, threshold, tree, mask, missing_right, bits):  # type: ignore[no-untyped-def]
    """Clear the bits (trees,) of the leaves that a row leaves to its left, by its features from
    ``first`` on, whose values are ``x``.
    """
    for j in range(len(x)):
        at, end = feature_of[first + j], feature_of[first + j + 1]
        if np.isnan(x[j]):
            for node in range(at, end):
                if missing_right[node]:
                    bits[tree[node]] &= mask[node]
        else:
            while at < end and threshold[at] < x[j]:
                bits[tree[at]] &= mask[at]
                at += 1


@njit(cache=True, nogil=True)
def add_leaves(bits, tree_of, leaf, total):  # type: ignore[no-untyped-def]
    """The sum of each ensemble's leaves, (ensembles,).   leaf: (trees, 32)."""
    for e in range(len(tree_of) - 1):
        own = 0.0
        for tree in range(tree_of[e], tree_of[e + 1]):
            word = np.int64(bits[tree])
            own += leaf[tree, (((word & -word) * DE_BRUIJN) & 0xFFFFFFFF) >> 27]
        total[e] = own


def sorted_nodes(
    models: Sequence[Trees], columns: Sequence[Ints | None], width: int
) -> tuple[Any, ...] | None:
    """What `clear_bits` and `add_leaves` take of ensembles: offsets of each feature's nodes,
    (width + 1,); of the nodes, by feature and threshold, threshold, tree, mask, and whether a
    missing value goes right; offsets of each ensemble's trees, and leaves.  None where a tree is
    too large for the bits, or asks for a set of categories.

    columns : for each ensemble the columns of the row that it was learnt on; None for all.
    """
    forest = Forest(models, columns)
    tree_of, node_of, _, nodes, threshold = forest.arrays[:5]
    if not all(model.small for model in models) or np.isnan(threshold).any():
        return None
    mask, leaf = (np.concatenate(parts) for parts in zip(*(m.bits for m in models), strict=True))
    tree = np.repeat(np.arange(len(node_of) - 1, dtype=np.int32), np.diff(node_of))
    by_default = nodes[:, 1] >> MISSING_SHIFT == MISSING_NAN
    missing_right = np.where(by_default, nodes[:, 1] & DEFAULT_LEFT == 0, threshold < 0.0)
    order = np.lexsort((threshold, nodes[:, 0]))
    feature_of = np.searchsorted(nodes[order, 0], np.arange(width + 1))
    of_nodes = (threshold[order], tree[order], mask[order], missing_right[order])
    return feature_of, *of_nodes, tree_of, leaf
