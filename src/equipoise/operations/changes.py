"""How much a day of new choices moves: who changes, and for how much money and how many packets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from equipoise.allocation.cadence import NONE
from equipoise.core.arrays import Ints
from equipoise.core.errors import InputError
from equipoise.operations.rows import codes


def moves(
    previous: Ints,
    choice: Ints,
    activity: ArrayLike,
    cost: ArrayLike,
    count: ArrayLike | None = None,
) -> list[dict[str, Any]]:
    """Tell how much a day changes, by class of activity.

    Parameters
    ----------
    previous : array of int, (n,)
        -2 none yet, -1 control, a candidate a.
    choice : array of int, (n,)
        -1 control, a candidate a.
    activity : array-like of str, (n,)
        Classes.
    cost : array-like, (k,)
        Money of each candidate over control's.
    count : array-like, (k,), default None
        Packets of each candidate over control's; None: 0.

    Returns
    -------
    list of dict
        One per class that there is: ``activity``, ``units`` with a previous choice, the ``changed``
        share of them, and money and packets ``moved`` and ``packets_moved`` a unit, up or down.

    Examples
    --------
    >>> moves(np.array([0, -1, -2]), np.array([1, -1, 0]), ["a", "a", "b"], [1.0, 3.0])
    [{'activity': 'a', 'units': 2, 'changed': 0.5, 'moved': 1.0, 'packets_moved': 0.0},
     {'activity': 'b', 'units': 0, 'changed': 0.0, 'moved': 0.0, 'packets_moved': 0.0}]
    """
    price = np.concatenate([[0.0], np.asarray(cost, np.float64)])
    packets = np.zeros(len(price)) if count is None else np.concatenate([[0.0], np.asarray(count)])
    if np.shape(previous) != np.shape(choice) or packets.shape != price.shape:
        raise InputError("choices and facts", "be one per unit and candidate", np.shape(previous))
    most = max(int(previous.max(initial=-1)), int(choice.max(initial=-1)))
    if most >= len(price) - 1:
        raise InputError("a choice", f"be one of {len(price) - 1} candidates", most)
    place, names = codes(activity, len(choice), "classes of activity")
    known = previous > NONE
    now, before = choice[known] + 1, previous[known] + 1
    place = place[known]
    units = np.bincount(place, minlength=len(names))
    totals = [
        np.bincount(place, weight, minlength=len(names)) / np.maximum(units, 1)
        for weight in (
            (now != before).astype(np.float64),
            np.abs(price[now] - price[before]),
            np.abs(packets[now] - packets[before]),
        )
    ]
    return [
        {
            "activity": name,
            "units": int(u),
            "changed": float(c),
            "moved": float(m),
            "packets_moved": float(p),
        }
        for name, u, c, m, p in zip(names, units, *totals, strict=True)
    ]
