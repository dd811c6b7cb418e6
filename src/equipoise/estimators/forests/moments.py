"""Kernels of the causal forest: trees that split where effects differ, and what rows a leaf has.

    W (k,)     residual treatments 1{t = a} - e_a(x);  y the residual outcome;  w weights
    node       Wc = W - mean W,  A = mean Wc Wc' = L L',  theta = A^-1 mean Wc (y - mean y)
    row        rho = L^-1 Wc (y - mean y - Wc' theta)       its pull on the node's theta, in units
               h = |L^-1 Wc|^2 / k                          of its error, and how much it tells
    split      max over features and bins  sum over children  |sum rho|^2 / sum h

To first order the score is the gain in fit of solving for theta in each child (Athey, Tibshirani &
Wager 2019, section 2.3); L makes it the same whichever arm is control, and h weighs children by
what they tell.  Every feature is counted in 256 bins, of which the last is for missing values,
which go to the side where they raise the score most.  Categories are divided by sets of their
levels (`forests.levels`).
"""

from __future__ import annotations

import numpy as np

from equipoise.core.kernels import njit
from equipoise.estimators.forests.levels import best_set, divide_by_set

MISSING = 255  # the bin of missing values; a node whose cut it is divides by a set of levels
MANY = 128  # rows of a node beyond which its bins are looked up one by one
BITS = 26  # of h in a whole number
ONES = (1 << BITS) - 1
DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
PLACE = np.zeros(64, np.int64)
for _bit in range(64):
    PLACE[((1 << _bit) * 0x03F79D71B4CB0A89 % 2**64) >> 58] = _bit
TINY = 1e-9  # of the trace of A, added to its diagonal


@njit(cache=True, nogil=True, error_model="numpy")
def sums_of(rows, W, y, w, out):  # type: ignore[no-untyped-def]
    """out (p,) := weighted sums over rows: 1, y, W (k), W y (k), W W' by its lower half; that of
    y^2.
    """
    k, square = W.shape[1], 0.0
    out[:] = 0.0
    if k == 1:  # in registers
        one, first, share, cross, tells = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in rows:
            v, u = w[i] * W[i, 0], w[i] * y[i]
            one += w[i]
            first += u
            share += v
            cross += v * y[i]
            tells += v * W[i, 0]
            square += u * y[i]
        out[0], out[1], out[2], out[3], out[4] = one, first, share, cross, tells
        return square
    for i in rows:
        out[0] += w[i]
        out[1] += w[i] * y[i]
        square += w[i] * y[i] * y[i]
        c = 2 + 2 * k
        for a in range(k):
            v = w[i] * W[i, a]
            out[2 + a] += v
            out[2 + k + a] += v * y[i]
            for b in range(a + 1):
                out[c] += v * W[i, b]
                c += 1
    return square


@njit(cache=True, nogil=True, error_model="numpy")
def solve(m, A, theta):  # type: ignore[no-untyped-def]
    """theta (k,) := A^-1 c from moments m (p,) as of `sums_of` over their first; A (k, k) becomes
    its Cholesky factor.
    """
    k = len(theta)
    c, trace = 2 + 2 * k, 0.0
    for a in range(k):
        theta[a] = m[2 + k + a] - m[2 + a] * m[1]
        for b in range(a + 1):
            A[a, b] = m[c] - m[2 + a] * m[2 + b]
            c += 1
        trace += A[a, a]
    for a in range(k):
        A[a, a] += TINY * trace + 1e-300
        for b in range(a + 1):
            for s in range(b):
                A[a, b] -= A[a, s] * A[b, s]
            A[a, b] = np.sqrt(max(A[a, a], 1e-300)) if a == b else A[a, b] / A[b, b]
    forward(A, theta)
    backward(A, theta)


@njit(cache=True, nogil=True, error_model="numpy")
def forward(L, v):  # type: ignore[no-untyped-def]
    """v (k,) := L^-1 v."""
    for a in range(len(v)):
        for b in range(a):
            v[a] -= L[a, b] * v[b]
        v[a] /= L[a, a]


@njit(cache=True, nogil=True, error_model="numpy")
def backward(L, v):  # type: ignore[no-untyped-def]
    """v (k,) := L'^-1 v."""
    for a in range(len(v) - 1, -1, -1):
        for b in range(a + 1, len(v)):
            v[a] -= L[b, a] * v[b]
        v[a] /= L[a, a]


@njit(cache=True, nogil=True, error_model="numpy")
def pulls(rows, W, y, w, room, out):  # type: ignore[no-untyped-def]
    """out (rows, k) := rho of each row, by the theta of all, as whole numbers whose sums are exact;
    the first has h in its low bits.   room: (p,), (k, k), (k,), (k,) to write in.
    """
    n, k = out.shape
    m, L, theta, v = room
    square = sums_of(rows, W, y, w, m)
    whole = m[0]
    m /= whole
    solve(m, L, theta)
    # sums of h stay below 2^25 + n, those of |rho| within 2^36 by Cauchy and Schwarz
    fine = 2.0**36 / max(np.sqrt(whole * k * square), 1e-200)
    coarse = 2.0**25 / (whole * k)
    if k == 1:
        near = 1 / L[0, 0]
        for r in range(n):
            i = rows[r]
            t = W[i, 0] - m[2]
            one = w[i] * t * near
            rho = np.int64(np.rint(one * (y[i] - m[1] - t * theta[0]) * fine))
            out[r, 0] = (rho << BITS) + 1 + np.int64(one * t * near * coarse)
        return
    for r in range(n):
        i, h = rows[r], 0.0
        miss = y[i] - m[1]
        for a in range(k):
            v[a] = W[i, a] - m[2 + a]
            miss -= v[a] * theta[a]
        forward(L, v)
        for a in range(k):
            out[r, a] = np.int64(np.rint(w[i] * v[a] * miss * fine)) << BITS
            h += v[a] * v[a]
        out[r, 0] += 1 + np.int64(w[i] * h * coarse)


@njit(cache=True, nogil=True, error_model="numpy")
def fill(hist, column, rows, pull, bins):  # type: ignore[no-untyped-def]
    """Add pulls (rows, k) into hist (256, k), which is 0, by their bins; the bins that hold rows
    into ``bins``, rising; how many they are.
    """
    n, k, held, one, none = len(rows), pull.shape[1], 0, np.uint64(1), np.uint64(0)
    if k == 1:
        for r in range(n):
            hist[column[rows[r]], 0] += pull[r, 0]
    else:
        for r in range(n):
            for a in range(k):
                hist[column[rows[r]], a] += pull[r, a]
    if n >= MANY:
        for b in range(256):
            bins[held] = b
            held += hist[b, 0] != 0
        return held
    seen = none, none, none, none
    for r in range(n):
        b = column[rows[r]]
        bit, word = one << np.uint64(b & 63), b >> 6
        seen = (  # four registers, which no row waits for
            seen[0] | (bit if word == 0 else none),
            seen[1] | (bit if word == 1 else none),
            seen[2] | (bit if word == 2 else none),
            seen[3] | (bit if word == 3 else none),
        )
    for word in range(4):
        rest = seen[word]
        while rest != 0:
            low = rest & (~rest + one)  # the lowest bit, whose place a de Bruijn sequence tells
            bins[held] = 64 * word + PLACE[(low * DE_BRUIJN) >> np.uint64(58)]
            rest ^= low
            held += 1
    return held


@njit(cache=True, nogil=True, error_model="numpy")
def scan(hist, bins, total, least, left, best):  # type: ignore[no-untyped-def]
    """The best cut of one feature into ``best``, where it beats what is there; whether it did.

    Sums of rho are 0, so that the score is  |left|^2 / (h (total - h))  but for a factor of the
    node; best: the two parts of this, the bin, whether missing goes left (2: there is none).
    hist (256, k); bins: those that hold rows; least: of sum h of a child; left: (k,) to write in.
    """
    k, won, whole = hist.shape[1], False, total & ONES
    last = bins[-1] == MISSING
    top, under, at, way = best[0], best[1], best[2], best[3]
    for side in range(2 if last else 1):
        for a in range(k):
            left[a] = hist[MISSING, a] if side == 1 else 0
        first = left[0]
        for r in range(len(bins) - (1 if last else 0)):
            b = bins[r]
            first += hist[b, 0]
            for a in range(1, k):
                left[a] += hist[b, a]
            h = first & ONES
            if h < least:
                continue
            if whole - h < least:
                break
            one = np.float64(first >> BITS)
            size = one * one
            for a in range(1, k):
                one = np.float64(left[a] >> BITS)
                size += one * one
            tells = np.float64(h) * np.float64(whole - h)
            if size * under > top * tells:
                top, under, at, way, won = size, tells, b, side, True
    if won:
        best[0], best[1], best[2], best[3] = top, under, at, way if last else 2.0
    return won


@njit(cache=True, nogil=True, error_model="numpy")
def divide(column, rows, low, high, b, left, chosen, spare):  # type: ignore[no-untyped-def]
    """Reorder rows[low:high] so that those that go left come first, in their old order; where the
    others begin.
    """
    if b == MISSING:
        return divide_by_set(column, rows, low, high, chosen, spare)
    place, others = low, 0
    for r in range(low, high):
        i = rows[r]
        v = column[i]
        near = (v <= b) | (left & (v == MISSING))
        rows[place], spare[others] = i, i
        place += near
        others += not near
    for r in range(others):
        rows[place + r] = spare[r]
    return place


@njit(cache=True, nogil=True, error_model="numpy")
def best_cut(X, categorical, rows, pull, least, tried, room, best):  # type: ignore[no-untyped-def]
    """The feature and, in ``best``, the cut of a node; -1 where none is admissible.   room: (256,
    k) of 0, which it is left with, (257,), (k,), and of sets of levels (2, 256, k), (2, 256), (4,)
    and (4,), the last for that of the cut.
    """
    n, k = pull.shape
    hist, bins, left, rho, h, inside, chosen = room
    total, winner = np.int64(0), -1
    for r in range(n):
        total += pull[r, 0]
    whole = total & ONES
    best[0], best[1] = 0.0, 1.0
    for f in tried:
        if categorical[f]:
            sums_by_level(X[f], rows, pull, rho, h)
            gain = best_set(rho, h, least, inside)
            if gain * best[1] > best[0] * whole:
                winner, chosen[:] = f, inside
                best[0], best[1], best[2], best[3] = gain, whole, MISSING, 2.0
            continue
        held = fill(hist, X[f], rows, pull, bins)
        if scan(hist, bins[:held], total, least * whole, left, best):
            winner = f
        for b in bins[:held]:
            for a in range(k):
                hist[b, a] = 0
    return winner


@njit(cache=True, nogil=True, error_model="numpy")
def sums_by_level(column, rows, pull, rho, h):  # type: ignore[no-untyped-def]
    """rho (2, 256, k), h (2, 256) := sums by level over the first and every other row, and over
    those between.
    """
    rho[:], h[:] = 0.0, 0.0
    for r in range(len(rows)):
        b, half = column[rows[r]], r & 1
        h[half, b] += pull[r, 0] & ONES
        for a in range(pull.shape[1]):
            rho[half, b, a] += pull[r, a] >> BITS


@njit(cache=True, nogil=True, error_model="numpy")
def columns_of(X, rows):  # type: ignore[no-untyped-def]
    """The bins (d, rows) of some rows of X (d, n), near each other, since every node asks for
    them.
    """
    bins = np.empty((len(X), len(rows)), np.uint8)
    for f in range(len(X)):
        for r in range(len(rows)):
            bins[f, r] = X[f, rows[r]]
    return bins


@njit(cache=True, nogil=True, error_model="numpy")
def grow(X, W, y, w, rows, apart, least, balance, features, seed, categorical):  # type: ignore[no-untyped-def]
    """A tree: of each node the feature (-1: a leaf), bin, whether missing goes left, left child,
    means (p,) of its rows of ``apart``, the set of levels that go left where the bin is MISSING,
    (nodes, 4), or (0, 4) without categories; and how many rows of ``apart`` it has.

    X: (d, n) bins; categorical: (d,).   rows, apart: the halves that grow the tree and that fill
    its nodes; least: rows of either in a leaf; balance: least share of a node in a child;
    features: tried a node.
    """
    np.random.seed(seed)  # noqa: NPY002, the stream of this compiled call
    k, d, most = W.shape[1], len(X), 2 * len(rows) + 1
    p = 2 + 2 * k + k * (k + 1) // 2
    mine, apart = np.arange(len(rows)).astype(np.uint32), apart.astype(np.uint32)
    bins, near = columns_of(X, rows), (W[rows], y[rows], w[rows])
    feature, at = np.full(most, -1, np.int32), np.zeros(most, np.uint8)
    left, child = np.zeros(most, np.bool_), np.full(most, -1, np.int32)
    begin, end = np.zeros((most, 2), np.int64), np.zeros((most, 2), np.int64)
    pull, spare = np.empty((len(rows), k), np.int64), np.empty(len(rows) + len(apart), np.uint32)
    of_pulls = np.empty(p), np.zeros((k, k)), np.empty(k), np.empty(k)
    sets = np.zeros((most if categorical.any() else 0, 4), np.uint64)
    chosen, of_sets = np.zeros(4, np.uint64), (np.empty((2, 256, k)), np.empty((2, 256)))
    of_cuts = np.zeros((256, k), np.int64), np.empty(257, np.uint32), np.zeros(k, np.int64)
    room = (*of_cuts, *of_sets, np.zeros(4, np.uint64), chosen)
    end[0], nodes, v = (len(rows), len(apart)), 1, 0
    order, best = np.arange(d).astype(np.uint32), np.empty(4)
    while v < nodes:
        inside, filling = mine[begin[v, 0] : end[v, 0]], apart[begin[v, 1] : end[v, 1]]
        n, m, f = len(inside), len(filling), -1
        if n >= 2 * least and m >= 2 * least:
            pulls(inside, *near, of_pulls, pull[:n])
            draw(order, features)
            part = max(least / n, balance)
            some = order[:features]
            f = best_cut(bins, categorical, inside, pull[:n], part, some, room, best)
        if f >= 0:
            b, side = int(best[2]), best[3] == 1.0
            for half in range(2):
                table, whole = (bins, mine) if half == 0 else (X, apart)
                low, high = begin[v, half], end[v, half]
                middle = divide(table[f], whole, low, high, b, side, chosen, spare)
                begin[nodes, half], end[nodes, half] = begin[v, half], middle
                begin[nodes + 1, half], end[nodes + 1, half] = middle, end[v, half]
            if best[3] == 2.0:
                side = end[nodes, 0] - begin[nodes, 0] > end[nodes + 1, 0] - begin[nodes + 1, 0]
            if b == MISSING:
                sets[v] = chosen
            feature[v], at[v], left[v], child[v] = f, b, side, nodes
            nodes += 2
        v += 1
    size, means = (end - begin)[:nodes, 1], np.empty((nodes, p))
    average(feature[:nodes], child, size, begin[:, 1], apart, W, y, w, means)
    return feature[:nodes], at[:nodes], left[:nodes], child[:nodes], means, sets[:nodes], size


@njit(cache=True, nogil=True, error_model="numpy")
def average(feature, child, size, begin, apart, W, y, w, means):  # type: ignore[no-untyped-def]
    """means (nodes, p) := those of each node's rows, apart[begin : begin + size]; of a node without
    rows: its parent's.
    """
    nodes, p = means.shape
    for v in range(nodes - 1, -1, -1):
        if feature[v] < 0:
            sums_of(apart[begin[v] : begin[v] + size[v]], W, y, w, means[v])
        else:
            for c in range(p):
                means[v, c] = means[child[v], c] + means[child[v] + 1, c]
    for v in range(nodes):
        whole = means[v, 0]
        for c in range(p):
            means[v, c] /= whole
        if feature[v] >= 0:
            for u in range(child[v], child[v] + 2):
                if size[u] == 0:
                    means[u] = means[v]


@njit(cache=True, nogil=True, error_model="numpy")
def prune(feature, at, left, child, means, sets, size, least):  # type: ignore[no-untyped-def]
    """The tree with nodes of fewer than two leaves of ``least`` rows as leaves: as `grow` without
    sizes.
    """
    kept, nodes = np.zeros(len(feature), np.int64), 1
    out, v = np.full(len(feature), -1, np.int32), 0
    while v < nodes:
        old = kept[v]
        if feature[old] >= 0 and size[old] >= 2 * least:
            kept[nodes], kept[nodes + 1], out[v] = child[old], child[old] + 1, nodes
            nodes += 2
        v += 1
    kept = kept[:nodes]
    some = feature[kept]
    some[out[:nodes] < 0] = -1
    kept_sets = sets[kept] if len(sets) else sets
    return some, at[kept], left[kept], out[:nodes], means[kept], kept_sets


@njit(cache=True, nogil=True, error_model="numpy")
def draw(order, some):  # type: ignore[no-untyped-def]
    """The first ``some`` of order := a draw without replacement (Fisher and Yates); all: as they
    are.
    """
    if some < len(order):
        for k in range(some):
            j = np.random.randint(k, len(order))  # noqa: NPY002
            order[k], order[j] = order[j], order[k]
