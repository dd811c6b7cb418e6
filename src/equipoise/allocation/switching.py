"""Churn: how much a new policy changes for the units, and the bonus that makes it change less.

The bonus rho is worth added to leaving a unit where it was: value[u, previous_u] += rho (for
control: every candidate -= rho).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError


@shown
@dataclass(frozen=True)
class Keep:
    """The choices in force and the bonus for staying with them.

    Attributes
    ----------
    previous : array of int, (n,)
        -2 none, -1 control, a candidate a.
    bonus : float
        Finite, >= 0, in worth per unit.

    Examples
    --------
    >>> Keep(np.array([0, -1, -2]), 0.5).bonus
    0.5
    """

    previous: Ints
    bonus: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bonus) and self.bonus >= 0):
            raise InputError("the keep bonus", "be a finite number >= 0", self.bonus)


@shown
@dataclass(frozen=True)
class Churn:
    """How much a new policy changes for the units.

    Attributes
    ----------
    share : float
        The share that changes of the units with a previous choice.
    moved : float
        The sum of |cost now - cost before| over them, in money.
    units : int
        How many units have a previous choice.

    Examples
    --------
    >>> Churn(share=0.5, moved=1.0, units=2).share
    0.5
    """

    share: float
    moved: float
    units: int


def churn(previous: Ints, choice: ArrayLike, cost: ArrayLike | None = None) -> Churn:
    """Compare two choices.

    Parameters
    ----------
    previous : array of int, (n,)
        -2 none, -1 control, a candidate a.
    choice : array-like of int, (n,)
        -1 control, a candidate a.
    cost : array-like, (n, k) or (k,), optional
        What each candidate costs, in money; by default every offer costs 1.

    Returns
    -------
    Churn
        The share that changes and the money that moves.

    Examples
    --------
    >>> churn(np.array([0, -1, -2]), [0, 0, 1])
    Churn(share=0.5, moved=1.0, units=2)
    """
    before, now = np.asarray(previous), np.asarray(choice)
    if before.shape != now.shape:
        raise InputError("the previous choice", f"be one per unit, {len(now)}", before.shape)
    units = np.flatnonzero(before >= -1)
    if not len(units):
        return Churn(0.0, 0.0, 0)
    k = int(max(before.max(), now.max(), 0)) + 1
    price = np.ones(k) if cost is None else np.asarray(cost, np.float64)
    price = np.broadcast_to(price, (len(now), price.shape[-1]))

    def spent(choices: Ints) -> Ints:
        return np.where(choices[units] >= 0, price[units, np.maximum(choices[units], 0)], 0.0)

    money = float(np.abs(spent(now) - spent(before)).sum())
    return Churn(float((before[units] != now[units]).mean()), money, len(units))


def expected_cost(
    cost: ArrayLike, p_claimed: ArrayLike
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Give the expected cost of offers that are paid only when claimed.

    Parameters
    ----------
    cost : array-like, (k,) or (n, k)
        What an offer costs when it is paid, in money.
    p_claimed : array-like, (n, k)
        The probability that it is claimed.

    Returns
    -------
    array, (n, k)
        Their product.

    Raises
    ------
    InputError
        Where a probability lies outside 0..1, with its row.

    Examples
    --------
    >>> expected_cost([2.0, 4.0], [[0.5, 0.25]]).tolist()
    [[1.0, 1.0]]
    """
    p = np.asarray(p_claimed, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        where = np.unravel_index(int(np.argmin((p >= 0) & (p <= 1))), p.shape)
        raise InputError(
            "P(claimed)", "lie in 0..1", p[where], f"row {where[0]}", "clip or calibrate it"
        )
    expected: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.asarray(cost, np.float64) * p
    return expected
