"""An incentive world: who would claim, who would buy, with and without an offer, all of it known.

    x      ~ N(0, I_6)
    z_0000 = 0.2 - 0.9 x0 + 0.4 x1^2      z_0011 = -0.4 + 0.8 x1 - 0.5 x2      z_0100 = 0.7 x2 - 0.6
    sin(2 x3)
    z_0101 = 0.2 + 0.9 x3 + 0.5 x0 x4     z_0111 = 0.1 + 0.8 x0 + 0.7 x1       p = softmax(strength
    z)
    g(x)   = overlap + (1 - 2 overlap) sigmoid(confounding (0.7 x0 - 0.6 x3 + 0.3 x1 x2))      the
    probability of an offer
    C = T C(1),   Y = T Y(1) + (1 - T) Y(0)

``harm`` h turns always-buyers and coupon buyers, h times the mean of the two shares from each as
far as they go, into units that the claim stops from buying (0110, against A6); ``direct`` turns
never-buyers into units that buy at the sight of the offer (0001) and ``direct_loss`` never-takers
into units that it puts off (0010), both against A5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.strata import ALWAYS_BUYER, COUPON_BUYER, NEVER_BUYER, NEVER_TAKER
from equipoise.core.truth import Truth
from equipoise.treatments import Arms

# (C(1), Y(0), Y(1)): the five strata in their order, then harm, direct gain, direct loss
TYPES = np.array(
    [[0, 0, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 1], [0, 1, 0]]
)
HARM, DIRECT_GAIN, DIRECT_LOSS = 5, 6, 7
FEATURES = tuple(f"x{j}" for j in range(6))
CELLS = ("no offer", "offer")
COST = 0.4  # of an incentive that is claimed and used


@dataclass(frozen=True)
class StrataTruth(Truth):
    """A truth that also knows the types.   types: (n, 8), the probability of each of `TYPES`; the
    first five are the strata.
    """

    types: Floats

    def strata(self) -> Floats:
        """The five strata, (n, 5); they sum to 1 where A5 and A6 hold."""
        return self.types[:, :5]

    def claim_cells(self) -> tuple[Floats, Floats]:
        """q (n, 4) and m0 (n,) of these types."""
        q = np.zeros((len(self.types), 4))
        for share, (c, _, y) in zip(self.types.T, TYPES, strict=True):
            q[:, 2 * c + y] += share
        return q, self.types @ TYPES[:, 1]


def make_incentive_world(
    n: int = 10_000,
    *,
    seed: int = 0,
    strength: float = 1.0,
    confounding: float = 1.0,
    overlap: float = 0.05,
    harm: float = 0.0,
    direct: float = 0.0,
    direct_loss: float = 0.0,
    logged: bool = True,
) -> tuple[Log, StrataTruth]:
    """Draw rows of the incentive world: who claims and who buys, with and without an offer.

    Parameters
    ----------
    n : int, default 10000
        Rows, >= 10.
    seed : int, default 0
        Of the draw.
    strength : float, default 1.0
        How much the features say of the stratum; large makes it certain.
    confounding : float, default 1.0
        0 is a randomised experiment that offers to one half.
    overlap : float, default 0.05
        The least probability of either arm, in (0, 0.5).
    harm, direct, direct_loss : float, default 0.0
        Fractions in 0..1 of the violations: units that the claim stops from buying (against A6),
        that buy at the sight of the offer, and that it puts off (against A5).
    logged : bool, default True
        Whether the log knows its propensities.

    Returns
    -------
    log : Log
        What the experiment recorded.
    truth : StrataTruth
        The expected outcome of every unit in either arm, and its probability of each type.

    Examples
    --------
    >>> log, truth = make_incentive_world(1000, seed=1)
    >>> log.metrics, truth.strata().shape
    (('bought',), (1000, 5))
    """
    _check(
        n,
        strength,
        confounding,
        overlap,
        {"harm": harm, "direct": direct, "direct_loss": direct_loss},
    )
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 6))
    types = _violate(_softmax(strength * _odds(x)), harm, direct, direct_loss)
    g = offer_probability(x, confounding, overlap)
    kind = np.minimum((np.cumsum(types, axis=1) < rng.random((n, 1))).sum(axis=1), len(TYPES) - 1)
    offered = (rng.random(n) < g).astype(np.int64)
    claims, without, with_offer = TYPES[kind].T
    claimed = offered * claims
    bought = np.where(offered == 1, with_offer, without)
    columns = dict(zip(FEATURES, x.T, strict=True))
    columns |= {
        "arm": np.asarray(CELLS)[offered],
        "claimed": claimed,
        "bought": bought,
        "cost": COST * claimed * bought,
    }
    columns["p(offer)"] = g
    roles = Roles(
        treatment="arm",
        outcomes=(Outcome("bought", "binary"),),
        features=FEATURES,
        claimed="claimed",
        cost="cost",
        propensity=("p(offer)",) if logged else (),
    )
    level = types @ TYPES[:, [1, 2]]  # (n, 2): bought without and with the offer
    paid = COST * types @ (TYPES[:, 0] * TYPES[:, 2])
    truth = StrataTruth(
        level[:, :, None], np.column_stack([1 - g, g]), paid[:, None], ("bought",), CELLS, types
    )
    return Log(pa.table(columns), roles, Arms(CELLS)), truth


def offer_probability(x: Floats, confounding: float, overlap: float) -> Floats:
    """g(x), (n,).   x: (n, 6)."""
    score = confounding * (0.7 * x[:, 0] - 0.6 * x[:, 3] + 0.3 * x[:, 1] * x[:, 2])
    g: Floats = overlap + (1 - 2 * overlap) / (1 + np.exp(-score))
    return g


def _odds(x: Floats) -> Floats:
    """z, (n, 5)."""
    x0, x1, x2, x3, x4, _ = x.T
    return np.column_stack(
        [
            0.2 - 0.9 * x0 + 0.4 * x1**2,
            -0.4 + 0.8 * x1 - 0.5 * x2,
            0.7 * x2 - 0.6 * np.sin(2 * x3),
            0.2 + 0.9 * x3 + 0.5 * x0 * x4,
            0.1 + 0.8 * x0 + 0.7 * x1,
        ]
    )


def _softmax(z: Floats) -> Floats:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p: Floats = e / e.sum(axis=1, keepdims=True)
    return p


def _violate(strata: Floats, harm: float, direct: float, direct_loss: float) -> Floats:
    """The eight types, (n, 8), after moving mass out of the five."""
    types = np.hstack([strata, np.zeros((len(strata), 3))])
    always, buyer = strata[:, ALWAYS_BUYER], strata[:, COUPON_BUYER]
    each = np.minimum(harm * (always + buyer) / 2, np.minimum(always, buyer))
    types[:, ALWAYS_BUYER] -= each
    types[:, COUPON_BUYER] -= each
    types[:, HARM] = 2 * each
    for fraction, source, target in (
        (direct, NEVER_BUYER, DIRECT_GAIN),
        (direct_loss, NEVER_TAKER, DIRECT_LOSS),
    ):
        types[:, target] = fraction * strata[:, source]
        types[:, source] -= types[:, target]
    return types


def _check(
    n: int, strength: float, confounding: float, overlap: float, fractions: dict[str, float]
) -> None:
    for name, value, least in (
        ("n", n, 10),
        ("strength", strength, 0),
        ("confounding", confounding, 0),
    ):
        if not value >= least:
            raise InputError(name, f"be a number >= {least}", value)
    if not 0 < overlap < 0.5:
        raise InputError(
            "overlap",
            "lie strictly between 0 and 0.5",
            overlap,
            fix="0.05 gives every unit 5 % of either arm",
        )
    for name, value in fractions.items():
        if not 0 <= value <= 1:
            raise InputError(name, "be a fraction in 0..1", value)
