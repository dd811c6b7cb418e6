"""Transformers of scikit-learn before an estimator, cloned and fitted wherever a model is fitted.

    all rows            one clone is fitted on them: its features are those of the final models, of
                        what is saved, and of units to come
    without a fold      a clone is fitted on the other folds' rows, for the models that predict the
                        fold's; nothing that predicts a held-out row has seen it, its transformer
                        included

Rows that learn are what ``fit_transform`` gives of them, all others what ``transform`` gives: a
`sklearn.preprocessing.TargetEncoder` is cross-fitted on the former.  A choice inside one model,
such as when trees stop, is made on the features of that model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.base import clone

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError, MissingExtra
from equipoise.core.features import FittedColumns, matrix, usual
from equipoise.core.frames import is_array, to_arrow
from equipoise.estimators.training_data import outcomes

FIX = "say one such as StandardScaler(), or a Pipeline or ColumnTransformer of them"
FAILURES = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


@dataclass
class RawRows:
    """The rows of one fit as its transformer sees them.

    Attributes
    ----------
    frame : pandas.DataFrame or array, (N, d), the columns as they came.   y : (N,) or (N, m).
    transform : not fitted.   width : how many columns it gives, of all rows.
    rows : (n,), which rows of these, in which order.
    """

    frame: Any
    y: Floats
    transform: Any
    width: int
    rows: Ints
    _of_folds: dict[bytes, list[Floats]] = field(default_factory=dict)

    def take(self, rows: Ints) -> RawRows:
        """Some of the rows, in the order of ``rows``."""
        return RawRows(self.frame, self.y, self.transform, self.width, self.rows[rows])

    def given(self) -> Any:
        """The columns of the rows, as they came."""
        return taken(self.frame, self.rows)

    def of_folds(self, fold: Ints) -> list[Floats]:
        """The features that models without each fold in turn see, (n, width) each: their
        transformer is fitted on the rows outside the fold.   fold: (n,).
        """
        key = fold.astype(np.int16).tobytes()
        if key not in self._of_folds:
            folds = range(int(fold.max()) + 1)
            self._of_folds[key] = [self._without(fold == f, f"without fold {f}") for f in folds]
        return self._of_folds[key]

    def _without(self, left_out: NDArray[np.bool_], where: str) -> Floats:
        X = np.empty((len(self.rows), self.width))
        inside, outside = np.flatnonzero(~left_out), np.flatnonzero(left_out)
        fitted, values, _ = learnt(
            self.transform, taken(self.frame, self.rows[inside]), self.y[self.rows[inside]], inside
        )
        for rows, part in (
            (inside, values),
            (outside, transformed(fitted, taken(self.frame, self.rows[outside]), outside)),
        ):
            if part is not None and part.shape[1] != self.width:
                fix = "name the categories, as in OneHotEncoder(categories=[...])"
                must = f"give the {self.width} columns that it gives of all rows"
                raise InputError("transform", must, part.shape[1], where, fix)
            X[rows] = part
        return X


class TransformedColumns(FittedColumns):
    """`FittedColumns` with a transformer of the caller's in place of the encoding.

    Attributes
    ----------
    transform_ : transformer or None
        Fitted on all rows.
    transform_names_ : list of str or None
        The columns that it gives, (d',).
    transform_frame_ : bool
        Whether it takes a pandas frame, and not an array of numbers.
    """

    transform: Any = None
    transform_: Any = None
    transform_names_: list[str] | None = None
    transform_frame_: bool = False

    def _fit_features(
        self, X: Any, y: Any, seed: int
    ) -> tuple[Floats, tuple[str, ...], RawRows | None]:
        """`_fit_columns`, and the rows before the transformer, if there is one."""
        for name in ("transform_", "transform_names_", "transform_frame_"):
            vars(self).pop(name, None)  # of an earlier fit
        if self.transform is None:
            return *self._fit_columns(X), None
        transform, frame = seeded(self.transform, seed), as_given(X)
        self.encoding_, of_frame = None, not isinstance(frame, np.ndarray)
        names = list(frame.columns) if of_frame else [f"x{j}" for j in range(frame.shape[1])]
        targets = outcomes(y)[0]
        targets = targets[:, 0] if targets.shape[1] == 1 else targets
        every = np.arange(len(frame))
        if len(targets) != len(every):
            raise InputError("y", f"have one entry per row of X ({len(every)})", len(targets))
        self.feature_names_in_ = np.asarray(names, dtype=object)
        self.n_features_in_ = len(names)
        self.transform_, values, given = learnt(transform, frame, targets, every)
        self.transform_names_, self.transform_frame_ = list(given), of_frame
        self.usual_ = usual(values)
        return values, given, RawRows(frame, targets, transform, values.shape[1], every)

    def _in_order(self, X: Any) -> Floats:
        if self.transform_ is None:
            return super()._in_order(X)
        frame = self._as_it_came(X)
        return transformed(self.transform_, frame, np.arange(len(frame)), len(self._encoded_names))

    def _as_it_came(self, X: Any) -> Any:
        """X as the transformer takes it: the columns of fit, in their order."""
        if not self.transform_frame_:
            return super()._in_order(X)
        frame = as_given(X, force=True)
        for name in self.feature_names_in_:
            if name not in frame.columns:
                fix = f"columns: {', '.join(map(str, frame.columns))}"
                raise InputError(f"feature {name!r}", "be in the frame", "no such column", fix=fix)
        return frame[list(self.feature_names_in_)]

    @property
    def _encoded_names(self) -> tuple[str, ...]:
        names = self.transform_names_
        return super()._encoded_names if names is None else tuple(names)


def takes_raw(estimator: Any) -> bool:
    """Whether an estimator, or what it wraps, makes numbers of columns by a transformer of its
    own.
    """
    inner = getattr(estimator, "estimator", estimator)
    return getattr(inner, "transform", None) is not None


def seeded(transform: Any, seed: int) -> Any:
    """A clone of a transformer, whose parts draw from this seed where they have none."""
    calls = (getattr(transform, name, None) for name in ("fit", "transform"))
    if isinstance(transform, type) or not all(map(callable, calls)):
        must = "be a transformer of scikit-learn, with fit and transform"
        raise InputError("transform", must, repr(transform), fix=FIX)
    try:
        fresh = clone(transform)
    except (TypeError, RuntimeError) as error:
        raise InputError("transform", "be one that clone copies", str(error), fix=FIX) from error
    params = fresh.get_params().items()
    random = [name for name, value in params if value is None and _is_seed(name)]
    return fresh.set_params(**dict.fromkeys(random, seed)) if random else fresh


def _is_seed(name: str) -> bool:
    return name.rpartition("__")[2] == "random_state"


def as_given(X: Any, force: bool = False) -> Any:
    """Features as a transformer takes them: an array of numbers as float64, all else as a pandas
    frame.   force: a frame also of an array.
    """
    if is_array(X) and not force:
        cells = X if hasattr(X, "dtype") else np.asarray(X)
        if cells.dtype.kind in "biuf":
            return matrix(X)[0]
    try:
        import pandas as pd
    except ImportError as error:
        fix = "pip install pandas, or give an array of numbers"
        raise MissingExtra(
            "pandas", "be installed for a transform of named columns", "no such module", fix=fix
        ) from error
    table = to_arrow(X)
    return pd.DataFrame({name: _series(table[name]) for name in table.column_names})


def _series(column: pa.ChunkedArray) -> Any:
    """A column as pandas has it; numbers with gaps as float64, missing text as NaN."""
    if columns.is_numeric(column) and not columns.is_time(column):
        whole = not pc.is_null(column).to_numpy().any() and not pa.types.is_dictionary(column.type)
        kinds = (pa.types.is_integer, pa.types.is_boolean)
        if whole and any(is_kind(column.type) for is_kind in kinds):
            return column.to_numpy()
        return columns.numbers(column)
    series = column.to_pandas()
    return series.where(series.notna(), np.nan) if columns.is_text(column) else series


def taken(frame: Any, rows: Ints) -> Any:
    """Some rows of a pandas frame or an array."""
    return frame[rows] if isinstance(frame, np.ndarray) else frame.iloc[rows].reset_index(drop=True)


def learnt(
    transform: Any, frame: Any, y: Floats, rows: Ints
) -> tuple[Any, Floats, tuple[str, ...]]:
    """A fitted clone of a transformer, what it gives of the rows of its fit, and the names of its
    columns.   rows: (n,), what an error is to call them.
    """
    fresh = clone(transform)
    if hasattr(fresh, "fit_transform"):
        answer = called(lambda: fresh.fit_transform(frame, y), "fit")
    else:
        answer = called(lambda: fresh.fit(frame, y).transform(frame), "fit")
    values, names = numbers(answer, frame, rows)
    if hasattr(fresh, "get_feature_names_out"):
        try:
            own = tuple(str(name) for name in fresh.get_feature_names_out())
        except FAILURES:  # one of its steps has no names
            own = ()
        names = own if len(set(own)) == values.shape[1] else names
    return fresh, values, names


def transformed(fitted: Any, frame: Any, rows: Ints, width: int | None = None) -> Floats:
    """What a fitted transformer gives of rows, (n, d').   width: d', where it is known."""
    if len(frame) == 0:  # which scikit-learn's transformers refuse
        return np.empty((0, width or 0))
    values, _ = numbers(called(lambda: fitted.transform(frame), "transform"), frame, rows)
    if width is not None and values.shape[1] != width:
        raise InputError("transform", f"give the {width} columns of fit", values.shape[1])
    return values


def called(action: Callable[[], Any], name: str) -> Any:
    """What a transformer answers; its errors by our grammar."""
    try:
        return action()
    except InputError:
        raise
    except FAILURES as error:
        text = " ".join(str(error).split())
        got = f"{type(error).__name__}: {text}"
        raise InputError("transform", f"{name} the columns of X", got, fix=FIX) from error


def numbers(answer: Any, frame: Any, rows: Ints) -> tuple[Floats, tuple[str, ...]]:
    """The answer of a transformer as numbers, a sparse one dense, (n, d'), and its names."""
    length = answer.shape[0] if hasattr(answer, "shape") else len(answer)
    if length != len(frame):
        fix = "filter rows before fit: a transformer keeps them all"
        raise InputError("transform", f"give a row for each of {len(frame)}", length, fix=fix)
    try:
        values, names = matrix(answer)
    except InputError as error:
        if "lie within" in error.must or "finite" in error.must:
            raise
        fix = "encode what is no number, for example by OneHotEncoder()"
        raise InputError("transform", "give numbers", error.got, fix=fix) from error
    gap = np.isnan(values).any(axis=1)
    if gap.any():
        missing = np.isnan(frame) if isinstance(frame, np.ndarray) else frame.isna().to_numpy()
        new = gap & ~missing.any(axis=1)
        if new.any():
            row = int(np.argmax(new))
            must, where = "give numbers where no column is missing", f"row {rows[row]}"
            got = f"nan in its column {names[int(np.argmax(np.isnan(values[row])))]!r}"
            fix = "mend the transformer: it makes missing values"
            raise InputError("transform", must, got, where, fix)
    return values, names
