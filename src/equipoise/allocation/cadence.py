"""Cadence: how often whose incentive may change.

Units have a class of activity and a class has days: a unit is up for change once in that many days,
units of a class spread evenly over them; in between it keeps what it has.  Two tools change less
without waiting: features averaged over days, so that one day's noise moves nobody, and a bonus for
staying, in worth per unit,

    choice = argmax_a value_a - price cost_a + keep 1{a = previous}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.suggest import among

NONE = -2  # no choice yet, as in `Keep`


@shown
@dataclass(frozen=True)
class Cadence:
    """When units may change, and what keeps them.

    Attributes
    ----------
    days : mapping of str to int
        Of each class of activity, every how many days a unit is up for change, >= 1.
    average_days : int, default 1
        Over how many days features are averaged.
    keep : float, default 0.0
        The bonus for staying, in worth per unit.

    Examples
    --------
    >>> cadence = Cadence({"light": 1, "heavy": 7}, average_days=10, keep=0.01)
    >>> [int(cadence.due(["heavy"] * 7, np.arange(7), day).sum()) for day in range(3)]
    [1, 1, 1]
    """

    days: Mapping[str, int]
    average_days: int = 1
    keep: float = 0.0

    def __post_init__(self) -> None:
        for name, days in self.days.items():
            _check_days(f"days of {name!r}", days)
        if not self.days:
            raise InputError("days", "name the classes of activity", "none")
        _check_days("average_days", self.average_days)
        if not (np.isfinite(self.keep) and self.keep >= 0):
            raise InputError("keep", "be finite and >= 0", self.keep)

    def due(self, activity: ArrayLike, unit: ArrayLike, day: int) -> Bools:
        """Tell who is up for change on a day.

        Parameters
        ----------
        activity : array-like of str, (n,)
            Classes.
        unit : array-like of int, (n,)
            Numbers of the units, which spread a class over its days; the same every day.
        day : int
            The day.

        Returns
        -------
        array of bool, (n,)
            Who is.

        Raises
        ------
        InputError
            Where a class has no days.
        """
        return np.asarray(self.wait(activity, unit, day) == 0)

    def wait(self, activity: ArrayLike, unit: ArrayLike, day: int) -> Ints:
        """Tell how many days each unit waits until it is up for change.

        Parameters
        ----------
        activity : array-like of str, (n,)
            Classes.
        unit : array-like of int, (n,)
            Numbers of the units.
        day : int
            The day.

        Returns
        -------
        array of int, (n,)
            0: today.

        Raises
        ------
        InputError
            Where a class has no days.

        Examples
        --------
        >>> Cadence({"heavy": 7}).wait(["heavy", "heavy"], [0, 1], 6).tolist()
        [1, 0]
        """
        number = np.asarray(unit, np.int64)
        labels = np.asarray(activity, np.str_)
        if labels.shape != number.shape or labels.ndim != 1:
            raise InputError("classes", f"be one per unit, {number.shape}", labels.shape)
        names, place = np.unique(labels, return_inverse=True)
        for name in names.tolist():
            if name not in self.days:
                row = f"row {int(np.argmax(labels == name))}"
                fix = among(name, self.days)
                raise InputError("a class of activity", "have days", repr(name), row, fix)
        period = np.array([self.days[name] for name in names.tolist()], np.int64)[place]
        wait: Ints = -(number + day) % period
        return wait

    def averaged(self, before: ArrayLike, age: ArrayLike, today: ArrayLike) -> Floats:
        """Take a day's features into their running means.

        Parameters
        ----------
        before : array-like, (n, d)
            The means before; of units without days anything.
        age : array-like of int, (n,)
            How many days stand behind them; 0 for a new unit.
        today : array-like, (n, d)
            The features of the day; NaN leaves a mean as it is.

        Returns
        -------
        array, (n, d)
            Means of all days while these are fewer than ``average_days``, then exponential ones in
            which a day counts one part in ``average_days``.
        """
        old, new = np.asarray(before, np.float64), np.asarray(today, np.float64)
        if old.shape != new.shape or old.ndim != 2 or np.shape(age) != old.shape[:1]:
            raise InputError("means and features", "have one shape (n, d)", (old.shape, new.shape))
        share = 1 / np.minimum(np.asarray(age) + 1, self.average_days)[:, None]
        old = np.where((share == 1) | np.isnan(old), new, old)
        return np.where(np.isnan(new), old, old + share * (new - old))

    def assign(
        self, previous: Ints, value: ArrayLike, cost: ArrayLike, price: float, due: Bools
    ) -> Ints:
        """Choose for those that are up for change, or have nothing yet; the others keep theirs.

        Parameters
        ----------
        previous : array of int, (n,)
            -2 none yet, -1 control, a candidate a.
        value : array-like, (n, k)
            The worth of each candidate over control.
        cost : array-like, (n, k) or (k,)
            What each costs over control.
        price : float
            Worth per unit of cost, >= 0.
        due : array of bool, (n,)
            Who is up for change.

        Returns
        -------
        array of int, (n,)
            -1 control, a candidate a.
        """
        worth = np.asarray(value, np.float64) - price * np.asarray(cost, np.float64)
        n = len(worth)
        if np.shape(previous) != (n,) or np.shape(due) != (n,):
            raise InputError("previous and due", f"be one per unit, {n}", np.shape(previous))
        net = np.column_stack([np.zeros(n), worth])
        known = previous > NONE
        net[np.flatnonzero(known), previous[known] + 1] += self.keep
        return np.where(due | ~known, net.argmax(axis=1) - 1, previous)


def _check_days(what: str, days: object) -> None:
    """Refuse what is no number of days."""
    if not isinstance(days, int) or isinstance(days, bool) or days < 1:
        raise InputError(what, "be a whole number >= 1", repr(days))
