"""The lowest point of the upper envelope of some lines over a box: a small linear program by the
simplex method, compiled and without BLAS, whose last bits depend on the CPU.

    min t   where   constant_i + slope_i . y <= t   and y in the region

is the dual of a mixture l of the lines, the one whose least height over the region is largest:

    max  l . constant - box sum u   where   sum_i l_i slope_i + u - v = 0,  sum l = 1,  all >= 0

(u is one number for all coordinates where the region is sum y <= box).  One line alone is a
feasible mixture, so there is no first phase.  What is in the last basis are the equations of the
point: a line touches it, y_j = 0 (v_j), y_j = box (u_j).  They are solved at the end, so that it is
as exact as they are.  Reference: Dantzig (1963), Linear Programming and Extensions, chapter 5.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.kernels import njit

ROUNDING = 8 * np.finfo(np.float64).eps  # of the terms of a sum: what may be noise in it
PIVOT = 1e-9  # of a column's largest entry: what is below it divides nothing
STALLS = 20  # steps without gain, after which the first entry is taken: no cycle (Bland)
STEPS = 50  # at most, for each line and coordinate


def lowest_point(
    slopes: Floats, constants: Floats, box: float, simplex: bool = False
) -> tuple[float, Floats]:
    """The least height of the largest of some lines over a region, and where it is.

    Parameters
    ----------
    slopes : array, (c, m)
        One line a row.
    constants : array, (c,)
        Their heights at 0.
    box : float
        The region is 0 <= y <= box,
    simplex : bool, default False
        or y >= 0 and sum y <= box.

    Returns
    -------
    height : float
        Of the largest line at the point; the equations', where rounding lifts a line above it.
    y : array, (m,)
        The point: nowhere in the region is the largest line lower.

    Examples
    --------
    >>> height, y = lowest_point(np.array([[1.0], [-1.0]]), np.array([0.0, 2.0]), 10.0)
    >>> height, y.tolist()
    (1.0, [1.0])
    """
    y = np.zeros(slopes.shape[1] + 1)
    descend(slopes, constants, box, simplex, y)
    point = np.clip(y[:-1], 0.0, box)
    return min(float((constants + (slopes * point).sum(axis=1)).max()), float(y[-1])), point


@njit(cache=True)
def descend(slopes, constants, box, simplex, y):  # type: ignore[no-untyped-def]
    """y (m + 1,) := the point and its height.  Variables of the mixture: the lines, c + j for v_j,
    then u.
    """
    c, m = slopes.shape
    caps = 1 if simplex else m
    table, cost = np.zeros((m + 1, c + m + caps + 1)), np.zeros(c + m + caps)
    basis = begin(slopes, constants, simplex, table)
    for q in range(c):
        cost[q] = constants[q]
    for q in range(c + m, len(cost)):
        cost[q] = -box
    stalls = 0
    for _ in range(STEPS * (c + m)):
        entering = enter(table, cost, basis, stalls >= STALLS)
        leaving = leave(table, basis, entering, stalls >= STALLS) if entering >= 0 else -1
        if leaving < 0:
            break
        stalls = 0 if table[leaving, len(cost)] > 0.0 else stalls + 1
        pivot(table, leaving, entering)
        basis[leaving] = entering
    touch(slopes, constants, box, simplex, basis, y)


@njit(cache=True)
def begin(slopes, constants, simplex, table):  # type: ignore[no-untyped-def]
    """The table (m + 1, variables + 1) of the line that is highest at 0, in place; its basis."""
    c, m = slopes.shape
    line = 0
    for i in range(c):
        if constants[i] > constants[line]:
            line = i
    low, end = 0, table.shape[1] - 1
    for j in range(m):
        if slopes[line, j] < slopes[line, low]:
            low = j
    basis = np.empty(m + 1, np.int64)
    basis[m], table[m, end] = line, 1.0
    for i in range(c):
        table[m, i] = 1.0
    for j in range(m):
        u = c + m if simplex else c + m + j
        capped = slopes[line, j] < 0.0 and (j == low or not simplex)
        sign = 1.0 if capped else -1.0
        for i in range(c):
            table[j, i] = sign * (slopes[i, j] - slopes[line, j])
        table[j, c + j], table[j, u] = -sign, sign
        table[j, end] = -sign * slopes[line, j]
        basis[j] = u if capped else c + j
    if simplex and m > 0 and slopes[line, low] < 0.0:
        for j in range(m):
            if j != low:
                for q in range(end + 1):
                    table[j, q] += table[low, q]
    return basis


@njit(cache=True)
def enter(table, cost, basis, first):  # type: ignore[no-untyped-def]
    """The variable that gains most by the unit, or the first that gains; -1 where none does."""
    gain, noise = np.empty(len(cost)), np.empty(len(cost))
    for q in range(len(cost)):
        gain[q], noise[q] = cost[q], abs(cost[q])
    for i in range(len(basis)):
        worth = cost[basis[i]]
        if worth != 0.0:
            for q in range(len(cost)):
                gain[q] -= worth * table[i, q]
                noise[q] += abs(worth * table[i, q])
    entering, most = -1, 0.0
    for q in range(len(cost)):
        if gain[q] > ROUNDING * noise[q] and gain[q] > most:
            entering, most = q, gain[q]
            if first:
                break
    return entering


@njit(cache=True)
def leave(table, basis, entering, first):  # type: ignore[no-untyped-def]
    """The row whose variable is the first to reach 0; of several the one of the largest entry, or
    of the first variable.
    """
    leaving, least, largest = -1, np.inf, 0.0
    end = table.shape[1] - 1
    for i in range(len(basis)):
        largest = max(largest, table[i, entering])
    for i in range(len(basis)):
        entry = table[i, entering]
        if entry <= PIVOT * largest:
            continue
        ratio = max(table[i, end], 0.0) / entry
        better = basis[i] < basis[leaving] if first else entry > table[leaving, entering]
        if leaving < 0 or ratio < least or (ratio == least and better):
            leaving, least = i, ratio
    return leaving


@njit(cache=True)
def pivot(table, row, column):  # type: ignore[no-untyped-def]
    """Make the column that of the row's variable."""
    by, end = table[row, column], table.shape[1] - 1
    for q in range(end + 1):
        table[row, q] /= by
    for i in range(len(table)):
        times = table[i, column]
        if i != row and times != 0.0:
            for q in range(end + 1):
                table[i, q] -= times * table[row, q]


@njit(cache=True)
def touch(slopes, constants, box, simplex, basis, y):  # type: ignore[no-untyped-def]
    """y (m + 1,) := the point and its height, by the equations of the basis (Gauss and Jordan)."""
    c, m = slopes.shape
    table = np.zeros((m + 1, m + 2))
    for i in range(m + 1):
        q = basis[i]
        if q < c:
            for j in range(m):
                table[i, j] = slopes[q, j]
            table[i, m], table[i, m + 1] = -1.0, -constants[q]
        elif q < c + m:
            table[i, q - c] = 1.0
        else:
            for j in range(m):
                table[i, j] = 1.0 if simplex or j == q - c - m else 0.0
            table[i, m + 1] = box
    for p in range(m + 1):
        best = p
        for i in range(p + 1, m + 1):
            if abs(table[i, p]) > abs(table[best, p]):
                best = i
        for q in range(p, m + 2):
            table[p, q], table[best, q] = table[best, q], table[p, q]
        if table[p, p] != 0.0:
            pivot(table, p, p)
    for j in range(m + 1):
        y[j] = table[j, m + 1]
