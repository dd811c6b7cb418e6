"""Confidence sequences: intervals that hold at all times at once, however often one looks.

With an estimate after n units and its standard error s,

    estimate +- s sqrt( 2 (n r + 1) / (n r) ln( sqrt(n r + 1) / alpha ) ),
    r = (-2 ln alpha + ln(1 - 2 ln alpha)) / n*

where n* is the size at which one expects to decide: there the interval is narrowest for its n; one
tuned to a size ten times too large or too small is wider.  An interval of fixed size that is looked
at daily is wrong several times as often as it says.  The margin depends on n / n* only, so n may
count units, or information, 1 / s^2.

    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and
    asymptotic confidence sequences, Annals of Statistics 52, arXiv:2103.06476, eq. for AsympCS and
    the choice of rho^2, here r.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError


def sequence_margin(n: ArrayLike, n_star: float, level: float = 0.95) -> Floats:
    """How many standard errors wide a confidence sequence is, to each side.

    Parameters
    ----------
    n : array-like
        Units behind the estimate, >= 0; 0 gives infinity.
    n_star : float
        The size at which one expects to decide, > 0.
    level : float, default 0.95
        The chance that all intervals hold together.

    Returns
    -------
    array, of the shape of ``n``
        Multiples of the standard error; 1.96 is what one look at a size fixed before would need.

    Raises
    ------
    InputError
        Where a size is negative or not finite, ``n_star`` is not > 0, or the level not in (0, 1).

    References
    ----------
    Waudby-Smith et al. (2024), Annals of Statistics 52, arXiv:2103.06476.

    Examples
    --------
    >>> sequence_margin([100, 1000, 10_000], 1000).round(2).tolist()
    [3.86, 3.04, 3.24]
    """
    if not 0 < level < 1:
        raise InputError("the level", "lie between 0 and 1", level)
    if not (np.isfinite(n_star) and n_star > 0):
        fix = "give the size at which you expect to decide"
        raise InputError("n_star", "be a finite number > 0", n_star, fix=fix)
    size = np.asarray(n, np.float64)
    if not (np.isfinite(size) & (size >= 0)).all():
        raise InputError("sizes", "be finite numbers >= 0", np.min(size))
    alpha = 1 - level
    r = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / n_star
    with np.errstate(divide="ignore"):
        square = 2 * (1 + 1 / (size * r)) * np.log(np.sqrt(size * r + 1) / alpha)
    return np.asarray(np.sqrt(square))


def confidence_sequence(
    estimate: ArrayLike,
    std_error: ArrayLike,
    n: ArrayLike,
    *,
    n_star: float,
    level: float = 0.95,
) -> tuple[Floats, Floats]:
    """Give the intervals of a confidence sequence.

    Parameters
    ----------
    estimate : array-like
        After each look.
    std_error : array-like
        Of the estimates, >= 0.
    n : array-like
        Units behind each.
    n_star : float
        The size at which one expects to decide, > 0.
    level : float, default 0.95
        The chance that all of them hold together.

    Returns
    -------
    low, high : array
        The ends, of the estimates' shape.

    Raises
    ------
    InputError
        Where an estimate is not finite or a standard error is negative; see `sequence_margin`.

    References
    ----------
    Waudby-Smith et al. (2024), Annals of Statistics 52, arXiv:2103.06476.

    Examples
    --------
    >>> low, high = confidence_sequence([0.5, 0.2], [0.3, 0.1], [100, 900], n_star=1000)
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([-0.66, -0.1], [1.66, 0.5])
    """
    centre, error = np.asarray(estimate, np.float64), np.asarray(std_error, np.float64)
    if not np.isfinite(centre).all():
        raise InputError("estimates", "be finite", float(centre[~np.isfinite(centre)].flat[0]))
    if not (error >= 0).all():
        raise InputError("standard errors", "be >= 0", float(error[~(error >= 0)].flat[0]))
    margin = error * sequence_margin(n, n_star, level)
    return centre - margin, centre + margin
