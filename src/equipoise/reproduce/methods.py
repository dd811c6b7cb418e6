"""The methods of the strata table, as rewards of an offer to each test pair, and the table's own
count of what a policy meets.

Naive   y1 - C            OR, IPS, DR   (1 + C)(y1 - y0) - C, whatever the scheme
CF-x    with the claim c1 and the outcome taken as independent, as the published code does:
        p_0000 = (1-c1)(1-y1)  p_0011 = (1-c1) y1  p_0100 = c1 (1-y1)  p_0111 = y0 - (1-c1) y1
        p_0101 = c1 y1 - p_0111
CF-MTL, CF-MTL-v1, CF-MLE   the strata of a net, times the worth of each
CF-MLE, known g             the same, of the likelihood weighted by the known probability of an
offer
profit  (1 + C)(y1 - y0) - C P(paid)      the uplift of profit: no strata at all
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.strata import SCHEMES, Scheme, identify, naive_reward, uplift_reward
from equipoise.reproduce.fits import Fits
from equipoise.reproduce.offer_rules import COST, best_pairs, met

Z95 = 1.959964
Reward = Callable[[Fits, Ints, Scheme], Floats]  # models, pairs (n, 2) -> (n,)


@dataclass(frozen=True)
class Method:
    """A row of the table.   models: what it is made of."""

    name: str
    models: tuple[str, ...]
    reward: Reward


def naive(fits: Fits, pairs: Ints, scheme: Scheme) -> Floats:
    """The outcome if offered, less the cost."""
    return naive_reward(fits.probability("y1-or", pairs), gain=1.0, cost=COST)


def uplift(kind: str, fits: Fits, pairs: Ints, scheme: Scheme) -> Floats:
    """The classical uplift reward."""
    y1, y0 = fits.probability(f"y1-{kind}", pairs), fits.probability(f"y0-{kind}", pairs)
    return uplift_reward(y1, y0, gain=1.0, cost=COST)


def marginals(kind: str, fits: Fits, pairs: Ints, scheme: Scheme) -> Floats:
    """The strata of the published code."""
    y1, y0 = fits.probability(f"y1-{kind}", pairs), fits.probability(f"y0-{kind}", pairs)
    return strata_of_marginals(fits.probability("c1", pairs), y1, y0) @ scheme.reward(1.0, COST)


def strata_of_marginals(c1: Floats, y1: Floats, y0: Floats) -> Floats:
    """The strata, (n, 5), were claim and outcome independent given the offer."""
    q = np.column_stack([(1 - c1) * (1 - y1), (1 - c1) * y1, c1 * (1 - y1), c1 * y1])
    return identify(q, y0)


def strata(name: str, fits: Fits, pairs: Ints, scheme: Scheme) -> Floats:
    """The strata of a net."""
    return fits.strata(name, pairs) @ scheme.reward(1.0, COST)


def profit(fits: Fits, pairs: Ints, scheme: Scheme) -> Floats:
    """The uplift of profit."""
    paid = fits.probability("c1y1" if scheme.name == "coupon" else "c1", pairs)
    gain = fits.probability("y1-or", pairs) - fits.probability("y0-or", pairs)
    return (1 + COST) * gain - COST * paid


def _of_kind(kind: str) -> list[Method]:
    levels = (f"y1-{kind}", f"y0-{kind}")
    name = kind.upper()
    return [
        Method(name, levels, partial(uplift, kind)),
        Method(f"CF-{name}", (*levels, "c1"), partial(marginals, kind)),
    ]


def _net(name: str, model: str) -> Method:
    return Method(name, (model,), partial(strata, model))


TABLE = (
    Method("Naive", ("y1-or",), naive),
    *_of_kind("or"),
    *_of_kind("ips"),
    *_of_kind("dr"),
    _net("CF-MTL", "cf-mtl"),
    _net("CF-MTL-v1", "cf-mtl-v1"),
    _net("CF-MLE", "cf-mle"),
    _net("CF-MLE, known g", "cf-mle-design"),
    Method("profit uplift", ("y1-or", "y0-or", "c1", "c1y1"), profit),
)
ABLATION = tuple(
    _net(f"{name}{end}", name.lower() + model)
    for name in ("CF-MTL", "CF-MTL-v1")
    for end, model in (
        (" w/o L_001", "-no-001"),
        (" w/o L_000", "-no-000"),
        (" w/o both", "-no-both"),
    )
)
METHODS = {method.name: method for method in (*TABLE, *ABLATION)}


BEST, RIVAL = "CF-MLE, known g", "CF-MTL"


def gain_over(method: Method, rival: Method, fits: Fits) -> dict[str, tuple[float, float, float]]:
    """What a method's policy earns above a rival's on the same test pairs: (gain, low, high) at 95
    %, for each scheme.
    """
    d = fits.data
    gains = {}
    for name, scheme in SCHEMES.items():
        offered = np.zeros(len(d.test_stratum))
        offered[best_pairs(method.reward(fits, d.test_pairs, scheme))] += 1
        offered[best_pairs(rival.reward(fits, d.test_pairs, scheme))] -= 1
        gain = offered * scheme.reward(1.0, COST)[d.test_stratum]
        half = Z95 * float(gain.std(ddof=1)) * len(gain) ** 0.5
        gains[name] = (float(gain.sum()), float(gain.sum()) - half, float(gain.sum()) + half)
    return gains


def judged(method: Method, fits: Fits) -> dict[str, dict[str, float]]:
    """What a method's policy meets among the test pairs, for each scheme."""
    d = fits.data
    return {
        name: met(d.test_stratum[best_pairs(method.reward(fits, d.test_pairs, scheme))], scheme)
        for name, scheme in SCHEMES.items()
    }
