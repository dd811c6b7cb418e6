"""Bins of numbers put together by what they gain: few, and still with an edge where gains jump.

Of fine bins b in their order, with n_b rows and sums of gains s_b, the division into at most so
many runs R that is best of all,

    maximise  sum_R |sum_{b in R} s_b|^2 / sum_{b in R} n_b - 9 sigma^2 (runs - 1)

by dynamic programming (Fisher 1958, On grouping for maximum homogeneity, JASA 53).  An edge must
explain what three standard errors would, for its place is chosen; so features that matter for
nothing have none and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from equipoise.allocation.rules.questions import Bins
from equipoise.core.arrays import Floats, Ints

FINE = 20  # bins that are put together: more follow single rows
TOLL = 9.0  # of an edge: a square of three standard errors


def coarse(
    bins: Sequence[Bins], codes: Ints, start: Ints, gains: Floats, most: int, even: int = 0
) -> tuple[Bins, ...]:
    """The bins with those of numbers put together; features that then have one are left out, but
    where no number has more, the best keeps two.

    codes: (n, p); start: where each column's bins begin, (p + 1,); gains: (n, k); even: so many
    bins of like size have edges too, so that a demand for fewer people finds some.
    """
    kept: list[Bins] = []
    spare: tuple[float, Bins] | None = None
    for j, one in enumerate(bins):
        if one.cuts is None:
            kept.append(one)
            continue
        code, size = codes[:, j] - start[j], len(one.cuts) + 1
        known = code < size  # else missing
        explained = _explained(code[known], size, gains[known])
        edges = _edges(explained, most, TOLL * float(gains.var(axis=0).sum()))
        if edges or one.gaps:
            kept.append(replace(one, cuts=one.cuts[_beside(edges, even, size)]))
            continue
        halves = explained[0, 1:-1] + explained[1:-1, -1]
        edge = int(halves.argmax())
        worth = float(halves[edge] - explained[0, -1])
        if spare is None or worth > spare[0]:
            spare = worth, replace(one, cuts=one.cuts[_beside([edge], even, size)])
    divided = any(one.cuts is not None and len(one.cuts) for one in kept)
    return tuple(kept) if divided or spare is None else (*kept, spare[1])


def _explained(code: Ints, size: int, gains: Floats) -> Floats:
    """What the mean of each run of bins explains, (size + 1, size + 1): from i up to j; -inf where
    there is no run.
    """
    rows = np.concatenate([[0.0], np.cumsum(np.bincount(code, minlength=size))])
    sums = np.stack([np.bincount(code, gain, size) for gain in gains.T])
    whole = np.concatenate([np.zeros((len(sums), 1)), np.cumsum(sums, axis=1)], axis=1)
    squares = ((whole[:, None, :] - whole[:, :, None]) ** 2).sum(axis=0)
    runs = squares / np.maximum(rows[None, :] - rows[:, None], 1.0)
    return np.where(np.triu(np.ones_like(runs), 1) > 0, runs, -np.inf)


def _edges(explained: Floats, most: int, toll: float) -> list[int]:
    """The bins after which the best division into at most so many runs has an edge."""
    worth, came = [explained[0]], list[Ints]()
    for _ in range(min(most, len(explained) - 1) - 1):
        each = worth[-1][:, None] + explained
        came.append(each.argmax(axis=0))
        worth.append(each.max(axis=0))
    runs, at, edges = int(np.argmax([part[-1] - toll * s for s, part in enumerate(worth)])), -1, []
    for before in came[:runs][::-1]:
        at = int(before[at])
        edges.append(at - 1)
    return edges[::-1]


def _beside(edges: list[int], even: int, size: int) -> Ints:
    """Edges with those of bins of like size."""
    every = np.rint(np.arange(1, even) * size / max(even, 1)).astype(np.int64) - 1
    both = np.union1d(np.asarray(edges, np.int64), every)
    return both[(both >= 0) & (both < size - 1)]
