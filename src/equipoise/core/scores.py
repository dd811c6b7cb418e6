"""Unbiased scores of every cell's mean outcome, from one row of the experiment each.

Cells are control and the k candidates: K = 1 + k.   y (n,) or (n, m); cell (n,) in 0..K-1;
propensity (n, K) > 0.

    ips   1{cell = a} y / e_a                        Horvitz & Thompson (1952)
    dr    mu_a + 1{cell = a} (y - mu_a) / e_a        Robins, Rotnitzky & Zhao (1994)
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats, Ints


def dr_scores(y: Floats, cell: Ints, propensity: Floats, levels: Floats) -> Floats:
    """Doubly robust scores, (n, K, m).   y: (n, m); levels: (n, K, m), the outcome model's mean of
    each cell.
    """
    row = np.arange(len(cell))
    return corrected(levels, cell, (y - levels[row, cell]) / propensity[row, cell][:, None])


def corrected(levels: Floats, cell: Ints, correction: Floats) -> Floats:
    """The levels with a correction (n, m) of each row's own cell, (n, K, m): dr where it is
    (y - mu) / e.
    """
    scores = levels.copy()
    scores[np.arange(len(cell)), cell] += correction
    return scores


def ips_scores(y: Floats, cell: Ints, propensity: Floats) -> Floats:
    """Inverse-propensity scores, (n, K, m).   y: (n, m)."""
    return dr_scores(y, cell, propensity, np.zeros((len(cell), propensity.shape[1], y.shape[1])))
