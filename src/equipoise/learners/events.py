"""Events: what an outcome of two values can tell is counted by the rarer one, not by rows.

A leaf of 20 rows at a base rate of .3 % holds .06 events: its mean is chance.  The rate p of n rows
is known within a share of itself, its relative standard error

    sqrt((1 - p) / (p n)) = sqrt(odds / n),   odds = (1 - p) / p

so that  n = 8 odds  rows know it within a third, whatever the rate; a balanced outcome takes 8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints

# of all rows, the most that a leaf of an effect must hold where three folds' models are averaged: a
# model of two thirds of the rows whose leaf holds half of these tells nobody from anybody
WIDEST = 1 / 6


def two_valued(y: Floats) -> Bools:
    """Which metrics have two values only, (m,).   y: (n, m).

    >>> two_valued(np.array([[0.0, 0.0], [1.0, 0.5], [1.0, 1.0]])).tolist()
    [True, False]
    """
    either: Bools = ((y == y.max(axis=0)) | (y == y.min(axis=0))).all(axis=0)
    return either


def rare_odds(y: Floats) -> float:
    """How many rows there are of the commoner of two values for each of the rarer; 0 where there
    are more values, or one.   y: (n,).

    >>> rare_odds(np.array([0.0, 0.0, 7.0, 0.0])), rare_odds(np.array([0.0, 1.0, 2.0]))
    (3.0, 0.0)
    """
    if not two_valued(y[:, None])[0] or y.min() == y.max():
        return 0.0
    return rarest_odds(y, np.zeros(len(y), np.int64), (0,))


def rarest_odds(y: Floats, cell: Ints, arms: Sequence[int]) -> float:
    """The odds in the arm that has fewest of either of two values, in rows of all arms: so many of
    these hold one of the rarer and its share of the commoner of that arm.   y, cell: (n,).

    >>> rarest_odds(np.array([0.0, 1.0, 0.0, 0.0, 0.0, 1.0]), np.array([0, 0, 1, 1, 1, 1]), (0, 1))
    4.5
    """
    high = y == y.max()
    rows = np.array([np.count_nonzero(cell == a) for a in arms])
    highs = np.array([np.count_nonzero(high[cell == a]) for a in arms])
    rarer = np.maximum(np.minimum(highs, rows - highs), 1)
    return float(len(y) * (1 / rarer - 1 / rows).max())


def narrowed(rows: int, most: float) -> int:
    """The fewest rows of a leaf, or ``most`` where these are half of them or more.

    >>> narrowed(100, 120), narrowed(100, 60), narrowed(100, 20)
    (100, 60, 50)
    """
    return max(rows // 2, int(min(rows, most)))
