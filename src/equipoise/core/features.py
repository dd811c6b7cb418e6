"""From columns to numbers: frames in, a float64 matrix (n, d) out, with names and without
surprises.

`FeatureMap` learns how text columns become numbers on one log and does the same on every later one;
it is data (JSON), not code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats
from equipoise.core.errors import InputError
from equipoise.core.frames import as_floats, is_array, to_arrow

# a text column with more levels becomes one column of frequency ranks, which trees split as well
ONE_HOT_LIMIT = 12
CONTAINERS = ("default", "pandas", "polars")  # what `transform` gives, by scikit-learn's names
LEVELS = {b"equipoise": b"ranks of levels"}  # the mark of such a column
LARGEST = float(np.finfo(np.float32).max)  # some learners hold features and metrics in 32 bits
# a level that fewer than RARE rows and fewer than this share of them have may be personal: it is
# kept as a digest
RARE, RARE_SHARE = 10, 0.2
DIGEST = 16  # hexadecimal digits
HIDDEN = re.compile(r"#[0-9a-f]{16}")  # a level that is kept as a digest


def matrix(X: Any) -> tuple[Floats, tuple[str, ...]]:
    """Features as numbers and their names.

    Parameters
    ----------
    X : frame, array, sparse matrix or list of rows, (n, d)
        Numbers; missing values may stay, infinity and text may not.

    Returns
    -------
    values : array, (n, d)
        float64, NaN where missing.
    names : tuple of str, (d,)
        The columns of a frame; x0, x1, ... of an array.

    Raises
    ------
    InputError
        Naming the column and row of a value that is not allowed.
    """
    if is_array(X):
        values = as_floats(X)
        names = tuple(f"x{j}" for j in range(values.shape[1]))
    else:
        table = to_arrow(X)
        names = tuple(table.column_names)
        values = np.empty((table.num_rows, len(names)))
        for j, name in enumerate(names):
            values[:, j] = _column(table[name], name)
    low = np.fmin.reduce(values, axis=None, initial=0.0)  # without a copy of all values
    high = np.fmax.reduce(values, axis=None, initial=0.0)
    if low < -LARGEST or high > LARGEST:
        row, j = (int(i) for i in np.argwhere(np.abs(values) > LARGEST)[0])
        raise InputError(
            f"feature {names[j]!r}",
            "be finite" if np.isinf(values[row, j]) else f"lie within {LARGEST:.3g} of 0",
            values[row, j],
            f"row {row}",
            "mend it, or leave it missing",
        )
    return values, names


def encode(X: Any) -> tuple[Any, FeatureMap | None]:
    """Features as they are where all are numbers; else as numbers, and the map that made them.

    Parameters
    ----------
    X : frame, array, sparse matrix or list of rows, (n, d)
        Numbers, booleans, times and text, any of them missing.

    Returns
    -------
    features : as given, or pyarrow.Table
        What `matrix` takes.
    encoding : FeatureMap or None
        Learnt on these rows where a column is text.

    Examples
    --------
    >>> features, encoding = encode({"zip": ["rural", None, "urban"], "age": [31, 64, None]})
    >>> features.column_names, encoding.levels_
    (['zip=missing', 'zip=rural', 'zip=urban', 'age'], {'zip': ['missing', 'rural', 'urban']})
    """
    if is_array(X):
        cells = X if hasattr(X, "dtype") else np.asarray(X)
        if cells.dtype.kind in "biuf":
            return X, None
        try:
            return as_floats(X), None
        except InputError:
            if cells.dtype.kind not in "OUS":
                raise
    table = to_arrow(X)
    if not any(columns.is_text(column) for column in table.columns):
        return table, None
    encoding = FeatureMap().fit(table)
    return encoding.table(table), encoding


def _column(column: pa.ChunkedArray, name: str, must: str = "be numbers") -> Floats:
    if columns.is_numeric(column):
        return columns.numbers(column)
    got = f"{columns.value_type(column)}, e.g. {column[0] if len(column) else None}"
    raise InputError(f"feature {name!r}", must, got, fix="FeatureMap makes numbers of text columns")


class FeatureMap(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg,misc]
    """Learn how to make numbers of columns, then do the same for ever.

    Numbers, booleans and times stay one column (missing = NaN).  Text of up to 12 levels becomes
    one 0/1 column a level, text of more levels its frequency rank.  A level never seen in fit is
    all zeros, or the rank after the rarest: one pool of all that is new, so that a level which one
    fold alone has stops no estimator, and is not taken for a frequent one.  A missing text is the
    level "missing", a text of that spelling another, in quotes.

    A level in fewer than 10 rows and fewer than a fifth of them is remembered by a digest, ``#``
    and 16 letters, never as it stands.  Digests are keyed by all levels of fit, so that they match
    no list of hashed e-mail addresses and no other map's; whoever guesses a level can still try it.

    Examples
    --------
    >>> FeatureMap().fit_transform({"zip": ["rural", "urban"], "age": [31, 64]}).to_pydict()
    {'zip=rural': [1.0, 0.0], 'zip=urban': [0.0, 1.0], 'age': [31.0, 64.0]}
    """

    def __init__(self) -> None:
        pass

    def fit(self, X: Any, y: Any = None) -> FeatureMap:
        """Learn the levels of every text column.

        Parameters
        ----------
        X : frame, array or dict of columns, (n, d)
            What `to_arrow` reads.
        y : None, default None
            Not used; scikit-learn passes it.

        Returns
        -------
        FeatureMap
            Itself.
        """
        table = to_arrow(X)
        self.unseen_ = "last"
        self.columns_: list[str] = list(table.column_names)
        text = [name for name in self.columns_ if columns.is_text(table[name])]
        counts = {name: _counts(columns.labels(table[name])) for name in text}
        self.key_ = digest("\n".join(sorted(level for each in counts.values() for level in each)))
        self.levels_: dict[str, list[str]] = {
            name: _levels(each, self.key_) for name, each in counts.items()
        }
        names = self.get_feature_names_out().tolist()
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            what, fix = f"feature {twice!r}", "rename the column of that name"
            raise InputError(what, "come from one column", "two columns that make it", fix=fix)
        return self

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The columns of fit, (d,)."""
        return np.asarray(self.columns_, dtype=object)

    @property
    def n_features_in_(self) -> int:
        """How many columns fit saw."""
        return len(self.columns_)

    def set_output(self, *, transform: str | None = None) -> FeatureMap:
        """Say what frame `transform` gives, as scikit-learn's transformers do.

        Parameters
        ----------
        transform : str, default None
            "pandas", "polars", or "default" for a pyarrow.Table; None changes nothing.  Without
            it, ``sklearn.set_config(transform_output=...)`` decides.

        Returns
        -------
        FeatureMap
            Itself.

        Examples
        --------
        >>> frame = {"zip": ["rural", "urban"]}
        >>> FeatureMap().set_output(transform="pandas").fit_transform(frame)
           zip=rural  zip=urban
        0        1.0        0.0
        1        0.0        1.0
        """
        if transform is not None:
            _check_container(transform)
            self._sklearn_output_config = {"transform": transform}  # what clone copies
        return self

    def transform(self, X: Any) -> Any:
        """The columns as numbers.

        Parameters
        ----------
        X : frame, array or dict of columns, (n, d)
            Every column of fit is among its columns, in any order; others are left out.

        Returns
        -------
        pyarrow.Table
            float64 columns, named as `get_feature_names_out` says; another frame where
            `set_output` asks for it.
        """
        table = self.table(X)
        config = getattr(self, "_sklearn_output_config", {})
        container = config.get("transform", get_config()["transform_output"])
        _check_container(container)
        if container == "pandas":
            frame = table.to_pandas()
            if hasattr(X, "index") and hasattr(X, "columns"):
                frame.index = X.index
            return frame
        if container == "polars":
            import polars

            return polars.from_arrow(table)
        return table

    def table(self, X: Any) -> pa.Table:
        """The columns as numbers, whatever `set_output` says.

        Parameters
        ----------
        X : frame, array or dict of columns, (n, d)
            Every column of fit is among its columns, in any order; others are left out.

        Returns
        -------
        pyarrow.Table
            float64 columns, named as `get_feature_names_out` says.

        Examples
        --------
        >>> FeatureMap().fit({"age": [31, 64]}).table({"age": [5]}).to_pydict()
        {'age': [5.0]}
        """
        check_is_fitted(self)
        table = to_arrow(X)
        numbers: list[Floats] = []
        for name in self.columns_:
            if name not in table.column_names:
                raise InputError(
                    f"feature {name!r}",
                    "be in the frame",
                    "no such column",
                    fix=f"columns: {', '.join(table.column_names)}",
                )
            if name in self.levels_:
                numbers += self._coded(name, table[name])
            else:
                numbers.append(_column(table[name], name, "be numbers as in fit"))
        fields = [
            pa.field(name, pa.float64(), metadata=LEVELS if self._is_rank(column) else None)
            for name, column in self._encoded()
        ]
        return pa.table(numbers, pa.schema(fields))

    def _is_rank(self, column: str) -> bool:
        """Whether a column of text becomes one of ranks."""
        return len(self.levels_.get(column, ())) > ONE_HOT_LIMIT

    def is_level(self, name: str, column: pa.ChunkedArray) -> Bools:
        """Where a value of a column of text is a level of fit.

        Parameters
        ----------
        name : str
            A key of ``levels_``.
        column : pyarrow.ChunkedArray, (n,)
            Text; a missing value counts as the level "missing".

        Returns
        -------
        array of bool, (n,)
            False where no row of fit had it.

        Examples
        --------
        >>> column = pa.chunked_array([["rural", "suburban"]])
        >>> FeatureMap().fit({"zip": ["rural", "urban"]}).is_level("zip", column).tolist()
        [True, False]
        """
        return ~np.isnan(self._codes(name, column))

    def _coded(self, name: str, column: pa.ChunkedArray) -> list[Floats]:
        """A column of text as one 0/1 column a level, or as ranks, the last where it is new."""
        code, levels = self._codes(name, column), self.levels_[name]
        if len(levels) > ONE_HOT_LIMIT:
            last = len(levels) if self.unseen_ == "last" else np.nan
            return [np.where(np.isnan(code), last, code)]
        return [(code == i).astype(np.float64) for i in range(len(levels))]

    def _codes(self, name: str, column: pa.ChunkedArray) -> Floats:
        """The place of each value among the levels, by its digest where it is rare, (n,)."""
        levels = pa.array(self.levels_[name], pa.string())
        if self.unseen_ == "missing":  # as version 0.1.0 learnt it: null is the text "missing"
            values = pc.fill_null(columns.text(column), columns.MISSING)
        else:
            values = columns.labels(column)
        code = pc.index_in(values, value_set=levels)
        if any(map(HIDDEN.fullmatch, self.levels_[name])):
            others = values.filter(pc.is_null(code)).unique()
            rare = pa.array([digest(one, self.key_) for one in others.to_pylist()], pa.string())
            hidden = pc.index_in(rare, value_set=levels)
            code = pc.coalesce(code, hidden.take(pc.index_in(values, value_set=others)))
        return np.asarray(code.to_numpy(), np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """The names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : None, default None
            Not used; scikit-learn passes it.

        Returns
        -------
        array of str, (d',)
            ``column``, or ``column=level`` for each level of a column of text.

        Examples
        --------
        >>> columns = {"zip": ["rural", "urban"], "age": [31, 64]}
        >>> FeatureMap().fit(columns).get_feature_names_out().tolist()
        ['zip=rural', 'zip=urban', 'age']
        """
        check_is_fitted(self)
        return np.asarray([name for name, _ in self._encoded()], dtype=object)

    def sources(self) -> list[str]:
        """The column that each column of `transform` is made of.

        Returns
        -------
        list of str, (d',)
            Names of columns of fit.

        Examples
        --------
        >>> columns = {"zip": ["rural", "urban"], "age": [31, 64]}
        >>> FeatureMap().fit(columns).sources()
        ['zip', 'zip', 'age']
        """
        check_is_fitted(self)
        return [column for _, column in self._encoded()]

    def _encoded(self) -> Iterator[tuple[str, str]]:
        """The name of each column of `transform`, and the column it is made of."""
        for column in self.columns_:
            levels = self.levels_.get(column)
            if levels is None or len(levels) > ONE_HOT_LIMIT:
                yield column, column
            else:
                yield from ((f"{column}={level}", column) for level in levels)

    def to_json(self) -> dict[str, Any]:
        """What was learnt, as plain JSON.

        Returns
        -------
        dict
            ``columns`` in their order, the ``levels`` of each column of text, what rank ``unseen``
            ones have: "last", or "missing" in what version 0.1.0 wrote, and the ``key`` of digests.
        """
        check_is_fitted(self)
        plain = {"columns": self.columns_, "levels": self.levels_, "unseen": self.unseen_}
        return {**plain, "key": self.key_}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> FeatureMap:
        """The inverse of `to_json`.

        Parameters
        ----------
        plain : dict
            What `to_json` gave.

        Returns
        -------
        FeatureMap
            Fitted.
        """
        self = cls()
        self.columns_, self.levels_ = list(plain["columns"]), dict(plain["levels"])
        self.unseen_ = str(plain.get("unseen", "missing"))
        self.key_ = str(plain.get("key", ""))
        return self


def _check_container(container: Any) -> None:
    if container not in CONTAINERS:
        raise InputError("transform", f"be one of {', '.join(CONTAINERS)}", repr(container))


def _counts(labels: pa.ChunkedArray) -> dict[str, int]:
    """How many rows have each label, the labels in order."""
    items = pc.value_counts(labels).to_pylist()
    return dict(sorted((str(item["values"]), int(item["counts"])) for item in items))


def _levels(counts: dict[str, int], key: str) -> list[str]:
    """The levels of a column of text, rare ones as digests."""
    levels = list(counts)
    if len(counts) > ONE_HOT_LIMIT:
        levels.sort(key=lambda level: -counts[level])
    least = least_rows(sum(counts.values()))
    hidden = {
        level
        for level in levels
        if level != columns.MISSING and (counts[level] < least or HIDDEN.fullmatch(level))
    }
    return [digest(level, key) if level in hidden else level for level in levels]


def least_rows(n: int) -> float:
    """How many of n rows must have a text that stands as it is in a snapshot or a report; fewer may
    give a person away.
    """
    return min(RARE, RARE_SHARE * n)


def digest(text: str, key: str = "") -> str:
    """What stands for a text in a snapshot, ``#`` and 16 hexadecimal digits.

    >>> digest("ann@example.org") == digest("ann@example.org", "key")
    False
    """
    keyed = hashlib.blake2b(text.encode(), key=key.encode(), digest_size=DIGEST // 2)
    return "#" + keyed.hexdigest()


def rank_columns(features: Any) -> tuple[int, ...]:
    """The places of the columns that `FeatureMap` made ranks of levels."""
    schema = getattr(features, "schema", None)
    if not isinstance(schema, pa.Schema):
        return ()
    return tuple(
        j for j, field in enumerate(schema) if LEVELS.items() <= (field.metadata or {}).items()
    )


def usual(values: Floats) -> Floats:
    """What a later gap in each column is taken for, (d,): see `FittedColumns`."""
    with np.errstate(all="ignore"):  # what is wrong with a column is told by others
        mean: Floats = values.sum(axis=0) / max(len(values), 1)
        return mean.astype(np.float32).astype(np.float64)


class FittedColumns:
    """What an estimator remembers of the columns of X, so that later rows are read the same way.

    Attributes
    ----------
    feature_names_in_ : array of str, (d,)
        The columns that fit saw; x0, x1, ... of an array.
    n_features_in_ : int
        How many.
    encoding_ : dict or None
        Where fit saw columns of text: their `FeatureMap`, as plain JSON.
    usual_ : array, (d',), or None
        What a later row's missing value is taken for: the mean of fit (to 7 digits, so that the
        order of rows is no matter), NaN in columns where fit had gaps of their own to learn from.
        A tree that never saw a gap would take it for 0.
    """

    feature_names_in_: NDArray[Any]
    n_features_in_: int
    _rank_columns: tuple[int, ...] = ()  # of fit: those that number the levels of a text
    encoding_: dict[str, Any] | None = None  # absent from what version 0.1.0 saved
    usual_: Floats | None = None  # likewise

    def _fit_columns(self, X: Any) -> tuple[Floats, tuple[str, ...]]:
        """Remember the columns of X; give them as numbers, (n, d'), with the encoded names."""
        features, encoding = encode(X)
        values, names = matrix(features)
        self._rank_columns = rank_columns(features)
        self.encoding_ = None if encoding is None else encoding.to_json()
        columns = names if encoding is None else encoding.columns_
        self.feature_names_in_ = np.asarray(columns, dtype=object)
        self.n_features_in_ = len(columns)
        self.usual_ = usual(values)
        return values, names

    def _as_fitted(self, X: Any) -> Floats:
        """X as numbers, (n, d'), with its columns in the order of fit, and means of fit where a
        column has gaps that fit did not have.
        """
        values, usual = self._in_order(X), self.usual_
        if usual is None or usual.shape != values.shape[1:]:
            return values
        gap = np.isnan(values) & np.isfinite(usual)
        return np.where(gap, usual, values) if gap.any() else values

    def _in_order(self, X: Any) -> Floats:
        """X as numbers, (n, d'), with its columns in the order of fit."""
        if self.encoding_ is not None:
            return matrix(FeatureMap.from_json(self.encoding_).table(X))[0]
        values, names = matrix(X)
        fitted = tuple(self.feature_names_in_)
        if values.shape[1] != len(fitted):
            raise InputError("X", f"have the {len(fitted)} features of fit", values.shape[1])
        if set(names) == set(fitted):
            order = [names.index(name) for name in fitted]
            return values if names == fitted else np.ascontiguousarray(values[:, order])
        if not all(name == f"x{j}" for j, name in enumerate(names)):
            strange, fix = sorted(set(names) - set(fitted)), f"fit saw {', '.join(fitted[:8])}"
            raise InputError("X", "have the features of fit", f"unknown {strange[:5]}", fix=fix)
        return values

    @property
    def _encoded_names(self) -> tuple[str, ...]:
        """The names of the columns of `_as_fitted`, (d',)."""
        if self.encoding_ is None:
            return tuple(self.feature_names_in_)
        return tuple(FeatureMap.from_json(self.encoding_).get_feature_names_out())
