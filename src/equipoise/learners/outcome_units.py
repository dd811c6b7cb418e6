"""Outcomes in standard units: what a learner of 32-bit numbers sees must not hang on where a metric
has its zero, nor on its unit.

    z = (y - centre) / unit        level of y = centre + unit * level of z,  effect = unit * effect

A metric of two values becomes 0 and 1 (a 0/1 metric stays as it is); any other has mean 0 and
spread 1.  All is done in 64 bits, from differences to a value of the metric's own, so that no
number of the size of an offset meets one of the size of the spread.  A metric that is written in
whole numbers of 10^-d (cents, say) is counted in them: at 1e12 a float is off by 1e-4, a count of
cents is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Bools, Floats

COUNTABLE = 2.0**49  # larger counts are off by more than 1/16, which anything might be
MOST_DIGITS = 22  # powers of ten up to here are exact in 64 bits
LOSS = 1e-6  # of a spread, by root mean square
GLANCE = 1_000  # rows that tell at once that a metric is no count


@dataclass(frozen=True)
class OutcomeUnits:
    """Where each of m metrics has its middle and how wide it is.

    Attributes
    ----------
    centre : array, (m,)
        In each metric's unit.
    unit : array, (m,)
        Likewise, > 0.
    """

    centre: Floats
    unit: Floats

    def effects(self, z: Floats) -> Floats:
        """Effects, or their standard errors, (..., m), in the metrics' units."""
        return z * self.unit

    def levels(self, z: Floats) -> Floats:
        """Levels (..., m) in the metrics' units."""
        return z * self.unit + self.centre

    def standard(self, levels: Floats) -> Floats:
        """The inverse of `levels`."""
        return (levels - self.centre) / self.unit


def standardised(y: Floats) -> tuple[Floats, OutcomeUnits]:
    """Outcomes in standard units, and these.   y: (n, m), finite, every metric varies.

    >>> z, units = standardised(1e12 + np.array([[0.5], [0.5], [2.0]]))
    >>> z[:, 0].tolist(), units.effects(np.array([2.0])).tolist()
    ([0.0, 0.0, 1.0], [3.0])
    """
    columns, centre, unit = zip(*map(_standard, np.ascontiguousarray(y.T)), strict=True)
    return np.stack(columns, axis=1), OutcomeUnits(np.asarray(centre), np.asarray(unit))


def blurred(y: Floats, spread: Floats) -> Bools:
    """Which metrics lose more than `LOSS` of their spread in 32 bits, (m,).   y: (n, m).

    >>> blurred(np.array([[0.25, 1e9 + 0.25], [1.0, 1e9 + 1]]), np.ones(2)).tolist()
    [False, True]
    """
    with np.errstate(over="ignore"):
        loss = np.abs(y - y.astype(np.float32))
    lost: Bools = np.sqrt(np.square(loss / spread).mean(axis=0)) > LOSS
    return lost


def _standard(y: Floats) -> tuple[Floats, float, float]:
    """One metric (n,): z (n,), centre and unit."""
    low, high = float(y.min()), float(y.max())
    if ((y == low) | (y == high)).all():
        return (y == high).astype(np.float64), low, _gap(high, low)
    anchor = float(np.partition(y, len(y) // 2)[len(y) // 2])
    away = differences(y, anchor)
    reach = float(np.abs(away).max())
    middle = reach * float((away / reach).mean())
    unit = reach * float((away / reach).std())
    return (away - middle) / unit, anchor + middle, unit


def _gap(high: float, low: float) -> float:
    return float(differences(np.array([high, low]), low)[0])


def differences(y: Floats, anchor: float) -> Floats:
    """y - anchor, (n,), exact where all of y are whole numbers of one power of ten.

    >>> differences(np.array([1e12 + 0.37]), 1e12).tolist(), (1e12 + 0.37) - 1e12
    ([0.37], 0.3699951171875)
    """
    step = _step(y)
    if step is None:
        away: Floats = y - anchor
        return away
    counts: Floats = (np.rint(y * step) - np.rint(anchor * step)) / step
    return counts


def _step(y: Floats) -> float | None:
    """The least power of ten that makes all of y whole numbers, to the last bit; None where none
    does.
    """
    largest = float(np.abs(y).max())
    for digits in range(MOST_DIGITS + 1):
        step = 10.0**digits
        if largest * step > COUNTABLE:
            return None
        if _whole(y[:GLANCE] * step) and _whole(y * step):
            return step
    return None


def _whole(counts: Floats) -> bool:
    return bool((np.abs(counts - np.rint(counts)) <= np.spacing(np.abs(counts))).all())
