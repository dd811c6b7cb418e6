"""Sums that are rounded once, so that they are the same in any order: `math.fsum`, compiled.

A sum is kept as parts that do not overlap, from the smallest to the largest.  Reference: Shewchuk
(1997), Discrete and Computational Geometry 18.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.kernels import njit


@njit(cache=True)
def sum_rows(coefficient, quantity, sums, rest, out):  # type: ignore[no-untyped-def]
    """out (m,): the sum of coefficient (m, G, k) times the row's quantity in ``sums`` and in
    ``rest``, (2 + q, G, k).
    """
    parts = np.empty(2 * coefficient.shape[1] * coefficient.shape[2])
    for r in range(len(out)):
        size, q = 0, quantity[r]
        for c in range(coefficient.shape[1]):
            for a in range(coefficient.shape[2]):
                by = coefficient[r, c, a]
                if by != 0.0:
                    size = add_exactly(parts, size, by * sums[q, c, a])
                    size = add_exactly(parts, size, by * rest[q, c, a])
        out[r] = rounded(parts, size)


@njit(cache=True)
def add_exactly(parts, size, x):  # type: ignore[no-untyped-def]
    """Add x to parts[:size]; the new size, at most one more."""
    left = 0
    for i in range(size):
        y = parts[i]
        if abs(x) < abs(y):
            x, y = y, x
        high = x + y
        low = y - (high - x)
        if low != 0.0:
            parts[left] = low
            left += 1
        x = high
    parts[left] = x
    return left + 1


@njit(cache=True)
def rounded(parts, size):  # type: ignore[no-untyped-def]
    """The sum of parts[:size], rounded to the nearest float, and half-way to the even one."""
    if size == 0:
        return 0.0
    i = size - 1
    high, low = parts[i], 0.0
    while i > 0 and low == 0.0:
        i -= 1
        x, y = high, parts[i]
        high = x + y
        low = y - (high - x)
    if (
        i > 0 and (low > 0.0) == (parts[i - 1] > 0.0) and low != 0.0
    ):  # the rest goes on beyond half-way
        twice = 2.0 * low
        x = high + twice
        if x - high == twice:
            high = x
    return high
