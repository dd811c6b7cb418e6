"""The policy of the strata table and the table's own count of whom it meets.

The policy offers to the best pairs, at most the budget's share and none of reward <= 0.  Positive
counts coupon buyers among them; negative those who are paid for nothing: always buyers and, with
cash, coupon takers.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.strata import COUPON_BUYER, Scheme

# of an incentive, in gains of a coupon buyer; share of pairs that may be offered
COST, BUDGET = 0.4, 0.4


def best_pairs(reward: Floats, budget: float = BUDGET) -> Ints:
    """The pairs that the policy offers to: the best, at most the budget's share and as many as have
    a reward > 0.
    """
    count = int(min(budget, float((reward > 0).mean())) * len(reward))
    return np.argsort(-reward, kind="stable")[:count]


def met(stratum: Ints, scheme: Scheme) -> dict[str, float]:
    """Positive, negative, neutral and reward of the pairs that were offered, of their strata
    (n,).
    """
    worth = scheme.reward(1.0, COST)
    count = np.bincount(stratum, minlength=len(worth))
    positive, negative = int(count[COUPON_BUYER]), int(count[worth < 0].sum())
    return {
        "positive": positive,
        "negative": negative,
        "neutral": int(count.sum()) - positive - negative,
        "reward": float(count @ worth),
    }
