"""Trees: a boosted ensemble as flat arrays, scored without LightGBM.

A tree of at most 32 leaves is scored by bits: leaves are numbered from left to right; a node that
sends a row to the right clears the bits of its left leaves; the lowest bit left is the row's leaf.
So a node is one pass over a block of rows, without branches.

    Lucchese, Nardini, Orlando, Perego, Tonellotto & Venturini (2015): QuickScorer, SIGIR.

Features are coded once a block by the thresholds of all models asked, so that models of one table
share the coding.  The sums are those of LightGBM, term by term in its order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.kernels import njit

BITS = 32  # leaves of a tree that are scored by bits
LARGE = 2.0**31  # categories are whole numbers below
EDGES = 255  # thresholds a feature may have to be coded in a byte; the last code means missing
FEW = 64  # rows that are walked through the trees: to code the features would take longer
MOST_FORESTS = 64  # that begin with the same model
BLOCK = 512  # rows scored together: their codes and bits stay in the first-level cache
DE_BRUIJN = 0x077CB531  # the place of the lowest set bit of a word, by one multiplication
CATEGORY = 1  # LightGBM's decision_type, bit 0: a set of categories, and no threshold
DEFAULT_LEFT, MISSING_SHIFT, MISSING_NAN = 2, 2, 2  # LightGBM's decision_type: bit 1, and bits 2-3

Codes = NDArray[np.uint8]
Words = NDArray[np.uint32]


@njit(cache=True, nogil=True)
def _code(X: Floats, rows: Ints, feature: Ints, as_zero: Bools, edges: Floats, code: Codes) -> None:
    """The code of each value, (features, block): how many edges lie below it; 255 where missing."""
    for j in range(len(feature)):
        for r in range(len(rows)):
            x = X[rows[r], feature[j]]
            missing = np.isnan(x)
            if missing:
                x = 0.0
            low = 0
            for step in (128, 64, 32, 16, 8, 4, 2, 1):
                low += step * (edges[j, low + step - 1] < x)
            code[j, r] = 255 if missing and not as_zero[j] else low


@njit(cache=True, nogil=True)
def _add_trees(
    code: Codes,
    node_of: Ints,
    slot: Ints,
    bound: Codes,
    top: Codes,
    mask: Words,
    leaf: Floats,
    bits: Words,
    total: Floats,
) -> None:
    """Add every tree's leaf value to ``total`` (block,).   node_of: (trees + 1,) offsets of nodes;
    leaf: (trees, 32).
    """
    n = len(total)
    full = np.uint32(0xFFFFFFFF)
    for tree in range(len(node_of) - 1):
        for r in range(n):
            bits[r] = full
        for node in range(node_of[tree], node_of[tree + 1]):
            row, b, t, m = code[slot[node]], bound[node], top[node], mask[node]
            for r in range(n):
                c = row[r]
                bits[r] &= m if (c > b) & (c <= t) else full
        values = leaf[tree]
        for r in range(n):
            word = np.int64(bits[r])
            total[r] += values[(((word & -word) * DE_BRUIJN) & 0xFFFFFFFF) >> 27]


@njit(cache=True, nogil=True)
def _masks(left: Ints, right: Ints, node_of: Ints, leaf_of: Ints, mask: Words, order: Ints) -> None:
    """The bits of each node's left leaves, cleared; and each leaf's place from left to right."""
    stack = np.empty(2 * BITS, np.int64)
    for tree in range(len(node_of) - 1):
        start, place, size = node_of[tree], 0, 0
        if node_of[tree + 1] == start:
            order[leaf_of[tree]] = 0
            continue
        begin = np.zeros(node_of[tree + 1] - start, np.int64)
        stack[0], size = 0, 1
        # a node is met twice: before its left leaves, and (as -1 - node - BITS) after them
        while size:
            size -= 1
            item = stack[size]
            if item >= 0:
                begin[item] = place
                stack[size], stack[size + 1], stack[size + 2] = (
                    right[start + item],
                    -1 - BITS - item,
                    left[start + item],
                )
                size += 3
            elif item < -BITS:
                node = -1 - BITS - item
                mask[start + node] = 0xFFFFFFFF ^ ((1 << place) - (1 << begin[node]))
            else:
                order[leaf_of[tree] + (-1 - item)] = place
                place += 1


@njit(cache=True, nogil=True, inline="always")
def leaf_of_row(X, r, tree, node_of, leaf_of, nodes, threshold, leaf, first, words):  # type: ignore[no-untyped-def]
    """A tree's leaf value for a row, node by node: for trees of any size, and for sets of
    categories: bits of ``words`` from those of ``first``, (nodes + 1,).

    nodes (nodes, 4): the feature, LightGBM's decision type, and the children.
    """
    start = node_of[tree]
    node = 0 if node_of[tree + 1] > start else -1
    while node >= 0:
        at = start + node
        x, kind = X[r, nodes[at, 0]], nodes[at, 1]
        nan = np.isnan(x)
        if kind & CATEGORY:  # a missing category, and one that fit had not, is in none
            c = -1 if nan or x < 0 or x >= LARGE else np.int64(x)
            place = first[at] + (c >> 5)
            to_left = c >= 0 and place < first[at + 1]
            to_left = to_left and (words[place] >> np.uint32(c & 31)) & np.uint32(1) > 0
        elif nan and kind >> MISSING_SHIFT == MISSING_NAN:
            to_left = kind & DEFAULT_LEFT > 0
        else:
            to_left = (0.0 if nan else x) <= threshold[at]
        node = nodes[at, 3 - np.int64(to_left)]
    return leaf[leaf_of[tree] - 1 - node]


@njit(cache=True, nogil=True)
def _walk(X, rows, tree_of, node_of, leaf_of, nodes, threshold, leaf, first, words, total):  # type: ignore[no-untyped-def]
    """Add the leaf values of every ensemble's trees, tree_of (ensembles + 1,), to ``total``
    (ensembles, rows), tree by tree.
    """
    for e in range(len(tree_of) - 1):
        for tree in range(tree_of[e], tree_of[e + 1]):
            for r in range(len(rows)):
                total[e, r] += leaf_of_row(
                    X, rows[r], tree, node_of, leaf_of, nodes, threshold, leaf, first, words
                )


class _Sets:
    """The sets of categories of an ensemble, as LightGBM writes them: of each tree where its sets
    begin among its words, and the words, 32 categories each.
    """

    def __init__(self) -> None:
        self.bounds: dict[int, list[int]] = {}
        self.bits: dict[int, list[int]] = {}

    def read(self, name: str, value: str, tree: int) -> None:
        """A line of a tree."""
        kept = self.bounds if name == "cat_boundaries" else self.bits
        kept[tree] = [int(word) for word in value.split()]

    def of_nodes(self, kind: Ints, threshold: Floats, tree: Ints) -> tuple[Ints, Words]:
        """Where each node's words begin, (nodes + 1,), none but of categories; and the words."""
        size, words = np.zeros(len(kind), np.int64), []
        for node in np.flatnonzero(kind & CATEGORY).tolist() if len(kind) == len(tree) else ():
            at, place = self.bounds.get(tree[node], [0]), int(threshold[node])
            if not 0 <= place < len(at) - 1:
                continue
            own = self.bits.get(tree[node], [])[at[place] : at[place + 1]]
            size[node] = len(own)
            words += own
        first = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
        return first, np.array(words, np.uint32)


class Trees:
    """A boosted ensemble.

    Parameters
    ----------
    text : LightGBM's model text, from which everything else is read.

    Attributes
    ----------
    node_of, leaf_of : (trees + 1,) where each tree's nodes and leaves start.
    feature, threshold, kind, left, right : (nodes,); a child < 0 is the leaf -1 - child.   leaf :
        (leaves,) values.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.forests: dict[tuple[int, ...], tuple[tuple[Trees, ...], Forest]] = {}
        whole = ("split_feature", "decision_type", "left_child", "right_child")
        fields: dict[str, list[str]] = {name: [] for name in (*whole, "threshold", "leaf_value")}
        leaves, sets = [0], _Sets()
        for line in text.split("\nend of trees")[0].split("\n"):
            name, _, value = line.partition("=")
            if name == "num_leaves":
                leaves.append(leaves[-1] + int(value))
            elif name in ("cat_boundaries", "cat_threshold"):
                sets.read(name, value, len(leaves) - 2)
            elif name in fields:
                fields[name] += value.split()
        self.leaf_of: Ints = np.array(leaves)
        self.node_of: Ints = self.leaf_of - np.arange(len(leaves))
        self.threshold: Floats = np.array(fields["threshold"], np.float64)
        self.leaf: Floats = np.array(fields["leaf_value"], np.float64)
        self.feature, self.kind, self.left, self.right = (
            np.array(fields[name], np.int64) for name in whole
        )
        tree = np.repeat(np.arange(len(leaves) - 1), np.diff(self.node_of))
        self.first, self.words = sets.of_nodes(self.kind, self.threshold, tree)
        if not self._whole():
            got = f"{len(leaves) - 1} trees, {len(self.threshold)} thresholds"
            raise SnapshotError(
                "a model's text",
                "be LightGBM's, with numerical splits",
                got,
                fix="save the model again",
            )

    def _whole(self) -> bool:
        """Whether every node and leaf has one parent that comes before it, so that each walk ends
        in a leaf.
        """
        nodes, leaves = int(self.node_of[-1]), int(self.leaf_of[-1])
        parts = (self.feature, self.threshold, self.kind, self.left, self.right)
        if (
            len(self.leaf_of) == 1
            or any(len(part) != nodes for part in parts)
            or len(self.leaf) != leaves
        ):
            return False
        tree = np.repeat(np.arange(len(self.node_of) - 1), np.diff(self.node_of))
        parent = np.tile(np.arange(nodes), 2)
        start, child = np.tile(tree, 2), np.concatenate([self.left, self.right])
        inner = child >= 0
        node = (self.node_of[start] + child)[inner]
        leaf = (self.leaf_of[start] - 1 - child)[~inner]
        roots = self.node_of[:-1][np.diff(self.node_of) > 0]
        single = np.flatnonzero(np.diff(self.leaf_of) == 1)
        return bool(
            (self.feature >= 0).all()
            and (node > parent[inner]).all()
            and np.array_equal(np.sort(np.concatenate([node, roots])), np.arange(nodes))
            and np.array_equal(
                np.sort(np.concatenate([leaf, self.leaf_of[single]])), np.arange(leaves)
            )
            and (leaf < self.leaf_of[start[~inner] + 1]).all()
            and (node < self.node_of[start[inner] + 1]).all()
        )

    def predict(self, X: Floats) -> Floats:
        """The sum of the trees, (n,)."""
        total: Floats = predict_many([self], X)[0]
        return total

    @property
    def small(self) -> bool:
        """Whether every tree fits the bits, and asks for no set of categories."""
        return bool(np.diff(self.leaf_of).max() <= BITS) and not len(self.words)

    @cached_property
    def bits(self) -> tuple[Words, Floats]:
        """The mask of each node, (nodes,), and the leaf values where the bits find them, (trees,
        32).
        """
        mask = np.empty(len(self.feature), np.uint32)
        order = np.empty(len(self.leaf), np.int64)
        _masks(self.left, self.right, self.node_of, self.leaf_of, mask, order)
        tree = np.repeat(np.arange(len(self.leaf_of) - 1), np.diff(self.leaf_of))
        values = np.zeros((len(self.leaf_of) - 1, BITS))
        values[tree, ((1 << order) * DE_BRUIJN & 0xFFFFFFFF) >> 27] = self.leaf
        return mask, values


def mean_of(texts: Sequence[str]) -> Trees:
    """The mean of several ensembles, by their texts, as one: all of their trees, each worth its
    part.

    >>> tree = "Tree=0\\nnum_leaves=1\\nleaf_value={}\\n\\n\\nend of trees\\n"
    >>> mean_of([tree.format(3), tree.format(5)]).predict(np.zeros((1, 1))).tolist()
    [4.0]
    """
    blocks: list[str] = []
    for text in texts:
        for block in f"\n{text}".split("\nend of trees")[0].split("\nTree=")[1:]:
            lines = [_shared(line, len(texts)) for line in block.strip("\n").split("\n")[1:]]
            blocks.append("\n".join([f"Tree={len(blocks)}", *lines, "", "", ""]))
    head = f"\n{texts[0]}".split("\nTree=")[0][1:]
    sizes = "tree_sizes=" + " ".join(str(len(block)) for block in blocks)
    head = re.sub(r"^tree_sizes=.*$", sizes, head, flags=re.MULTILINE)
    tail = texts[0].split("\nend of trees", 1)[1]
    return Trees((head and head + "\n") + "".join(blocks) + "end of trees" + tail)


def _shared(line: str, models: int) -> str:
    """A line of a tree that is one of several models': its values are divided among them."""
    name, _, values = line.partition("=")
    if name not in ("leaf_value", "internal_value"):
        return line
    return f"{name}=" + " ".join(repr(float(value) / models) for value in values.split())


class Forest:
    """Several ensembles as one, ready to be walked.

    Parameters
    ----------
    models : the ensembles.
    columns : for each the columns of X that it was learnt on; None for all.

    Attributes
    ----------
    width : how many features X must have.
    arrays : what `leaf_of_row` takes, after (ensembles + 1,) offsets of their trees.
    """

    def __init__(self, models: Sequence[Trees], columns: Sequence[Ints | None] = ()) -> None:
        own = [*columns] or [None] * len(models)
        feature = [
            model.feature if some is None else np.asarray(some)[model.feature]
            for model, some in zip(models, own, strict=True)
        ]
        self.feature: Ints = np.concatenate(feature)
        self.width = 1 + int(self.feature.max(initial=-1))
        self.arrays = (
            _joined([np.array([0, len(model.node_of) - 1]) for model in models]),
            _joined([model.node_of for model in models]),
            _joined([model.leaf_of for model in models]),
            np.concatenate(
                [nodes_of(model, own) for model, own in zip(models, feature, strict=True)]
            ),
            np.concatenate([model.threshold for model in models]),
            np.concatenate([model.leaf for model in models]),
            _joined([model.first for model in models]),
            np.concatenate([model.words for model in models]),
        )

    def predict(self, X: Floats, rows: Ints) -> Floats:
        """The sums of each ensemble, (ensembles, rows)."""
        out = np.zeros((len(self.arrays[0]) - 1, len(rows)))
        _walk(X, rows, *self.arrays, out)
        return out


def nodes_of(model: Trees, feature: Ints) -> NDArray[np.int32]:
    """What a walk reads at a node beside its threshold, in one place of memory, (nodes, 4)."""
    parts = (feature, model.kind, model.left, model.right)
    return np.stack(parts, axis=1).astype(np.int32)


def _joined(offsets: Sequence[Ints]) -> Ints:
    """Offsets of several arrays as those of all of them in a row."""
    ends = np.cumsum([0, *(own[-1] for own in offsets)])
    return np.concatenate([[0], *(own[1:] + end for own, end in zip(offsets, ends, strict=False))])


def _forest(models: Sequence[Trees]) -> Forest:
    """The models as one, kept on the first of them for the next time."""
    key, kept = tuple(map(id, models)), models[0].forests
    if key not in kept:
        if len(kept) == MOST_FORESTS:
            kept.clear()
        kept[key] = (tuple(models), Forest(models))  # with the models, whose ids stay theirs
    return kept[key][1]


def predict_many(models: Sequence[Trees], X: Floats, rows: Ints | None = None) -> Floats:
    """The sums of several ensembles that were learnt on one table, (models, n), for all rows of X
    or those named.
    """
    rows = np.arange(len(X)) if rows is None else rows
    few = len(rows) <= FEW
    forest = _forest(models) if few else Forest(models)
    if forest.width > X.shape[1]:
        raise InputError("X", f"have at least {forest.width} features", X.shape[1])
    if few or not all(model.small for model in models):
        return forest.predict(X, rows)
    feature = np.unique(forest.feature)
    cuts = _cuts(models, feature)
    if max(map(len, cuts), default=0) >= EDGES:
        return forest.predict(X, rows)
    edges = np.full((len(feature), EDGES), np.inf)
    for row, cut in zip(edges, cuts, strict=True):
        row[: len(cut)] = cut
    as_zero = _as_zero(models, feature)
    tables = [_table(model, feature, cuts) for model in models]
    code = np.empty((len(feature), BLOCK), np.uint8)
    bits = np.empty(BLOCK, np.uint32)
    out = np.zeros((len(models), len(rows)))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        _code(X, block, feature, as_zero, edges, code)
        for table, total in zip(tables, out, strict=True):
            _add_trees(code, *table, bits, total[start : start + BLOCK])
    return out


def _cuts(models: Sequence[Trees], feature: Ints) -> list[Floats]:
    """The thresholds of each feature over all models, sorted."""
    column = np.concatenate([model.feature for model in models])
    threshold = np.concatenate([model.threshold for model in models])
    order = np.lexsort((threshold, column))
    pieces = np.split(threshold[order], np.searchsorted(column[order], feature[1:]))
    return [np.unique(piece) for piece in pieces] if len(feature) else []


def _as_zero(models: Sequence[Trees], feature: Ints) -> Bools:
    """Whether a missing value counts as 0: LightGBM's rule for a feature that had none missing when
    it learnt.
    """
    column = np.concatenate([model.feature for model in models])
    kind = np.concatenate([model.kind for model in models])
    missing_aware = np.unique(column[kind >> MISSING_SHIFT == MISSING_NAN])
    return ~np.isin(feature, missing_aware)


def _table(
    model: Trees, feature: Ints, cuts: list[Floats]
) -> tuple[Ints, Ints, Codes, Codes, Words, Floats]:
    """What `_add_trees` reads of a model: offsets, each node's feature slot, code bound, last code
    to the right, mask; leaves.
    """
    slot = np.searchsorted(feature, model.feature)
    bound = np.empty(len(slot), np.uint8)
    for j in range(len(feature)):
        bound[slot == j] = np.searchsorted(cuts[j], model.threshold[slot == j])
    keeps_left = model.kind & DEFAULT_LEFT > 0
    top = np.where(keeps_left & (model.kind >> MISSING_SHIFT == MISSING_NAN), 254, 255).astype(
        np.uint8
    )
    mask, leaf = model.bits
    return model.node_of, slot, bound, top, mask, leaf
