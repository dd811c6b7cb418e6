"""What strangers bring as a table - pandas, polars, Arrow, numpy, scipy's sparse - as an Arrow
table.

The index of a pandas frame is never a column: after a shuffle or a split it holds row numbers.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import scipy.sparse
from numpy.typing import NDArray

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError

ROWS = 65_536  # made float64 at once
DENSE_LIMIT = 2**33  # bytes that a sparse matrix may take as a dense one


def to_arrow(frame: Any) -> pa.Table:
    """A frame of any library as an Arrow table.

    Parameters
    ----------
    frame : pandas, polars, pyarrow or any narwhals frame, dict of columns, or array (n, d)
        What to read; also a pyarrow dataset or reader, and whatever has an Arrow stream.  The
        columns of an array, dense or sparse, get the names x0, x1, ...; those of an array of text
        or objects have a type each.

    Returns
    -------
    pyarrow.Table
        n rows, d columns.

    Raises
    ------
    InputError
        Where a column has values of several types, or two columns have one name.

    Examples
    --------
    >>> to_arrow(np.array([["rural", 31.0], ["urban", 64.0]], dtype=object)).to_pydict()
    {'x0': ['rural', 'urban'], 'x1': [31.0, 64.0]}
    """
    try:
        table = columns.plain_table(_table(frame))
    except (pa.ArrowException, OverflowError, nw.exceptions.NarwhalsError) as error:
        fix = "one type and one length per column, each name once"
        raise InputError(
            "a frame", "be a table of plain columns", " ".join(str(error).split()), fix=fix
        ) from error
    name, count = next(iter(Counter(table.column_names).most_common(1)), ("", 0))
    if count > 1:
        fix = "rename or drop the others"
        raise InputError(f"column {name!r}", "occur once", f"{count} of them", fix=fix)
    return table


def _table(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all()
    if isinstance(frame, list) and frame and all(isinstance(b, pa.RecordBatch) for b in frame):
        return pa.Table.from_batches(frame)
    if type(frame).__module__ == "pyarrow._dataset":  # a dataset, or a scanner of one
        return _table(frame.to_table())
    if isinstance(frame, np.ndarray | list) or scipy.sparse.issparse(frame):
        return _columns_of(frame)
    return pa.table(frame) if isinstance(frame, dict) else _eager(frame)


def is_array(X: Any) -> bool:
    """Whether something is rows of values without names: an array, a list of rows, a sparse
    matrix.
    """
    return (
        isinstance(X, np.ndarray | list)
        or hasattr(X, "__array_interface__")
        or bool(scipy.sparse.issparse(X))
    )


def is_narrow(X: Any) -> bool:
    """Whether something is a matrix of numbers of fewer than 64 bits, or whole ones."""
    plain = type(X) is np.ndarray and X.ndim == 2 and X.dtype.kind in "biuf"
    return plain and X.dtype != np.float64


def wide_rows(X: NDArray[Any], rows: Ints) -> Floats:
    """Rows of a matrix as float64, in the order of ``rows``, without a copy between."""
    out = np.empty((len(rows), X.shape[1]))
    for low in range(0, len(rows), ROWS):
        out[low : low + ROWS] = X[rows[low : low + ROWS]]
    return out


def as_floats(X: Any) -> Floats:
    """An array, a list of rows or a sparse matrix as dense float64, (n, d); a masked value is
    missing.
    """
    if scipy.sparse.issparse(X):
        X = _dense(X)
    try:
        if np.iscomplexobj(X):
            raise TypeError("complex numbers")
        if isinstance(X, np.ma.MaskedArray):
            X = np.ma.filled(X.astype(np.float64), np.nan)
        values = np.ascontiguousarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        fix = "FeatureMap makes numbers of text columns"
        raise InputError("X", "be numbers", str(error), fix=fix) from error
    _check_dimensions(np.shape(X))
    return values


def _check_dimensions(shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        fix = "reshape(-1, 1) makes one feature of a vector"
        raise InputError("X", "be two-dimensional (n, d)", f"shape {shape}", fix=fix)


def _columns_of(X: Any) -> pa.Table:
    """An array as columns x0, x1, ...; of text or objects, each column by itself."""
    cells = X if scipy.sparse.issparse(X) or isinstance(X, np.ndarray) else np.asarray(X, object)
    if cells.dtype.kind not in "OUS":
        values = as_floats(cells)
        return pa.table({f"x{j}": values[:, j] for j in range(values.shape[1])})
    _check_dimensions(cells.shape)
    return pa.table({f"x{j}": pa.array(cells[:, j].tolist()) for j in range(cells.shape[1])})


def _dense(X: Any) -> Floats:
    size = 8 * X.shape[0] * X.shape[1]
    if size > DENSE_LIMIT:
        raise InputError(
            "a sparse X",
            f"take at most {DENSE_LIMIT / 2**30:.0f} GiB as a dense matrix",
            f"{size / 2**30:.0f} GiB for shape {X.shape}",
            fix="keep the columns that matter, or reduce them, e.g. by TruncatedSVD",
        )
    return np.asarray(X.toarray(), np.float64)


def _eager(frame: Any) -> pa.Table:
    try:
        eager = nw.from_native(frame)
    except TypeError as error:
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.table(frame)
        raise InputError("a frame", "be pandas, polars or pyarrow", type(frame).__name__) from error
    if isinstance(eager, nw.LazyFrame):
        eager = eager.collect(backend="pyarrow")
    if eager.implementation.is_pandas():
        return _from_pandas(eager.to_native())
    return eager.to_arrow()


def _from_pandas(frame: Any) -> pa.Table:
    """A pandas frame without its index; sparse columns dense, intervals and periods as text."""
    import pandas as pd

    series = {}
    for j in range(frame.shape[1]):
        column = frame.iloc[:, j]
        levels = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
        if isinstance(levels.dtype, pd.SparseDtype):
            column = column.sparse.to_dense()
        elif isinstance(levels.dtype, pd.IntervalDtype | pd.PeriodDtype):
            column = column.astype("string")
        series[j] = column
    plain = pd.DataFrame(series, index=frame.index)
    plain.columns = frame.columns
    return pa.Table.from_pandas(plain, preserve_index=False)
