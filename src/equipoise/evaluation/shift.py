"""The value of moving treatments a step, without an experiment: modified treatment policies, doubly
robust.

    psi_i = mu(x_i, d(t_i)) - y_i + ratio(t_i, x_i) (y_i - mu(x_i, t_i))        its mean is the gain
    of d over what was done

A policy that gives everybody a fixed dose or mix is hardly ever seen in a log; one that moves what
was given by a step is. Haneuse & Rotnitzky (2013), Stat. Med. 32;  Diaz & van der Laan (2012),
Biometrics 68. mu and ratio must not have been learnt from the rows that judge; nothing unrecorded
may drive both treatment and outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates
from equipoise.evaluation.base import mean_estimates

LEAST_SHARE, LEAST_ROWS = 0.1, 200  # of rows that the weights leave


@shown
@dataclass(frozen=True)
class ShiftValue:
    """The gain of moving every row's treatment, and how much weight it rests on.

    Attributes
    ----------
    gain : Estimates, (m,)
        Per head, in the metrics' units.
    effective : float
        How many rows the weights leave (Kish 1965), as a share of all.
    told : bool
        Whether they are enough to believe the intervals.

    Examples
    --------
    >>> y = np.array([[1.0], [2.0], [3.0]])
    >>> value = shift_value(y, y, y + 0.5, np.ones(3))
    >>> value.effective, value.told
    (1.0, False)
    """

    gain: Estimates
    effective: float
    told: bool


def shift_value(
    y: Floats,
    before: Floats,
    after: Floats,
    ratio: Floats,
    *,
    weight: Floats | None = None,
    groups: Ints | None = None,
    level: float = 0.95,
) -> ShiftValue:
    """The gain of moving every row's treatment, doubly robust.

    Parameters
    ----------
    y : array, (n, m)
        Outcomes.
    before, after : array, (n, m)
        Their expected levels at the logged treatment and at the moved one, not learnt from these
        rows.
    ratio : array, (n,)
        Density of the moved treatments over that of the logged ones, >= 0, not learnt from these
        rows.
    weight : array, (n,), default None
        Weights > 0; None: ones.
    groups : array of int, (n,), default None
        Codes of clusters, whose rows are not independent.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    ShiftValue
        Per head, in the metrics' units.

    Raises
    ------
    InputError
        Where shapes differ, or a ratio is negative or not finite.

    Notes
    -----
    The mean of mu(x, d(t)) - y + ratio (y - mu(x, t)), the ratios scaled to mean 1.

    References
    ----------
    Haneuse & Rotnitzky (2013), Stat. Med. 32;  Diaz & van der Laan (2012), Biometrics 68.

    Examples
    --------
    >>> y = np.array([[1.0], [2.0], [3.0]])
    >>> shift_value(y, y, y + 0.5, np.ones(3)).gain.value.tolist()
    [0.5]
    """
    n = len(y)
    if before.shape != y.shape or after.shape != y.shape or ratio.shape != (n,):
        raise InputError(
            "levels and ratio",
            f"have shapes {y.shape} and {(n,)}",
            (before.shape, after.shape, ratio.shape),
        )
    if not (np.isfinite(ratio) & (ratio >= 0)).all():
        row = int(np.argmin(np.isfinite(ratio) & (ratio >= 0)))
        raise InputError("the ratio", "be a finite number >= 0", ratio[row], f"row {row}")
    w = np.ones(n) if weight is None else weight
    mass = w * ratio
    effective = (
        float(mass.sum() ** 2 / (mass**2).sum() * (w**2).sum() / w.sum() ** 2)
        if mass.any()
        else 0.0
    )
    rows = after - y + (ratio / (mass.sum() / w.sum() or 1.0))[:, None] * (y - before)
    gain = mean_estimates(rows, weight=w, groups=groups, level=level)
    return ShiftValue(gain, effective, effective >= LEAST_SHARE and effective * n >= LEAST_ROWS)
