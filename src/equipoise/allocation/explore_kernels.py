"""Kernels of the explorer: what a choice counts up to, compiled.

u unit, a candidate; choice (n,) with -1 for control; gains (n, k, j) of doubly robust scores.
Other threads go on while they run: a service decides while somebody explores.
"""

from __future__ import annotations

import numpy as np

from equipoise.allocation.solver.kernels import amount
from equipoise.core.kernels import njit


@njit(cache=True, nogil=True)
def count_choices(choice, codes, counts):  # type: ignore[no-untyped-def]
    """Add to counts (1 + c, labels, 1 + k) every unit's choice: first of all units, then by each
    of the codes (c, n).
    """
    for u in range(len(choice)):
        counts[0, 0, 1 + choice[u]] += 1
        for i in range(codes.shape[0]):
            counts[1 + i, codes[i, u], 1 + choice[u]] += 1


@njit(cache=True, nogil=True)
def add_usage(cost, cube, columns, codes, coefficient, quantity, choice, sums):  # type: ignore[no-untyped-def]
    """Add to sums (2, m) the usage of every row by every unit, and its square."""
    for u in range(len(choice)):
        for r in range(coefficient.shape[0]):
            x = amount(cost, cube, columns, coefficient, quantity, r, u, codes[u], choice[u])
            sums[0, r] += x
            sums[1, r] += x * x


@njit(cache=True, nogil=True)
def mean_scores(gains, choice, weight, cluster, clusters, mean, error):  # type: ignore[no-untyped-def]
    """The weighted mean of the gains of the choices, (j,), and its standard error over clusters,
    sqrt(c / (c - 1) sum_c (sum_{u in c} w_u (x_u - mean))^2) / sum w.
    """
    n, j = len(choice), gains.shape[2]
    whole = 0.0
    for u in range(n):
        whole += weight[u]
        if choice[u] >= 0:
            for i in range(j):
                mean[i] += weight[u] * gains[u, choice[u], i]
    mean /= whole
    rest, present = np.zeros((clusters, j)), np.zeros(clusters)
    for u in range(n):
        present[cluster[u]] = 1.0
        for i in range(j):
            x = gains[u, choice[u], i] if choice[u] >= 0 else 0.0
            rest[cluster[u], i] += weight[u] * (x - mean[i])
    for c in range(clusters):
        for i in range(j):
            error[i] += rest[c, i] ** 2
    some = present.sum()
    for i in range(j):
        error[i] = np.sqrt(error[i] * some / max(some - 1.0, 1.0)) / whole
