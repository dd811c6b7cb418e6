"""Who gets what in a stage: units that keep a strategy which still runs, and those dealt anew.

In a held design a unit keeps its strategy while this runs.  The shares of the next stage are met by
moving as few units as can be: strategies with more than their share give units back, and these and
all units of what has left are dealt to those with less.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.operations.design import Traffic, shares, traffic
from equipoise.pipeline.plan.operations import RolloutPlan


def stage_traffic(
    plan: RolloutPlan,
    strategies: tuple[str, ...],
    units: NDArray[np.str_],
    days: Ints,
    seed: int,
    before: Traffic | None = None,
) -> Traffic:
    """Draw the traffic of a stage.

    Parameters
    ----------
    plan : RolloutPlan
        The design.
    strategies : tuple of str, (S,)
        What runs, the base first.
    units : array of str, (U,)
        Units or buckets.
    days : array of int, (D,)
        The stage's.
    seed : int
        Of the draw.
    before : Traffic, optional
        Of the stage before, which a held design keeps where it can.

    Returns
    -------
    Traffic
        The strategy of each unit on each day.

    Raises
    ------
    InputError
        Where units or slices are too few.

    Examples
    --------
    >>> units, days = np.array(list("abcdef")), np.arange(2)
    >>> plan = RolloutPlan(base_share="equal")
    >>> first = stage_traffic(plan, ("base", "x", "y"), units, days, 0)
    >>> then = stage_traffic(plan, ("base", "x"), units, days + 2, 1, first)
    >>> kept = first.place[:, 0] < 2
    >>> bool((then.place[kept, 0] == first.place[kept, 0]).all())
    True
    """
    if plan.design == "rotate":
        how = {"slice_days": plan.slice_days, "washout_days": plan.washout_days}
        return traffic(
            "rotate", strategies, units, days, base_share=plan.base_share, seed=seed, **how
        )
    drawn = traffic("held", strategies, units, days, base_share=plan.base_share, seed=seed)
    if plan.design == "batches" or before is None:
        return drawn
    share = shares(len(strategies) - 1, plan.base_share)
    held = _kept(before, strategies, units)
    place = _dealt(held, share, np.random.default_rng(seed))
    return replace(drawn, place=np.broadcast_to(place[:, None], drawn.place.shape))


def _kept(before: Traffic, strategies: tuple[str, ...], units: NDArray[np.str_]) -> Ints:
    """What each unit had that still runs, (U,): a place in ``strategies``, or -1."""
    now = {name: place for place, name in enumerate(strategies)}
    place = np.array([now.get(name, -1) for name in before.strategies])
    order = np.argsort(before.units)
    at = np.searchsorted(before.units, units, sorter=order)
    at = order[np.minimum(at, len(order) - 1)]
    known = before.units[at] == units
    return np.where(known, place[before.place[at, -1]], -1)


def _dealt(held: Ints, share: Floats, rng: np.random.Generator) -> Ints:
    """The strategy of each unit, (U,): the shares are met, and as few as can be move."""
    n, k = len(held), len(share)
    target: Ints = np.diff(np.floor(np.cumsum(share) * n + 0.5), prepend=0.0).astype(np.int64)
    if target.min() < 1:
        fix = "take more units, or fewer strategies"
        raise InputError("units", f"be enough for {k} strategies", n, fix=fix)
    place, order = held.copy(), rng.permutation(n)
    count = np.zeros(k, np.int64)
    for s in range(k):  # strategies
        own = order[held[order] == s]
        place[own[target[s] :]] = -1  # more than its share
        count[s] = min(len(own), target[s])
    free = order[place[order] < 0]
    place[free] = rng.permutation(np.repeat(np.arange(k), target - count))
    return place
