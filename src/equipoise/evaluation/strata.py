"""What offers are worth, and to whom they go, judged by the signals of strata.

With pi_i the probability that the policy offers unit i the incentive, psi_i the signals of its
strata (n, 5) and r a reward (5,),

    value = mean of pi_i (r . psi_i)           offers to stratum s = n mean of pi_i psi_is

A policy, and the nuisances of the signals, must not have been learnt from the rows that judge it.
A signal is not a probability (it may be -1 or 3), only its means are: so every number here is a
mean, with an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.effective_size import student
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate, Estimates
from equipoise.core.strata import STRATA, Scheme, check_reward, offer_chance, offer_threshold
from equipoise.evaluation.base import mean_estimates


@shown
@dataclass(frozen=True)
class OfferValue:
    """The worth of a policy of offers, per unit.

    Attributes
    ----------
    estimate : Estimate
        The mean reward with its two-sided interval, in the reward's unit.
    lower : float
        The value is above it with the interval's confidence, one-sided.
    rows : array, (n,)
        Row values, whose mean is the value: the difference of two policies is the mean of their
        rows' differences.

    Examples
    --------
    >>> signals = np.array([[0, 0, 0, 2.0, 0], [0, 0, 0, 0, 2.0]])
    >>> offer_value(np.ones(2), signals, [0, 0, 0, 1, -0.4]).rows.tolist()
    [2.0, -0.8]
    """

    estimate: Estimate
    lower: float
    rows: Floats


@dataclass(frozen=True)
class CurvePoint:
    """The value of the best offers to at most a share of the units.   gamma, tie: the rule;
    offered: the share that got one.
    """

    share: float
    offered: float
    gamma: float
    tie: float
    value: Estimate


@shown
@dataclass(frozen=True)
class Audience:
    """One stratum of the units: how many there are, and what offers to them cost and bring.

    Attributes
    ----------
    stratum : str
        One of `STRATA`.
    units : Estimate
        How many units there are.
    offered : Estimate
        How many of them get an offer.
    paid : Estimate
        What is paid to them, in money.
    reward : Estimate
        What the offers to them bring, in the reward's unit.

    Examples
    --------
    >>> zero = Estimate(0.0, 0.0, 0.0, 0.0)
    >>> line = Audience("never_buyer", Estimate(40.0, 5.0, 30.0, 50.0), zero, zero, zero)
    >>> print(line.words)
    About 40 (30 to 50) would buy in no case; 0 (0 to 0) of them get an offer, which costs 0.
    """

    stratum: str
    units: Estimate
    offered: Estimate
    paid: Estimate
    reward: Estimate

    @property
    def words(self) -> str:
        """The line in words."""
        return SENTENCES[self.stratum].format(
            units=_count(self.units), offered=_count(self.offered), paid=f"{self.paid.value:,.0f}"
        )


SENTENCES = {
    "never_buyer": (
        "About {units} would buy in no case; {offered} of them get an offer, which costs {paid}."
    ),
    "never_taker": (
        "About {units} buy anyway and ignore the offer; {offered} of them get one, which costs"
        " {paid}."
    ),
    "coupon_taker": (
        "About {units} would take the offer and not buy; {offered} of them get one, which costs"
        " {paid}."
    ),
    "coupon_buyer": (
        "About {units} buy only with the offer; {offered} of them get one, and {paid} is paid to"
        " them."
    ),
    "always_buyer": (
        "About {units} buy anyway and take what they are given; {offered} of them get an offer, and"
        " {paid} is paid for purchases that would have come without it."
    ),
}


def _count(estimate: Estimate) -> str:
    return (
        f"{max(estimate.value, 0):,.0f} ({max(estimate.low, 0):,.0f} to"
        f" {max(estimate.high, 0):,.0f})"
    )


def offer_value(
    offered: Floats,
    signals: Floats,
    reward: Sequence[float] | Floats,
    *,
    weight: Floats | None = None,
    groups: Ints | None = None,
    level: float = 0.95,
) -> OfferValue:
    """The mean reward of a policy of offers.

    Parameters
    ----------
    offered : array, (n,)
        The probability with which the policy offers each unit the incentive.
    signals : array, (n, 5)
        Signals of the strata, whose nuisances were not learnt from these rows.
    reward : array-like, (5,)
        The worth of an offer to each stratum, e.g. ``COUPON.reward(1, 0.4)``.
    weight : array, (n,), default None
        Weights > 0; None: ones.
    groups : array of int, (n,), default None
        Codes of clusters, whose rows are not independent.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    OfferValue
        Per unit, in the reward's unit.

    Raises
    ------
    InputError
        Where shapes differ, or an entry of ``offered`` is no probability.

    Examples
    --------
    >>> signals = np.array([[0, 0, 0, 2.0, 0], [0, 0, 0, 0, 2.0]])
    >>> round(offer_value(np.array([1.0, 1.0]), signals, [0, 0, 0, 1, -0.4]).estimate.value, 6)
    0.6
    """
    rows = _chances(offered, signals) * (signals @ check_reward(reward))
    estimate = mean_estimates(rows[:, None], weight=weight, groups=groups, level=level)[0]
    reach = float(student(level, estimate.df)) * estimate.std_error
    return OfferValue(estimate, estimate.value - reach, rows)


def offer_curve(
    score: Floats,
    signals: Floats,
    reward: Sequence[float] | Floats,
    *,
    shares: Sequence[float] | None = None,
    weight: Floats | None = None,
    groups: Ints | None = None,
    level: float = 0.95,
) -> list[CurvePoint]:
    """Reward against the budget of offers.

    Parameters
    ----------
    score : array, (n,)
        The reward expected of an offer to each unit, learnt from other rows.
    signals : array, (n, 5)
        Signals of the strata.
    reward : array-like, (5,)
        The worth of an offer to each stratum.
    shares : sequence of float, default None
        The budgets, as shares of the units in 0..1; None: 5 %, 10 %, ..., 100 %.
    weight : array, (n,), default None
        Weights > 0; None: ones.
    groups : array of int, (n,), default None
        Codes of clusters, whose rows are not independent.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    list of CurvePoint
        One per budget: the rule, the share that gets an offer, and the value per unit.

    Examples
    --------
    >>> signals = np.array([[0, 0, 0, 2.0, 0], [0, 0, 0, 0, 2.0]])
    >>> points = offer_curve(np.array([1.0, 0.5]), signals, [0, 0, 0, 1, -0.4], shares=[0.5, 1])
    >>> [(point.offered, round(point.value.value, 6)) for point in points]
    [(0.5, 1.0), (1.0, 0.6)]
    """
    worth = signals @ check_reward(reward)
    points = []
    for share in np.linspace(0.05, 1, 20).tolist() if shares is None else shares:
        gamma, tie = offer_threshold(score, share)
        chance = offer_chance(score, gamma, tie)
        value = mean_estimates(
            (chance * worth)[:, None], weight=weight, groups=groups, level=level
        )[0]
        points.append(
            CurvePoint(float(share), float(np.average(chance, weights=weight)), gamma, tie, value)
        )
    return points


def audience(
    offered: Floats,
    signals: Floats,
    scheme: Scheme,
    *,
    gain: float,
    cost: float,
    weight: Floats | None = None,
    groups: Ints | None = None,
    level: float = 0.95,
) -> list[Audience]:
    """Who the offers go to, stratum by stratum, in totals of these n units.

    Parameters
    ----------
    offered : array, (n,)
        The probability with which the policy offers each unit the incentive.
    signals : array, (n, 5)
        Signals of the strata.
    scheme : Scheme
        When the incentive is paid, e.g. `COUPON`.
    gain : float
        The worth of a coupon buyer, net of the incentive; as in `Scheme.reward`.
    cost : float
        Of the incentive; as in `Scheme.reward`.
    weight : array, (n,), default None
        Weights > 0; None: ones.
    groups : array of int, (n,), default None
        Codes of clusters, whose rows are not independent.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    list of Audience
        In the order of `STRATA`; the always-buyers' line says what is paid for purchases that would
        have come anyway.

    Examples
    --------
    >>> from equipoise.core.strata import COUPON
    >>> signals = np.array([[0, 0, 0, 2.0, 0], [0, 0, 0, 0, 2.0]])
    >>> lines = audience(np.ones(2), signals, COUPON, gain=1.0, cost=0.4)
    >>> [(line.stratum, float(line.paid.value)) for line in lines[3:]]
    [('coupon_buyer', 0.8), ('always_buyer', 0.8)]
    """
    n, chance = len(signals), _chances(offered, signals)
    there = mean_estimates(signals, weight=weight, groups=groups, level=level)
    reached = mean_estimates(chance[:, None] * signals, weight=weight, groups=groups, level=level)
    paid, worth = scheme.spend(cost), scheme.reward(gain, cost)
    return [
        Audience(
            name,
            _times(there, s, n),
            _times(reached, s, n),
            _times(reached, s, n * paid[s]),
            _times(reached, s, n * worth[s]),
        )
        for s, name in enumerate(STRATA)
    ]


def reward_by_segment(
    rows: Floats,
    segment: Any,
    *,
    weight: Floats | None = None,
    groups: Ints | None = None,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """The mean of row values, such as those of `OfferValue`, in every segment.

    Parameters
    ----------
    rows : array, (n,)
        Row values.
    segment : array-like, (n,)
        The label of each row.
    weight : array, (n,), default None
        Weights > 0; None: ones.
    groups : array of int, (n,), default None
        Codes of clusters, whose rows are not independent.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    dict of str to Estimate
        By label, in sorted order; in the unit of the row values.

    Raises
    ------
    InputError
        Where the labels are not one per row, or a segment has fewer than two rows.

    Examples
    --------
    >>> estimates = reward_by_segment(np.array([1.0, 3.0, 0.0, 0.0]), ["new", "new", "old", "old"])
    >>> {name: estimate.value for name, estimate in estimates.items()}
    {'new': 2.0, 'old': 0.0}
    """
    labels = np.asarray(segment)
    if labels.shape != rows.shape:
        raise InputError("segment", f"be one label per row {rows.shape}", labels.shape)
    estimates = {}
    for label in np.unique(labels):
        inside = labels == label
        if inside.sum() < 2:
            raise InputError(
                f"segment {label}",
                "have at least two rows",
                int(inside.sum()),
                fix="merge it with another",
            )
        part = None if groups is None else groups[inside]
        mass = None if weight is None else weight[inside]
        estimates[str(label)] = mean_estimates(
            rows[inside][:, None], weight=mass, groups=part, level=level
        )[0]
    return estimates


def _times(estimates: Estimates, s: int, factor: float) -> Estimate:
    """An estimate in another unit; a negative factor turns its interval round."""
    one = estimates[s]
    low, high = sorted((one.low * factor, one.high * factor))
    return Estimate(one.value * factor, one.std_error * abs(factor), low, high, one.df)


def _chances(offered: Floats, signals: Floats) -> Floats:
    chance = np.asarray(offered, np.float64)
    if signals.ndim != 2 or signals.shape[1] != len(STRATA):
        raise InputError("signals", f"have shape (n, {len(STRATA)})", signals.shape)
    if chance.shape != (len(signals),):
        raise InputError("offered", f"be one probability per row ({len(signals)})", chance.shape)
    good = (chance >= 0) & (chance <= 1)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError("offered", "be a probability", chance[row], f"row {row}")
    return chance
