"""Dose: an interval of amounts, of which finitely many levels are candidates.

encode(t) is the polynomial (t - c, ..., (t - c)^degree) around control c, so control is the zero
row.  Waves of fixed
frequencies f (in turns over the interval) may follow, each as two columns, because a sine of
unknown phase is a sum of both:

    sin(2 pi f (t - c) / (high - low)),   cos(2 pi f (t - c) / (high - low)) - 1

With the frequencies fixed the response is linear in phi, so that a model linear in phi can tell its
coefficients.

Amounts are compared within the precision of their type (`core.amounts`): bounds, control and levels
are the decimals that they stand for, and a row within rounding of one of them is that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.amounts import amount_text, decimal, inexact, merged, slack, snapped
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import SpaceError
from equipoise.core.space import in_order

DEFAULT_LEVELS = 10


class Dose:
    """An interval of amounts, of which finitely many levels are candidates.

    Parameters
    ----------
    low : float, default 0.0
        The lower bound, in ``unit``.
    high : float, default 1.0
        The upper bound, in ``unit``.
    levels : sequence of float, or int, default 10
        The amounts a policy may choose from, in ``unit``; a whole number: as many equal steps above
        control.
    control : float or None, default None
        The amount that is doing nothing; by default ``low``.
    unit : str, default ""
        The unit of the amounts, e.g. ``"USD"``.
    degree : int, default 1
        The degree of `encode`'s polynomial; it may be 0 where there are waves.
    waves : sequence of float, default ()
        The frequencies > 0 that follow the polynomial, in turns over the interval.

    Examples
    --------
    >>> voucher = Dose(0, 3, levels=[1, 2, 3], unit="USD")
    >>> voucher.names(voucher.candidates())
    ('1 USD', '2 USD', '3 USD')
    >>> voucher.cells([0, 0.2, 1.4, 2.9]).tolist()
    [0, 1, 1, 3]
    """

    kind = "dose"

    def __init__(
        self,
        low: float = 0.0,
        high: float = 1.0,
        levels: Sequence[float] | int = DEFAULT_LEVELS,
        control: float | None = None,
        unit: str = "",
        degree: int = 1,
        waves: Sequence[float] = (),
    ) -> None:
        self.low, self.high = _amount("a dose's bounds", low), _amount("a dose's bounds", high)
        self.unit, self.degree = unit, int(degree)
        self.waves = tuple(float(f) for f in waves)
        if self.low >= self.high:
            raise SpaceError("a dose's bounds", "be numbers with low < high", f"[{low}, {high}]")
        ends = np.array([self.low, self.high])
        given = self.low if control is None else _amount("control", control)
        self.control = float(snapped(np.array([given]), ends, slack(np.dtype(np.float64)))[0])
        interval = f"[{amount_text(self.low)}, {amount_text(self.high)}]"
        if not self.low <= self.control <= self.high:
            raise SpaceError(
                "control",
                f"lie in {interval}",
                control,
                fix="name the amount that is doing nothing",
            )
        if not all(0 < f < np.inf for f in self.waves) or len(set(self.waves)) < len(self.waves):
            raise SpaceError(
                "waves",
                "be different frequencies > 0",
                list(waves),
                fix="1 is one turn from low to high",
            )
        if self.degree < (0 if self.waves else 1):
            raise SpaceError("degree", "be a whole number >= 1, or 0 with waves", degree)
        steps = self._steps(levels)
        if steps.size == 0 or steps[0] < self.low or steps[-1] > self.high:
            raise SpaceError("levels", f"be amounts in {interval} other than control", levels)
        self.levels = steps
        self._points = np.unique([self.low, self.control, *steps, self.high])

    def _steps(self, levels: Any) -> Floats:
        """The levels in rising order, (k,), without control."""
        if isinstance(levels, int | np.integer):
            levels = np.linspace(self.control, self.high, int(levels) + 1)[1:]
        steps = merged(
            np.array([_amount("levels", level) for level in in_order("levels", levels)], np.float64)
        )
        ends = np.unique([self.low, self.control, self.high])
        steps = np.unique(snapped(steps, ends, slack(steps.dtype)))
        others: Floats = steps[steps != self.control]
        return others

    def check(self, treatment: Any) -> Floats:
        """Check amounts.

        Parameters
        ----------
        treatment : array-like, (n,)
            Amounts, in ``unit``.

        Returns
        -------
        array, (n,)
            The amounts as float64.

        Raises
        ------
        SpaceError
            Where one is no number, or lies outside the interval, with its row.
        """
        raw = np.asarray(treatment)
        if raw.ndim != 1:
            raise SpaceError("treatment", "be one amount per row", f"an array of shape {raw.shape}")
        least = float(np.abs(self._points[self._points != 0]).min())
        t = snapped(_numbers(treatment, raw), self._points, slack(raw.dtype), least)
        good = (t >= self.low) & (t <= self.high)
        if not good.all():
            row = int(np.argmin(good))
            raise SpaceError(
                "treatment",
                f"lie in [{amount_text(self.low)}, {amount_text(self.high)}]",
                raw[row],
                f"row {row}",
                "widen the interval or drop the rows",
            )
        return t

    def candidates(self) -> Floats:
        """List the amounts that a policy may choose from.

        Returns
        -------
        array, (k,)
            The levels in rising order, control not among them, in ``unit``.
        """
        return self.levels.copy()

    def names(self, treatment: Any) -> tuple[str, ...]:
        """Label amounts for print.

        Parameters
        ----------
        treatment : array-like, (n,)
            Amounts, in ``unit``.

        Returns
        -------
        tuple of str, (n,)
            Each amount with its unit.
        """
        t, raw = self.check(treatment), np.asarray(treatment)
        if raw.dtype.kind == "f" and raw.dtype.itemsize < 8:
            # what is none of the space's own amounts is named in its own precision
            each = [r if r == amount else amount for r, amount in zip(raw, t, strict=True)]
        else:
            each = list(t)
        return tuple(f"{amount_text(amount)} {self.unit}".strip() for amount in each)

    def former_names(self, treatment: Any) -> tuple[str, ...]:
        """Label amounts as version 0.1.0 did: with six digits.

        Parameters
        ----------
        treatment : array-like, (n,)
            Amounts, in ``unit``.

        Returns
        -------
        tuple of str, (n,)
            Each amount with its unit; two amounts may have one label.
        """
        return tuple(f"{t:g} {self.unit}".strip() for t in self.check(treatment))

    def encode(self, treatment: Any) -> Floats:
        """Encode amounts as the polynomial around control, followed by the waves.

        Parameters
        ----------
        treatment : array-like, (n,)
            Amounts, in ``unit``.

        Returns
        -------
        array, (n, d)
            d = degree + 2 waves columns; control is the zero row.
        """
        gap = (self.check(treatment) - self.control)[:, None]
        power = gap ** np.arange(1, self.degree + 1)
        if not self.waves:
            return power
        angle = 2 * np.pi * np.asarray(self.waves) * gap / (self.high - self.low)
        return np.hstack([power, np.sin(angle), np.cos(angle) - 1])

    def cells(self, treatment: Any) -> Ints:
        """Number the level that each amount is nearest to.

        Parameters
        ----------
        treatment : array-like, (n,)
            Amounts, in ``unit``.

        Returns
        -------
        array of int, (n,)
            0 is control itself, 1 + a is candidate a.
        """
        t = self.check(treatment)
        middles = (self.levels[1:] + self.levels[:-1]) / 2
        return np.where(t == self.control, 0, 1 + np.searchsorted(middles, t)).astype(np.int64)

    def dose(self, treatment: Any) -> Floats:
        """Give the amounts, checked.

        Parameters
        ----------
        treatment : array-like, (n,)
            Amounts, in ``unit``.

        Returns
        -------
        array, (n,)
            The same as float64.
        """
        return self.check(treatment)

    def describe(self) -> str:
        """Describe the space for a report.

        Returns
        -------
        str
            One sentence with the interval, the candidates and control.
        """
        amounts = ", ".join(map(amount_text, self.levels))
        return (
            f"a dose in [{amount_text(self.low)}, {amount_text(self.high)}] {self.unit}".rstrip()
            + f"; candidates {amounts}; control is {amount_text(self.control)}"
        )

    def to_json(self) -> dict[str, Any]:
        """Give the space as plain JSON, which `space_from_json` reads.

        Returns
        -------
        dict
            Its kind and the constructor's arguments.
        """
        return {
            "kind": self.kind,
            "low": self.low,
            "high": self.high,
            "levels": self.levels.tolist(),
            "control": self.control,
            "unit": self.unit,
            "degree": self.degree,
            "waves": list(self.waves),
        }

    def __repr__(self) -> str:
        return (
            f"Dose({amount_text(self.low)}, {amount_text(self.high)},"
            f" levels={self.levels.tolist()}, control={amount_text(self.control)},"
            f" unit={self.unit!r})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dose) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(
            (
                self.low,
                self.high,
                self.control,
                self.unit,
                self.degree,
                self.waves,
                self.levels.tobytes(),
            )
        )


def _amount(what: str, number: Any) -> float:
    """A bound, a control or a level as the decimal it stands for."""
    if not _is_number(number) or not np.isfinite(float(number)):
        raise SpaceError(what, "be finite numbers", repr(number), fix="give amounts")
    return decimal(number)


def _numbers(treatment: Any, raw: NDArray[Any]) -> Floats:
    """Amounts of any type as float64, (n,); what is no amount, or none that 64 bits hold, is an
    error with its row.
    """
    fix = "a dose is an amount; use Arms for labels"
    if raw.dtype.kind in "cmMV":
        raise SpaceError("treatment", "be a number", f"a column of {raw.dtype}", "row 0", fix)
    lost = np.ma.getmaskarray(treatment) if isinstance(treatment, np.ma.MaskedArray) else None
    lost = inexact(raw) if lost is None else lost
    if not lost.any():
        try:
            return np.asarray(raw, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            lost = np.array([not _is_number(value) for value in raw])
    row = int(np.argmax(lost))
    must = "be a number" if raw.dtype.kind not in "iu" else "be within 2^53 of 0"
    raise SpaceError("treatment", must, repr(raw[row]), f"row {row}", fix)


def _is_number(value: Any) -> bool:
    try:
        return isinstance(float(value), float)
    except (TypeError, ValueError, OverflowError):
        return False
