"""Amounts: numbers compared and written within the precision of the type they come in.

A 32-bit 0.3 reads 0.30000001192092896 in 64 bits, and 0.1 + 0.2 reads 0.30000000000000004; both are
the amount 0.3.  With ulp the relative spacing of a type,

    decimal    the decimal of 12 digits, where it lies within `ROUNDING` ulp of the number
    snapped    the nearest of some points, where it lies within the slack of the number's type
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats

DIGITS = 12  # an amount is told by as many; what differs later, and by a few ulp, is rounding
ROUNDING = 4  # ulp that a sum of a few amounts is off
SUMS, STORED = 16, 2  # ulp that rows may be off: long sums in 64 bits, what narrower types store
WHOLE = 2**53  # 64-bit floats tell whole numbers apart up to here
ULP = float(np.finfo(np.float64).eps)


def decimal(number: Any) -> float:
    """The 64-bit float of the decimal that a number stands for.

    >>> decimal(np.float32(0.3)), decimal(0.1 + 0.2), decimal(1 / 3)
    (0.3, 0.3, 0.3333333333333333)
    """
    narrow = isinstance(number, np.floating) and number.dtype.itemsize < 8
    amount = float(str(number)) if narrow else float(number)
    short = float(f"{amount:.{DIGITS}g}")
    return short if abs(short - amount) <= ROUNDING * ULP * abs(amount) else amount


def amount_text(number: Any) -> str:
    """The shortest text that gives an amount back, whole numbers in full.

    >>> amount_text(1234567.0), amount_text(0.1 + 0.2), amount_text(1e-7)
    ('1234567', '0.3', '1e-07')
    """
    amount = decimal(number)
    whole = abs(amount) <= WHOLE and amount == int(amount)
    return str(int(amount)) if whole else repr(amount)


def short_texts(numbers: Floats, digits: int = 6) -> list[str]:
    """Numbers in the fewest digits, six or more, that tell different ones apart.

    >>> short_texts(np.array([1234567.0, 1234568.0])), short_texts(np.array([1 / 3, 2.0]))
    (['1234567', '1234568'], ['0.333333', '2'])
    """
    different = len(np.unique(numbers))
    for more in range(digits, 17):
        texts = [f"{number:.{more}g}" for number in numbers]
        if len(set(texts)) == different:
            return texts
    return [f"{number:.17g}" for number in numbers]


def slack(kind: np.dtype[Any]) -> float:
    """How far, relative to its size, an amount that came in a type may be off."""
    narrow = STORED * float(np.finfo(kind).eps) if kind.kind == "f" and kind.itemsize < 8 else 0.0
    return max(SUMS * ULP, narrow)


def snapped(amounts: Floats, points: Floats, tolerance: float, least: float = 0.0) -> Floats:
    """Amounts, those within a relative tolerance of a point as that point, and those that 32 bits
    make of it, whatever type they came in since.

    amounts : (n,);  points : (p,), rising.  At the point 0 the tolerance is that of an amount
    ``least``: where amounts are sums of it, 0.1 + 0.2 - 0.3 is 0.

    >>> snapped(np.array([0.30000001192092896, 0.3000001]), np.array([0.0, 0.3]), 1e-15).tolist()
    [0.3, 0.3000001]
    """
    scale = np.where(points == 0, least, np.abs(points))
    place = np.searchsorted((points[1:] + points[:-1]) / 2, amounts)
    near: Floats = points[place]
    with np.errstate(over="ignore"):
        narrow = points.astype(np.float32).astype(np.float64)[place]
    close = np.abs(amounts - near) <= tolerance * scale[place]
    return np.where(close | (amounts == narrow), near, amounts)


def merged(points: Floats) -> Floats:
    """Different points, rising; of those within rounding of each other, the first."""
    rising = np.unique(points)
    near = np.diff(rising) <= ROUNDING * ULP * np.abs(rising[1:])
    return np.delete(rising, 1 + np.flatnonzero(near))


def inexact(amounts: NDArray[Any]) -> NDArray[np.bool_]:
    """Where whole numbers are too large for 64-bit floats to tell them apart, (n,)."""
    if amounts.dtype.kind not in "iu" or amounts.dtype.itemsize < 8:
        return np.zeros(len(amounts), np.bool_)
    low = amounts < -WHOLE if amounts.dtype.kind == "i" else False
    return np.asarray((amounts > WHOLE) | low, np.bool_)
