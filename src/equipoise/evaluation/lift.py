"""Relative lift: an effect over the mean under control, by Fieller's interval.

The lift L = d / mu_0 is the number for which d - L mu_0 is 0, d the effect and mu_0 control's mean.
Its interval is all L that a test of this does not refute,

    (d - L mu_0)^2 <= t^2 (v_d - 2 L c + L^2 v_0),       c = (v_a - v_d - v_0) / 2 = cov(d, mu_0),

with v the squared standard errors of the effect, of the arm's and of control's mean.  It is an
interval exactly where control's mean surely differs from 0, and holds 0 exactly where the effect's
own does.  Taking control's mean for known would make it too narrow.

Fieller (1954), Some problems in interval estimation, J. R. Stat. Soc. B 16.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Bools, Floats
from equipoise.core.estimates import Estimates


def relative_lift(
    effect: Estimates, control: Estimates, arm_error: Floats, signed: Bools
) -> Estimates:
    """Effects over control's means; NaN where these are not surely above 0.

    Parameters
    ----------
    effect : Estimates, (m,)
        Of one candidate.
    control : Estimates, (m,)
        Means of the same rows under control.
    arm_error : array, (m,)
        Standard errors of the candidate's own means.
    signed : array of bool, (m,)
        Metrics that have values below 0: they have no lift.

    Returns
    -------
    Estimates, (m,)
        Shares of control's means, at least -1; standard errors by the delta method.

    Examples
    --------
    >>> from equipoise.core.estimates import around
    >>> effect, control = (around(np.array([v]), np.array([0.1]), level=0.95) for v in (0.5, 2.0))
    >>> lift = relative_lift(effect, control, np.array([0.1]), np.array([False]))
    >>> [round(end, 3) for end in lift[0].interval]
    [0.25, 0.144, 0.37]
    """
    d, mu = effect.value, control.value
    v_d, v_0 = effect.std_error**2, control.std_error**2
    c = (arm_error**2 - v_d - v_0) / 2
    # the quantile of the effect's interval, its reach in standard errors
    reach = np.divide(effect.high - d, effect.std_error, out=np.zeros_like(d), where=v_d > 0)
    a = mu**2 - reach**2 * v_0
    shown = (mu > 0) & (a > 0) & ~signed
    a, safe = np.where(shown, a, np.nan), np.where(shown, mu, np.nan)
    b = d * mu - reach**2 * c
    root = np.sqrt(np.maximum(b**2 - a * (d**2 - reach**2 * v_d), 0.0))
    value = d / safe
    error = np.sqrt(np.maximum(v_d - 2 * value * c + value**2 * v_0, 0.0)) / safe
    ends = (value, (b - root) / a, (b + root) / a)
    value, low, high = (np.maximum(end, -1.0) for end in ends)
    return Estimates(value, error, low, high, effect.df)
