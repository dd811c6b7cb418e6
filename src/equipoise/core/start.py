"""The start of new units: for a while they count more in what the policy makes large.

    w(t) = 1 + (factor - 1) 2^(-t / half_life_days)    for a tenure of 0 <= t < until days, else 1

A unit's worth of every candidate is multiplied by w, standard errors included, before prices; so
new units bid higher for the same budget, and every demand and limit holds as ever.  What a policy
is said to be worth counts every unit once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.column_types import column_type
from equipoise.core.errors import InputError

FIX = "mend the row; a unit past its start may have any tenure of so many days"


@dataclass(frozen=True)
class Start:
    """How much more new units count.

    Attributes
    ----------
    column : str
        How long a unit has been there, in days.
    until : float
        From this tenure on a unit counts once, in days, > 0.
    factor : float
        What a unit counts on its first day, >= 1.
    half_life_days : float
        After so many days half of what is above 1 is left, > 0.

    labels : tuple of str
        The groups of units in their start and past it.

    Examples
    --------
    >>> start = Start("tenure_days", until=14, factor=2, half_life_days=7)
    >>> start.importance(pa.chunked_array([[0, 7, 14]])).tolist()
    [2.0, 1.5, 1.0]
    >>> Start.from_json(start.to_json()) == start
    True
    """

    labels: ClassVar[tuple[str, str]] = ("in their start", "past their start")

    column: str
    until: float
    factor: float
    half_life_days: float

    def importance(self, tenure: pa.ChunkedArray, first: int = 0) -> Floats:
        """How often each unit counts.

        Parameters
        ----------
        tenure : pyarrow.ChunkedArray, (n,)
            Of each unit, in days.
        first : int, default 0
            The number of the first row, for the error.

        Returns
        -------
        array, (n,)
            1 to ``factor``.

        Raises
        ------
        InputError
            Where a tenure is missing, below 0, infinite or no number.
        """
        days = self._days(tenure, first)
        extra = (self.factor - 1) * np.exp2(-days / self.half_life_days)
        return np.where(days < self.until, 1 + extra, 1.0)

    def is_new(self, tenure: pa.ChunkedArray) -> Bools:
        """Whether each unit is in its start, (n,)."""
        return np.asarray(self._days(tenure, 0) < self.until)

    def codes(self, tenure: pa.ChunkedArray) -> Ints:
        """Tell which units are in their start and which past it.

        Parameters
        ----------
        tenure : pyarrow.ChunkedArray, (n,)
            Of each unit, in days.

        Returns
        -------
        array of int, (n,)
            The place of each unit's group among ``labels``.
        """
        return (~self.is_new(tenure)).astype(np.int64)

    def _days(self, tenure: pa.ChunkedArray, first: int) -> Floats:
        what = f"the tenure in {self.column!r}"
        kind = column_type(tenure).kind
        if kind != "number":
            raise InputError(what, "be a number of days", kind, fix="name a column of numbers")
        days = columns.numbers(tenure)
        wrong = ~(np.isfinite(days) & (days >= 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            got = "a missing value" if np.isnan(days[row]) else days[row]
            raise InputError(what, "be finite and >= 0", got, f"row {first + row}", FIX)
        return days

    def to_json(self) -> dict[str, Any]:
        """The start as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Start:
        """The inverse of `to_json`."""
        return cls(
            plain["column"],
            float(plain["until"]),
            float(plain["factor"]),
            float(plain["half_life_days"]),
        )
