"""Losses of predicted effects on rows that did not teach them: what to choose a model by.

    dr        mean of (gamma_a - gamma_0 - tau_a)^2, gamma the doubly robust scores
    r         mean of (y - m - sum_a (1{c = a} - e_a) tau_a)^2, m = sum_a e_a mu_a
    plug_in   mean of (mu_a - mu_0 - tau_a)^2

Up to a constant that no prediction changes, the first two estimate the squared error of effects
against the truth; dr needs propensities or levels to be right, r both nearly, plug_in the levels.
All are noisy: compare predictions by the difference of their rows (`EffectLoss.minus`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Floats
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates
from equipoise.evaluation.data import EvaluationData

KINDS = ("dr", "r", "plug_in")


@shown
@dataclass(frozen=True)
class EffectLoss:
    """The loss of one prediction on m metrics.

    Attributes
    ----------
    estimates : Estimates, (m,)
        The mean loss, in squared units of each metric.
    rows : array, (n, m)
        The loss of every row, the mean over candidates.
    data : EvaluationData
        The rows that judged.
    level : float
        Of the intervals.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> right, nothing = (effect_loss([tau] * 4, rows) for tau in (4.0, 0.0))
    >>> right.minus(nothing).value.tolist()
    [-16.0]
    """

    estimates: Estimates
    rows: Floats
    data: EvaluationData
    level: float

    def minus(self, other: EffectLoss) -> Estimates:
        """The loss of this prediction less another's on the same rows, paired.

        Parameters
        ----------
        other : EffectLoss
            Of the other prediction, by the same kind.

        Returns
        -------
        Estimates, (m,)
            Below 0 where this one is better.

        Raises
        ------
        InputError
            Where the two were not judged on as many rows and metrics.
        """
        if self.rows.shape != other.rows.shape:
            shapes = f"{self.rows.shape} and {other.rows.shape}"
            raise InputError("two predictions", "be judged on the same rows and metrics", shapes)
        return self.data.means(self.rows - other.rows, self.level)


def effect_loss(
    effects: ArrayLike,
    rows: EvaluationData,
    *,
    kind: Literal["dr", "r", "plug_in"] = "dr",
    level: float = 0.95,
) -> EffectLoss:
    """How far predicted effects are from what the rows of an experiment say.

    Parameters
    ----------
    effects : array-like, (n,), (n, k) or (n, k, m)
        Of the rows, by a model that has not seen them; (n,) for one candidate, (n, k) for one
        metric.
    rows : EvaluationData
        With levels for "r" and "plug_in", cross-fitted; without, the cells' means stand in.
    kind : {"dr", "r", "plug_in"}, default "dr"
        Of the loss.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    EffectLoss
        The mean with its interval, and every row's.

    Raises
    ------
    InputError
        Where the effects have another shape, are not finite, or a cell is closed to some row.

    References
    ----------
    Nie & Wager (2021), Quasi-oracle estimation of heterogeneous treatment effects, Biometrika;
    Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal effects.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([1, 2, 5, 6], cell=[0, 0, 1, 1], propensity=[0.5, 0.5])
    >>> effect_loss([4.0] * 4, rows).estimates.value.tolist()
    [1.0]
    """
    if kind not in KINDS:
        raise InputError("kind", f"be one of {', '.join(KINDS)}", repr(kind))
    n, k, m = len(rows), rows.candidates, rows.y.shape[1]
    tau = np.asarray(effects, np.float64)
    if tau.shape not in {(n, k, m)} | ({(n, k)} if m == 1 else set()) | (
        {(n,)} if k == m == 1 else set()
    ):
        raise InputError("effects", f"have shape {(n, k, m)}", tau.shape)
    tau = tau.reshape(n, k, m)
    if not np.isfinite(tau).all():
        row = int(np.argmin(np.isfinite(tau).all(axis=(1, 2))))
        raise InputError("effects", "be finite", "another value", f"row {row}")
    if (rows.propensity == 0).any():
        fix = "judge on the rows that every cell is open to"
        raise InputError("the rows", "have every cell open", "a closed one", fix=fix)
    if kind == "r":
        loss = _r(tau, rows)
    elif kind == "dr":
        gain = [[rows.gain(a, j) for j in range(m)] for a in range(k)]
        loss = np.square(np.transpose(gain, (2, 0, 1)) - tau).mean(axis=1)
    else:
        levels = rows.near_levels
        loss = np.square(levels[:, 1:] - levels[:, :1] - tau).mean(axis=1)
    return EffectLoss(rows.means(loss, level), loss, rows, level)


def _r(tau: Floats, rows: EvaluationData) -> Floats:
    """The R-loss of every row, (n, m)."""
    e, levels = rows.propensity, rows.near_levels
    mean = (e[:, :, None] * levels).sum(axis=1)
    got = (rows.cell[:, None] == np.arange(1, 1 + rows.candidates)) - e[:, 1:]
    return np.asarray(np.square(rows.near_y - mean - (got[:, :, None] * tau).sum(axis=1)))
