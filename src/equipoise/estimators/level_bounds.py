"""Levels of a metric of two values lie between them.

The level of such a metric is a probability, in its unit, but neither a regression nor an effect
learnt apart from the level under control knows that.  With level b under control and effects tau:

    b' = clip(b),   tau_a' = clip(b + tau_a) - b'

the nearest levels within the bounds, each on its own; what is within them keeps every bit.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.learners.events import two_valued


def outcome_bounds(y: Floats) -> Floats:
    """The two values of each metric that has two, else -inf and inf, (2, m).   y: (n, m).

    >>> outcome_bounds(np.array([[0.0, 0.0], [1.0, 0.5], [1.0, 1.0]])).tolist()
    [[0.0, -inf], [1.0, inf]]
    """
    ends = np.stack([y.min(axis=0), y.max(axis=0)])
    return np.where(two_valued(y), ends, [[-np.inf], [np.inf]])


def joint_bounds(some: Floats, others: Floats) -> Floats:
    """The `outcome_bounds` of two parts together, from those of each, (2, m).

    >>> joint_bounds(np.array([[0.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 2], [1.0, 2.0]])).tolist()
    [[0.0, -inf], [1.0, inf]]
    """
    return outcome_bounds(np.vstack([some, others]))


def within_bounds(values: Floats, baseline: Floats, bounds: Floats | None) -> tuple[Floats, Floats]:
    """Effects (n, k, m) and baseline (n, m) whose levels lie within ``bounds`` (2, m); None: of
    version 0.1.0, which had none.

    >>> parts = np.array([[[-0.2]], [[0.2]]]), np.array([[0.1], [0.1]])
    >>> within_bounds(*parts, np.array([[0.0], [1.0]]))[0].ravel().tolist()
    [-0.1, 0.2]
    """
    if bounds is None or not np.isfinite(bounds).any():
        return values, baseline
    level, control = baseline[:, None] + values, np.clip(baseline, *bounds)
    mended = np.clip(level, *bounds)
    moved = (mended != level) | (control != baseline)[:, None]
    return np.where(moved, mended - control[:, None], values), control
