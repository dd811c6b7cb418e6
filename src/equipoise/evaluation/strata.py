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
from scipy.special import ndtri

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.strata import STRATA, Scheme, check_reward, offer_chance, offer_threshold
from equipoise.evaluation.base import Estimate, Estimates, mean_estimates


@dataclass(frozen=True)
class OfferValue:
    """The worth of offers per unit.   estimate: with a two-sided interval; lower: the value is
    above it with that confidence.

    rows : (n,), whose mean is the value: the difference of two policies is the mean of their rows'
        difference.
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


@dataclass(frozen=True)
class Audience:
    """One stratum of the units: how many there are, how many of them get an offer, what is paid to
    them, and what it brings.
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
    """The mean reward of a policy.   offered: (n,) probabilities; signals: (n, 5); reward: (5,),
    e.g. ``COUPON.reward(1, 0.4)``.

    >>> signals = np.array([[0, 0, 0, 2.0, 0], [0, 0, 0, 0, 2.0]])
    >>> round(offer_value(np.array([1.0, 1.0]), signals, [0, 0, 0, 1, -0.4]).estimate.value, 6)
    0.6
    """
    rows = _chances(offered, signals) * (signals @ check_reward(reward))
    estimate = mean_estimates(rows[:, None], weight=weight, groups=groups, level=level)[0]
    return OfferValue(estimate, estimate.value - float(ndtri(level)) * estimate.std_error, rows)


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
    """Reward against the budget of offers.   score: (n,), the reward expected of each unit, learnt
    from other rows.

    shares : the budgets, in 0..1; None for 5 %, 10 %, ..., 100 %.
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
    """Who the offers go to, stratum by stratum, in totals of these n units.   offered: (n,);
    signals: (n, 5).

    gain, cost : as in `Scheme.reward`.   The always-buyers' line says what is paid for purchases
        that would have come anyway.
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
    """The mean of row values, such as those of `OfferValue`, in every segment.   rows: (n,);
    segment: (n,) labels.
    """
    labels = np.asarray(segment)
    if labels.shape != rows.shape:
        raise InputError("segment", f"be one label per row {rows.shape}", labels.shape)
    found = {}
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
        found[str(label)] = mean_estimates(
            rows[inside][:, None], weight=mass, groups=part, level=level
        )[0]
    return found


def _times(estimates: Estimates, s: int, factor: float) -> Estimate:
    """An estimate in another unit; a negative factor turns its interval round."""
    one = estimates[s]
    low, high = sorted((one.low * factor, one.high * factor))
    return Estimate(one.value * factor, one.std_error * abs(factor), low, high)


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
