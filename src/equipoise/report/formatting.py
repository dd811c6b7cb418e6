"""Numbers and words for people: thousands separators, as many digits as the interval supports,
percent for binary metrics.

A metric of kind "binary" is shown in percent, its effects in percentage points (pp); every other
metric in its own unit. Two significant digits of an interval's half-width decide how many decimals
its value gets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MINUS, MISSING, GLUE = "\u2212", "\u2013", "\u00a0"  # GLUE keeps a number and its unit on one line
MOST_DECIMALS = 6
LARGE, SMALL, NOISE = 1e15, 0.5e-6, 1e-12  # outside these a number is written as 1.43e+29


def real(x: Any) -> float:
    """x as a float; what is no number (None, text) is NaN."""
    return float(x) if isinstance(x, int | float) else math.nan


def decimals(spread: float, significant: int = 2) -> int:
    """How many decimals show so many significant digits of spread.

    Examples
    --------
    >>> [decimals(s) for s in (0.0123, 0.65, 4.0, 1234.0)]
    [3, 2, 1, 0]
    """
    if not math.isfinite(spread) or spread == 0:
        return 2
    return min(max(significant - 1 - math.floor(math.log10(abs(spread))), 0), MOST_DECIMALS)


def number(x: Any, digits: int | None = None, plus: bool = False) -> str:
    """A number with thousands separators; up to three significant digits unless told, and where it
    is very large, or small beside no larger one; ``plus`` writes the sign always.

    Examples
    --------
    >>> number(64000), number(0.01234), number(0.042), number(2.5, 2, plus=True), number(None)
    ('64,000', '0.0123', '0.042', '+2.50', '–')
    >>> number(1.4339e29), number(4e-10), number(2e-9, 6), number(2e-9, 2), number(5e-17)
    ('1.43e+29', '4e−10', '2e−09', '0.00', '0')
    """
    value = real(x)
    if not math.isfinite(value):
        return {math.inf: "\u221e", -math.inf: MINUS + "\u221e"}.get(value, MISSING)
    size, least = abs(value), NOISE if digits is None else 0.0
    if size >= LARGE or (digits in (None, MOST_DECIMALS) and least < size < SMALL):
        return (f"{value:+.3g}" if plus else f"{value:.3g}").replace("-", MINUS)
    places = digits if digits is not None else 0 if value == round(value) else decimals(value, 3)
    text = f"{value:+,.{places}f}" if plus else f"{value:,.{places}f}"
    if digits is None and "." in text:
        text = text.rstrip("0").rstrip(".")
    zero = not any(c in "123456789" for c in text)
    return text.lstrip("+-") if zero else text.replace("-", MINUS)


def share(x: Any) -> str:
    """A share as percent: one decimal near 0 and 1, none between; only nothing is 0 % and only all
    is 100 %.

    Examples
    --------
    >>> shares = 0.384, 0.0512, 0.0, 1, 0.00003, 0.996, 0.99999
    >>> tuple(share(part) for part in shares)
    ('38%', '5.1%', '0%', '100%', '<0.1%', '99.6%', '>99.9%')
    """
    percent = 100 * real(x)
    if not math.isfinite(percent):
        return MISSING
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100 - 1e-9:
        return ">99.9%"
    return f"{percent:.1f}%" if 0 < percent < 9.95 or 99 < percent < 99.95 else f"{percent:.0f}%"


def listed(items: Iterable[str]) -> str:
    """``a, b and c``."""
    every = list(items)
    return (
        every[0]
        if len(every) == 1
        else ", ".join(every[:-1]) + " and " + every[-1]
        if every
        else "none"
    )


def plural(n: int, noun: str, many: str = "") -> str:
    """``1 arm``, ``2,000 arms``."""
    return f"{n:,} {noun if n == 1 else many or noun + 's'}"


def seconds(x: Any) -> str:
    """A duration: ``8.2 s`` or ``3 min 20 s``."""
    value = real(x)
    if not math.isfinite(value):
        return MISSING
    return f"{value:.1f} s" if value < 60 else f"{int(value // 60)} min {value % 60:.0f} s"


def apart(interval: Sequence[Any]) -> bool:
    """Whether the interval excludes zero."""
    return real(interval[1]) > 0 or real(interval[2]) < 0


def has_interval(interval: Sequence[Any]) -> bool:
    """Whether both ends of the interval are numbers and differ."""
    low, high = real(interval[1]), real(interval[2])
    return math.isfinite(low) and math.isfinite(high) and high > low


@dataclass(frozen=True)
class Unit:
    """How the values of one metric are written.

    Parameters
    ----------
    scale : what a value is multiplied by before it is shown (100 for a binary metric).
    level : what stands behind a level, e.g. ``"%"`` or ``" USD"``.
    change : what stands behind an effect, e.g. ``" pp"``.
    axis : the unit in full, for axes and column heads.
    """

    scale: float
    level: str
    change: str
    axis: str

    def scaled(self, x: Any) -> float | None:
        """The number that is drawn; None where there is none."""
        value = real(x) * self.scale
        return value if math.isfinite(value) else None

    def _digits(self, interval: Sequence[Any]) -> int | None:
        if not has_interval(interval):
            return None
        return decimals((real(interval[2]) - real(interval[1])) / 2 * self.scale)

    def bare(self, interval: Sequence[Any], plus: bool = True) -> str:
        """The value alone, without its unit."""
        return number(real(interval[0]) * self.scale, self._digits(interval), plus)

    def effect(self, interval: Sequence[Any]) -> str:
        """``+4.52 pp``."""
        return self.bare(interval) + self.change

    def of_level(self, interval: Sequence[Any]) -> str:
        """``10.6%``."""
        return self.bare(interval, plus=False) + self.level

    def span(self, interval: Sequence[Any], plus: bool = True) -> str:
        """``+3.10 to +5.30``, or a dash where there is no interval."""
        if not has_interval(interval):
            return MISSING
        digits = self._digits(interval)
        low, high = (number(real(end) * self.scale, digits, plus) for end in interval[1:3])
        return f"{low} to {high}"


def unit_of(metric: Mapping[str, str]) -> Unit:
    """The unit of a metric.

    Examples
    --------
    >>> visit = unit_of({"name": "visit", "kind": "binary", "unit": ""})
    >>> visit.effect([0.0766, 0.07, 0.0832]), visit.of_level([0.1062, 0.102, 0.110])
    ('+7.66\xa0pp', '10.62%')
    >>> unit_of({"name": "spend", "kind": "amount", "unit": "USD"}).span([0.6, 0.3, 0.9])
    '+0.30 to +0.90'
    """
    if metric.get("kind") == "binary":
        return Unit(100.0, "%", f"{GLUE}pp", "percentage points")
    unit = metric.get("unit", "")
    behind = f"{GLUE}{unit}" if unit else ""
    return Unit(1.0, behind, behind, unit or "units")


def one(currency: str) -> str:
    """One unit of cost: ``USD``, ``unit of cost``, or ``offer`` where nothing has a cost."""
    return currency.replace("units of", "unit of") or "offer"


def money(currency: str) -> Unit:
    """The unit of cost: a currency, or offers where nothing has a cost."""
    name = currency or "offers"
    return Unit(1.0, f"{GLUE}{name}", f"{GLUE}{name}", name)
