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
from equipoise.core.display import shown
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.strata import offer_chance, offer_threshold

REWARD = "reward"


@shown
@dataclass(frozen=True)
class OfferPolicy:
    """The rule that offers the incentive to the units of largest reward.

    Attributes
    ----------
    gamma : float
        The threshold on the reward, in its unit.
    tie : float
        The probability of an offer where the reward is gamma.

    Examples
    --------
    >>> OfferPolicy(0.1, 0.5).probabilities(np.array([0.3, 0.1, -0.2])).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """

    gamma: float
    tie: float

    def chance(self, reward: Floats) -> Floats:
        """Give the probability of an offer to each unit.

        Parameters
        ----------
        reward : array, (n,)
            The expected reward of an offer.

        Returns
        -------
        array, (n,)
            Probabilities.
        """
        return offer_chance(reward, self.gamma, self.tie)

    def probabilities(self, reward: Floats) -> Floats:
        """Give the probabilities of no offer and of an offer, as `policy_value` reads a policy.

        Parameters
        ----------
        reward : array, (n,)
            The expected reward of an offer.

        Returns
        -------
        array, (n, 2)
            Probabilities; rows sum to 1.
        """
        chance = self.chance(reward)
        return np.column_stack([1 - chance, chance])


def offer_policy(reward: Floats, share: float) -> OfferPolicy:
    """Find the best offers to at most ``share`` of units like these.

    Parameters
    ----------
    reward : array, (n,)
        The expected reward of an offer, from a model fitted on other rows.
    share : float
        The share of units that may be offered, in 0..1.

    Returns
    -------
    OfferPolicy
        The threshold gamma >= 0 and the probability at it.

    Notes
    -----
    gamma(share) = max(0, inf{t : P(reward > t) <= share}).

    References
    ----------
    Li et al. (2023), KDD, doi 10.1145/3580305.3599550.

    Examples
    --------
    >>> reward = np.array([0.3, 0.1, 0.1, -0.2])
    >>> policy = offer_policy(reward, 0.5)
    >>> policy.gamma, policy.tie, policy.chance(reward).tolist()
    (0.1, 0.5, [1.0, 0.5, 0.5, 0.0])
    """
    return OfferPolicy(*offer_threshold(reward, share))


def offer_effects(reward: Floats, also: Mapping[str, Floats], candidate: str = "offer") -> Effects:
    """Write the reward of an offer, and what else it counts, as effects of one candidate.

    Parameters
    ----------
    reward : array, (n,)
        The expected reward of an offer.
    also : mapping of str to array, (n,)
        More metrics, e.g. the probability of each stratum, or the largest probability of harm.
    candidate : str, default "offer"
        The name of the offer.

    Returns
    -------
    Effects
        Metrics "reward", then those of ``also``; the baseline is 0.

    Examples
    --------
    >>> effects = offer_effects(np.array([0.3, 0.1]), {"harm": np.array([0.0, 0.2])})
    >>> effects.metrics, effects.metric("harm").tolist()
    (('reward', 'harm'), [[0.0], [0.2]])
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
