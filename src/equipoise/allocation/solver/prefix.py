"""Prefix: how many units, in the order of a key, may change their choice before a row is exceeded.

The running sums of one walk find the places; the best of them are then measured exactly.
"""

from __future__ import annotations

import numpy as np

from equipoise.allocation.solver.kernels import walk_switches
from equipoise.allocation.solver.problem import Choice, Problem
from equipoise.core.arrays import Bools, Floats

NEARLY = 1e-12  # of a row's potential usage: so near to its bound a running sum is measured again
MEASURED = 50  # running sums that are measured again


def holds(problem: Problem, usage: Floats) -> bool:
    """Whether a usage, (m,), exceeds no row."""
    return bool((usage <= problem.rows.bounds).all())


def best_prefix(
    problem: Problem, base: Choice, other: Choice, key: Floats, most: float
) -> tuple[float, float, Floats] | None:
    """The edge of most value so that, with ``other`` where key < edge, every row is kept.

    Parameters
    ----------
    problem : Problem
        The units and their rows.
    base : array of int (n,)
        The choice at and above the edge.
    other : array of int (n,)
        The choice below the edge.
    key : array (n,)
        The order of the units.
    most : float
        The largest edge.

    Returns
    -------
    tuple or None
        The edge, the value and the usage (m,); None where no edge keeps every row.
    """
    order = np.flatnonzero((base != other) & (key < most))
    order = order[np.argsort(key[order], kind="stable")]
    rows, limit = problem.rows, problem.rows.bounds + NEARLY * problem.potential()
    worth, kept = np.empty(len(order) + 1), np.empty(len(order) + 1, np.bool_)
    worth[0], usage = problem.measure(base)
    of_rows = (rows.codes, *rows.counted())
    walk_switches(*problem.arrays(), *of_rows, base, order, other[order], usage, limit, worth, kept)
    edges = np.append(key[order], most)
    counts = np.flatnonzero(kept & _ends(edges))
    for count in counts[np.argsort(-worth[counts], kind="stable")][:MEASURED].tolist():
        choice = base.copy()
        choice[order[:count]] = other[order[:count]]
        value, usage = problem.measure(choice)
        if holds(problem, usage):
            return float(edges[count]), value, usage
    return None


def _ends(edges: Floats) -> Bools:
    """Where a prefix may end: not between equal keys.   edges: (s + 1,), in order."""
    ends: Bools = np.concatenate([[True], edges[1:] != edges[:-1]])
    return ends
