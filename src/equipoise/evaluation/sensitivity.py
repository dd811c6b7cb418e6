"""How much the strata move when an assumption gives way by so much: harm h, direct effects e,
hidden confounding Lambda.

    h = P(0110), without A6     p_0100 = q10 - h      p_0101 = q01 + q11 - m0 + h     p_0111 = m0 -
    q01 - h
    e = P(0001), without A5     p_0011 = q01 - e      p_0101 = q01 + q11 - m0 - e     p_0111 = m0 -
    q01 + e

each within its sharp range of the unit.  Without A2, the marginal sensitivity model lets a unit's
odds of the arm it got, given what is hidden, be off by a factor of at most Lambda.  Then P(Z(t)=1 |
x), with p = P(Z=1 | arm t, x) and w = P(arm t | x), is in

    w p + (1 - w) [max(p / L, 1 - L (1 - p)),  min(L p, 1 - (1 - p) / L)]

    Tan (2006), JASA; Dorn & Guo (2022), arXiv:2102.04543.   In a randomised experiment Lambda is 1.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.strata import STRATA
from equipoise.evaluation.bounds import TYPES, strata_bounds


def with_harm(q: Floats, m0: Floats, part: float | Floats) -> Floats:
    """The types where harm takes a part of its sharp range, with exclusion (A5) and without A6.

    Parameters
    ----------
    q : array, (n, 4)
        P(C=c, Y=y | offered, x) in the order q00, q01, q10, q11.
    m0 : array, (n,)
        P(Y=1 | not offered, x).
    part : float or array (n,)
        0 the least harm that the data allow, 1 the most.

    Returns
    -------
    array, (n, 8)
        The probability of each of `TYPES`.

    Notes
    -----
    With h = P(0110): p_0100 = q10 - h, p_0101 = q01 + q11 - m0 + h, p_0111 = m0 - q01 - h.

    Examples
    --------
    >>> q, m0 = np.array([[0.4, 0.1, 0.2, 0.3]]), np.array([0.25])
    >>> with_harm(q, m0, 1.0).round(6).tolist()
    [[0.4, 0.1, 0.05, 0.3, 0.0, 0.15, 0.0, 0.0]]
    """
    low, high = strata_bounds(q, m0, assume=("A5",)).of("harm")
    h = low + _part(part) * (high - low)
    always = m0 - q[:, 1] - h
    return _types(q, q[:, 1], q[:, 2] - h, always, harm=h)


def with_direct_gain(q: Floats, m0: Floats, part: float | Floats) -> Floats:
    """The types where direct gain takes a part of its sharp range, with no harm (A6), without A5.

    Direct gain is a purchase by mere exposure to the offer.

    Parameters
    ----------
    q : array, (n, 4)
        P(C=c, Y=y | offered, x) in the order q00, q01, q10, q11.
    m0 : array, (n,)
        P(Y=1 | not offered, x).
    part : float or array (n,)
        0 the least direct gain that the data allow, 1 the most.

    Returns
    -------
    array, (n, 8)
        The probability of each of `TYPES`.

    Notes
    -----
    With e = P(0001): p_0011 = q01 - e, p_0101 = q01 + q11 - m0 - e, p_0111 = m0 - q01 + e.

    Examples
    --------
    >>> q, m0 = np.array([[0.4, 0.1, 0.2, 0.3]]), np.array([0.25])
    >>> with_direct_gain(q, m0, 1.0).round(6).tolist()
    [[0.4, 0.0, 0.2, 0.05, 0.25, 0.0, 0.1, 0.0]]
    """
    low, high = strata_bounds(q, m0, assume=("A6",)).of("direct_gain")
    e = low + _part(part) * (high - low)
    return _types(q, q[:, 1] - e, q[:, 2], m0 - q[:, 1] + e, direct_gain=e)


def msm_interval(p: Floats, own: Floats, factor: float) -> tuple[Floats, Floats]:
    """The range of P(Z(t)=1 | x), (n,) each, under hidden confounding of at most ``factor`` >= 1.
    p, own: (n,).

    own : the probability of the arm t itself.

    >>> [round(float(side[0]), 4) for side in msm_interval(np.array([0.4]), np.array([0.5]), 2.0)]
    [0.3, 0.55]
    """
    if not (np.isfinite(factor) and factor >= 1):
        raise InputError(
            "factor",
            "be a finite number >= 1",
            factor,
            fix="1 is no hidden confounding, 2 is a lot",
        )
    low = np.maximum(p / factor, 1 - factor * (1 - p))
    high = np.minimum(factor * p, 1 - (1 - p) / factor)
    return own * p + (1 - own) * low, own * p + (1 - own) * high


def msm_strata(q: Floats, m0: Floats, propensity: Floats, factor: float) -> tuple[Floats, Floats]:
    """Bounds of the five strata under hidden confounding, with A5 and A6.

    Parameters
    ----------
    q : array, (n, 4)
        P(C=c, Y=y | offered, x) in the order q00, q01, q10, q11.
    m0 : array, (n,)
        P(Y=1 | not offered, x).
    propensity : array, (n,)
        P(offered | x).
    factor : float
        Lambda >= 1 of the marginal sensitivity model: by how much what is hidden may multiply a
        unit's odds of its arm.

    Returns
    -------
    tuple of array, (n, 5) each
        The least and the largest probability, in the order of `STRATA`.  The bounds hold for each
        stratum; all five need not reach theirs together.

    References
    ----------
    Tan (2006), JASA;  Dorn & Guo (2022), arXiv:2102.04543.

    Examples
    --------
    >>> q, m0, g = np.array([[0.4, 0.1, 0.2, 0.3]]), np.array([0.25]), np.array([0.5])
    >>> low, high = msm_strata(q, m0, g, 1.0)
    >>> low.round(6).tolist() == high.round(6).tolist()
    True
    >>> [side[0, 0].round(6).item() for side in msm_strata(q, m0, g, 2.0)]
    [0.3, 0.55]
    """
    buys, never_taker = q[:, 1] + q[:, 3], q[:, 1]
    ends = [
        msm_interval(part, propensity, factor) for part in (q[:, 0], never_taker, q[:, 2], buys)
    ]
    low0, high0 = msm_interval(m0, 1 - propensity, factor)
    (down, up), (taker_down, taker_up) = ends[3], ends[1]
    low = [ends[0][0], taker_down, ends[2][0], down - high0, low0 - taker_up]
    high = [ends[0][1], taker_up, ends[2][1], up - low0, high0 - taker_down]
    return np.maximum(np.column_stack(low), 0.0), np.minimum(np.column_stack(high), 1.0)


def _types(
    q: Floats, never_taker: Floats, taker: Floats, always: Floats, **violations: Floats
) -> Floats:
    """The eight types of their parts, (n, 8)."""
    types = np.zeros((len(q), len(TYPES)))
    types[:, : len(STRATA)] = np.column_stack(
        [q[:, 0], never_taker, taker, q[:, 3] - always, always]
    )
    for name, share in violations.items():
        types[:, TYPES.index(name)] = share
    return types


def _part(part: float | Floats) -> float | Floats:
    if not ((np.asarray(part) >= 0) & (np.asarray(part) <= 1)).all():
        raise InputError(
            "part", "lie in 0..1", part, fix="0 is the least that the data allow, 1 the most"
        )
    return part
