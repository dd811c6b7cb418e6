"""The rows of a log as the operations read them: who was under which strategy on which day, and
what came of it.

Names, days and units of any type become codes once, at the door; everything behind it counts with
`numpy.bincount`, whose time grows with the rows and no faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError, LogError
from equipoise.core.suggest import among


@dataclass(frozen=True)
class DayRows:
    """Checked rows.

    Attributes
    ----------
    names : tuple of str, (S,)
        The strategies.
    strategy : array of int, (n,)
        Their places in `names`.
    days : array of int, (D,)
        The days there are, in order.
    day : array of int, (n,)
        Their places in `days`.
    y : array, (n, m)
        Outcomes.
    """

    names: tuple[str, ...]
    strategy: Ints
    days: Ints
    day: Ints
    y: Floats

    def cells(self, weight: Floats | None = None) -> Floats:
        """The sum of a weight by strategy and day, (S, D); of ones: the rows."""
        shape = (len(self.names), len(self.days))
        cell = self.strategy * shape[1] + self.day
        sums = np.bincount(cell, weight, minlength=shape[0] * shape[1])
        return sums.reshape(shape).astype(np.float64)

    def place(self, name: str | int, what: str = "the base") -> int:
        """Where a strategy stands in `names`."""
        if str(name) not in self.names:
            fix = among(str(name), self.names, "in the log")
            raise LogError(what, "be a strategy of the log", repr(name), fix=fix)
        return self.names.index(str(name))


def day_rows(strategy: ArrayLike, day: ArrayLike, y: ArrayLike) -> DayRows:
    """Check rows and make codes of them.

    Parameters
    ----------
    strategy : array-like, (n,)
        Names or numbers.
    day : array-like, (n,)
        Whole numbers, or dates.
    y : array-like, (n,) or (n, m)
        Finite numbers.

    Returns
    -------
    DayRows
        The rows.

    Raises
    ------
    LogError
        Where rows are missing, lengths differ, a day is not whole, or an outcome is not finite.

    Examples
    --------
    >>> rows = day_rows(["b", "a"], [7, 5], [1.0, 2.0])
    >>> rows.names, rows.strategy.tolist(), rows.days.tolist(), rows.y.shape
    (('a', 'b'), [1, 0], [5, 7], (2, 1))
    """
    values = np.asarray(y, np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not len(values):
        raise LogError("outcomes", "have the shape (n,) or (n, m), n >= 1", np.shape(y))
    place, names = codes(strategy, len(values), "strategies")
    day_number = whole_days(day, len(values))
    days, day_place = np.unique(day_number, return_inverse=True)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise LogError("outcomes", "be finite", values[row].tolist(), f"row {row}", "leave it out")
    return DayRows(tuple(names), place, days, day_place.reshape(-1).astype(np.int64), values)


def codes(values: ArrayLike, n: int, what: str) -> tuple[Ints, list[str]]:
    """The place of each value among the names in order, (n,), and the names; none is missing."""
    column = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([pa.array(values)])
    if len(column) != n:
        raise LogError(what, f"be one per row, {n}", len(column))
    absent = columns.missing(column)
    if absent.any():
        raise LogError(what, "be there in every row", "none", f"row {int(absent.argmax())}")
    if pa.types.is_integer(column.type):
        levels, place = np.unique(column.to_numpy(), return_inverse=True)
        return place.reshape(-1).astype(np.int64), [str(level) for level in levels]
    return columns.codes(column)


def whole_days(day: ArrayLike, n: int, what: str = "days") -> Ints:
    """Days as whole numbers, (n,); dates are days since 1970."""
    values: NDArray[Any] = np.asarray(day)
    if values.shape != (n,):
        raise LogError(what, f"be one per row, ({n},)", values.shape)
    if values.dtype.kind in "OU":  # dates of Python, or in text
        try:
            values = values.astype("datetime64[D]")
        except (ValueError, TypeError) as error:
            raise LogError(what, "be whole numbers or dates", values.flat[0]) from error
    if values.dtype.kind == "M":
        if np.isnat(values).any():
            row = int(np.isnat(values).argmax())
            raise LogError(what, "be there in every row", "none", f"row {row}")
        return values.astype("datetime64[D]").astype(np.int64)
    if values.dtype.kind not in "iuf":
        raise LogError(what, "be whole numbers or dates", str(values.dtype))
    whole = np.isfinite(values) & (np.floor(values) == values)
    if not whole.all():
        row = int(np.argmin(whole))
        raise LogError(what, "be whole numbers or dates", values[row], f"row {row}")
    return values.astype(np.int64)


def column_of(values: ArrayLike, n: int, what: str) -> Floats:
    """Finite numbers of rows, (n, c)."""
    table = np.asarray(values, np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != n:
        raise InputError(what, f"have the shape ({n},) or ({n}, c)", np.shape(values))
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise InputError(what, "be finite", table[row].tolist(), f"row {row}")
    return table
