"""Columns in blocks: the first decisions are the reference, and each later block is compared with
it, and the whole day, whenever it has doubled.

Why the first decisions under a snapshot, and not the rows it was learnt from: they are of the units
that the service really meets, are there for stored effects and for features, for scores and for
what was served, and need nothing but the log.  A sharp change is found in a block, a slow one in a
day.  Bins are tenths of the reference, levels where it has few, and one for what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.serving.config import MonitorConfig
from equipoise.serving.monitors.alarms import Board, Figure
from equipoise.serving.monitors.chances import psi_test

TENTHS = np.linspace(0, 1, 11)[1:-1]
LEVELS = 20  # of text; a number with fewer different values has one bin each
Columns = Mapping[tuple[str, str], list[Any]]  # values by monitor and column
Known = Collection[tuple[str, str]]  # columns of the reference; nothing before there is one
MOST = 200  # features: whoever asks names them


class Bins:
    """How the values of a column are counted, as its reference says.

    Parameters
    ----------
    values : list
        Of the reference: numbers, text, booleans or None.
    """

    def __init__(self, values: list[Any]) -> None:
        there = [value for value in values if _is_there(value)]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in there)
        self.edges: Floats | None = None
        self.levels: dict[Any, int] = {}
        if numbers and len(set(there)) > LEVELS:
            self.edges = np.unique(np.quantile(np.array(there, np.float64), TENTHS))
            self.size = len(self.edges) + 2
        else:
            common = [value for value, _ in Counter(there).most_common(LEVELS)]
            self.levels = {value: place for place, value in enumerate(common)}
            self.size = len(common) + 2  # another level, and missing
        self.reference = self.count(values)

    def count(self, values: list[Any]) -> Floats:
        """How many values are in each bin, (B,); the last is for what is missing."""
        if self.edges is None:
            places = [
                self.levels.get(value, self.size - 2) if _is_there(value) else self.size - 1
                for value in values
            ]
            return np.bincount(places, minlength=self.size).astype(np.float64)
        numbers = np.array([_number(value) for value in values])
        missing = np.isnan(numbers)
        place = np.where(missing, self.size - 1, np.searchsorted(self.edges, numbers, "right"))
        return np.bincount(place, minlength=self.size).astype(np.float64)


def _is_there(value: Any) -> bool:
    return value is not None and value == value  # noqa: PLR0124 - NaN is missing


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


class Blocks:
    """One kind of question: rows gather to a reference, then to blocks and days.

    Parameters
    ----------
    columns : callable
        Gives the columns of some rows, only those that the reference has where there is one.
    config : MonitorConfig
        How many rows, and what is an alarm.
    board : Board
        Where figures go.
    least_psi : float, optional
        In the place of the settings'.
    """

    def __init__(
        self,
        columns: Callable[[Sequence[Any], Known], Columns],
        config: MonitorConfig,
        board: Board,
        least_psi: float | None = None,
    ) -> None:
        self.columns, self.config, self.board = columns, config, board
        self.least = config.least_psi if least_psi is None else least_psi
        self.monitors: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """Gather a reference anew, and forget what was said."""
        self.board.drop(*self.monitors)
        self._rows: list[Any] = []
        self._bins: dict[tuple[str, str], Bins] = {}
        self._begin_day(-1)

    def _begin_day(self, day: int) -> None:
        self._day, self._block, self._look = day, 0, 0
        self._sums: dict[tuple[str, str], Floats] = {}
        self._count, self._next = 0, 4 * self.config.block

    @property
    def reference(self) -> float:
        """How much of the reference there is, in [0, 1]."""
        return 1.0 if self._bins else min(len(self._rows) / self.config.reference, 1.0)

    def add(self, row: Any, ns: int, day: int) -> None:
        """Take a row of a time and its day."""
        if day != self._day:
            self._begin_day(day)
        self._rows.append(row)
        if len(self._rows) >= (self.config.block if self._bins else self.config.reference):
            rows, self._rows = self._rows, []
            columns = self.columns(rows, self._bins)
            if not self._bins:
                self._bins = {key: Bins(values) for key, values in columns.items()}
                self.monitors |= {key[0] for key in columns}
            else:
                self._compare(columns, len(rows), ns)

    def _compare(self, columns: Columns, n: int, ns: int) -> None:
        """A block with the reference; and the day so far, where it has doubled."""
        counts = {key: bins.count(columns.get(key, [])) for key, bins in self._bins.items()}
        self._block += 1
        self._tell(counts, n, ns, "block", self._block)
        for key, count in counts.items():
            self._sums[key] = self._sums.get(key, 0.0) + count
        self._count += n
        if self._count >= self._next:
            self._next *= 2
            self._look += 1
            self._tell(self._sums, self._count, ns, "day", self._look)

    def _tell(
        self, counts: Mapping[tuple[str, str], Floats], n: int, ns: int, span: str, look: int
    ) -> None:
        figures = []
        for (monitor, column), count in counts.items():
            psi, p = psi_test(self._bins[monitor, column].reference, count)
            figures.append(
                Figure(monitor=monitor, column=column, span=span, value=psi, p=p, n=n, ns=ns)
            )
        self.board.look(figures, look, least=self.least)


def feature_columns(rows: Sequence[Any], known: Known) -> Columns:
    """The raw columns of decisions that the model took, and whether each was missing; at most
    `MOST`, those that the most of the reference have.
    """
    names = {column for _, column in known}
    if not known:
        counts = Counter(name for row in rows for name in row.features)
        names = set(sorted(counts, key=lambda name: (-counts[name], name))[:MOST])
    found: dict[tuple[str, str], list[Any]] = {}
    for name in sorted(names):
        values = [row.features.get(name) for row in rows]
        found["drift", name] = values
        found["missing", name] = [not _is_there(value) for value in values]
    return found


def score_columns(names: Sequence[str], rows: Sequence[Any], known: Known) -> Columns:
    """The scores of each candidate, and what the units got."""
    scores = np.array([np.frombuffer(row.scores, "<f8") for row in rows])  # (n, k)
    found: dict[tuple[str, str], list[Any]] = {
        ("scores", name): values for name, values in zip(names[1:], scores.T.tolist(), strict=False)
    }
    found["mix", "served"] = [row.served for row in rows]
    return found


def unit_columns(rows: Sequence[Any], known: Known) -> Columns:
    """Whether anything was known of each unit."""
    return {("unknown", "units"): [bool(row) for row in rows]}
