"""A placebo world: the coupon world in which no coupon does anything to anybody, so that every
effect found is a mistake.
"""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.core.errors import InputError
from equipoise.core.log import Log
from equipoise.core.truth import Truth
from equipoise.data.simulators.coupon import make_coupon_world

METRICS = ("spend", "visits", "conversion")


def make_placebo_world(
    n: int = 10_000,
    *,
    arms: int = 2,
    metrics: Sequence[str] = METRICS,
    seed: int = 0,
    shares: Sequence[float] | None = None,
    confounding: float = 0.0,
    tail: float = 1.0,
) -> tuple[Log, Truth]:
    """Draw rows of the coupon world in which no coupon has any effect.

    Parameters
    ----------
    n : int, default 10000
        Rows, >= 10.
    arms : int, default 2
        Control and arms - 1 coupons.
    metrics : sequence of str, default ("spend", "visits", "conversion")
        Some of these; margin is none, for a claimed coupon costs money.
    seed : int, default 0
        Of the draw.
    shares : sequence of float, default None
        The share of each arm, control first; None: all the same.
    confounding : float, default 0.0
        As in `make_coupon_world`.
    tail : float, default 1.0
        As in `make_coupon_world`.

    Returns
    -------
    log : Log
        What the experiment recorded.
    truth : Truth
        All its effects are 0.

    Examples
    --------
    >>> log, truth = make_placebo_world(1000)
    >>> float(abs(truth.effects().values).max())
    0.0
    """
    if set(metrics) - set(METRICS):
        raise InputError(
            "metrics",
            f"be some of {', '.join(METRICS)}",
            list(metrics),
            fix="coupons cost margin, which is an effect",
        )
    return make_coupon_world(
        n,
        arms=arms,
        metrics=metrics,
        seed=seed,
        shares=shares,
        confounding=confounding,
        tail=tail,
        strength=0.0,
    )
