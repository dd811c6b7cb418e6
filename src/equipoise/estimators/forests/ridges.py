"""Kernels of the curves in the leaves of the MDP2 forest: a ridge on splines of the shares, and how
far the shares of a leaf reach.  K shares, b parts of a share's range, p = K b splines.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.kernels import njit

# of a leaf's rows, counted one by one: no best mix of its curves lies beyond; chosen on seeds 100
# to 101
REACH = 0.98


@njit(cache=True, nogil=True, error_model="numpy")
def splines(T, low, wide, out):  # type: ignore[no-untyped-def]
    """out (n, K b): how far each share reaches into each part of its range, 0 to 1.   low, wide:
    (K, b).
    """
    K, b = low.shape
    for i in range(len(T)):
        for k in range(K):
            for j in range(b):
                out[i, k * b + j] = min(1.0, max(0.0, (T[i, k] - low[k, j]) / wide[k, j]))


@njit(cache=True, nogil=True, error_model="numpy")
def reach(t, w, total):  # type: ignore[no-untyped-def]
    """The share below which lie REACH of the weight.   t, w: (m,) of a leaf; total: the sum of
    w.
    """
    heap, weight, size = t.copy(), w.copy(), len(t)
    if w.min() == w.max():  # equal weights are counted, without rounding
        weight[:] = 1.0
        total = 1.0 * size
    for i in range(size // 2 - 1, -1, -1):
        sink(heap, weight, i, size)
    above = weight[0]
    while size > 1 and above <= (1 - REACH) * total:
        size -= 1
        heap[0], weight[0] = heap[size], weight[size]
        sink(heap, weight, 0, size)
        above += weight[0]
    return heap[0]


@njit(cache=True, nogil=True, error_model="numpy")
def sink(heap, weight, i, size):  # type: ignore[no-untyped-def]
    """Move what stands at i down until no child in heap[:size] is larger, its weight with it."""
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= heap[i]:
            break
        heap[i], heap[child] = heap[child], heap[i]
        weight[i], weight[child] = weight[child], weight[i]
        i = child


@njit(cache=True, nogil=True, error_model="numpy")
def ridges(leaf, order, rows, T, w, y, low, wide, control, nodes, ridge, most):  # type: ignore[no-untyped-def]
    """The ridge of each leaf, (nodes, p + 1), and how far its shares reach, (nodes, K).

    A ridge: coefficients of y on the splines less control's (p,), then the level under control.

    The penalty counts rows: ``ridge`` times a column's mean square.   order: of the rows by leaf;
    most: rows of a leaf that are looked at.
    """
    p, K = len(control), T.shape[1]
    coefficients, limit = np.zeros((nodes, p + 1)), np.ones((nodes, K))
    start = 0
    for v in range(nodes):
        end = start
        while end < len(order) and leaf[order[end]] == v:
            end += 1
        m = min(end - start, most)
        if m >= 2:
            t, share, r, z = np.empty((m, K)), np.empty(m), np.empty(m), np.empty(m)
            for i in range(m):
                row = rows[order[start + i]]
                r[i], z[i] = w[row], y[row]
                for k in range(K):
                    t[i, k] = T[row, k]
            B = np.empty((m, p))
            splines(t, low, wide, B)
            total = r.sum()
            for k in range(K):
                for i in range(m):
                    share[i] = t[i, k]
                limit[v, k] = reach(share, r, total)
            mean = 0.0
            for i in range(m):
                mean += r[i] * z[i] / total
            middle = np.zeros(p)
            for i in range(m):
                for c in range(p):
                    B[i, c] -= control[c]
                    middle[c] += r[i] * B[i, c] / total
            A = np.empty((p, m))
            for i in range(m):
                z[i] -= mean
                for c in range(p):
                    B[i, c] -= middle[c]
                    A[c, i] = B[i, c] * r[i]
            gram, target = np.dot(A, B), np.dot(A, z)
            largest = 0.0
            for c in range(p):
                largest = max(largest, gram[c, c] / total)
            for c in range(p):
                gram[c, c] += ridge * max(gram[c, c] / total, 1e-12, largest * 1e-3)
            solve_positive(gram, target)
            coefficients[v, p] = mean
            for c in range(p):
                coefficients[v, c] = target[c]
                coefficients[v, p] -= middle[c] * target[c]
        start = end
    return coefficients, limit


@njit(cache=True, nogil=True, error_model="numpy")
def solve_positive(A, b):  # type: ignore[no-untyped-def]
    """b (p,) := A^-1 b by Cholesky, A (p, p) positive definite; its lower half is overwritten."""
    p = len(b)
    for i in range(p):
        for j in range(i + 1):
            for k in range(j):
                A[i, j] -= A[i, k] * A[j, k]
            A[i, j] = A[i, j] / A[j, j] if j < i else np.sqrt(A[i, i])
        for k in range(i):
            b[i] -= A[i, k] * b[k]
        b[i] /= A[i, i]
    for i in range(p - 1, -1, -1):
        for k in range(i + 1, p):
            b[i] -= A[k, i] * b[k]
        b[i] /= A[i, i]
