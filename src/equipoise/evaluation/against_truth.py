"""Measured against the truth of a simulator, which nothing but these functions may see."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.truth import Truth
from equipoise.evaluation.off_policy import decisions


def pehe(effects: Any, *, truth: Truth) -> Floats:
    """Precision in estimating heterogeneous effects (Hill 2011): the root mean squared error of
    effects (n, k, m), as (k, m).
    """
    values, real = np.asarray(effects, np.float64), truth.effects().values
    if values.shape != real.shape:
        raise InputError(
            "effects", f"have the truth's shape (n, k, m) = {real.shape}", values.shape
        )
    return np.asarray(np.sqrt(np.mean((values - real) ** 2, axis=0)))


def true_value(policy: Any, *, truth: Truth) -> Floats:
    """The true mean of every metric, (m,), if the policy decided: choices (n,) or probabilities (n,
    K).
    """
    made = decisions(policy, len(truth), len(truth.cells) - 1)
    return np.asarray(made.mean_level(truth.levels).mean(axis=0))


def regret(policy: Any, *, truth: Truth, objective: Any = None) -> float:
    """What the best cell for every unit would bring more, per head, on the objective.

    objective : weights (m,) of the metrics, by default 1 for the first.
    """
    w = np.eye(len(truth.metrics))[0] if objective is None else np.asarray(objective, np.float64)
    if w.shape != (len(truth.metrics),):
        raise InputError("objective", f"be one weight per metric, ({len(truth.metrics)},)", w.shape)
    return float((truth.levels @ w).max(axis=1).mean() - true_value(policy, truth=truth) @ w)
