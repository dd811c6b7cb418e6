"""Strategy: a schedule of red packets over a day, as seven numbers.

    total yuan, count, interval in hours;  amount wave (s_a, c_a);  interval wave (s_i, c_i)
    f(t) = 1 + s sin(2 pi t / 24) + c cos(2 pi t / 24)
    t_0 = start of the window,  t_j = t_(j-1) + interval f_i(t_(j-1))
    amount_j = total f_a(t_j) / sum_l f_a(t_l)

Frequency and phase are no parameters: a model linear in (s, c) tells them apart, one linear in a
phase cannot.  The norm of a wave is at most 0.9, so that f >= 0.1: no amount and no gap comes near
0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.display import shown
from equipoise.core.errors import SpaceError

NUMBERS = ("total", "count", "interval", "as", "ac", "is", "ic")  # of a strategy, in this order
PARTS = 3  # of them without waves
WINDOW = (8.0, 24.0)  # hours of the day
STEEPEST = 0.9  # norm of a wave
MOST = 1440  # packets a day: one a minute
ROUNDING = 1e-9


@shown
@dataclass(frozen=True)
class Strategy:
    """A schedule of red packets over a day.

    Parameters
    ----------
    total : float
        Money a day, > 0, in yuan.
    count : int
        Packets a day, >= 1.
    interval : float
        Hours from one packet to the next, > 0, before the interval's wave.
    amount_wave : tuple of two floats, default (0.0, 0.0)
        Sine and cosine over the day of the amounts; their norm is at most 0.9.
    interval_wave : tuple of two floats, default (0.0, 0.0)
        The same of the intervals.

    Raises
    ------
    SpaceError
        Where one of them is out of its range.

    Examples
    --------
    >>> hours, yuan = Strategy(1.2, 3, 4.0, amount_wave=(0.0, -0.5)).packets()
    >>> hours.tolist(), yuan.round(3).tolist()
    ([8.0, 12.0, 16.0], [0.375, 0.45, 0.375])
    >>> Strategy(1.2, 6, 4.0).fits()
    False
    """

    total: float
    count: int
    interval: float
    amount_wave: tuple[float, float] = (0.0, 0.0)
    interval_wave: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        numbers = (self.total, self.count, self.interval, *self.amount_wave, *self.interval_wave)
        check_strategies(as_numbers([numbers]), lambda row: "")

    @classmethod
    def of(cls, numbers: Any) -> Strategy:
        """Make one of its numbers.

        Parameters
        ----------
        numbers : sequence of float, (3,) or (7,)
            Total, count and interval; with the two waves or without.

        Returns
        -------
        Strategy
            The schedule.
        """
        total, count, interval, *waves = as_numbers([numbers])[0].tolist()
        whole = int(count) if float(count).is_integer() else count
        return cls(total, whole, interval, (waves[0], waves[1]), (waves[2], waves[3]))

    def vector(self) -> Floats:
        """Give its seven numbers.

        Returns
        -------
        array, (7,)
            Total, count, interval, and sine and cosine of both waves.
        """
        waves = (*self.amount_wave, *self.interval_wave)
        return np.array([self.total, self.count, self.interval, *waves], np.float64)

    def packets(self, window: tuple[float, float] = WINDOW) -> tuple[Floats, Floats]:
        """Say when it sends what.

        Parameters
        ----------
        window : tuple of two floats, default (8.0, 24.0)
            The hours of the day in which packets may come; the first comes at its start.

        Returns
        -------
        hours, amounts : array, (count,)
            Of each packet.
        """
        hours, amounts = packets(self.vector()[None], window)
        return hours[0], amounts[0]

    def fits(self, window: tuple[float, float] = WINDOW) -> bool:
        """Say whether its last packet comes within a window.

        Parameters
        ----------
        window : tuple of two floats, default (8.0, 24.0)
            The hours of the day in which packets may come.

        Returns
        -------
        bool
            Whether it does.
        """
        return bool(fits(self.vector()[None], window)[0])


def wave(t: Floats, sine: Floats, cosine: Floats) -> Floats:
    """f(t) = 1 + s sin(2 pi t / 24) + c cos(2 pi t / 24)."""
    angle = 2 * np.pi / 24 * t
    return 1 + sine * np.sin(angle) + cosine * np.cos(angle)


def packets(values: Floats, window: tuple[float, float] = WINDOW) -> tuple[Floats, Floats]:
    """The hours and amounts of packets, (k, J) each, for strategies (k, 7) with at most J; where
    one has fewer, its hours go on and its amounts are 0.
    """
    total, count, interval, a_sine, a_cosine, i_sine, i_cosine = values.T[:, :, None]
    J = int(count.max(initial=1))
    hours = np.full((len(values), J), float(window[0]))
    for j in range(1, J):
        before = hours[:, j - 1 : j]
        hours[:, j : j + 1] = before + interval * wave(before, i_sine, i_cosine)
    share = wave(hours, a_sine, a_cosine) * (np.arange(J) < count)
    return hours, total * share / share.sum(axis=1, keepdims=True)


def fits(values: Floats, window: tuple[float, float] = WINDOW) -> np.ndarray[Any, np.dtype[Any]]:
    """Whether the last packet of each strategy (k, 7) comes within the window, (k,)."""
    hours, _ = packets(values, window)
    last = hours[np.arange(len(values)), values[:, 1].astype(np.int64) - 1]
    return np.asarray(last <= window[1] + ROUNDING)


def as_numbers(values: Any) -> Floats:
    """Strategies as rows of seven numbers, (k, 7): `Strategy` objects, or rows of 3 or 7."""
    if isinstance(values, Strategy):
        return values.vector()[None]
    if isinstance(values, list | tuple):
        values = [one.vector() if isinstance(one, Strategy) else one for one in values]
    try:
        rows = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        fix = f"give {', '.join(NUMBERS)}, or the first three"
        raise SpaceError("a schedule", "be 3 or 7 numbers", str(error), fix=fix) from error
    if rows.ndim != 2 or rows.shape[1] not in (PARTS, len(NUMBERS)):
        fix = f"give {', '.join(NUMBERS)}, or the first three"
        got = f"an array of shape {rows.shape}"
        raise SpaceError("a schedule", "be 3 or 7 numbers a row", got, fix=fix)
    flat = np.zeros((len(rows), len(NUMBERS)))
    flat[:, : rows.shape[1]] = rows
    return flat


def check_strategies(
    values: Floats, place: Callable[[int], str], window: tuple[float, float] | None = None
) -> None:
    """Refuse strategies (k, 7) that are none, by the first at fault.   place : of a row, for the
    message.   window : in which they must end, or None.
    """
    total, count, interval = values.T[:PARTS]
    with np.errstate(invalid="ignore"):
        steep = [np.hypot(*values[:, 3:5].T), np.hypot(*values[:, 5:7].T)]
        rules = [
            ("numbers", "be finite", ~np.isfinite(values).all(axis=1), values, "mend the row"),
            ("total", "be an amount > 0", total <= 0, total, "give the money of a day"),
            (
                "count",
                f"be a whole number in 1..{MOST}",
                (count != np.floor(count)) | (count < 1) | (count > MOST),
                count,
                "give the number of packets of a day; who gets none is no schedule",
            ),
            ("interval", "be a number of hours > 0", interval <= 0, interval, "1 is one hour"),
        ]
    for name, norm in zip(("amount", "interval"), steep, strict=True):
        must, fix = f"have a norm <= {STEEPEST}", f"else some {name}s come near 0: make it flatter"
        rules.append((f"the {name} wave", must, norm > STEEPEST + ROUNDING, norm, fix))
    for what, must, bad, got, fix in rules:
        if bad.any():
            row = int(np.argmax(bad))
            raise SpaceError(f"a schedule's {what}", must, _text(got[row]), place(row), fix)
    if window is None:
        return
    late = ~fits(values, window)
    if late.any():
        row = int(np.argmax(late))
        one = values[row : row + 1]
        last = packets(one, window)[0][0, int(one[0, 1]) - 1]
        must = f"send its last packet by {window[1]:g} o'clock"
        fix = "send fewer packets or shorten the interval"
        raise SpaceError("a schedule", must, f"{last:.4g} o'clock", place(row), fix)


def _text(value: Any) -> str:
    return str(np.asarray(value).tolist())
