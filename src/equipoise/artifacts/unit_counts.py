"""What a file of units lacks: per feature its missing values and the levels that no row of the log
had, per column of a demand the labels that no row of the log had.

Each is counted; where it is most of a column, a caution says so; a column without any value, or
without any label that the log had, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.artifacts.unit_columns import UnitReader, digest
from equipoise.core import columns
from equipoise.core.errors import InputError

MOST = 0.5  # share of a column
FEW = 10  # units of which a column may have no value at all
FIX = "check the file; where the column is no longer known, run the plan again without it"


class UnitCounts:
    """Counts over the batches of a file.

    Parameters
    ----------
    reader : UnitReader
        How units are read.

    Examples
    --------
    >>> from equipoise.artifacts.unit_columns import UnitColumns
    >>> from equipoise.core.features import FeatureMap
    >>> reader = UnitReader(FeatureMap().fit({"city": ["Oslo", "Rome"]}), UnitColumns())
    >>> counts = UnitCounts(reader)
    >>> batch = pa.record_batch({"city": ["Oslo", "Lima", None]})
    >>> list(counts.counting([batch])) == [batch]
    True
    >>> counts.report()["missing"], counts.report()["unseen"]
    ({'city': 1}, {'city': 1})
    """

    def __init__(self, reader: UnitReader) -> None:
        self._reader = reader
        self.units = 0
        self.missing = dict.fromkeys(reader.features.columns_, 0)
        self.unseen = dict.fromkeys(reader.features.levels_, 0)
        self.unknown = {name: 0 for name in reader.groups if name in reader.columns.labels}

    def counting(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass batches on, their columns checked and counted.

        Parameters
        ----------
        batches : iterable of pyarrow.RecordBatch
            Raw columns.

        Yields
        ------
        pyarrow.RecordBatch
            The columns that are needed.
        """
        for batch in batches:
            table = self._reader.read(pa.Table.from_batches([batch]), self.units)
            self._add(table)
            yield from table.combine_chunks().to_batches()

    def _add(self, table: pa.Table) -> None:
        self.units += table.num_rows
        for name in self.missing:
            absent = columns.missing(table[name])
            self.missing[name] += int(absent.sum())
            if name in self.unseen:
                known = self._reader.features.is_level(name, table[name])
                self.unseen[name] += int((~known & ~absent).sum())
        for name in self.unknown:
            labels = set(self._reader.columns.labels[name])
            for item in pc.value_counts(columns.text(table[name])).to_pylist():
                self.unknown[name] += item["counts"] * (digest(item["values"]) not in labels)

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
        usual = self._reader.columns.missing
        said = []
        for name, count in self.missing.items():
            if self.share(count) > MOST >= usual.get(name, 0.0):
                said.append(f"{self.share(count):.0%} of the units have no {name!r}")
        for name, count in self.unseen.items():
            if count > MOST * max(self.units - self.missing[name], 1):
                share = f"{self.share(count):.0%} of the units"
                said.append(f"{share} have a level of {name!r} that no row of the log had")
        for name, count in self.unknown.items():
            if count:
                share = f"{self.share(count):.1%} of the units"
                said.append(f"{share} have a label of {name!r} that no row of the log had")
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
