"""Measured against the truth of a simulator, which nothing but these functions may see."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.truth import Truth
from equipoise.evaluation.off_policy import decisions


def pehe(effects: Any, *, truth: Truth) -> Floats:
    """Precision in estimating heterogeneous effects: the root mean squared error of effects.

    Parameters
    ----------
    effects : array-like, (n, k, m)
        Estimated effects of every candidate on every metric, in the metrics' units.
    truth : Truth
        The truth of a simulator.

    Returns
    -------
    array, (k, m)
        In the metrics' units.

    References
    ----------
    Hill (2011), Bayesian Nonparametric Modeling for Causal Inference, JCGS 20(1).

    Examples
    --------
    >>> from equipoise.data import make_coupon_world
    >>> _, truth = make_coupon_world(1000, seed=1)
    >>> pehe(truth.effects().values + 0.5, truth=truth).round(6).tolist()
    [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    """
    values, real = np.asarray(effects, np.float64), truth.effects().values
    if values.shape != real.shape:
        raise InputError(
            "effects", f"have the truth's shape (n, k, m) = {real.shape}", values.shape
        )
    return np.asarray(np.sqrt(np.mean((values - real) ** 2, axis=0)))


def true_value(policy: Any, *, truth: Truth) -> Floats:
    """The true mean of every metric if a policy decided.

    Parameters
    ----------
    policy : array-like, (n,) or (n, K)
        Choices, -1 control and a candidate a; or probabilities of the cells.
    truth : Truth
        The truth of a simulator.

    Returns
    -------
    array, (m,)
        Per head, in the metrics' units.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.data import make_coupon_world
    >>> _, truth = make_coupon_world(1000, seed=1)
    >>> value = true_value(np.full(1000, -1), truth=truth)
    >>> bool(np.allclose(value, truth.levels[:, 0].mean(axis=0)))
    True
    """
    choices = decisions(policy, len(truth), len(truth.cells) - 1)
    return np.asarray(choices.mean_level(truth.levels).mean(axis=0))


def regret(policy: Any, *, truth: Truth, objective: Any = None) -> float:
    """How much more per head the best cell for every unit would bring on the objective.

    Parameters
    ----------
    policy : array-like, (n,) or (n, K)
        Choices, -1 control and a candidate a; or probabilities of the cells.
    truth : Truth
        The truth of a simulator.
    objective : array-like, (m,), default None
        Weights of the metrics; None: 1 for the first, 0 for the others.

    Returns
    -------
    float
        Per head, in the objective's unit; 0 for the best policy.

    Examples
    --------
    >>> from equipoise.data import make_coupon_world
    >>> _, truth = make_coupon_world(1000, seed=1)
    >>> best = truth.levels[:, :, 0].argmax(axis=1) - 1
    >>> round(regret(best, truth=truth), 9)
    0.0
    """
    w = np.eye(len(truth.metrics))[0] if objective is None else np.asarray(objective, np.float64)
    if w.shape != (len(truth.metrics),):
        raise InputError("objective", f"be one weight per metric, ({len(truth.metrics)},)", w.shape)
    return float((truth.levels @ w).max(axis=1).mean() - true_value(policy, truth=truth) @ w)
