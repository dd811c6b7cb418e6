"""Kernels of the MDP2 forest: node histograms, the CUSUM criterion, trees grown and asked.  Every
loop over rows of a tree is here.

    histogram   H[f, b, k, j] = (sum w, sum w y) over the rows of a node with feature f in bin b and
    share k in bin j
    curve       C_j = sum_{i<=j} (S_i - mu n_i) / n          the centred mass integral; unchanged
    when a constant is added to y
    cut         D(j) = mean of C right of j - mean of C left of j, by mass;  the edge of largest D,
    at most what is left
    score       n K/K' sum over the K' shares visited, in the node's order, of D^2

A rising curve cuts at its top, a falling one at 0, a hill at its top.   d features, K shares, q
bins of a share, B of a feature.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.kernels import njit

MDPP, PENALISED, CURVE = range(3)
SUPPORT = 0.99  # of a leaf's rows: no cut lies beyond
BLOCK = 512  # rows whose bins are gathered at once
COUNT_BITS = 24
ONES = (1 << COUNT_BITS) - 1


@njit(cache=True, nogil=True, error_model="numpy")
def fill(hist, Xb, place, w, wy, packed, unit, rows, features):  # type: ignore[no-untyped-def]
    """Fill a histogram (f, B, K q, 2) from rows, block by block and one feature at a time, so that
    what is touched stays near.

    place: (n, K), k q + bin.   packed: (n,) of `pack`, whose sums are one addition each, or empty
    for rows that are weighted.
    """
    F, K, whole = len(features), place.shape[1], len(packed) > 0
    at, pair, bins = (
        np.empty((BLOCK, K), np.uint16),
        np.empty((BLOCK, 2)),
        np.empty((F, BLOCK), np.uint8),
    )
    both, sums = (
        np.empty(BLOCK, np.int64),
        np.zeros((F, hist.shape[1], hist.shape[2]) if whole else (0, 0, 0), np.int64),
    )
    hist[:] = 0.0
    for start in range(0, len(rows), BLOCK):
        m = min(BLOCK, len(rows) - start)
        for r in range(m):
            i = rows[start + r]
            if whole:
                both[r] = packed[i]
            else:
                pair[r, 0], pair[r, 1] = w[i], wy[i]
            for k in range(K):
                at[r, k] = place[i, k]
            for f in range(F):
                bins[f, r] = Xb[i, features[f]]
        for f in range(F):
            for r in range(m):
                if whole:
                    one, cell = both[r], sums[f, bins[f, r]]
                    for k in range(K):
                        cell[at[r, k]] += one
                else:
                    a, c, part = pair[r, 0], pair[r, 1], hist[f, bins[f, r]]
                    for k in range(K):
                        part[at[r, k], 0] += a
                        part[at[r, k], 1] += c
    for f in range(len(sums)):
        for v in range(sums.shape[1]):
            for c in range(sums.shape[2]):
                hist[f, v, c, 0] = sums[f, v, c] & ONES
                hist[f, v, c, 1] = (sums[f, v, c] >> COUNT_BITS) * unit


def pack(y: Floats) -> tuple[Ints, float]:
    """Outcomes (n,) of mean about 0 as whole numbers, each with a count of 1 in its low bits, and
    the unit of the numbers.

    Sums of up to 2^24 rows are exact, and a number is off by at most the unit: sum |y| / 2^38.
    """
    unit = max(float(np.abs(y).sum()) / 2.0**38, float(np.abs(y).max()) / 2.0**30, 1e-300)
    return (np.round(y / unit).astype(np.int64) << COUNT_BITS) + 1, unit


@njit(cache=True, nogil=True, error_model="numpy")
def cut_of(n, S, k, q, mean, edges, rest, mass, spread):  # type: ignore[no-untyped-def]
    """The best cut of one share: (D, its variance, the edge), or D = -1 where no edge is
    admissible.

    n, S: (K q,) of the node; mean: its outcome, or nan for none taken off; edges: (K, q + 1); rest:
    of the whole; mass: the integral by mass, else by width as published, unweighted; spread: the
    outcome's variance.
    """
    total = 0.0
    for j in range(q):
        total += n[k * q + j]
    if total <= 0:
        return -1.0, 0.0, 0.0
    C, weight = np.empty(q), np.empty(q)
    run = 0.0
    for j in range(q):
        m, s = n[k * q + j], S[k * q + j]
        if mass:
            run += (s - mean * m) / total
            weight[j] = m
        else:
            run += (edges[k, j + 1] - edges[k, j]) * (s / m - mean if m > 0 else 0.0)
            weight[j] = 1.0 if m > 0 else 0.0
        C[j] = run
    whole, area = 0.0, 0.0
    for j in range(q):
        whole += weight[j]
        area += weight[j] * C[j]
    best, at, before, part, below = -1.0, -1, 0.0, 0.0, 0.0
    for j in range(q - 1):
        before += weight[j]
        part += weight[j] * C[j]
        below += n[k * q + j]
        if edges[k, j + 1] > rest or below > SUPPORT * total or before <= 0 or before >= whole:
            continue
        D = (area - part) / (whole - before) - part / before
        if D > best:  # noqa: SIM300
            best, at = D, j
    if at < 0:
        return -1.0, 0.0, 0.0
    variance = 0.0
    if spread > 0 and mass:
        before = 0.0
        for j in range(at + 1):
            before += weight[j]
        tail, square, first = 0.0, 0.0, 0.0
        for j in range(q - 1, -1, -1):
            tail += weight[j] / (whole - before) if j > at else -weight[j] / before
            square += tail * tail * n[k * q + j]
            first += tail * n[k * q + j]
        variance = spread * (square - first * first / total) / (total * total)
    return best, variance, edges[k, at + 1]


@njit(cache=True, nogil=True, error_model="numpy")
def score(n, S, K, q, order, edges, criterion, mass, centred, spread, cuts):  # type: ignore[no-untyped-def]
    """The score of a node's histogram (K q,), and its cuts into ``cuts`` (K,), -1 where a share was
    not visited.
    """
    count, total = 0.0, 0.0
    for j in range(q):
        count += n[j]
        total += S[j]
    cuts[:] = -1.0
    if count <= 0:
        return 0.0
    mean = total / count
    if criterion == CURVE:
        value = 0.0
        for c in range(K * q):
            if n[c] > 0:
                value += (S[c] - mean * n[c]) ** 2 / n[c]
        return value
    share, squares, visits = 0.0, 0.0, 0
    for o in range(K):
        k = order[o]
        D, variance, edge = cut_of(
            n, S, k, q, mean if centred else 0.0, edges, 1.0 - share + 1e-12, mass, spread
        )
        if D < 0:
            continue
        visits += 1
        squares += max(0.0, D * D - variance) if criterion == PENALISED else D * D
        cuts[k] = edge
        share += edge
        if share >= 1.0 - 1e-9:
            break
    return count * squares * K / visits if visits else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def best_split(H, q, order, edges, least, criterion, mass, centred, spread):  # type: ignore[no-untyped-def]
    """The feature and bin whose children score most above their parent, (-1, 0) where none does.
    H: (f, B, K q, 2).
    """
    F, B, cells = H.shape[0], H.shape[1], H.shape[2]
    K, cuts = len(order), np.empty(len(order))
    n, S, left_n, left_S = np.zeros(cells), np.zeros(cells), np.empty(cells), np.empty(cells)
    for b in range(B):
        for c in range(cells):
            n[c] += H[0, b, c, 0]
            S[c] += H[0, b, c, 1]
    here = score(n, S, K, q, order, edges, criterion, mass, centred, spread, cuts)
    gain, best_f, best_b = 0.0, -1, 0
    for f in range(F):
        left_n[:] = 0.0
        left_S[:] = 0.0
        for b in range(B - 1):
            any_rows = False
            for c in range(cells):
                if H[f, b, c, 0] != 0:
                    left_n[c] += H[f, b, c, 0]
                    left_S[c] += H[f, b, c, 1]
                    any_rows = True
            inside, whole = left_n[:q].sum(), n[:q].sum()
            if not any_rows or inside < least or whole - inside < least:
                continue
            value = score(
                left_n, left_S, K, q, order, edges, criterion, mass, centred, spread, cuts
            )
            value += score(
                n - left_n, S - left_S, K, q, order, edges, criterion, mass, centred, spread, cuts
            )
            if value - here > gain:
                gain, best_f, best_b = value - here, f, b
    return best_f, best_b


@njit(cache=True, nogil=True, error_model="numpy")
def grow(  # type: ignore[no-untyped-def]
    Xb,
    place,
    w,
    wy,
    packed,
    unit,
    rows,
    features,
    edges,
    B,
    depth,
    least,
    criterion,
    mass,
    centred,
    spread,
    seed,
):
    """A tree: feature, bin, left child, right child, order (nodes, K) of each node; -1: a leaf.

    Rows of a node with the feature's bin <= bin go left.  The smaller child is counted, its sibling
    is the parent less it.
    """
    np.random.seed(seed)  # noqa: NPY002, the stream of this compiled call
    K, q, most = place.shape[1], edges.shape[1] - 1, 2 ** (depth + 1)
    feature, at = np.full(most, -1, np.int32), np.zeros(most, np.int32)
    child, order = np.full((most, 2), -1, np.int32), np.empty((most, K), np.int32)
    begin, end, level = np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(most, np.int64)
    slot = np.zeros(most, np.int64)
    hist = np.zeros((depth + 2, len(features), B, K * q, 2))
    fill(hist[0], Xb, place, w, wy, packed, unit, rows, features)
    end[0], nodes, stack, top = len(rows), 1, np.zeros(most, np.int64), 1
    # slots of histograms that are not in use; 0 holds the root's
    free, spare = np.arange(depth + 1, -1, -1), depth + 1
    while top:
        top -= 1
        v = stack[top]
        H = hist[slot[v]]
        shuffle(order[v])
        best_f, best_b = -1, 0
        if level[v] < depth and end[v] - begin[v] >= 2 * least:
            best_f, best_b = best_split(
                H, q, order[v], edges, least, criterion, mass, centred, spread
            )
        if best_f < 0:
            free[spare] = slot[v]
            spare += 1
            continue
        middle = divide(Xb, rows, begin[v], end[v], features[best_f], best_b)
        feature[v], at[v] = features[best_f], best_b
        one, two = nodes, nodes + 1
        nodes += 2
        child[v, 0], child[v, 1] = one, two
        begin[one], end[one], begin[two], end[two] = begin[v], middle, middle, end[v]
        level[one], level[two] = level[v] + 1, level[v] + 1
        small, large = (one, two) if middle - begin[v] <= end[v] - middle else (two, one)
        if level[one] < depth:  # a leaf needs no histogram
            spare -= 1
            slot[small], slot[large] = free[spare], slot[v]
            inside, target = rows[begin[small] : end[small]], hist[slot[small]]
            fill(target, Xb, place, w, wy, packed, unit, inside, features)
            subtract(hist[slot[large]], target)
            stack[top], stack[top + 1] = large, small
            top += 2
        else:
            free[spare] = slot[v]
            spare += 1
            shuffle(order[one])
            shuffle(order[two])
    return feature[:nodes], at[:nodes], child[:nodes], order[:nodes]


@njit(cache=True, nogil=True, error_model="numpy")
def shuffle(order):  # type: ignore[no-untyped-def]
    """order (K,) := 0..K-1 in an order drawn from the stream (Fisher and Yates)."""
    for k in range(len(order)):
        order[k] = k
    for k in range(len(order) - 1, 0, -1):
        j = np.random.randint(0, k + 1)  # noqa: NPY002
        order[k], order[j] = order[j], order[k]


@njit(cache=True, nogil=True, error_model="numpy")
def subtract(hist, other):  # type: ignore[no-untyped-def]
    """hist (f, B, c, 2) -= other."""
    for f in range(hist.shape[0]):
        for b in range(hist.shape[1]):
            for c in range(hist.shape[2]):
                hist[f, b, c, 0] -= other[f, b, c, 0]
                hist[f, b, c, 1] -= other[f, b, c, 1]


@njit(cache=True, nogil=True, error_model="numpy")
def divide(Xb, rows, low, high, column, b):  # type: ignore[no-untyped-def]
    """Reorder rows[low:high] so that those with bin <= b come first, in their old order; where the
    others begin.
    """
    place, other = low, np.empty(high - low, rows.dtype)
    count = 0
    for r in range(low, high):
        i = rows[r]
        if Xb[i, column] <= b:
            rows[place] = i
            place += 1
        else:
            other[count] = i
            count += 1
    for r in range(count):
        rows[place + r] = other[r]
    return place


@njit(cache=True, nogil=True, error_model="numpy")
def leaf_of(Xb, feature, at, child, rows):  # type: ignore[no-untyped-def]
    """The leaf of each row, (rows,)."""
    out = np.empty(len(rows), np.int32)
    for r in range(len(rows)):
        v = 0
        while feature[v] >= 0:
            v = child[v, 0] if Xb[rows[r], feature[v]] <= at[v] else child[v, 1]
        out[r] = v
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def policies(leaf, rows, place, w, wy, T, order, edges, mass, centred, out):  # type: ignore[no-untyped-def]
    """The policy (nodes, K) of each leaf, from rows kept apart; K' = 0 gives the mean mix."""
    nodes, K = out.shape
    q = edges.shape[1] - 1
    n, S, mix = np.zeros((nodes, K * q)), np.zeros((nodes, K * q)), np.zeros((nodes, K))
    for r in range(len(rows)):
        i, v = rows[r], leaf[r]
        for k in range(K):
            n[v, place[i, k]] += w[i]
            S[v, place[i, k]] += wy[i]
            mix[v, k] += w[i] * T[i, k]
    cuts = np.empty(K)
    for v in range(nodes):
        whole = n[v, :q].sum()
        if whole <= 0:
            for k in range(K):
                out[v, k] = 1.0 / K
            continue
        score(n[v], S[v], K, q, order[v], edges, MDPP, mass, centred, 0.0, cuts)
        share = 0.0
        for o in range(K):
            k = order[v, o]
            if cuts[k] > 0:
                out[v, k] = min(cuts[k], 1.0 - share)
                share += out[v, k]
            else:
                out[v, k] = 0.0
        for k in range(K):
            out[v, k] = out[v, k] / share if share > 1e-9 else mix[v, k] / whole


@njit(cache=True, nogil=True, error_model="numpy")
def average(Xb, feature, at, child, starts, values, out):  # type: ignore[no-untyped-def]
    """out (n, c): the mean over trees of the values (nodes, c) of each row's leaf.   starts: (trees
    + 1,) of their nodes.
    """
    trees = len(starts) - 1
    for i in range(len(Xb)):
        out[i] = 0.0
        for t in range(trees):
            base, v = starts[t], 0
            while feature[base + v] >= 0:
                v = (
                    child[base + v, 0]
                    if Xb[i, feature[base + v]] <= at[base + v]
                    else child[base + v, 1]
                )
            for c in range(out.shape[1]):
                out[i, c] += values[base + v, c]
        for c in range(out.shape[1]):
            out[i, c] /= trees
