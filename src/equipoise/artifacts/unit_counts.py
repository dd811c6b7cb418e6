"""What units lack: per feature its missing values and the levels that no row of the log had, per
column of a demand the labels that no row of the log had.

Each is counted, in one frame, over a stream or over a file, in memory that does not grow with them.
Where it is most of a column, a caution says so: a `UnitsWarning` for frames and streams.  A file
with a column without any value, or without any label that the log had, is refused.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.artifacts.unit_columns import UnitReader
from equipoise.core import columns
from equipoise.core.errors import InputError
from equipoise.core.features import digest
from equipoise.core.user_line import user_level

MOST = 0.5  # share of a column
FEW = 10  # units of which a column may have no value at all
FIX = "check the file; where the column is no longer known, run the plan again without it"


class UnitsWarning(UserWarning):
    """Of the units that are assigned most lack what the log had."""


class UnitCounts:
    """Counts over the units of a frame, a stream or a file.

    Parameters
    ----------
    reader : UnitReader
        How units are read.
    start : int, default 0
        The number of the first row, where the units are a part of others.
    keeps_ids : bool, default False
        Whether `ids` are kept, to be held against those of other parts.

    Attributes
    ----------
    units : int
        So far.
    ids : array of float, (n,)
        Hashes of the units' ids, in ascending order, once all were assigned.

    Examples
    --------
    >>> from equipoise.artifacts.unit_columns import UnitColumns
    >>> from equipoise.core.features import FeatureMap
    >>> reader = UnitReader(FeatureMap().fit({"city": ["Oslo", "Rome"]}), UnitColumns())
    >>> counts = UnitCounts(reader)
    >>> counts.read(pa.table({"city": ["Oslo", "Lima", None], "age": [1, 2, 3]})).column_names
    ['city']
    >>> counts.report()["missing"], counts.report()["unseen"]
    ({'city': 1}, {'city': 1})
    """

    def __init__(self, reader: UnitReader, start: int = 0, keeps_ids: bool = False) -> None:
        self._reader = reader
        self.start, self.keeps_ids, self.ids = start, keeps_ids, np.empty(0)
        self.units = 0
        self.missing = dict.fromkeys(reader.features.columns_, 0)
        self.unseen = dict.fromkeys(reader.features.levels_, 0)
        self._said: set[str] = set()
        self.unknown = {name: 0 for name in reader.groups if name in reader.columns.labels}

    def read(self, raw: pa.Table) -> pa.Table:
        """The next units, their columns checked and counted.

        Parameters
        ----------
        raw : pyarrow.Table, (n rows)
            Raw columns.

        Returns
        -------
        pyarrow.Table
            The columns that are needed, n rows.
        """
        table = self._reader.read(raw, self.start + self.units)
        self._add(table)
        return table

    def _add(self, table: pa.Table) -> None:
        self.units += table.num_rows
        for name in self.missing:
            absent = columns.missing(table[name])
            self.missing[name] += int(absent.sum())
            if name in self.unseen:
                known = self._reader.features.is_level(name, table[name])
                self.unseen[name] += int((~known & ~absent).sum())
        for name in self.unknown:
            key, labels = self._reader.columns.key, set(self._reader.columns.labels[name])
            for item in pc.value_counts(columns.labels(table[name])).to_pylist():
                self.unknown[name] += item["counts"] * (digest(item["values"], key) not in labels)

    def sums(self) -> dict[str, Any]:
        """All counts as plain JSON, for `add`.

        Returns
        -------
        dict
            ``units``, and by column ``missing``, ``unseen`` and ``unknown``.
        """
        lacks = {"missing": self.missing, "unseen": self.unseen, "unknown": self.unknown}
        return {"units": self.units, **lacks}

    def add(self, sums: Mapping[str, Any]) -> None:
        """Count what another one has counted.

        Parameters
        ----------
        sums : mapping
            As of `sums`.
        """
        self.units += sums["units"]
        for name in ("missing", "unseen", "unknown"):
            own: dict[str, int] = getattr(self, name)
            for column, count in sums[name].items():
                own[column] += count

    def check(self) -> None:
        """Refuse a file in which a feature has no value at all though the log's had some, or a
        column of demands no label that the log had.

        Raises
        ------
        InputError
            With the column.
        """
        if self.units < FEW:
            return
        got = f"none in {self.units:,} rows"
        for name, count in self.missing.items():
            if count == self.units and self._reader.columns.missing.get(name, 1.0) < 1:
                raise InputError(f"feature {name!r}", "have values", got, fix=FIX)
        for name, count in self.unknown.items():
            if count == self.units:
                raise InputError(f"group {name!r}", "have labels of the log", got, fix=FIX)

    def cautions(self) -> list[str]:
        """What is most of a column, one sentence each.

        Returns
        -------
        list of str
            Empty where there is nothing to say.
        """
        return [*self._cautions().values(), *self._filled()]

    def _filled(self) -> list[str]:
        """The features that some units lack though every row of the log had them."""
        usual, levels = self._reader.columns.missing, self._reader.features.levels_
        return [
            f"{self.share(count):.2%} of the units have no {name!r}, as every row of the log had:"
            f" its mean there stands in"
            for name, count in self.missing.items()
            if 0 < self.share(count) <= MOST and usual.get(name, 1.0) == 0 and name not in levels
        ]

    def warn(self) -> None:
        """Say each caution once, as a `UnitsWarning`, where there are units enough to tell."""
        if self.units < FEW:
            return
        for about, caution in self._cautions().items():
            if about not in self._said:
                self._said.add(about)
                text = f"of {self.units:,} units {caution.replace(' of the units', '', 1)}"
                warnings.warn(text, UnitsWarning, stacklevel=user_level())

    def _cautions(self) -> dict[str, str]:
        """The cautions, by what each is about."""
        usual = self._reader.columns.missing
        said = {}
        for name, count in self.missing.items():
            if self.share(count) > MOST >= usual.get(name, 0.0):
                said[f"missing {name}"] = f"{self.share(count):.0%} of the units have no {name!r}"
        for name, count in self.unseen.items():
            if count > MOST * max(self.units - self.missing[name], 1):
                share = f"{self.share(count):.0%} of the units"
                lacks = f"have a level of {name!r} that no row of the log had"
                said[f"unseen {name}"] = f"{share} {lacks}"
        for name, count in self.unknown.items():
            if count:
                share = f"{self.share(count):.1%} of the units"
                lacks = f"have a label of {name!r} that no row of the log had"
                said[f"unknown {name}"] = f"{share} {lacks}"
        return said

    def share(self, count: int) -> float:
        """A count as a share of the units so far."""
        return float(np.divide(count, max(self.units, 1)))

    def report(self) -> dict[str, Any]:
        """The counts as plain JSON."""
        return {
            "missing": dict(self.missing),
            "unseen": dict(self.unseen),
            "unknown": dict(self.unknown),
            "cautions": self.cautions(),
        }
