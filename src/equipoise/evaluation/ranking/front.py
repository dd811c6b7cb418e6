"""The front of a trade-off: which points no other dominates, and the volume that they dominate.

Larger is better in every coordinate.  The hypervolume of points p (n, m) over a reference r is the
volume of the union of the boxes from r to p.  It is exact, by the exclusive volumes of While,
Bradstreet & Barone (IEEE TEC 2012): in the order of the last coordinate, least first,

    volume = sum_k prod(p_k - r) - (p_k - r)_m volume_{m-1}(the points after k, cut to p_k)

as what is cut to p_k has p_k's last coordinate.  In the plane it is a staircase.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Bools, Floats
from equipoise.core.errors import InputError
from equipoise.core.kernels import njit

MOST_OBJECTIVES = 10  # beyond it no exact volume of a useful front is quick


def pareto_front(points: ArrayLike) -> Bools:
    """Which points no other dominates; larger is better.

    Parameters
    ----------
    points : array-like, (n, m)
        One point a row; equal points are on the front together.

    Returns
    -------
    array of bool, (n,)
        True where no point is at least as good in all coordinates and better in one.

    Raises
    ------
    InputError
        Where points are not rows of finite numbers.

    Examples
    --------
    >>> pareto_front([[1, 3], [2, 2], [1, 2], [3, 1]]).tolist()
    [True, True, False, True]
    """
    front: Bools = _front(_points(points))
    return front


def hypervolume(points: ArrayLike, reference: ArrayLike = 0.0) -> float:
    """Volume that points dominate above a reference; larger is better.

    Parameters
    ----------
    points : array-like, (n, m)
        One point a row, m <= 10.
    reference : array-like, (m,) or a number, default 0.0
        The corner that volumes count from, e.g. 0.5 for AUCs.  A point that is not above it in
        every coordinate adds nothing.

    Returns
    -------
    float
        The volume; 0 without points above the reference.

    Raises
    ------
    InputError
        Where points are not rows of finite numbers, or the reference does not fit them.

    Examples
    --------
    >>> hypervolume([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]])
    6.0
    """
    values = _points(points)
    corner = np.asarray(reference, np.float64)
    if corner.shape not in ((), values.shape[1:]) or not np.isfinite(corner).all():
        must = f"be a finite number, or {values.shape[1]} of them"
        raise InputError("reference", must, np.asarray(reference).tolist())
    above = values - corner
    return float(_volume(np.ascontiguousarray(above[(above > 0).all(axis=1)])))


def _points(points: ArrayLike) -> Floats:
    values = np.asarray(points, np.float64)
    if values.ndim != 2 or not 1 <= values.shape[1] <= MOST_OBJECTIVES:
        must = f"have shape (n, m) with m in 1..{MOST_OBJECTIVES}"
        raise InputError("points", must, f"shape {values.shape}")
    if not np.isfinite(values).all():
        row, m = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise InputError("points", "be finite", values[row, m], f"row {row}, coordinate {m}")
    return np.ascontiguousarray(values)


@njit(cache=True)
def _front(points):  # type: ignore[no-untyped-def]
    """Which points (n, m) no other dominates, (n,)."""
    n, m = points.shape
    front = np.ones(n, np.bool_)
    for i in range(n):
        for j in range(n):
            least, better = True, False
            for d in range(m):
                least &= points[j, d] >= points[i, d]
                better |= points[j, d] > points[i, d]
            if least and better:
                front[i] = False
                break
    return front


@njit(cache=True)
def _rising(points, front):  # type: ignore[no-untyped-def]
    """The points of the front, (., m), from the lowest last coordinate to the highest."""
    n, m = points.shape
    order, size = np.empty(n, np.int64), 0
    for i in range(n):
        if front[i]:
            place = size
            while place > 0 and points[order[place - 1], m - 1] > points[i, m - 1]:
                order[place] = order[place - 1]
                place -= 1
            order[place] = i
            size += 1
    chosen = np.empty((size, m))
    for i in range(size):
        for d in range(m):
            chosen[i, d] = points[order[i], d]
    return chosen


@njit(cache=True)
def _volume(points):  # type: ignore[no-untyped-def]
    """Volume that points (n, m) > 0 dominate."""
    n, m = points.shape
    if n == 0:
        return 0.0
    total, highest = 0.0, 0.0
    if m == 1:
        for k in range(n):
            highest = max(highest, points[k, 0])
        return highest
    chosen = _rising(points, _front(points))
    if m == 2:
        for k in range(len(chosen) - 1, -1, -1):  # the staircase, from the top step down
            total += max(chosen[k, 0] - highest, 0.0) * chosen[k, 1]
            highest = max(highest, chosen[k, 0])
        return total
    for k in range(len(chosen)):
        rest, box = np.empty((len(chosen) - k - 1, m - 1)), 1.0
        for d in range(m - 1):
            box *= chosen[k, d]
            for i in range(len(rest)):
                rest[i, d] = min(chosen[k + 1 + i, d], chosen[k, d])
        total += (box - _volume(rest)) * chosen[k, m - 1]
    return total
