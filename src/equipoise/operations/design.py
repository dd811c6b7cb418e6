"""Designs: which unit or bucket gets which strategy on which day, at random.

    held      a unit keeps its strategy; all strategies run at once
    batches   strategies come in batches, one after the other, each beside the base; units are drawn
              anew for every batch
    rotate    buckets change strategy from slice to slice by Latin squares: each strategy equally
              often in every bucket and, where buckets fill whole squares, in every slice

With K strategies against one base the variance of all K effects is least at base : other =
sqrt(K) : 1, the "root" share.  A rotation measures first days only: where units get used to what
they have, a strategy that has just begun is not the one that has run for a month.

    Fisher (1935), The Design of Experiments, ch. V;  Dunnett (1955), JASA 50, on the base's share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.folds import check_seed
from equipoise.core.suggest import among

DESIGNS = ("held", "rotate", "batches")


@shown
@dataclass(frozen=True)
class Traffic:
    """Who gets what when.

    Attributes
    ----------
    units : array, (U,)
        Units or buckets.
    days : array of int, (D,)
        The days.
    strategies : tuple of str, (S,)
        The base first.
    place : array of int, (U, D)
        The strategy of each, as a place in ``strategies``.
    measured : array of bool, (U, D)
        False on days of washout, whose outcomes belong to the strategy before.

    Examples
    --------
    >>> traffic("held", ["base", "a"], 4, 2, base_share=0.5, seed=1).place.tolist()
    [[0, 0], [0, 0], [1, 1], [1, 1]]
    """

    units: NDArray[Any]
    days: Ints
    strategies: tuple[str, ...]
    place: Ints
    measured: Bools

    def table(self) -> pa.Table:
        """Write one row per unit and day.

        Returns
        -------
        pyarrow.Table, (U D rows)
            Columns unit, day, strategy (a dictionary) and measured.
        """
        names = pa.array(self.strategies, pa.string())
        place = pa.array(self.place.reshape(-1).astype(np.int32))
        return pa.table(
            {
                "unit": np.repeat(self.units, len(self.days)),
                "day": np.tile(self.days, len(self.units)),
                "strategy": pa.DictionaryArray.from_arrays(place, names),
                "measured": self.measured.reshape(-1),
            }
        )


def traffic(
    design: str,
    strategies: ArrayLike,
    units: ArrayLike,
    days: ArrayLike,
    *,
    base_share: str | float = "root",
    slice_days: int = 1,
    washout_days: int = 0,
    batches: int = 4,
    seed: int = 0,
) -> Traffic:
    """Draw a design.

    Parameters
    ----------
    design : str
        "held", "rotate" or "batches".
    strategies : array-like of str, (S,)
        The base first.
    units : int or array-like, (U,)
        How many, or their ids; for "rotate" buckets.
    days : int or array-like of int, (D,)
        How many, or the days.
    base_share : str or float, default "root"
        "root", "equal", or the base's share of traffic in (0, 1).
    slice_days : int, default 1
        For "rotate": days that a bucket keeps a strategy.
    washout_days : int, default 0
        For "rotate": the first days of a slice, which are not measured.
    batches : int, default 4
        For "batches": how many.
    seed : int, default 0
        Of the draw.

    Returns
    -------
    Traffic
        The strategy of each unit on each day.

    Raises
    ------
    InputError
        Where names repeat, units are too few, the washout fills the slice, or slices or buckets do
        not cover each strategy equally: the message says how many are missing.

    References
    ----------
    Fisher (1935), The Design of Experiments, ch. V;  Dunnett (1955), JASA 50.

    Examples
    --------
    >>> plan = traffic("rotate", ["base", "a", "b"], 3, 3, base_share="equal")
    >>> np.sort(plan.place, axis=0).tolist()  # every day all three, and every bucket all three
    [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    """
    if design not in DESIGNS:
        raise InputError(
            "a design", "be a known one", repr(design), fix=among(str(design), DESIGNS)
        )
    check_seed(seed)
    names = tuple(str(name) for name in np.atleast_1d(np.asarray(strategies)))
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError("strategies", "be two or more different names", list(names))
    who = np.arange(int(units)) if isinstance(units, Integral) else np.asarray(units)
    when = np.arange(int(days)) if isinstance(days, Integral) else np.asarray(days, np.int64)
    for what, values in (("units", who), ("days", when)):
        if values.ndim != 1 or not len(values) or len(np.unique(values)) < len(values):
            raise InputError(what, "be one or more, each once", values.size)
    rng = np.random.default_rng(seed)
    share = shares(len(names) - 1, base_share)
    measured = np.broadcast_to(np.bool_(True), (len(who), len(when)))
    if design == "held":
        place = np.broadcast_to(_dealt(len(who), share, rng)[:, None], (len(who), len(when)))
    elif design == "batches":
        place = _batches(len(who), len(when), len(names), batches, base_share, rng)
    else:
        fresh = _slices(len(when), slice_days, washout_days)
        measured = np.broadcast_to(fresh, (len(who), len(when)))
        cells = _square_cells(share, base_share)
        square = _squares(len(who), len(when) // slice_days, cells, rng)
        place = np.repeat(square, slice_days, axis=1)
    return Traffic(who, when, names, place, measured)


def shares(others: int, base_share: str | float = "root") -> Floats:
    """The share of traffic of the base and of each other strategy.

    Parameters
    ----------
    others : int
        K, >= 1.
    base_share : str or float, default "root"
        "root", "equal", or the base's own share in (0, 1).

    Returns
    -------
    array, (1 + K,)
        Sums to 1.

    Raises
    ------
    InputError
        Where the share is none of these.

    Examples
    --------
    >>> shares(4).round(3).tolist(), shares(1, 0.2).tolist()
    ([0.333, 0.167, 0.167, 0.167, 0.167], [0.2, 0.8])
    """
    if base_share in ("root", "equal"):
        base = math.sqrt(others) if base_share == "root" else 1.0
        weights = np.concatenate([[base], np.ones(others)])
        return np.asarray(weights / weights.sum())
    if isinstance(base_share, str) or not 0 < base_share < 1:
        raise InputError("base_share", 'be "root", "equal" or a share in (0, 1)', base_share)
    return np.concatenate([[base_share], np.full(others, (1 - base_share) / others)])


def _dealt(n: int, share: Floats, rng: np.random.Generator) -> Ints:
    """Strategies of n units in the shares, rounded so that none is off by a unit, at random."""
    ends = np.floor(np.cumsum(share) * n + 0.5).astype(np.int64)
    count = np.diff(ends, prepend=0)
    if count.min() < 1:
        fix = "take more units, or fewer strategies"
        raise InputError("units", f"be enough for {len(share)} strategies", n, fix=fix)
    return rng.permutation(np.repeat(np.arange(len(share)), count))


def _batches(
    n: int, days: int, names: int, batches: int, base_share: str | float, rng: np.random.Generator
) -> Ints:
    """Batches of strategies after each other, in a random order, (n, days)."""
    if not 1 <= batches <= min(names - 1, days):
        most = min(names - 1, days)
        raise InputError("batches", f"be 1..{most}: a strategy and a day each", batches)
    place = np.empty((n, days), np.int64)
    groups = np.array_split(rng.permutation(np.arange(1, names)), batches)
    for group, window in zip(groups, np.array_split(np.arange(days), batches), strict=True):
        own = np.concatenate([[0], np.sort(group)])
        place[:, window] = own[_dealt(n, shares(len(group), base_share), rng)][:, None]
    return place


def _slices(days: int, slice_days: int, washout: int) -> Bools:
    """Which days are measured, (days,)."""
    if not (slice_days >= 1 and 0 <= washout < slice_days):
        fix = "take longer slices, or a shorter washout"
        got = f"{washout} of {slice_days} days"
        raise InputError("the washout", "leave a day of each slice", got, fix=fix)
    if days % slice_days:
        got = f"{days}: {slice_days - days % slice_days} days missing"
        raise InputError("days", f"fill slices of {slice_days} days", got, fix="add or drop days")
    return np.arange(days) % slice_days >= washout


def _square_cells(share: Floats, base_share: str | float) -> Ints:
    """The strategies of a square's cells: the base in as many as come nearest to its share."""
    base = 1 if base_share == "equal" else max(round(share[0] / share[1]), 1)
    return np.concatenate([np.zeros(base, np.int64), np.arange(1, len(share))])


def _squares(buckets: int, slices: int, cells: Ints, rng: np.random.Generator) -> Ints:
    """Random Latin squares side by side, (buckets, slices)."""
    order = len(cells)
    for what, count in (("slices", slices), ("buckets", buckets)):
        if count % order:
            raise InputError(
                what,
                f"cover the {order} cells of a square equally",
                f"{count}: {order - count % order} {what} missing",
                fix='add them, drop strategies, or take base_share="equal"',
            )
    place = np.empty((buckets, slices), np.int64)
    cyclic = np.add.outer(np.arange(order), np.arange(order)) % order
    for row in range(0, buckets, order):
        for column in range(0, slices, order):  # squares, few
            square = cyclic[rng.permutation(order)][:, rng.permutation(order)]
            symbols = rng.permutation(cells)
            place[row : row + order, column : column + order] = symbols[square]
    return place
