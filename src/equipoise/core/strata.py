"""Strata: how a unit would answer an incentive, what the experiment says of them, and what each is
worth.

A unit's type is (C(0), C(1), Y(0), Y(1)): claim and purchase without and with the offer.  Under
A4-A6 five types exist:

    never_buyer 0000   never_taker 0011   coupon_taker 0100   coupon_buyer 0101   always_buyer 0111

With q_cy = P(C=c, Y=y | offered, x) and m0 = P(Y=1 | not offered, x) they are just identified:

    p_0000 = q00    p_0011 = q01    p_0100 = q10    p_0101 = q01 + q11 - m0    p_0111 = m0 - q01

and A5, A6 imply q01 <= m0 <= q01 + q11.  A signal of a row has these probabilities as its mean
given x (t offered, g = P(t=1|x)):

    ips   q_cy <- t 1{C=c, Y=y} / g                 m0 <- (1-t) Y / (1-g)
    dr    q_cy <- q_cy + t (1{C=c, Y=y} - q_cy) / g m0 <- m0 + (1-t) (Y - m0) / (1-g)

    Li et al. (2023), KDD, doi 10.1145/3580305.3599550; Angrist, Imbens & Rubin (1996); Robins,
    Rotnitzky & Zhao (1994).

n units.  Columns of (n, 5): the order of `STRATA`; of (n, 4): q00, q01, q10, q11.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError

STRATA = ("never_buyer", "never_taker", "coupon_taker", "coupon_buyer", "always_buyer")
NEVER_BUYER, NEVER_TAKER, COUPON_TAKER, COUPON_BUYER, ALWAYS_BUYER = range(5)
CLAIM_CELLS = ("q00", "q01", "q10", "q11")


class AssumptionWarning(UserWarning):
    """The data speak against an assumption of the strata."""


@dataclass(frozen=True)
class Assumption:
    """One thing that the strata rest on.

    Attributes
    ----------
    name : str
        Its number, e.g. "A5".
    title : str
        Its short name.
    sentence : str
        What it says, in plain words.
    test : str, default ""
        What the data can say against it, or "".
    """

    name: str
    title: str
    sentence: str
    test: str = ""


ASSUMPTIONS = (
    Assumption(
        "A1",
        "consistency",
        "What one unit is offered does not change what another does, and an offer is one thing.",
    ),
    Assumption(
        "A2",
        "no hidden confounding",
        "Given the features, who was offered has nothing to do with how units would answer.",
    ),
    Assumption(
        "A3",
        "overlap",
        "Every kind of unit could have been offered, and could have been left out.",
        "propensities",
    ),
    Assumption(
        "A4",
        "no claim without offer",
        "A unit that gets no offer cannot claim it.",
        "claims in the control arm",
    ),
    Assumption(
        "A5",
        "exclusion",
        "An offer that is not claimed changes nothing: seeing it alone makes nobody buy, or stop"
        " buying.",
        "q01 <= m0",
    ),
    Assumption("A6", "no harm", "Claiming never makes a unit stop buying.", "m0 <= q01 + q11"),
)


@dataclass(frozen=True)
class Claims:
    """The observed offers, claims and purchases of n units.

    Attributes
    ----------
    offered : array of int, (n,)
        Whether the unit was offered the incentive, 0 or 1.
    claimed : array of int, (n,)
        Whether it was claimed, 0 or 1.
    y : array of int, (n,)
        The outcome, 0 or 1.
    propensity : array, (n,)
        The probability of the offer, in (0, 1).
    """

    offered: Ints
    claimed: Ints
    y: Ints
    propensity: Floats

    def cells(self) -> Floats:
        """1{C=c, Y=y}, (n, 4)."""
        indicators: Floats = (claim_cell(self.claimed, self.y)[:, None] == np.arange(4)).astype(
            np.float64
        )
        return indicators

    def __len__(self) -> int:
        return len(self.y)


def claim_cell(claimed: Ints, y: Ints) -> Ints:
    """The joint cell of claim and outcome, (n,) in 0..3: 2 C + Y."""
    return np.asarray(2 * claimed + y, np.int64)


def identify(q: Floats, m0: Floats) -> Floats:
    """The five strata, (n, 5), of the claim cells when offered, (n, 4), and the outcome when not,
    (n,).

    >>> identify(np.array([[0.4, 0.1, 0.2, 0.3]]), np.array([0.25])).round(6).tolist()
    [[0.4, 0.1, 0.2, 0.15, 0.15]]
    """
    return np.column_stack([q[:, 0], q[:, 1], q[:, 2], q[:, 1] + q[:, 3] - m0, m0 - q[:, 1]])


def cells_of(strata: Floats) -> tuple[Floats, Floats]:
    """The inverse of `identify`: q (n, 4) and m0 (n,) that strata (n, 5) imply."""
    q = np.column_stack([strata[:, :3], strata[:, COUPON_BUYER] + strata[:, ALWAYS_BUYER]])
    return q, strata[:, NEVER_TAKER] + strata[:, ALWAYS_BUYER]


def cell_signals(rows: Claims, q: Floats, m0: Floats) -> tuple[Floats, Floats]:
    """Doubly robust signals of q (n, 4) and of m0 (n,)."""
    t, g = rows.offered, rows.propensity
    return q + (t / g)[:, None] * (rows.cells() - q), m0 + (1 - t) / (1 - g) * (rows.y - m0)


def dr_signals(rows: Claims, q: Floats, m0: Floats) -> Floats:
    """Doubly robust signals of the strata, (n, 5).

    Their mean given x misses the strata by (q^ - q)(g^ - g)/g^ and (m0^ - m0)(g - g^)/(1 - g^): by
    nothing if either is right.
    """
    return identify(*cell_signals(rows, q, m0))


def ips_signals(rows: Claims) -> Floats:
    """Inverse-propensity signals of the strata, (n, 5)."""
    return dr_signals(rows, np.zeros((len(rows), 4)), np.zeros(len(rows)))


def project_simplex(values: Floats) -> Floats:
    """The nearest probabilities, (n, k), to each row of values (n, k).   Duchi et al. (2008), ICML.

    >>> project_simplex(np.array([[0.5, 0.7, -0.2]])).round(6).tolist()
    [[0.4, 0.6, 0.0]]
    """
    down = -np.sort(-values, axis=1)
    excess = (np.cumsum(down, axis=1) - 1) / np.arange(1, values.shape[1] + 1)
    size = (down > excess).sum(axis=1)
    nearest: Floats = np.maximum(values - excess[np.arange(len(values)), size - 1][:, None], 0.0)
    return nearest


@dataclass(frozen=True)
class Scheme:
    """When an incentive is paid: in which claim cells (q00, q01, q10, q11) of an offered unit, 0 or
    1 each.

    >>> COUPON.reward(gain=1, cost=0.4).tolist(), CASH.reward(gain=1, cost=0.4).tolist()
    ([0.0, 0.0, 0.0, 1.0, -0.4], [0.0, 0.0, -0.4, 1.0, -0.4])
    """

    name: str
    paid: tuple[int, int, int, int]

    def reward(self, gain: float, cost: float) -> Floats:
        """The worth of an offer to each stratum, (5,).   cost: of the incentive; gain: of a coupon
        buyer, net of that cost.
        """
        worth = -self.spend(cost)
        _amounts(gain=gain)
        worth[COUPON_BUYER] = gain
        return worth + 0.0  # no -0.0

    def spend(self, cost: float) -> Floats:
        """The money that an offer to each stratum costs, (5,)."""
        _amounts(cost=cost)
        return cost * np.array([*self.paid, self.paid[3]], np.float64)

    def profit(self, y: Ints, claimed: Ints, *, margin: float, cost: float) -> Floats:
        """margin Y - cost 1{paid}, (n,): the outcome whose uplift is the reward, for margin = gain
        + cost, without any strata.
        """
        _amounts(margin=margin, cost=cost)
        return margin * y - cost * np.asarray(self.paid)[claim_cell(claimed, y)]

    def profit_uplift(self, q: Floats, m0: Floats, *, margin: float, cost: float) -> Floats:
        """The expected profit uplift of an offer, (n,), of q (n, 4) and m0 (n,), or of their
        signals.   It needs A1-A3 only.
        """
        _amounts(margin=margin, cost=cost)
        return margin * (q[:, 1] + q[:, 3] - m0) - cost * (q @ np.asarray(self.paid, np.float64))


COUPON = Scheme("coupon", (0, 0, 0, 1))  # paid when claimed and bought
CASH = Scheme("cash", (0, 0, 1, 1))  # paid when claimed
SCHEMES = {scheme.name: scheme for scheme in (COUPON, CASH)}


def check_reward(reward: Sequence[float] | Floats) -> Floats:
    """A reward vector as (5,) finite numbers."""
    values = np.asarray(reward, np.float64)
    if values.shape != (5,) or not np.isfinite(values).all():
        raise InputError(
            "a reward",
            "be five finite numbers",
            reward,
            fix=f"one per stratum: {', '.join(STRATA)}",
        )
    return values


def offer_threshold(reward: Floats, share: float) -> tuple[float, float]:
    """Find the threshold and the tie share of the best offers to at most ``share`` of the units.

    Parameters
    ----------
    reward : array, (n,)
        The expected reward of an offer.
    share : float
        The share of units that may be offered, in 0..1.

    Returns
    -------
    gamma : float
        The threshold >= 0: offer where the reward is larger.
    tie : float
        The probability of an offer where reward = gamma > 0.

    Notes
    -----
    Such offers have the largest mean reward.
    """
    if not 0 <= share <= 1:
        raise InputError(
            "a budget of offers",
            "be a share in 0..1",
            share,
            fix="0.4 offers to at most 40 % of the units",
        )
    values = np.asarray(reward, np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise InputError("reward", "be one finite number per unit", f"shape {values.shape}")
    most = share * len(values)
    if np.count_nonzero(values > 0) <= most:
        return 0.0, 0.0
    place = int(most)
    gamma = float(-np.partition(-values, place)[place])
    ties = np.count_nonzero(values == gamma)
    return gamma, float((most - np.count_nonzero(values > gamma)) / ties)


def offer_chance(reward: Floats, gamma: float, tie: float) -> Floats:
    """The probability of an offer to each unit, (n,), by `offer_threshold`."""
    return np.where(reward > gamma, 1.0, np.where((reward == gamma) & (gamma > 0), tie, 0.0))


def naive_reward(offered: Floats, *, gain: float, cost: float) -> Floats:
    """gain y1 - cost, (n,): a baseline that counts every purchase as the incentive's.   offered:
    P(Y=1 | offered, x).
    """
    return gain * offered - cost


def uplift_reward(offered: Floats, m0: Floats, *, gain: float, cost: float) -> Floats:
    """(gain + cost)(y1 - m0) - cost, (n,): the classical uplift reward, which charges the incentive
    to every unit offered.
    """
    return (gain + cost) * (offered - m0) - cost


def _amounts(**amounts: float) -> None:
    for name, value in amounts.items():
        if not (np.isfinite(value) and value >= 0):
            raise InputError(name, "be a finite amount >= 0", value)
