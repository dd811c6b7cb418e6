"""From columns to numbers: frames in, a float64 matrix (n, d) out, with names and without
surprises.

`FeatureMap` learns how text columns become numbers on one log and does the same on every later one;
it is data (JSON), not code.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError

# a text column with more levels becomes one column of frequency ranks, which trees split as well
ONE_HOT_LIMIT = 12


def to_arrow(frame: Any) -> pa.Table:
    """A pandas, polars, pyarrow (or any narwhals) frame, a dict of columns, or numbers (n, d)
    (named x0, x1, ...), as a Table.
    """
    if isinstance(frame, pa.Table):
        return frame
    try:
        if isinstance(frame, pa.RecordBatch):
            return pa.Table.from_batches([frame])
        if isinstance(frame, np.ndarray):
            values = _as_floats(frame)
            return pa.table({f"x{j}": values[:, j] for j in range(values.shape[1])})
        return pa.table(frame) if isinstance(frame, dict) else _eager(frame)
    except (pa.ArrowInvalid, pa.ArrowTypeError, nw.exceptions.NarwhalsError) as error:
        fix = "one type and one length per column, each name once"
        raise InputError(
            "a frame", "be a table of plain columns", " ".join(str(error).split()), fix=fix
        ) from error


def _eager(frame: Any) -> pa.Table:
    try:
        eager = nw.from_native(frame)
    except TypeError as error:
        raise InputError("a frame", "be pandas, polars or pyarrow", type(frame).__name__) from error
    if isinstance(eager, nw.LazyFrame):
        eager = eager.collect(backend="pyarrow")
    return eager.to_arrow()


def matrix(X: Any) -> tuple[Floats, tuple[str, ...]]:
    """Features as float64 (n, d) and their names; NaN may stay, infinity and text may not.

    Numpy arrays get the names x0, x1, ...; the error for a bad value names its column and row.
    """
    if isinstance(X, np.ndarray) or hasattr(X, "__array_interface__") or isinstance(X, list):
        values = _as_floats(X)
        names = tuple(f"x{j}" for j in range(values.shape[1]))
    else:
        table = to_arrow(X)
        names = tuple(table.column_names)
        values = np.empty((table.num_rows, len(names)))
        for j, name in enumerate(names):
            values[:, j] = _column(table[name], name)
    if np.isinf(values).any():
        row, j = (int(i) for i in np.argwhere(np.isinf(values))[0])
        raise InputError(
            f"feature {names[j]!r}",
            "be finite",
            values[row, j],
            f"row {row}",
            "mend it, or leave it missing",
        )
    return values, names


def _as_floats(X: Any) -> Floats:
    try:
        values = np.ascontiguousarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            "X", "be numbers", str(error), fix="FeatureMap makes numbers of text columns"
        ) from error
    if np.ndim(X) != 2:
        raise InputError(
            "X",
            "be two-dimensional (n, d)",
            f"shape {np.shape(X)}",
            fix="reshape(-1, 1) makes one feature of a vector",
        )
    return values


def _column(column: pa.ChunkedArray, name: str, must: str = "be numbers") -> Floats:
    if columns.is_numeric(column):
        return columns.numbers(column)
    got = f"{columns.value_type(column)}, e.g. {column[0] if len(column) else None}"
    raise InputError(f"feature {name!r}", must, got, fix="FeatureMap makes numbers of text columns")


class FeatureMap(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learn how to make numbers of columns, then do the same for ever.

    Numbers, booleans and times stay one column (missing = NaN).  Text of up to 12 levels becomes
    one 0/1 column a level, text of more levels its frequency rank.  A level never seen in fit is
    all zeros, or NaN as a rank.

    Examples
    --------
    >>> FeatureMap().fit_transform({"zip": ["rural", "urban"], "age": [31, 64]}).to_pydict()
    {'zip=rural': [1.0, 0.0], 'zip=urban': [0.0, 1.0], 'age': [31.0, 64.0]}
    """

    def __init__(self) -> None:
        pass

    def fit(self, X: Any, y: Any = None) -> FeatureMap:
        """Learn the levels of every text column."""
        table = to_arrow(X)
        self.columns_: list[str] = list(table.column_names)
        self.levels_: dict[str, list[str]] = {
            name: _levels(table[name]) for name in self.columns_ if columns.is_text(table[name])
        }
        return self

    def transform(self, X: Any) -> pa.Table:
        """The columns as float64, one table."""
        check_is_fitted(self)
        table = to_arrow(X)
        made: dict[str, Any] = {}
        for name in self.columns_:
            if name not in table.column_names:
                raise InputError(
                    f"feature {name!r}",
                    "be in the frame",
                    "no such column",
                    fix=f"columns: {', '.join(table.column_names)}",
                )
            if name not in self.levels_:
                made[name] = _column(table[name], name, "be numbers as in fit")
                continue
            code = pc.index_in(
                columns.text(table[name]), value_set=pa.array(self.levels_[name], pa.string())
            ).to_numpy()
            if len(self.levels_[name]) > ONE_HOT_LIMIT:
                made[name] = np.asarray(code, np.float64)
            else:
                made |= {
                    f"{name}={level}": (code == i).astype(np.float64)
                    for i, level in enumerate(self.levels_[name])
                }
        return pa.table(made)

    def to_json(self) -> dict[str, Any]:
        """What was learnt, as plain JSON."""
        check_is_fitted(self)
        return {"columns": self.columns_, "levels": self.levels_}

    @classmethod
    def from_json(cls, learnt: dict[str, Any]) -> FeatureMap:
        """The inverse of `to_json`."""
        self = cls()
        self.columns_, self.levels_ = list(learnt["columns"]), dict(learnt["levels"])
        return self


def _levels(column: pa.ChunkedArray) -> list[str]:
    counts = Counter(
        {
            str(item["values"]): item["counts"]
            for item in pc.value_counts(columns.text(column)).to_pylist()
        }
    )
    if len(counts) <= ONE_HOT_LIMIT:
        return sorted(counts)
    return sorted(counts, key=lambda level: (-counts[level], level))
