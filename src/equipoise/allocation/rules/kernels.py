"""Kernels of the exact tree: sorted sweeps over histograms, compiled.

Throughout: n rows, p columns, k candidates; codes (n, p) the place of a row's value among all S
bins of all columns; gain (n, k + 1) what each candidate adds to a row over control, and how often
the row counts; H (S, k + 1) sums of ``gain`` by bin, T (k + 1,) over all rows.  Bins of column j
are start[j] to start[j + 1].  Where ordered[j], the last of them holds what is missing and a split
is a prefix of the others, with the missing ones or without; else a split is any subset.

Every split pays ``toll`` times the root of the count of the rows that it parts; limits are (least,
margin, toll): the least count of a leaf, and what is rounding.

A root's splits are swept in the order of its bins; with them moves, for every other column, the
table of sums by both columns' bins, from which the best split on each side is read.  That costs
n p^2 k / 2 + p^2 B^2 k of B bins a column, and the tables are small enough to stay near.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.kernels import njit

COLUMN, CUT, MISSING, LEFT, RIGHT = range(5)  # of a split: `out` (5,); CUT is a prefix or a mask
UNSET = -2  # the cut of a side that is a leaf of the root
DIGIT = 1 << 11  # of a radix sort
NONE = -1  # the column of no split; control among candidates


@njit(cache=True)
def add(left, sums, sign):  # type: ignore[no-untyped-def]
    """Add sums to others, or take them away."""
    for a in range(len(left)):
        left[a] += sign * sums[a]


@njit(cache=True)
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
def best_split(H, T, bins, limits, out):  # type: ignore[no-untyped-def]
    """The best single split of some rows, or none, in ``out``; its worth less its toll."""
    (start, ordered, gaps), (least, margin, toll) = bins, limits
    left = np.zeros_like(T)
    best, _ = best_of(T, T)
    out[:] = NONE
    for a in range(len(T) - 1):
        if T[a] == best and best > 0.0:
            out[LEFT] = a
            break
    toll *= np.sqrt(max(T[-1], 0.0))
    best += toll
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
    return best - toll


@njit(cache=True)
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
def pair_sums(f, g, gain, table):  # type: ignore[no-untyped-def]
    """Sums of gains by the bins of two columns, (B_f, B_g, k + 1).   f, g: (n,) codes from 0."""
    table[:] = 0.0
    if gain.shape[1] == 2:
        for i in range(len(f)):
            table[f[i], g[i], 0] += gain[i, 0]
            table[f[i], g[i], 1] += gain[i, 1]
        return
    for i in range(len(f)):
        for a in range(gain.shape[1]):
            table[f[i], g[i], a] += gain[i, a]


@njit(cache=True)
def raised(best, one, T, least):  # type: ignore[no-untyped-def]
    """The worth of a split if it is better than ``best`` and its leaves are large enough.

    one, T: (k + 1,) sums of the left side and of both.
    """
    first, second = best_of(one, T)
    if first + second <= best or one[-1] < least or T[-1] - one[-1] < least:
        return best
    return first + second


@njit(cache=True)
def both_sides(L, W, TL, TR, ordered, gaps, least):  # type: ignore[no-untyped-def]
    """The best split of a column on either side of a root, -inf where there is none.

    L, W: (B, k + 1) sums by the column's bins of the root's left rows and of all.
    """
    if ordered and len(TL) == 2:
        return both_sides_of_one(L, W, TL, TR, gaps, least)
    one, other, last = -np.inf, -np.inf, len(L) - 1
    left, right = np.zeros_like(TL), np.zeros_like(TL)
    if not ordered:
        mask = 0
        for turn in range(1, 1 << last):
            bit = lowest_bit(turn)
            mask ^= 1 << bit
            sign = 1.0 if (mask >> bit) & 1 else -1.0
            for a in range(len(left)):
                left[a] += sign * L[bit, a]
                right[a] += sign * (W[bit, a] - L[bit, a])
            one, other = raised(one, left, TL, least), raised(other, right, TR, least)
        return one, other
    for missing in range(2 if gaps else 1):
        for a in range(len(left)):
            left[a] = L[last, a] if missing else 0.0
            right[a] = W[last, a] - L[last, a] if missing else 0.0
        for s in range(last if gaps and not missing else last - 1):
            for a in range(len(left)):
                left[a] += L[s, a]
                right[a] += W[s, a] - L[s, a]
            one, other = raised(one, left, TL, least), raised(other, right, TR, least)
    return one, other


@njit(cache=True)
def both_sides_of_one(L, W, TL, TR, gaps, least):  # type: ignore[no-untyped-def]
    """`both_sides` of an ordered column where there is one candidate, in plain numbers."""
    one, other, last = -np.inf, -np.inf, len(L) - 1
    for missing in range(2 if gaps else 1):
        left = right = left_n = right_n = 0.0
        if missing:
            left, left_n = L[last, 0], L[last, 1]
            right, right_n = W[last, 0] - left, W[last, 1] - left_n
        for s in range(last if gaps and not missing else last - 1):
            left += L[s, 0]
            left_n += L[s, 1]
            right += W[s, 0] - L[s, 0]
            right_n += W[s, 1] - L[s, 1]
            worth = max(left, 0.0) + max(TL[0] - left, 0.0)
            if worth > one and left_n >= least and TL[1] - left_n >= least:
                one = worth
            worth = max(right, 0.0) + max(TR[0] - right, 0.0)
            if worth > other and right_n >= least and TR[1] - right_n >= least:
                other = worth
    return one, other


@njit(cache=True)
def sweep(table, W, T, root, child, least, best):  # type: ignore[no-untyped-def]
    """Raise ``best`` (q, 2), the best split on the left and on the right of each split of the root
    column, by those of another column.

    table: (B, B', k + 1) sums by the bins of both; W: (B', k + 1) of the other; root, child:
    whether ordered, whether values are missing.
    """
    ordered, gaps = root
    last, L, TL = len(table) - 1, np.zeros_like(W), np.zeros_like(T)
    if not ordered:
        mask = 0
        for turn in range(1, 1 << last):
            bit = lowest_bit(turn)
            mask ^= 1 << bit
            step(table[bit], 1.0 if (mask >> bit) & 1 else -1.0, L, TL)
            one, other = both_sides(L, W, TL, T - TL, child[0], child[1], least)
            best[mask, 0], best[mask, 1] = max(best[mask, 0], one), max(best[mask, 1], other)
        return
    for missing in range(2 if gaps else 1):
        L[:], TL[:] = 0.0, 0.0
        if missing:
            step(table[last], 1.0, L, TL)
        for s in range(last if gaps and not missing else last - 1):
            step(table[s], 1.0, L, TL)
            if TL[-1] < least or T[-1] - TL[-1] < least:
                continue
            one, other = both_sides(L, W, TL, T - TL, child[0], child[1], least)
            q = missing * last + s
            best[q, 0], best[q, 1] = max(best[q, 0], one), max(best[q, 1], other)


@njit(cache=True)
def step(sums, sign, L, TL):  # type: ignore[no-untyped-def]
    """Move the rows of one bin of the root to its left, or back."""
    for b in range(len(L)):
        for a in range(len(TL)):
            L[b, a] += sign * sums[b, a]
            TL[a] += sign * sums[b, a]


@njit(cache=True)
def best_root(H, T, bins, limits, splits, trio):  # type: ignore[no-untyped-def]
    """The best root, from the best splits on both sides of each, (p, q, 2); into ``trio[0]``."""
    (start, ordered, gaps), (least, margin, toll) = bins, limits
    best = best_split(H, T, bins, limits, trio[0])
    for j in range(len(ordered)):
        first, last = start[j], start[j + 1] - 1 - start[j]
        turns = (1 << last) if not ordered[j] else (2 if gaps[j] else 1) * last
        left = np.zeros_like(T)
        for q in range(turns):
            cut, missing = (q, 0) if not ordered[j] else (q % last, q // last)
            left[:] = 0.0
            for b in range(last + 1):
                inside = (q >> b) & 1 if not ordered[j] else b <= cut and b < last
                if inside or (ordered[j] and b == last and missing):
                    add(left, H[first + b], 1.0)
            if left[-1] < least or T[-1] - left[-1] < least:
                continue
            worth = -toll * np.sqrt(T[-1])
            for side, sums in ((0, left), (1, T - left)):
                alone, _ = best_of(sums, sums)
                worth += max(alone, splits[j, q, side] - toll * np.sqrt(sums[-1]))
            if worth > best + margin:
                best = worth
                trio[0, COLUMN], trio[0, CUT], trio[0, MISSING] = j, cut, missing
                trio[1, CUT] = 0
    return best


@njit(cache=True)
def best_tree(codes, gain, bins, limits, depth):  # type: ignore[no-untyped-def]
    """The best tree of depth 1 or 2: its worth less tolls, and its splits (3, 5), root first."""
    start, ordered, gaps = bins
    p, k1 = codes.shape[1], gain.shape[1]
    H, T = np.zeros((start[-1], k1)), np.zeros(k1)
    move(H, T, codes, gain, np.arange(len(codes)), 1.0)
    trio = np.full((3, 5), UNSET, np.int64)
    if depth < 2 or p == 0:
        return best_split(H, T, bins, limits, trio[0]), trio
    own = np.empty((p, len(codes)), np.int32)
    size = np.empty(p, np.int64)
    for j in range(p):
        own[j] = codes[:, j] - start[j]
        last = start[j + 1] - start[j] - 1
        size[j] = 2 * last if ordered[j] else 1 << last
    splits = np.full((p, size.max(), 2), -np.inf)
    for f in range(p):
        for g in range(f + 1):
            table = np.zeros((start[f + 1] - start[f], start[g + 1] - start[g], k1))
            pair_sums(own[f], own[g], gain, table)
            one, other = H[start[f] : start[f + 1]], H[start[g] : start[g + 1]]
            kinds = (ordered[f], gaps[f]), (ordered[g], gaps[g])
            sweep(table, other, T, kinds[0], kinds[1], limits[0], splits[f])
            if f != g:
                turned = np.ascontiguousarray(table.transpose(1, 0, 2))
                sweep(turned, one, T, kinds[1], kinds[0], limits[0], splits[g])
    best = best_root(H, T, bins, limits, splits, trio)
    if trio[1, CUT] != UNSET:
        sides(codes, gain, own[trio[0, COLUMN]], H, T, bins, limits, trio)
    return best, trio


@njit(cache=True)
def sides(codes, gain, own, H, T, bins, limits, trio):  # type: ignore[no-untyped-def]
    """The best split on each side of a root, into ``trio``.   own: (n,) codes of its column."""
    (start, ordered, _), j = bins, trio[0, COLUMN]
    last, cut = start[j + 1] - start[j] - 1, trio[0, CUT]
    rows = np.empty(len(codes), np.int64)
    n = 0
    for i in range(len(codes)):
        if not ordered[j]:
            inside = (cut >> own[i]) & 1 == 1
        else:
            inside = trio[0, MISSING] == 1 if own[i] == last else own[i] <= cut
        if inside:
            rows[n] = i
            n += 1
    L, left = np.zeros_like(H), np.zeros_like(T)
    move(L, left, codes, gain, rows[:n], 1.0)
    best_split(L, left, bins, limits, trio[1])
    best_split(H - L, T - left, bins, limits, trio[2])


@njit(cache=True)
def digitise(values, cuts, codes):  # type: ignore[no-untyped-def]
    """Write how many cuts, of a few, are at or below each value; one more than all where it is
    missing.  All are counted, so that no branch hangs on a value.
    """
    for row in range(len(values)):
        value, count = values[row], 0
        for k in range(len(cuts)):
            count += 1 if cuts[k] <= value else 0
        codes[row] = count if value == value else len(cuts) + 1


@njit(cache=True)
def ascending(values):  # type: ignore[no-untyped-def]
    """Values in order by their bits, 11 at a time (radix sort); what is missing is left out."""
    keys, free = np.empty(len(values), np.uint64), 0
    bits = values.view(np.uint64)
    for row in range(len(values)):
        sign = bits[row] >> np.uint64(63)
        flip = (np.uint64(0) - sign) | np.uint64(1 << 63)
        keys[free] = bits[row] ^ flip
        free += values[row] == values[row]
    keys = keys[:free]
    spare, low = np.empty_like(keys), np.uint64(DIGIT - 1)
    for turn in range(6):
        shift = np.uint64(11 * turn)
        place = np.zeros(DIGIT + 1, np.int64)
        for key in keys:
            place[np.int64((key >> shift) & low) + 1] += 1
        if place.max() == len(keys):  # all alike in these bits
            continue
        place = np.cumsum(place)
        for key in keys:
            digit = np.int64((key >> shift) & low)
            spare[place[digit]] = key
            place[digit] += 1
        keys, spare = spare, keys
    for row in range(len(keys)):
        sign = keys[row] >> np.uint64(63)
        keys[row] ^= (sign - np.uint64(1)) | np.uint64(1 << 63)
    return keys.view(np.float64)


@njit(cache=True)
def shortest(low, high):  # type: ignore[no-untyped-def]
    """The number of fewest digits in (low, high]; high where there is nothing between."""
    if low >= high:
        return high
    if low < 0.0 <= high:
        return 0.0
    top = int(np.floor(np.log10(max(abs(low), abs(high)))))
    for exponent in range(top, max(top - 16, -300), -1):
        if exponent >= 0:
            step = 10.0**exponent
            value = np.floor(high / step) * step
        else:
            scale = 10.0**-exponent
            value = np.floor(high * scale) / scale
        if low < value <= high:
            return value
    return high


@njit(cache=True)
def shortest_each(low, high):  # type: ignore[no-untyped-def]
    """`shortest` of each pair, (b,)."""
    cuts = np.empty(len(low))
    for b in range(len(low)):
        cuts[b] = shortest(low[b], high[b])
    return cuts
