"""Kernels of the exact tree: sorted sweeps over histograms, compiled.

Throughout: n rows, p columns, k candidates; codes (n, p) the place of a row's value among all S
bins of all columns; gain (n, k + 1) what each candidate adds to a row over control, and how often
the row counts; H (S, k + 1) sums of ``gain`` by bin, T (k + 1,) over all rows.  Bins of column j
are start[j] to start[j + 1].  Where ordered[j], the last of them holds what is missing and a split
is a prefix of the others, with the missing ones or without; else a split is any subset.

A root's splits are swept in the order of its bins: the rows of a bin move from right to left, and
with them their histograms, from which the best split of each side is read.  That costs
n p^2 k + S^2 k, whatever the number of rows at a value.
"""

from __future__ import annotations

import numpy as np
from numba import njit

COLUMN, CUT, MISSING, LEFT, RIGHT = range(5)  # of a split: `out` (5,); CUT is a prefix or a mask
UNSET = -2  # the cut of a side that is a leaf of the root
NONE = -1  # the column of no split; control among candidates


@njit(cache=True, inline="always")
def add(left, sums, sign):  # type: ignore[no-untyped-def]
    """Add sums to others, or take them away."""
    for a in range(len(left)):
        left[a] += sign * sums[a]


@njit(cache=True, inline="always")
def best_of(left, T):  # type: ignore[no-untyped-def]
    """The best worth of a left side and of the right one that it leaves; control's is 0."""
    one, other = 0.0, 0.0
    for a in range(len(left) - 1):
        one = max(one, left[a])
        other = max(other, T[a] - left[a])
    return one, other


@njit(cache=True)
def consider(left, T, least, margin, best, place, out):  # type: ignore[no-untyped-def]
    """The worth of a split if it is better than ``best``, and then its place in ``out``."""
    one, other = best_of(left, T)
    if one + other <= best + margin:
        return best
    if left[-1] < least or T[-1] - left[-1] < least:
        return best
    out[COLUMN], out[CUT], out[MISSING] = place
    out[LEFT], out[RIGHT] = NONE, NONE
    for a in range(len(left) - 1, 0, -1):
        if one > 0.0 and left[a - 1] == one:
            out[LEFT] = a - 1
        if other > 0.0 and T[a - 1] - left[a - 1] == other:
            out[RIGHT] = a - 1
    return one + other


@njit(cache=True)
def best_split(H, T, start, ordered, gaps, least, margin, out):  # type: ignore[no-untyped-def]
    """The best single split of some rows, or none, in ``out``; its worth."""
    left = np.zeros_like(T)
    best, _ = best_of(T, T)
    out[:] = NONE
    for a in range(len(T) - 1):
        if T[a] == best and best > 0.0:
            out[LEFT] = a
            break
    for j in range(len(ordered)):
        first, last = start[j], start[j + 1] - 1
        if not ordered[j]:
            left[:] = 0.0
            mask = 0
            for turn in range(1, 1 << (last - first)):  # Gray's order: one bin changes at a time
                bit = lowest_bit(turn)
                mask ^= 1 << bit
                add(left, H[first + bit], 1.0 if (mask >> bit) & 1 else -1.0)
                best = consider(left, T, least, margin, best, (j, mask, 0), out)
            continue
        for missing in range(2 if gaps[j] else 1):
            left[:] = 0.0
            if missing:
                add(left, H[last], 1.0)
            end = last if gaps[j] and not missing else last - 1
            for s in range(first, end):
                add(left, H[s], 1.0)
                best = consider(left, T, least, margin, best, (j, s - first, missing), out)
    return best


@njit(cache=True, inline="always")
def lowest_bit(turn):  # type: ignore[no-untyped-def]
    """The place of the lowest bit that is set."""
    bit = 0
    while not (turn >> bit) & 1:
        bit += 1
    return bit


@njit(cache=True)
def move(H, T, codes, gain, rows, sign):  # type: ignore[no-untyped-def]
    """Add rows to histograms, or take them away."""
    for row in rows:
        for a in range(gain.shape[1]):
            T[a] += sign * gain[row, a]
        for j in range(codes.shape[1]):
            for a in range(gain.shape[1]):
                H[codes[row, j], a] += sign * gain[row, a]


@njit(cache=True)
def by_bin(codes, first, size):  # type: ignore[no-untyped-def]
    """The rows of each bin of a column: rows in order of bins (n,), and where each starts."""
    place = np.zeros(size + 1, np.int64)
    for code in codes:
        place[code - first + 1] += 1
    place = np.cumsum(place)
    free, rows = place.copy(), np.empty(len(codes), np.int64)
    for row, code in enumerate(codes):
        rows[free[code - first]] = row
        free[code - first] += 1
    return rows, place


@njit(cache=True)
def sweep_prefixes(codes, gain, all_sums, bins, j, limits, best, trio):  # type: ignore[no-untyped-def]
    """Try every prefix of an ordered column as the root; the best worth, its splits in ``trio``."""
    start, gaps, (whole, T) = bins[0], bins[2], all_sums
    size = start[j + 1] - start[j]
    rows, place = by_bin(codes[:, j], start[j], size)
    for missing in range(2 if gaps[j] else 1):
        H, left = np.zeros_like(whole), np.zeros_like(T)
        if missing:
            move(H, left, codes, gain, rows[place[size - 1] :], 1.0)
        end = size - 1 if gaps[j] and not missing else size - 2
        for b in range(end):
            if place[b] == place[b + 1]:
                continue
            move(H, left, codes, gain, rows[place[b] : place[b + 1]], 1.0)
            best = pair(H, left, all_sums, bins, (j, b, missing), limits, best, trio)
    return best


@njit(cache=True)
def sweep_subsets(codes, gain, all_sums, bins, j, limits, best, trio):  # type: ignore[no-untyped-def]
    """Try every subset of a column's bins as the root, in Gray's order."""
    start, (whole, T) = bins[0], all_sums
    size = start[j + 1] - start[j]
    rows, place = by_bin(codes[:, j], start[j], size)
    H, left, mask = np.zeros_like(whole), np.zeros_like(T), 0
    for turn in range(1, 1 << (size - 1)):
        bit = lowest_bit(turn)
        mask ^= 1 << bit
        sign = 1.0 if (mask >> bit) & 1 else -1.0
        move(H, left, codes, gain, rows[place[bit] : place[bit + 1]], sign)
        best = pair(H, left, all_sums, bins, (j, mask, 0), limits, best, trio)
    return best


@njit(cache=True)
def pair(H, left, all_sums, bins, place, limits, best, trio):  # type: ignore[no-untyped-def]
    """The worth of a root with the best split of each side, if it is better than ``best``."""
    (start, ordered, gaps), (whole, T), (least, margin) = bins, all_sums, limits
    if left[-1] < least or T[-1] - left[-1] < least:
        return best
    one, other = np.empty(5, np.int64), np.empty(5, np.int64)
    worth = best_split(H, left, start, ordered, gaps, least, margin, one)
    worth += best_split(whole - H, T - left, start, ordered, gaps, least, margin, other)
    if worth <= best + margin:
        return best
    trio[0, COLUMN], trio[0, CUT], trio[0, MISSING] = place
    trio[1], trio[2] = one, other
    return worth


@njit(cache=True)
def best_tree(codes, gain, bins, least, margin, depth):  # type: ignore[no-untyped-def]
    """The best tree of depth 1 or 2: its worth, and its splits (3, 5), root first."""
    start, ordered, gaps = bins
    H, T = np.zeros((start[-1], gain.shape[1])), np.zeros(gain.shape[1])
    move(H, T, codes, gain, np.arange(len(codes)), 1.0)
    trio = np.full((3, 5), UNSET, np.int64)
    best = best_split(H, T, start, ordered, gaps, least, margin, trio[0])
    if depth < 2:
        return best, trio
    for j in range(codes.shape[1]):
        if ordered[j]:
            best = sweep_prefixes(codes, gain, (H, T), bins, j, (least, margin), best, trio)
        else:
            best = sweep_subsets(codes, gain, (H, T), bins, j, (least, margin), best, trio)
    return best, trio
