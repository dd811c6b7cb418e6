"""One incentive or none, under a budget of offers; and strata as what a policy may be held to.

    offer where reward > gamma, at random with probability d where reward = gamma
    gamma(share) = max(0, inf{t : P(reward > t) <= share}),    d = (share - P(reward > gamma)) /
    P(reward = gamma)

    Li et al. (2023), KDD, doi 10.1145/3580305.3599550.

A budget of money, and caps on strata (at most so many always-buyers, at most so much harm), are
rows of the linear family: give `offer_effects` to `budgeted_policy` with `budget`, `ceiling` and
the other constraints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.strata import offer_chance, offer_threshold

REWARD = "reward"


@dataclass(frozen=True)
class OfferPolicy:
    """Who is offered the incentive.

    Attributes
    ----------
    gamma : the threshold on the reward, in its unit.   tie : the probability of an offer where the
        reward is gamma.
    """

    gamma: float
    tie: float

    def chance(self, reward: Floats) -> Floats:
        """The probability of an offer to each unit, (n,).   reward: (n,)."""
        return offer_chance(reward, self.gamma, self.tie)

    def probabilities(self, reward: Floats) -> Floats:
        """The probability of no offer and of an offer, (n, 2), as `policy_value` reads a policy."""
        offered = self.chance(reward)
        return np.column_stack([1 - offered, offered])


def offer_policy(reward: Floats, share: float) -> OfferPolicy:
    """The best offers to at most ``share`` of units like these.   reward: (n,), expected, not
    learnt from these rows.

    >>> made = offer_policy(np.array([0.3, 0.1, 0.1, -0.2]), 0.5)
    >>> made.gamma, made.tie, made.chance(np.array([0.3, 0.1, 0.1, -0.2])).tolist()
    (0.1, 0.5, [1.0, 0.5, 0.5, 0.0])
    """
    return OfferPolicy(*offer_threshold(reward, share))


def offer_effects(reward: Floats, also: Mapping[str, Floats], candidate: str = "offer") -> Effects:
    """The reward of an offer, and what else an offer of it counts, as effects of one candidate:
    metrics "reward", then ``also``.

    reward : (n,).   also : name -> (n,), e.g. the probability of each stratum, or the largest
        probability of harm.
    """
    columns = {REWARD: reward} | {
        name: np.asarray(values, np.float64) for name, values in also.items()
    }
    for name, values in columns.items():
        if values.shape != np.shape(reward) or values.ndim != 1:
            raise InputError(
                f"metric {name!r}", f"have one entry per unit {np.shape(reward)}", values.shape
            )
    values = np.stack(list(columns.values()), axis=1)[:, None, :]
    return Effects(values, np.zeros((len(values), len(columns))), (candidate,), tuple(columns))
