"""Measured against the truth of a simulator, which nothing but these functions may see.

truth (n, K, m) are the true mean outcomes of every cell for every unit, control first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.evaluation.value import decisions


def pehe(effects: Any, *, truth: Any) -> Floats:
    """Precision in estimating heterogeneous effects (Hill 2011): root mean squared error of effects (n, k, m), as (k, m).

    Examples
    --------
    >>> pehe([[[1.0]], [[3.0]]], truth=[[[0.0], [1.0]], [[0.0], [1.0]]]).round(4).tolist()
    [[1.4142]]
    """
    levels = _truth(truth)
    values = np.asarray(effects, np.float64)
    real = levels[:, 1:] - levels[:, :1]
    if values.shape != real.shape:
        raise InputError("effects", f"have the truth's shape (n, k, m) = {real.shape}", values.shape)
    return np.asarray(np.sqrt(np.mean((values - real) ** 2, axis=0)))


def true_value(policy: Any, *, truth: Any) -> Floats:
    """The true mean of every metric, (m,), if the policy decided: choices (n,) or probabilities (n, K)."""
    levels = _truth(truth)
    return np.asarray(decisions(policy, len(levels), levels.shape[1] - 1).mean_level(levels).mean(axis=0))


def regret(policy: Any, *, truth: Any, objective: Any = None) -> float:
    """What the best cell for every unit would bring more, per head, on the objective.

    objective : weights (m,) of the metrics, by default 1 for the first.
    """
    levels = _truth(truth)
    w = np.eye(levels.shape[2])[0] if objective is None else np.asarray(objective, np.float64)
    if w.shape != levels.shape[2:]:
        raise InputError("objective", f"be one weight a metric, {levels.shape[2:]}", w.shape)
    return float((levels @ w).max(axis=1).mean() - true_value(policy, truth=levels) @ w)


def _truth(truth: Any) -> Floats:
    levels = np.asarray(truth, np.float64)
    if levels.ndim != 3 or levels.shape[1] < 2 or levels.size == 0:
        raise InputError("truth", "have shape (n, K, m), control first", levels.shape)
    return levels
