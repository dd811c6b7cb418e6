"""What was published about a dataset: a `Card` to read and `Facts` to hold a file against.

A file that does not match its facts is refused, with what was expected: better no figures than
those of another file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.errors import DataError


@dataclass(frozen=True)
class Card:
    """What a person should know before using a dataset.

    address : where the publisher keeps it.   terms : the terms of use as the publisher states them.
        note : how we read it.
    """

    name: str
    title: str
    rows: int
    treatment: str
    outcomes: tuple[str, ...]
    terms: str
    citation: str
    address: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """Published figures that only the right file has.

    rows : the number of rows, or the least and the most.
    counts : column -> value -> number of rows.   sums, means : column -> (figure, tolerance).
    """

    rows: int | tuple[int, int]
    needs: tuple[str, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sums: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    means: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def columns(self) -> list[str]:
        """Every column a file must have."""
        return list(dict.fromkeys([*self.needs, *self.counts, *self.sums, *self.means]))

    def check(self, table: pa.Table, card: Card, where: str) -> None:
        """Refuse a table that is not the published one."""
        absent = [name for name in self.columns() if name not in table.column_names]
        if absent:
            got = f"no column {', '.join(map(repr, absent[:5]))}"
            raise _wrong(card, f"have the columns {', '.join(self.columns())}", got, where)
        low, high = (self.rows, self.rows) if isinstance(self.rows, int) else self.rows
        if not low <= table.num_rows <= high:
            wanted = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            raise _wrong(card, f"have {wanted} rows", f"{table.num_rows:,}", where)
        for name, wanted_counts in self.counts.items():
            _check_counts(table[name], name, wanted_counts, card, where)
        for name, (figure, tolerance) in self.sums.items():
            _check_figure(
                float(np.nansum(columns.numbers(table[name]))),
                f"sum of {name!r}",
                figure,
                tolerance,
                card,
                where,
            )
        for name, (figure, tolerance) in self.means.items():
            _check_figure(
                float(np.nanmean(columns.numbers(table[name]))),
                f"mean of {name!r}",
                figure,
                tolerance,
                card,
                where,
            )


def _check_counts(
    column: pa.ChunkedArray, name: str, wanted: Mapping[str, int], card: Card, where: str
) -> None:
    counts = {
        item["values"]: item["counts"]
        for item in pc.value_counts(columns.labels(column)).to_pylist()
    }
    if counts != dict(wanted):
        listed = ", ".join(f"{value}: {count:,}" for value, count in wanted.items())
        got = ", ".join(f"{value}: {count:,}" for value, count in sorted(counts.items())[:8])
        raise _wrong(card, f"have in {name!r} the rows {listed}", got, where)


def _check_figure(
    got: float, what: str, figure: float, tolerance: float, card: Card, where: str
) -> None:
    if not abs(got - figure) <= tolerance:
        raise _wrong(card, f"have a {what} of {figure:,.10g}", f"{got:,.10g}", where)


def _wrong(card: Card, must: str, got: str, where: str) -> DataError:
    return DataError(
        f"the file of {card.name}", must, got, where, f"get the published file: {card.address}"
    )
