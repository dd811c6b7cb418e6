"""What schedules found by a search are worth: the check on fresh traffic.

The best of many noisy values is too high, and so is the best of five fresh ones.  With a normal
prior of the worth of all that were tested, the mean that is claimed joins prior, first and fresh
values by precision, and is right whichever was selected:

    worth_i ~ N(mu, tau^2),   first_i ~ N(worth_i, s_i^2),   fresh_i ~ N(worth_i, f_i^2)
    claim_i = (mu / tau^2 + first_i / s_i^2 + fresh_i / f_i^2) / (1 / tau^2 + 1 / s_i^2 + 1 / f_i^2)

averaged over what all values say of mu and tau, of which a maximum would often set tau to 0.

Efron & Morris (1973), JASA 68;  Gelman (2006), Bayesian Analysis 1, for the prior of tau;  Efron
(2011), Tweedie's formula and selection bias, JASA 106.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError

LEAST = 3  # first values of a prior
WIDEST, STEPS = 3.0, 120  # tau is looked for up to 3 standard deviations of the values


@shown
@dataclass(frozen=True)
class Claims:
    """What the checked schedules may be said to be worth.

    Attributes
    ----------
    rows : array of int, (k,)
        Of the tested schedules.
    value, std_error : array, (k,)
        The claims: shrunk, and right whichever is picked.
    fresh : array, (k,)
        The fresh values alone, of which the largest is too high.
    pick : int
        The row of the tested schedules with the largest claim.
    mean, spread : float
        Of the prior: worth of all that were tested, and its standard deviation, on average.

    Examples
    --------
    >>> claims = confirm([0.0, 1.0, 2.0, 3.0], [1.0] * 4, [3, 2], [1.5, 1.8], [0.5, 0.5])
    >>> claims.rows.tolist(), claims.pick
    ([3, 2], 2)
    """

    rows: Ints
    value: Floats
    std_error: Floats
    fresh: Floats
    pick: int
    mean: float
    spread: float


def confirm(first: Any, first_error: Any, rows: Any, fresh: Any, fresh_error: Any) -> Claims:
    """Join first and fresh values of the schedules that were checked.

    Parameters
    ----------
    first, first_error : array, (s,)
        Values of all tested schedules on the traffic of the search, and their standard errors.
    rows : array of int, (k,)
        Which of them had fresh traffic.
    fresh, fresh_error : array, (k,)
        Their values on traffic that no search saw, and the standard errors.

    Returns
    -------
    Claims
        One for each that was checked, and the pick.

    Raises
    ------
    InputError
        Where fewer than three were tested, lengths differ, or a standard error is not > 0.

    Examples
    --------
    >>> claims = confirm([0.0, 1.0, 2.0, 3.0], [1.0] * 4, [3, 2], [1.5, 1.8], [0.5, 0.5])
    >>> claims.pick, bool(claims.value.max() < 1.8)
    (2, True)
    """
    values, errors = _pairs("first", first, first_error)
    again, again_error = _pairs("fresh", fresh, fresh_error)
    which = np.asarray(rows, np.int64)
    if which.shape != again.shape or len(which) == 0:
        must = f"be one row for each of the {len(again)} fresh values"
        raise InputError("the schedules that were checked", must, f"shape {which.shape}")
    if which.min() < 0 or which.max() >= len(values) or len(np.unique(which)) < len(which):
        must = f"be different rows in 0..{len(values) - 1}"
        raise InputError("the schedules that were checked", must, which.tolist())
    both, both_error = values.copy(), errors.copy()
    both_error[which] = (errors[which] ** -2.0 + again_error**-2.0) ** -0.5
    both[which] = values[which] / errors[which] ** 2 + again / again_error**2
    both[which] *= both_error[which] ** 2
    spread, mean, chance = normal_priors(both, both_error)
    sure = both_error[which] ** -2.0 + spread[:, None] ** -2.0  # (g, k)
    each = (both[which] / both_error[which] ** 2 + (mean / spread**2)[:, None]) / sure
    claim = chance @ each
    variance = chance @ (1 / sure + np.square(each - claim))
    pick = int(which[np.argmax(claim)])
    return Claims(
        which, claim, np.sqrt(variance), again, pick, float(chance @ mean), float(chance @ spread)
    )


def normal_priors(value: Floats, error: Floats) -> tuple[Floats, Floats, Floats]:
    """Standard deviations tau of the worth behind noisy values (s,), the mean mu by each, and how
    probable each is, (g,), before tau all are alike and mu may be anything.
    """
    if len(value) < LEAST:
        raise InputError("first values", f"be {LEAST} or more", len(value))
    widest = WIDEST * max(float(value.std()), float(error.mean()))
    spread = widest * (np.arange(STEPS) + 0.5) / STEPS
    variance = spread[:, None] ** 2 + error**2  # (g, s)
    sure = (1 / variance).sum(axis=1)
    mean = (value / variance).sum(axis=1) / sure
    miss = np.square(value - mean[:, None]) / variance
    log = -0.5 * ((np.log(variance) + miss).sum(axis=1) + np.log(sure))
    chance = np.exp(log - log.max())
    return spread, mean, chance / chance.sum()


def _pairs(what: str, value: Any, error: Any) -> tuple[Floats, Floats]:
    """Values and standard errors, checked."""
    values, errors = np.asarray(value, np.float64), np.asarray(error, np.float64)
    if values.ndim != 1 or values.shape != errors.shape:
        got = f"shapes {values.shape} and {errors.shape}"
        raise InputError(f"{what} values and errors", "be one of each a schedule", got)
    bad = ~np.isfinite(values) | ~np.isfinite(errors) | (errors <= 0)
    if bad.any():
        row = int(np.argmax(bad))
        got = f"{values[row]:g} and {errors[row]:g}"
        raise InputError(f"a {what} value and its error", "be finite, error > 0", got, f"row {row}")
    return values, errors
