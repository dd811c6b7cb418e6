"""Where new schedules are searched for: bounds of their seven numbers, and rules that prune a
schedule before it costs traffic.

The box of the bounds is also a unit cube, in which searches walk; a count is whole in both.  Rules
have typed keys and no expressions, so that a plan says them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.suggest import among
from equipoise.treatments.strategy import NUMBERS, STEEPEST, packets

WAVES = slice(3, 7)  # of the seven numbers
COUNT = 1  # the place of the count
TRIED = 4096  # schedules drawn to see whether bounds and rules leave any
SAME = 1e-9


@shown
@dataclass(frozen=True)
class Bounds:
    """Bounds of a schedule's numbers.

    Parameters
    ----------
    total : pair of float, default (0.3, 3.0)
        Money a day, in yuan.
    count : pair of int, default (1, 8)
        Packets a day.
    interval : pair of float, default (0.5, 4.0)
        Hours between packets.
    wave : float, default 0.0
        Each of the sines and cosines of both waves lies in -wave..wave; 0 searches flat schedules.
    window : pair of float, default (8.0, 24.0)
        Hours of the day in which packets may come.

    Raises
    ------
    InputError
        Where a bound is no pair of numbers that rise.

    Examples
    --------
    >>> Bounds(count=(2, 4)).schedules([[0, 0.5, 1, 0.5, 0.5, 0.5, 0.5]])[0, :3].tolist()
    [0.3, 3.0, 4.0]
    """

    total: tuple[float, float] = (0.3, 3.0)
    count: tuple[int, int] = (1, 8)
    interval: tuple[float, float] = (0.5, 4.0)
    wave: float = 0.0
    window: tuple[float, float] = (8.0, 24.0)

    def __post_init__(self) -> None:
        for name in ("total", "count", "interval", "window"):
            low, high = _pair(f"the search's bounds of {name!r}", getattr(self, name))
            if name != "window" and low <= 0:
                raise InputError(f"the search's bounds of {name!r}", "be > 0", low)
            if name == "count" and (low % 1 or high % 1):
                raise InputError("the search's bounds of 'count'", "be whole", self.count)
        if not 0 <= self.wave <= STEEPEST:
            must = f"lie in 0..{STEEPEST}"
            raise InputError("the search's bound of 'wave'", must, self.wave, fix="0 is no wave")

    @property
    def edges(self) -> Floats:
        """The least and the most of the seven numbers, (2, 7)."""
        waves = [self.wave] * 4
        low = [self.total[0], self.count[0], self.interval[0], *(-one for one in waves)]
        return np.array([low, [self.total[1], self.count[1], self.interval[1], *waves]], np.float64)

    @property
    def free(self) -> list[int]:
        """The places of the numbers that vary."""
        low, high = self.edges
        return [int(j) for j in np.flatnonzero(high > low)]

    def schedules(self, cube: Any) -> Floats:
        """The schedules (k, 7) at points of the unit cube.

        Parameters
        ----------
        cube : array, (k, 7)
            In 0..1; a number that does not vary is ignored.

        Returns
        -------
        array, (k, 7)
            Total, count, interval and waves.
        """
        low, high = self.edges
        values: Floats = low + np.clip(np.asarray(cube, np.float64), 0, 1) * (high - low)
        values[:, COUNT] = np.rint(values[:, COUNT])
        return values

    def cube(self, schedules: Any) -> Floats:
        """The points of the unit cube of schedules, (k, 7); the inverse of `schedules`.

        Parameters
        ----------
        schedules : array, (k, 7)
            Those outside the bounds lie outside 0..1.

        Returns
        -------
        array, (k, 7)
            0.5 for a number that does not vary.
        """
        low, high = self.edges
        width = np.where(high > low, high - low, 1.0)
        values: Floats = (np.asarray(schedules, np.float64) - low) / width
        values[:, high == low] = 0.5
        return values


@shown
@dataclass(frozen=True)
class Rules:
    """What no proposed schedule may do.

    Parameters
    ----------
    packet : pair of float, optional
        The least and the most yuan in each packet.
    last : float, optional
        The hour by which the last packet has come; None is the end of the window.
    gap : float, optional
        The least hours between two packets.
    cost_per_head : float, optional
        The most yuan a user and day: of the expected cost where it is known, else of the total.
    never : sequence of mapping, default ()
        Settings that are not wanted, each by the names of numbers: a number that it equals, or a
        pair of bounds that it lies in, e.g. ``{"count": 8, "interval": (0.5, 1.0)}``.

    Raises
    ------
    InputError
        Where a rule is not of its type.

    Examples
    --------
    >>> flat = np.array([[1.2, 4, 3.0, 0, 0, 0, 0], [1.2, 8, 3.0, 0, 0, 0, 0]])
    >>> Rules(packet=(0.2, 1.0)).allowed(flat).tolist()
    [True, False]
    """

    packet: tuple[float, float] | None = None
    last: float | None = None
    gap: float | None = None
    cost_per_head: float | None = None
    never: Sequence[Mapping[str, Any]] = field(default=())

    def __post_init__(self) -> None:
        if self.packet is not None:
            _pair("the rule 'packet'", self.packet)
        for name in ("last", "gap", "cost_per_head"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value > 0):
                raise InputError(f"the rule {name!r}", "be a number > 0", repr(value))
        if isinstance(self.never, str | Mapping) or not isinstance(self.never, Sequence):
            raise InputError("the rule 'never'", "be a list of settings", repr(self.never))
        for setting in self.never:
            if not isinstance(setting, Mapping) or not setting:
                raise InputError("a setting of the rule 'never'", "name numbers", repr(setting))
            for name, value in setting.items():
                if name not in NUMBERS:
                    fix = among(str(name), NUMBERS, "numbers of a schedule")
                    raise InputError(f"{name!r} of the rule 'never'", "be known", name, fix=fix)
                if not _is_number(value):
                    _pair(f"{name!r} of the rule 'never'", value)

    def refusals(
        self, schedules: Any, window: tuple[float, float] = (8.0, 24.0), cost: Any = None
    ) -> dict[str, Bools]:
        """Which schedules each rule refuses.

        Parameters
        ----------
        schedules : array, (k, 7)
            Total, count, interval and waves.
        window : pair of float, default (8.0, 24.0)
            Hours of the day in which packets may come.
        cost : array, (k,), optional
            The expected yuan a user and day; None takes the totals.

        Returns
        -------
        dict of str to array of bool, (k,)
            By rule; "wave" and "window" always hold.
        """
        values = np.asarray(schedules, np.float64)
        hours, amounts = packets(values, window)
        sent = np.arange(hours.shape[1]) < values[:, COUNT : COUNT + 1]
        last = np.where(sent, hours, -np.inf).max(axis=1)
        steep = np.maximum(np.hypot(*values[:, 3:5].T), np.hypot(*values[:, 5:7].T))
        out = {"wave": steep > STEEPEST + SAME, "window": last > window[1] + SAME}
        if self.packet is not None:
            low, high = self.packet
            out["packet"] = (sent & ((amounts < low - SAME) | (amounts > high + SAME))).any(axis=1)
        if self.last is not None:
            out["last"] = last > self.last + SAME
        if self.gap is not None:
            out["gap"] = (sent[:, 1:] & (np.diff(hours) < self.gap - SAME)).any(axis=1)
        if self.cost_per_head is not None:
            spent = values[:, 0] if cost is None else np.asarray(cost, np.float64)
            out["cost_per_head"] = spent > self.cost_per_head + SAME
        if self.never:
            out["never"] = np.any([_meets(values, one) for one in self.never], axis=0)
        return out

    def allowed(
        self, schedules: Any, window: tuple[float, float] = (8.0, 24.0), cost: Any = None
    ) -> Bools:
        """Which schedules no rule refuses.

        Parameters
        ----------
        schedules : array, (k, 7)
            Total, count, interval and waves.
        window : pair of float, default (8.0, 24.0)
            Hours of the day in which packets may come.
        cost : array, (k,), optional
            The expected yuan a user and day; None takes the totals.

        Returns
        -------
        array of bool, (k,)
            True where it may be tried.
        """
        refused: Bools = np.any(list(self.refusals(schedules, window, cost).values()), axis=0)
        return ~refused


def bounds_of(values: Any) -> Bounds:
    """The bounds of a plan's table, or as they are."""
    if isinstance(values, Bounds):
        return values
    bounds: Bounds = _of(Bounds, values, "the search's bounds")
    return bounds


def rules_of(values: Any) -> Rules:
    """The rules of a plan's table, or as they are; None: no rules."""
    if values is None or isinstance(values, Rules):
        return values or Rules()
    rules: Rules = _of(Rules, values, "the search's rules")
    return rules


def check_room(bounds: Bounds, rules: Rules, seed: int) -> None:
    """Refuse bounds of which rules leave nothing, by the shares that each rule refuses."""
    cube = np.random.default_rng(seed).random((TRIED, len(NUMBERS)))
    refused = rules.refusals(bounds.schedules(cube), bounds.window)
    if np.any(list(refused.values()), axis=0).all():
        shares = {name: hit.mean() for name, hit in refused.items() if hit.any()}
        got = ", ".join(f"{name} refuses {share:.0%}" for name, share in shares.items())
        must = "leave some schedule within the search's bounds"
        fix = "widen the bounds or loosen the rule that refuses most"
        raise InputError("the search's rules", must, f"none of {TRIED:,}: {got}", fix=fix)


def _of(cls: Any, values: Any, what: str) -> Any:
    names = [one.name for one in fields(cls)]
    if not isinstance(values, Mapping):
        raise InputError(what, "be a table", type(values).__name__, fix=", ".join(names))
    for key in values:
        if key not in names:
            fix = among(str(key), names, "known keys")
            raise InputError(f"key {key!r} of {what}", "be known", repr(values[key]), fix=fix)
    return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})


def _pair(what: str, value: Any) -> tuple[float, float]:
    """A pair of finite numbers that do not fall."""
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(pair) != 2 or not all(map(_is_number, pair)) or pair[0] > pair[1]:
        raise InputError(what, "be [least, most], two numbers that do not fall", repr(value))
    return float(pair[0]), float(pair[1])


def _is_number(value: Any) -> bool:
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return real and bool(np.isfinite(value))


def _meets(values: Floats, setting: Mapping[str, Any]) -> Bools:
    """Which schedules (k, 7) have all numbers of a setting, (k,)."""
    out = np.ones(len(values), np.bool_)
    for name, value in setting.items():
        low, high = (value, value) if _is_number(value) else value
        column = values[:, NUMBERS.index(name)]
        out &= (column >= low - SAME) & (column <= high + SAME)
    return out
