"""What remains of the strata without A5 (exclusion) or A6 (no harm): sharp bounds, unit by unit.

A claim cell (c, y) of an offered unit mixes those who would also buy without the offer and those
who would not.  Let

    x_cy = P(C(1)=c, Y(0)=1, Y(1)=y)      0 <= x_cy <= q_cy      sum x_cy = m0

A5 says x_00 = 0 and x_01 = q01; A6 says x_00 = 0 and x_10 = 0 (for everybody, claiming or not).
Every type is x_cy or q_cy - x_cy, so each ranges over

    max(lo_cy, m0 - sum of the others' hi) <= x_cy <= min(hi_cy, m0 - sum of the others' lo)

and any utility of types, linear in x, is largest where x fills up in the order of its gains: a
knapsack of four items.

    Kallus (2022), What's the Harm?, arXiv:2205.10327; Li & Pearl (2019), IJCAI.    A1-A4 hold
    throughout.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Bools, Floats
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.strata import STRATA

# C(1), Y(0), Y(1): 000 011 100 101 111 110 001 010
TYPES = (*STRATA, "harm", "direct_gain", "direct_loss")
CELL_OF = np.array([0, 1, 2, 3, 3, 2, 1, 0])  # the claim cell that each type shows when offered
BUYS_ALONE = np.array([0, 1, 0, 0, 1, 1, 0, 1], np.bool_)  # whether it would buy without the offer
ROUNDING = 1e-9  # probabilities may miss each other by so much and still be compatible
BOTH = ("A5", "A6")


@shown
@dataclass(frozen=True)
class StrataBounds:
    """The least and the largest probability of each of `TYPES`.

    Attributes
    ----------
    low, high : array, (n, 8)
        Sharp bounds, in the order of `TYPES`.
    compatible : array of bool, (n,)
        Whether q and m0 can be under the assumptions; where not, low may exceed high.

    Examples
    --------
    >>> bounds = strata_bounds(np.array([[0.4, 0.1, 0.2, 0.3]]), np.array([0.25]))
    >>> bounds.low.shape, bounds.compatible.tolist()
    ((1, 8), [True])
    """

    low: Floats
    high: Floats
    compatible: Bools

    def of(self, name: str) -> tuple[Floats, Floats]:
        """The bounds of one type.

        Parameters
        ----------
        name : str
            One of `TYPES`.

        Returns
        -------
        tuple of array, (n,) each
            The least and the largest probability.
        """
        if name not in TYPES:
            raise InputError("a type", f"be one of {', '.join(TYPES)}", repr(name))
        return self.low[:, TYPES.index(name)], self.high[:, TYPES.index(name)]


def strata_bounds(q: Floats, m0: Floats, *, assume: Collection[str] = BOTH) -> StrataBounds:
    """Sharp bounds of the types without exclusion (A5), no harm (A6), or both.

    Parameters
    ----------
    q : array, (n, 4)
        P(C=c, Y=y | offered, x) in the order q00, q01, q10, q11.
    m0 : array, (n,)
        P(Y=1 | not offered, x).
    assume : collection of {"A5", "A6"}, default ("A5", "A6")
        What is assumed; () for neither.

    Returns
    -------
    StrataBounds
        Of every unit and type.

    References
    ----------
    Kallus (2022), What's the Harm?, arXiv:2205.10327;  Li & Pearl (2019), IJCAI.

    Examples
    --------
    >>> q, m0 = np.array([[0.4, 0.1, 0.2, 0.3]]), np.array([0.25])
    >>> bounds = strata_bounds(q, m0, assume=("A5",))
    >>> [side.round(6).tolist() for side in bounds.of("always_buyer")]
    [[0.0], [0.15]]
    """
    low, high = _box(q, assume)
    least = np.maximum(low, m0[:, None] - (high.sum(axis=1)[:, None] - high))
    most = np.minimum(high, m0[:, None] - (low.sum(axis=1)[:, None] - low))
    compatible = (low.sum(axis=1) <= m0 + ROUNDING) & (m0 <= high.sum(axis=1) + ROUNDING)
    cells = q[:, CELL_OF]
    down = np.where(BUYS_ALONE, least[:, CELL_OF], cells - most[:, CELL_OF])
    up = np.where(BUYS_ALONE, most[:, CELL_OF], cells - least[:, CELL_OF])
    return StrataBounds(down, up, compatible)


def utility_bounds(
    q: Floats, m0: Floats, utility: Floats, *, assume: Collection[str] = BOTH
) -> tuple[Floats, Floats]:
    """Sharp bounds of the expected utility of an offer.

    A reward that is a profit needs none of this: it is the uplift of profit, whatever the types
    (`Scheme.profit_uplift`).

    Parameters
    ----------
    q : array, (n, 4)
        P(C=c, Y=y | offered, x) in the order q00, q01, q10, q11.
    m0 : array, (n,)
        P(Y=1 | not offered, x).
    utility : array-like, (8,)
        The worth of an offer to each of `TYPES`.
    assume : collection of {"A5", "A6"}, default ("A5", "A6")
        What is assumed; () for neither.

    Returns
    -------
    tuple of array, (n,) each
        The least and the largest expected utility of each unit, in the unit of ``utility``.

    Notes
    -----
    The utility is linear in x_cy = P(C(1)=c, Y(0)=1, Y(1)=y): it is largest where x fills up in the
    order of the gains, a knapsack of four items.

    Examples
    --------
    >>> q, m0 = np.array([[0.4, 0.1, 0.2, 0.3]]), np.array([0.25])
    >>> worth = [0, 0, 0, 1, -0.4, -0.4, 0, 0]
    >>> [side.round(6).tolist() for side in utility_bounds(q, m0, worth)]
    [[0.09], [0.09]]
    """
    worth = np.asarray(utility, np.float64)
    if worth.shape != (len(TYPES),) or not np.isfinite(worth).all():
        raise InputError(
            "utility",
            f"be {len(TYPES)} finite numbers",
            utility,
            fix=f"one a type: {', '.join(TYPES)}",
        )
    low, high = _box(q, assume)
    alone, not_alone = np.zeros(4), np.zeros(4)
    alone[CELL_OF[BUYS_ALONE]], not_alone[CELL_OF[~BUYS_ALONE]] = (
        worth[BUYS_ALONE],
        worth[~BUYS_ALONE],
    )
    gain = alone - not_alone
    fixed = q @ not_alone + low @ gain
    room, left = high - low, np.maximum(m0 - low.sum(axis=1), 0.0)
    return fixed + _fill(room, left, gain, np.argsort(gain)), fixed + _fill(
        room, left, gain, np.argsort(-gain)
    )


def _fill(
    room: Floats, left: Floats, gain: Floats, order: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> Floats:
    """What filling the cells in an order brings, (n,).   room: (n, 4), left: (n,), gain and order:
    (4,).
    """
    before = np.cumsum(room[:, order], axis=1) - room[:, order]
    filled = np.clip(left[:, None] - before, 0.0, room[:, order])
    brought: Floats = filled @ gain[order]
    return brought


def _box(q: Floats, assume: Collection[str]) -> tuple[Floats, Floats]:
    """The range of each x_cy before they must sum to m0, (n, 4) each."""
    strange = set(assume) - set(BOTH)
    if strange or isinstance(assume, str):
        raise InputError(
            "assume", "hold A5, A6, both or neither", assume, fix='e.g. assume=("A5",)'
        )
    low, high = np.zeros_like(q), q.copy()
    if assume:
        high[:, 0] = 0.0
    if "A5" in assume:
        low[:, 1] = q[:, 1]
    if "A6" in assume:
        high[:, 2] = 0.0
    return low, high
