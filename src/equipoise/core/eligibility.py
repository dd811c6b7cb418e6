"""Eligibility: which cells are open to which rows.  It is a role of columns, never an error.

    one column a cell    true/false or 1/0; cells that have none are open to all
    one list column      the open cells of each row, by name, control among them
    propensities         0 closes the cell to the row

Control is open to all, for an effect is a difference from it.  Where treatment was given at random
among the open cells, a row's probabilities are those of its open set:

    stated    p_a / sum of p_b over the open b                    p the design's
    observed  the share of a among the rows of the same open set; a set that lacks rows of an open
              cell takes odds_a / sum of odds_b over the open b, odds_a the rows of a over those of
              control among all rows that a is open to
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.suggest import among

FIX = "mend the value, or drop the row"


@dataclass(frozen=True)
class Eligibility:
    """The columns that say which cells are open to a unit.

    Attributes
    ----------
    cells : tuple of (str, str), default ()
        A cell and its column.
    listed : str or None, default None
        The column that lists the open cells.
    propensity : bool, default False
        Whether the columns are probabilities, of which 0 closes the cell.

    Examples
    --------
    >>> rows = pa.table({"adult": [True, False]})
    >>> Eligibility((("beer", "adult"),)).open_cells(rows, ("none", "tea", "beer")).tolist()
    [[True, True, True], [True, True, False]]
    """

    cells: tuple[tuple[str, str], ...] = ()
    listed: str | None = None
    propensity: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, each once."""
        named = [column for _, column in self.cells]
        return tuple(dict.fromkeys(named if self.listed is None else [self.listed]))

    def to_json(self) -> dict[str, Any]:
        """The columns as plain JSON."""
        return {
            "cells": [list(pair) for pair in self.cells],
            "listed": self.listed,
            "propensity": self.propensity,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Eligibility:
        """The inverse of `to_json`."""
        cells = tuple((cell, column) for cell, column in plain["cells"])
        return cls(cells, plain["listed"], plain["propensity"])

    def open_cells(self, table: pa.Table, names: tuple[str, ...], start: int = 0) -> Bools:
        """Whether each cell is open to each row.

        Parameters
        ----------
        table : pyarrow.Table, (n rows)
            It has the columns.
        names : tuple of str, (K,)
            The cells, control first.
        start : int, default 0
            The number of the first row, for errors.

        Returns
        -------
        array of bool, (n, K)
            True where open.

        Raises
        ------
        InputError
            Where a cell or a value is unknown, with its row, or control is closed.
        """
        if self.listed is not None:
            open_to = _listed(table[self.listed], self.listed, names, start)
        else:
            open_to = np.ones((table.num_rows, len(names)), np.bool_)
            for cell, name in self.cells:
                open_to[:, _place(cell, names)] = self._flags(table[name], name, start)
        if not open_to[:, 0].all():
            row = f"row {start + int(np.argmin(open_to[:, 0]))}"
            fix = "list it for every row" if self.listed else "drop the row"
            must = "be open to every row: effects are measured against it"
            raise InputError(f"control {names[0]!r}", must, "closed", row, fix)
        return open_to

    def _flags(self, column: pa.ChunkedArray, name: str, start: int) -> Bools:
        """A column of one cell as true and false, (n,)."""
        what = f"eligibility column {name!r}"
        if not columns.is_numeric(column) or columns.is_time(column):
            got = str(column.type)
            raise InputError(what, "be true or false, or 1 or 0", got, fix="write it as these")
        values = columns.numbers(column)
        good = (values >= 0) & (values <= 1) if self.propensity else (values == 0) | (values == 1)
        if not good.all():
            row = int(np.argmin(good))
            must = "lie in 0..1, 0 being closed" if self.propensity else "be true or false"
            raise InputError(what, must, column[row].as_py(), f"row {start + row}", FIX)
        flags: Bools = values > 0
        return flags


def by_propensity(
    names: tuple[str, ...], columns_: tuple[str, ...], closed: Bools
) -> Eligibility | None:
    """The eligibility that propensities say; None where none of them is 0.   names: the K cells;
    columns_: their propensities', or the only candidate's; closed: (K,) cells with a 0 somewhere.

    >>> by_propensity(("none", "tea"), ("p",), np.array([False, True])).cells
    (('tea', 'p'),)
    """
    every = dict(zip(names[-len(columns_) :], columns_, strict=True))
    cells = tuple((names[a], every[names[a]]) for a in np.flatnonzero(closed))
    return Eligibility(cells, propensity=True) if cells else None


def _place(cell: str, names: tuple[str, ...]) -> int:
    if cell not in names:
        fix = among(cell, names, "arms")
        raise InputError("eligible", "name arms of the space", repr(cell), fix=fix)
    return names.index(cell)


def _listed(column: pa.ChunkedArray, name: str, names: tuple[str, ...], start: int) -> Bools:
    """A column of lists of cells as true and false, (n, K)."""
    what, kind = f"eligibility column {name!r}", column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (is_list or pa.types.is_fixed_size_list(kind)):
        fix = "a file of text has no lists: make a true/false column of each arm"
        raise InputError(what, "be lists of arms", str(kind), fix=fix)
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    if not sizes.all():
        row = f"row {start + int(np.argmin(sizes))}"
        raise InputError(what, "list an open arm, control at least", "none", row, "drop the row")
    labels, known = columns.codes(pc.list_flatten(column))[::-1]
    rows = np.repeat(np.arange(len(column)), sizes)
    strange = [label for label in labels if label not in names]
    if strange:
        at = int(np.argmax(known == labels.index(strange[0])))
        fix = among(strange[0], names, "arms")
        where = f"row {start + int(rows[at])}"
        raise InputError(what, "list arms of the space", repr(strange[0]), where, fix)
    open_to = np.zeros((len(column), len(names)), np.bool_)
    open_to[rows, np.array([names.index(label) for label in labels])[known]] = True
    return open_to


def open_sets(open_to: Bools) -> tuple[Bools, Ints]:
    """The different sets of open cells, (s, K), and which each row has, (n,).

    >>> sets, which = open_sets(np.array([[True, True], [True, False], [True, True]]))
    >>> sets.tolist(), which.tolist()
    ([[True, False], [True, True]], [1, 0, 1])
    """
    K = open_to.shape[1]
    if K < 63:  # numbers sort faster than rows, and alike
        code = open_to @ (1 << np.arange(K - 1, -1, -1, dtype=np.int64))
        _, first, which = np.unique(code, return_index=True, return_inverse=True)
        return open_to[first], which.astype(np.int64)
    sets, which = np.unique(open_to, axis=0, return_inverse=True)
    return sets, which.reshape(-1).astype(np.int64)


def set_places(opens: Bools, sets: Bools) -> Ints:
    """Which of some sets (s, K) is open to each row, (n,), whose is among them.   opens: (n, K).

    >>> both, one = [True, True], [True, False]
    >>> set_places(np.array([one, both, one]), np.array([both, one])).tolist()
    [1, 0, 1]
    """
    place = {known.tobytes(): s for s, known in enumerate(sets)}
    own, which = open_sets(opens)
    places: Ints = np.array([place[one.tobytes()] for one in own], np.int64)[which]
    return places


def among_open(propensity: Floats, open_to: Bools) -> Floats:
    """Probabilities (n, K) over those of the open cells: 0 where closed.

    >>> among_open(np.array([[0.5, 0.3, 0.2]]), np.array([[True, True, False]])).tolist()
    [[0.625, 0.375, 0.0]]
    """
    p = np.where(open_to, propensity, 0.0)
    shares: Floats = p / p.sum(axis=1, keepdims=True)
    return shares


def open_shares(
    cells: Ints, open_to: Bools, weight: Floats | None, strata: Ints | None = None
) -> tuple[Floats, Bools]:
    """The share of each cell among the rows of the same open set.

    Parameters
    ----------
    cells : array of int, (n,)
        The cell of each row, in 0..K-1.
    open_to : array of bool, (n, K)
        Whether a cell is open to a row.
    weight : array, (n,), or None
        Weights > 0.
    strata : array of int, (n,), optional
        Codes that part the rows of a set, such as periods.

    Returns
    -------
    shares : array, (n, K)
        0 where closed.
    pooled : array of bool, (n,)
        The rows whose set lacks rows of an open cell: their shares come of the odds of all rows.

    Examples
    --------
    >>> cells = np.array([0, 1, 0, 0, 1, 2])
    >>> open_to = np.array([[True, True, False]] * 2 + [[True, True, True]] * 4)
    >>> open_shares(cells, open_to, None)[0][[0, 2]].tolist()
    [[0.5, 0.5, 0.0], [0.5, 0.25, 0.25]]
    """
    K = open_to.shape[1]
    sets, which = open_sets(open_to)
    if strata is not None:
        both, which = np.unique(which * (strata.max() + 1) + strata, return_inverse=True)
        sets = sets[both // (strata.max() + 1)]
    rows = np.bincount(which * K + cells, weight, len(sets) * K).astype(np.float64).reshape(-1, K)
    shares, lacks = set_shares(sets, rows, 1.0 if weight is None else float(weight.min()))
    return shares[which], lacks[which]


def set_shares(sets: Bools, rows: Floats, least: float) -> tuple[Floats, Bools]:
    """The shares of cells in open sets, (s, K), and which sets take them from the odds of all.
    sets: (s, K), which may come again in other strata; rows: (s, K) the weight of each cell;
    least: of a row.

    >>> sets = np.array([[True, True, False], [True, True, True]])
    >>> set_shares(sets, np.array([[3.0, 1.0, 0.0], [2.0, 1.0, 1.0]]), 1.0)[0].tolist()
    [[0.75, 0.25, 0.0], [0.5, 0.25, 0.25]]
    """
    control = rows[:, 0] @ sets
    odds = rows.sum(axis=0) / np.maximum(control, least)  # where no control is: as if one were
    lacks: Bools = (sets & (rows == 0)).any(axis=1)
    rows = np.where(lacks[:, None], sets * odds, rows)
    return rows / rows.sum(axis=1, keepdims=True), lacks
