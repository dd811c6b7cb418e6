"""The nearest point to a centre under half-spaces: a least-distance problem by non-negative least
squares, compiled and without BLAS, whose last bits depend on the CPU.

    min |x|  where  G x >= h      has the solution   x = -rest[:m] / rest[m],
    rest = E w - e_(m+1),   E = [G^T; h^T],   w >= 0 minimises |rest|

The non-negative problem is solved by an active set, whose triangular factor is kept up to date.
References: Lawson and Hanson (1974), Solving Least Squares Problems, chapter 23; Daniel, Gragg,
Kaufman and Stewart (1976), Mathematics of Computation 30 (updates of the factor).
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.kernels import njit

NOTHING = 1e-18  # steps below this are none
GRADIENT = 1e-14  # of the norms' product: below it a column can lower nothing
DEPENDENT = 1e-11  # of a column's norm: what is left of it outside the span of the others


def nearest_point(normals: Floats, limits: Floats, center: Floats) -> Floats | None:
    """The point nearest to a centre where ``normals @ point <= limits``.

    Parameters
    ----------
    normals : array, (r, m)
        One half-space a row.
    limits : array, (r,)
        Their right-hand sides.
    center : array, (m,)
        Where to stay near to.

    Returns
    -------
    array, (m,), or None
        None where there is no such point, or rounding hides it.

    Examples
    --------
    >>> nearest_point(np.array([[1.0, 1.0]]), np.array([1.0]), np.array([1.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    size = np.sqrt((normals * normals).sum(axis=1))
    size[size == 0] = 1.0
    need = ((normals * center).sum(axis=1) - limits) / size  # normals/size . step <= -need
    reach = need.max()
    if reach <= NOTHING:
        return center
    columns = np.concatenate([-normals / size[:, None], (need / reach)[:, None]], axis=1)
    target = np.zeros(len(center) + 1)
    target[-1] = 1.0
    weight = np.zeros(len(columns))
    rest = np.empty(len(target))
    if not nonnegative_weights(columns, target, 20 * len(columns), weight, rest):
        return None
    if abs(rest[-1]) < 1e-12:
        return None
    point: Floats = center + reach * rest[:-1] / -rest[-1]
    return point


@njit(cache=True)
def nonnegative_weights(columns, target, limit, weight, rest):  # type: ignore[no-untyped-def]
    """weight (r,) >= 0, in place, that minimises |rest|, rest (d,) = target - columns^T weight;
    whether it was reached within ``limit`` steps.  columns: (r, d).
    """
    r, d = columns.shape
    size = min(r, d)
    basis, factor = np.zeros((size + 1, d)), np.zeros((size + 1, size + 1))
    active, inside = np.zeros(size + 1, np.int64), np.zeros(r, np.bool_)
    rejected, solution = np.zeros(r, np.bool_), np.zeros(size + 1)
    p = np.int64(0)  # a plain 0 is a type of its own, for which all is compiled again
    for k in range(d):
        rest[k] = target[k]
    for _ in range(limit):
        entering, steepest = -1, GRADIENT
        for j in range(r):
            if inside[j] or rejected[j]:
                continue
            slope = inner(columns[j], rest)
            if slope > steepest:
                entering, steepest = j, slope
        if entering < 0:
            return True
        if p >= size or not append_column(basis, factor, p, columns[entering]):
            rejected[entering] = True
            continue
        active[p], inside[entering] = entering, True
        p += 1
        solve_factor(basis, factor, p, target, solution)
        if solution[p - 1] <= 0.0:  # rounding: it would leave at once
            p -= 1
            inside[entering], rejected[entering] = False, True
            continue
        p = settle(basis, factor, p, active, inside, target, solution, weight)
        rejected[:] = False
        for k in range(d):
            rest[k] = target[k]
        for i in range(p):
            for k in range(d):
                rest[k] -= weight[active[i]] * columns[active[i], k]
    return False


@njit(cache=True)
def settle(basis, factor, p, active, inside, target, solution, weight):  # type: ignore[no-untyped-def]
    """Move the weights to the solution of the active columns; those that reach 0 on the way leave.
    The number of active columns that is left.
    """
    while p:
        step, leaving = 1.0, -1
        for i in range(p):
            if solution[i] <= 0.0:
                now = weight[active[i]]
                part = now / (now - solution[i])
                if leaving < 0 or part < step:
                    step, leaving = part, active[i]
        for i in range(p):
            weight[active[i]] += step * (solution[i] - weight[active[i]])
        if leaving < 0:
            break
        weight[leaving] = 0.0
        for i in range(p - 1, -1, -1):
            if weight[active[i]] <= 0.0:
                weight[active[i]] = 0.0
                inside[active[i]] = False
                remove_column(basis, factor, p, i)
                for j in range(i, p - 1):
                    active[j] = active[j + 1]
                p -= 1
        solve_factor(basis, factor, p, target, solution)
    return p


@njit(cache=True)
def inner(one, other):  # type: ignore[no-untyped-def]
    """The inner product of two vectors, summed in order."""
    total = 0.0
    for k in range(len(one)):
        total += one[k] * other[k]
    return total


@njit(cache=True)
def append_column(basis, factor, p, column):  # type: ignore[no-untyped-def]
    """Add a column to the factor, by Gram and Schmidt twice; False where the others span it."""
    left = column.copy()
    factor[: p + 1, p] = 0.0
    for _ in range(2):
        for i in range(p):
            part = inner(basis[i], left)
            factor[i, p] += part
            for k in range(len(left)):
                left[k] -= part * basis[i, k]
    norm = np.sqrt(inner(left, left))
    if norm <= DEPENDENT * np.sqrt(inner(column, column)):
        return False
    factor[p, p] = norm
    for k in range(len(left)):
        basis[p, k] = left[k] / norm
    return True


@njit(cache=True)
def remove_column(basis, factor, p, place):  # type: ignore[no-untyped-def]
    """Take a column from the factor; rotations make it triangular again."""
    for j in range(place, p - 1):
        for i in range(j + 2):
            factor[i, j] = factor[i, j + 1]
        norm = np.sqrt(factor[j, j] ** 2 + factor[j + 1, j] ** 2)
        c, s = factor[j, j] / norm, factor[j + 1, j] / norm
        factor[j, j], factor[j + 1, j] = norm, 0.0
        for k in range(j + 2, p):  # the columns that are still to move
            one, two = factor[j, k], factor[j + 1, k]
            factor[j, k], factor[j + 1, k] = c * one + s * two, c * two - s * one
        for k in range(basis.shape[1]):
            one, two = basis[j, k], basis[j + 1, k]
            basis[j, k], basis[j + 1, k] = c * one + s * two, c * two - s * one


@njit(cache=True)
def solve_factor(basis, factor, p, target, solution):  # type: ignore[no-untyped-def]
    """solution[:p]: the least-squares weights of the active columns, without a sign."""
    for i in range(p - 1, -1, -1):
        total = inner(basis[i], target)
        for k in range(i + 1, p):
            total -= factor[i, k] * solution[k]
        solution[i] = total / factor[i, i]
