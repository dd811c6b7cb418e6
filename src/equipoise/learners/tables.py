"""The one table of features of a fit, its rows, and its folds: binned once, for every model of
every fold, arm and metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints

if TYPE_CHECKING:
    import lightgbm

BIN_SAMPLE = 50_000  # rows from which bin bounds are found: quantiles of 127 bins need no more
# rows below which a fit on several threads waits for itself, the more so on a busy machine
SMALL = 100_000


class Table:
    """The features of one fit, (n, d), and their bins, made once for each number of bins asked.

    of_folds : gives, of folds (n,), the features that models without each fold see, (n, d) each,
        where these are learnt too; None where all see X.
    """

    def __init__(
        self,
        X: Floats,
        names: Sequence[str],
        of_folds: Callable[[Ints], list[Floats]] | None = None,
        categories: Sequence[int] = (),
    ) -> None:
        self.X = X
        self.categories = tuple(categories)
        self.names = tuple(names)
        self.of_folds = of_folds
        self._binned: dict[tuple[int, int, bool], lightgbm.Dataset] = {}
        self._without: dict[bytes, list[Table]] = {}

    def without_each(self, fold: Ints) -> list[Table]:
        """The table that models without each fold in turn see.   fold: (n,)."""
        if self.of_folds is None:
            return [self] * (int(fold.max()) + 1)
        key = fold.astype(np.int16).tobytes()
        if key not in self._without:
            self._without[key] = [Table(X, self.names) for X in self.of_folds(fold)]
        return self._without[key]

    def binned(self, bins: int, threads: int, native: bool = False) -> lightgbm.Dataset:
        """LightGBM's binned copy of all rows; native: with its categories as such."""
        import lightgbm  # here, since what only decides has no use for it

        native = native and len(self.categories) > 0
        if (bins, threads, native) not in self._binned:
            settings = table_settings(bins, threads)
            blank = np.zeros(len(self.X), np.float32)
            how: Any = {"categorical_feature": list(self.categories)} if native else {}
            self._binned[bins, threads, native] = lightgbm.Dataset(
                self.X, blank, params=settings, free_raw_data=True, **how
            ).construct()
        return self._binned[bins, threads, native]


@dataclass
class Rows:
    """Some rows of a table, ready for any number of fits: their binned copy is made once."""

    table: Table
    index: Ints | None  # None: all rows
    _subsets: dict[tuple[int, int, bool], lightgbm.Dataset] = field(default_factory=dict)
    _folds: dict[bytes, Folds] = field(default_factory=dict)

    def binned(self, bins: int, threads: int, native: bool = False) -> lightgbm.Dataset:
        """LightGBM's binned copy of these rows; native: with the table's categories as such."""
        whole, key = self.table.binned(bins, threads, native), (bins, threads, native)
        if self.index is None:
            return whole
        if key not in self._subsets:
            index: Any = self.index
            settings = table_settings(bins, threads)
            self._subsets[key] = whole.subset(index, params=settings).construct()
        return self._subsets[key]

    def of(self, column: Any) -> Any:
        """The part of a column (n,) or matrix (n, ...) that stands in these rows."""
        return column if self.index is None else column[self.index]

    def folds(self, fold: Ints) -> Folds:
        """These rows without each fold in turn, made once.   fold: (rows,)."""
        labels, fold = np.unique(fold, return_inverse=True)
        key = fold.astype(np.int16).tobytes()
        if key not in self._folds:
            self._folds[key] = Folds(self, fold, len(labels))
        return self._folds[key]

    def without(self, left_out: Bools, table: Table | None = None) -> tuple[Rows, Rows]:
        """These rows without some of them, and those, of this or another table.   left_out:
        (rows,).
        """
        index = np.arange(len(self.table.X)) if self.index is None else self.index
        table = self.table if table is None else table
        return Rows(table, index[~left_out]), Rows(table, index[left_out])


class Folds:
    """Some rows of a table without each fold in turn, ready for any number of fits.

    tables : what models without each fold see; None for the one table.

    Attributes
    ----------
    inside, outside : of each fold the rows that are learnt from, and those left out.
    left_out : (folds, rows), which of the rows are.
    """

    def __init__(
        self, rows: Rows, fold: Ints, folds: int, tables: Sequence[Table] | None = None
    ) -> None:
        self.rows = rows
        self.left_out: Bools = fold == np.arange(folds)[:, None]
        each = [rows.table] * folds if tables is None else tables
        parts = [rows.without(mask, of) for mask, of in zip(self.left_out, each, strict=True)]
        self.inside, self.outside = [one for one, _ in parts], [other for _, other in parts]


def threads_for(n_jobs: int, rows: int) -> int:
    """The threads LightGBM is to use, 0 for all.   n_jobs : 0 and -1 take all, but one for a table
    of few ``rows``, where more would wait for each other.
    """
    return n_jobs if n_jobs > 0 else int(rows < SMALL)


def table_settings(bins: int, threads: int) -> dict[str, Any]:
    """LightGBM's parameters that belong to the data."""
    return {
        "max_bin": bins,
        "bin_construct_sample_cnt": BIN_SAMPLE,
        "feature_pre_filter": False,
        "force_row_wise": True,
        "deterministic": True,
        "num_threads": threads,
        "verbosity": -1,
    }
