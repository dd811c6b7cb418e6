"""Categories in the causal forest: codes of levels, and the split of a node by a set of them.

    order       levels by rho / h, what a row of theirs pulls on average; with several arms along
                the first principal axis of these pulls
    cut         the best of the order, as if it were one of numbers
    score       of more than FEW levels: the mean of two, each half of the node's rows cut in the
                order of the other half

For two children and one arm some cut in this order is the best of all sets (Fisher 1958).  The
order is chosen by the outcome, so that a category of many levels without any effect would beat
numbers by its noise alone: rows that did not make the order judge it.  A set is 256 bits; a
level that the node's rows lack, or that is new, goes the way of most.

    Fisher (1958), On grouping for maximum homogeneity, JASA 53; Wright & König (2019), Splitting on
    categorical predictors in random forests, PeerJ 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats
from equipoise.core.features import ONE_HOT_LIMIT
from equipoise.core.kernels import njit

FEW = 8  # levels that may be judged by the rows that order them: no more choice than of numbers
AXIS = 8  # steps of the power method
MOST = 255  # codes; the rarest levels share the last


def as_codes(X: Floats, encoding: dict[str, Any] | None, kept: Bools) -> tuple[Floats, Bools]:
    """The features that are kept, each category as one column of codes, NaN where a level is new,
    and which columns are categories of three levels or more.   encoding: the `FeatureMap` of X as
    JSON; kept: (d,) columns of X; a category of which only some are kept stays as it is.

    >>> X = np.array([[1.0, 0.0, 0.0, 7.0], [0.0, 0.0, 1.0, 8.0], [0.0, 0.0, 0.0, 9.0]])
    >>> encoding = {"columns": ["zip", "age"], "levels": {"zip": ["a", "b", "c"]}}
    >>> codes, categorical = as_codes(X, encoding, np.ones(4, bool))
    >>> codes.tolist(), categorical.tolist()
    ([[0.0, 7.0], [2.0, 8.0], [nan, 9.0]], [True, False])
    """
    if encoding is None:
        return X[:, kept], np.zeros(int(kept.sum()), np.bool_)
    parts, categorical, end = [], [], 0
    for name in encoding["columns"]:
        levels = len(encoding["levels"].get(name, ()))
        wide = levels if 0 < levels <= ONE_HOT_LIMIT else 1
        part, own = X[:, end : end + wide], kept[end : end + wide]
        end += wide
        whole = levels > 0 and bool(own.all())
        if whole and levels > ONE_HOT_LIMIT:
            part = np.where(part < levels, part, np.nan)
        elif whole:
            code = np.where(part.any(axis=1), part.argmax(axis=1), np.nan)
            part = code[:, None]
        else:
            part = part[:, own]
        parts.append(part)
        categorical += [whole and levels > 2] * part.shape[1]
    return np.hstack(parts), np.asarray(categorical, np.bool_)


@njit(cache=True, nogil=True, error_model="numpy")
def in_order(rho, h, order):  # type: ignore[no-untyped-def]
    """Sort codes ``order`` by what their levels pull.   rho: (256, k) sums; h: (256,)."""
    k = rho.shape[1]
    axis, turned = np.zeros(k), np.empty(k)
    axis[0] = 1.0
    if k > 1:
        most = -1.0
        for b in order:
            size = 0.0
            for a in range(k):
                size += rho[b, a] * rho[b, a]
            if size > most * h[b]:
                most = size / max(h[b], 1e-300)
                for a in range(k):
                    axis[a] = rho[b, a]
        for _ in range(AXIS):
            turned[:] = 0.0
            for b in order:
                along = 0.0
                for a in range(k):
                    along += rho[b, a] * axis[a]
                for a in range(k):
                    turned[a] += along * rho[b, a] / max(h[b], 1e-300)
            size = 0.0
            for a in range(k):
                size += turned[a] * turned[a]
            if size > 0:
                for a in range(k):
                    axis[a] = turned[a] / np.sqrt(size)
    value = np.empty(len(order))
    for r in range(len(order)):  # sorted by insertion
        b, along = order[r], 0.0
        for a in range(k):
            along += rho[b, a] * axis[a]
        along = along / h[b] if h[b] > 0 else 0.0
        place = r
        while place > 0 and value[place - 1] > along:
            value[place], order[place] = value[place - 1], order[place - 1]
            place -= 1
        value[place], order[place] = along, b


@njit(cache=True, nogil=True, error_model="numpy")
def best_of_order(rho, h, order, least):  # type: ignore[no-untyped-def]
    """The gain of the best cut of levels in an order, sum over children |sum rho|^2 / sum h less
    that of both together, and how many levels go left; least: of the share of h in a child.
    """
    k, whole, tells = rho.shape[1], np.zeros(rho.shape[1]), 0.0
    for b in order:
        tells += h[b]
        for a in range(k):
            whole[a] += rho[b, a]
    left, part, best, first = np.zeros(k), 0.0, 0.0, 0
    for r in range(len(order) - 1):
        b = order[r]
        part += h[b]
        size = 0.0
        for a in range(k):
            left[a] += rho[b, a]
            apart = left[a] - whole[a] * part / tells
            size += apart * apart
        if min(part, tells - part) >= least * tells:
            gain = size * tells / (part * (tells - part))
            if gain > best:
                best, first = gain, r + 1
    return best, first


@njit(cache=True, nogil=True, error_model="numpy")
def best_set(rho, h, least, inside):  # type: ignore[no-untyped-def]
    """The gain of the best set of levels, 0 where none is admissible, and the set into ``inside``
    (4,), bits.   rho: (2, 256, k) and h: (2, 256), sums of each half of the node's rows.
    """
    k, count, whole = rho.shape[2], 0, 0.0
    every, tells, held = np.empty((256, k)), np.empty(256), np.empty(256, np.uint32)
    for b in range(256):
        tells[b] = h[0, b] + h[1, b]
        whole += tells[b]
        for a in range(k):
            every[b, a] = rho[0, b, a] + rho[1, b, a]
        if tells[b] > 0:
            held[count] = b
            count += 1
    if count < 2:
        return 0.0
    order, other = held[:count].copy(), held[:count]
    in_order(every, tells, order)
    gain, first = best_of_order(every, tells, order, least)
    if count > FEW and first > 0:
        gain = 0.0
        for half in range(2):
            in_order(rho[1 - half], h[1 - half], other)
            gain += 0.5 * best_of_order(rho[half], h[half], other, least)[0]
    if first == 0 or gain <= 0:
        return 0.0
    part = 0.0
    for r in range(first):
        part += tells[order[r]]
    one, most = np.uint64(1), part > whole - part
    for word in range(4):
        inside[word] = ~np.uint64(0) if most else np.uint64(0)
    for r in range(count):
        bit = one << np.uint64(order[r] & 63)
        if r < first:
            inside[order[r] >> 6] |= bit
        else:
            inside[order[r] >> 6] &= ~bit
    return gain


@njit(cache=True, nogil=True, error_model="numpy")
def in_set(inside, b):  # type: ignore[no-untyped-def]
    """Whether a level is in a set.   inside: (4,) bits; b: its code."""
    return (inside[b >> 6] >> np.uint64(b & 63)) & np.uint64(1) == np.uint64(1)


@njit(cache=True, nogil=True, error_model="numpy")
def divide_by_set(column, rows, low, high, inside, spare):  # type: ignore[no-untyped-def]
    """Reorder rows[low:high] so that those of levels in a set come first, in their old order; where
    the others begin.
    """
    place, others = low, 0
    for r in range(low, high):
        i = rows[r]
        near = in_set(inside, column[i])
        rows[place], spare[others] = i, i
        place += near
        others += not near
    for r in range(others):
        rows[place + r] = spare[r]
    return place
