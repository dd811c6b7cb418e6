"""Unit selection: who should be treated when the four kinds of responders are worth different sums.

    complier  Y(0) = 0, Y(1) = 1     always-taker  1, 1     never-taker  0, 0     defier  1, 0

An experiment shows m1 = P(Y=1 | treated, x) and m0 = P(Y=1 | control, x), not who is which.  With p
the share of compliers at x

    defier = p - (m1 - m0)    always-taker = m1 - p    never-taker = 1 - m0 - p
    benefit = p (complier + defier - always - never)
              + m1 always + (1 - m0) never - (m1 - m0) defier          each name its worth
    max(0, m1 - m0) <= p <= min(m1, 1 - m0)

so the benefit is linear in p and its sharp bounds are at the ends.  They meet where the worths
balance (complier + defier = always + never) or nobody is a defier (p = m1 - m0).  Rows at x that
chose their treatment themselves, P(T=t, Y=y | x), make the range of p smaller:

    p >= P(Y=1) - m0,  m1 - P(Y=1)
    p <= P(1,1) + P(0,0),  m1 - m0 + P(1,0) + P(0,1)

    Li & Pearl (2019), Unit selection based on counterfactual logic, IJCAI, theorem 4;
    Tian & Pearl (2000), Probabilities of causation, Annals of Mathematics and AI 28.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Bools, Floats
from equipoise.core.display import shown
from equipoise.core.errors import InputError

RESPONDERS = ("complier", "always_taker", "never_taker", "defier")
ROUNDING = 1e-9  # probabilities may miss each other by so much and still be compatible


@shown
@dataclass(frozen=True)
class UnitBenefit:
    """The least and the largest benefit of treating each unit.

    Attributes
    ----------
    low, high : array, (n,)
        Sharp bounds, in the unit of the worths.
    compatible : array of bool, (n,)
        Whether the probabilities can be of one population; where not, low may exceed high.

    Examples
    --------
    >>> worth = {"complier": 1.0, "always_taker": -0.4, "never_taker": 0.0, "defier": -1.0}
    >>> benefit = unit_benefit(np.array([0.5]), np.array([0.3]), worth)
    >>> benefit.low.round(6).tolist(), benefit.high.round(6).tolist()
    ([0.08], [0.2])
    """

    low: Floats
    high: Floats
    compatible: Bools

    @property
    def middle(self) -> Floats:
        """Half of low and high, (n,): treat where it is above 0 and no other rule regrets less at
        worst.
        """
        return (self.low + self.high) / 2


def unit_benefit(
    m1: Floats,
    m0: Floats,
    worth: Mapping[str, float],
    *,
    no_defiers: bool = False,
    observed: Floats | None = None,
) -> UnitBenefit:
    """Sharp bounds of the benefit of treating each unit.

    Hand ``low`` to `offer_policy` for a policy that pays whatever the truth is, or ``middle`` for
    the one of least regret at worst; ``high`` less ``low`` is what nobody can know from these data.

    Parameters
    ----------
    m1, m0 : array, (n,)
        P(Y=1 | treated, x) and P(Y=1 | control, x), from an experiment.
    worth : mapping of str to float
        What treating a complier, an always_taker, a never_taker and a defier is worth.
    no_defiers : bool, default False
        Whether treatment is assumed to keep nobody from the outcome.
    observed : array, (n, 2, 2), optional
        P(T=t, Y=y | x) of units that chose their treatment themselves.

    Returns
    -------
    UnitBenefit
        Of every unit.

    Raises
    ------
    InputError
        Where a worth is missing, or a probability is none.

    References
    ----------
    Li & Pearl (2019), "Unit selection based on counterfactual logic", IJCAI.

    Examples
    --------
    >>> from equipoise.allocation import offer_policy
    >>> worth = {"complier": 1.0, "always_taker": -0.4, "never_taker": 0.0, "defier": -1.0}
    >>> benefit = unit_benefit(np.array([0.5, 0.4]), np.array([0.3, 0.4]), worth)
    >>> offer_policy(benefit.low, share=1.0).chance(benefit.low).tolist()
    [1.0, 0.0]
    """
    complier, always, never, defier = _worths(worth)
    m1, m0 = _probabilities("m1", m1, 1), _probabilities("m0", m0, 1)
    low, high = np.maximum(0.0, m1 - m0), np.minimum(m1, 1 - m0)
    if observed is not None:
        joint = _probabilities("observed", observed, 3)
        outcome = joint[:, :, 1].sum(axis=1)
        low = np.maximum.reduce([low, outcome - m0, m1 - outcome])
        own = joint[:, 1, 1] + joint[:, 0, 0]  # P(1,1) + P(0,0)
        high = np.minimum.reduce([high, own, m1 - m0 + joint[:, 1, 0] + joint[:, 0, 1]])
    compatible = low <= high + ROUNDING
    if no_defiers:
        compatible &= m1 >= m0 - ROUNDING
        low = high = m1 - m0
    slope = complier + defier - always - never
    fixed = m1 * always + (1 - m0) * never - (m1 - m0) * defier
    ends = fixed + slope * low, fixed + slope * high
    return UnitBenefit(np.minimum(*ends), np.maximum(*ends), compatible)


def _worths(worth: Mapping[str, float]) -> list[float]:
    """The four worths, in the order of `RESPONDERS`."""
    missing = [name for name in RESPONDERS if name not in worth]
    strange = [name for name in worth if name not in RESPONDERS]
    if missing or strange:
        got = f"no {missing[0]}" if missing else repr(strange[0])
        raise InputError("worth", f"have a number for {', '.join(RESPONDERS)}", got)
    numbers = [float(worth[name]) for name in RESPONDERS]
    if not np.isfinite(numbers).all():
        raise InputError("worth", "be finite numbers", dict(worth))
    return numbers


def _probabilities(name: str, values: Floats, axes: int) -> Floats:
    """An array of probabilities with so many axes; of three, those of a unit sum to 1."""
    array = np.asarray(values, np.float64)
    if array.ndim != axes or (axes == 3 and array.shape[1:] != (2, 2)):
        shape = "(n,)" if axes == 1 else "(n, 2, 2), by treatment and outcome"
        raise InputError(name, f"have shape {shape}", array.shape)
    outside = ~((array >= -ROUNDING) & (array <= 1 + ROUNDING))
    if outside.any():
        place = int(np.argwhere(outside)[0][0])
        raise InputError(name, "be probabilities", array[outside][0], f"unit {place}")
    if axes == 3:
        off = np.abs(array.sum(axis=(1, 2)) - 1) > 1e-6
        if off.any():
            place = int(np.argmax(off))
            raise InputError(name, "sum to 1", array[place].sum(), f"unit {place}")
    return array
