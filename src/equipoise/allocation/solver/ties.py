"""Ties: equal units are told apart by their draws, so that one price vector can part them.

Units with equal scores fall on the same side of a price: prices that keep a budget leave all of
them out, slightly lower ones let all of them in.  A rule may therefore take from each score a
little, the more the larger the unit's own draw u in [0, 1):

    score_ua = value_ua - penalty u (a + 1) / k - prices . usage_ua

Candidates lose at different rates, so prices that move by parts of the penalty cut the units of one
kind anywhere, and several demands can be used in full at once.  Scores only fall, so nobody gets
what is worth nothing.  A unit's chance of a candidate, over all draws, is the length of the
interval of u in which that candidate's line is the highest (`allocation/row_kernels.py`).
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats

SIZE = 1e-4  # of the mean worth of a candidate: the penalty of a rule that breaks ties


def tie_penalty(value: Floats) -> float:
    """The penalty for candidates of these worths.

    Parameters
    ----------
    value : array (n, k)
        Worth of each candidate; -inf where it is closed.

    Returns
    -------
    float
        In worth.
    """
    size = np.abs(value[np.isfinite(value)])
    return SIZE * float(size.mean()) if size.size else 0.0


def break_ties(value: Floats, penalty: float, draws: Floats) -> Floats:
    """Worths less the penalties of the units' draws.

    Parameters
    ----------
    value : array (n, k)
        Worth of each candidate.
    penalty : float
        Taken at most from a worth.
    draws : array (n,)
        A number in [0, 1) for each unit.

    Returns
    -------
    array (n, k)
        Each number comes from its own row by a fixed order of operations.
    """
    return value - draws[:, None] * rates_of(value.shape[1], penalty)


def rates_of(k: int, penalty: float) -> Floats:
    """How fast each candidate's score falls with a unit's draw, (k,)."""
    rates: Floats = penalty * ((np.arange(k) + 1.0) / k)
    return rates
