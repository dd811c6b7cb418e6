"""Ratings: which user liked which item, of which all other pairs are unseen; what the strata
benchmark is constructed from.

n ratings; users and items are codes 0, 1, ...
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv

from equipoise.core import columns
from equipoise.core.arrays import Bools, Ints
from equipoise.core.errors import DataError
from equipoise.data.files import read_table


@dataclass(frozen=True)
class Ratings:
    """Pairs that were rated.

    name : of the dataset.   pairs : (n, 2), user and item codes.   liked : (n,) of 0 and 1.   sizes
        : numbers of users and items.
    """

    name: str
    pairs: Ints
    liked: Ints
    sizes: tuple[int, int]

    def __len__(self) -> int:
        return len(self.liked)

    def sampled(self, share: float, seed: int) -> Ratings:
        """A share of the rows, at random; ids that no longer occur are dropped, and the codes made
        dense.
        """
        rows = np.random.default_rng(seed).permutation(len(self))[: int(share * len(self))]
        return dense(self.name, self.pairs[rows], self.liked[rows])

    def unrated(self, count: int, rng: np.random.Generator) -> Ints:
        """At most ``count`` distinct pairs that were not rated, (count, 2), at random.

        Pairs are drawn from the whole grid and rated ones dropped, so that no table of all pairs is
        made.
        """
        users, items = self.sizes
        rated = np.sort(self.pairs[:, 0] * items + self.pairs[:, 1])
        free = 1 - len(rated) / (users * items)
        wanted = min(users * items, int(count / max(free, 1e-9) * 1.02) + 100)
        pairs = rng.choice(users * items, wanted, replace=False)
        free_pairs = pairs[~_within(pairs, rated)][:count]
        return np.column_stack([free_pairs // items, free_pairs % items])


def dense(name: str, pairs: Ints, liked: Ints) -> Ratings:
    """Ratings whose ids are replaced by their rank."""
    users, user = np.unique(pairs[:, 0], return_inverse=True)
    items, item = np.unique(pairs[:, 1], return_inverse=True)
    return Ratings(name, np.column_stack([user, item]), liked, (len(users), len(items)))


def table_of(file: Path, names: tuple[str, ...], separator: str) -> pa.Table:
    """The rows of a ratings file: Parquet and CSV have a header; any other file is text without
    one, split at ``separator``.
    """
    if file.suffix in {".parquet", ".csv"}:
        return read_table(file)
    text = file.read_bytes()
    if separator.encode() not in text[:4096]:
        raise DataError(
            "a line",
            f"be {separator.join(names)}",
            repr(text[:60].decode(errors="replace")),
            f"{file}, row 1",
        )
    try:
        source = pa.BufferReader(text.replace(separator.encode(), b"\t"))
        return pcsv.read_csv(
            source, pcsv.ReadOptions(column_names=names), pcsv.ParseOptions(delimiter="\t")
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            "a file", f"hold {separator.join(names)}", str(error)[:120], str(file), "get it again"
        ) from error


def whole_numbers(table: pa.Table, name: str, where: str) -> Ints:
    """A column of ids >= 0, (n,)."""
    values = columns.numbers(table[name])
    bad = ~(np.isfinite(values) & (values >= 0) & (values == np.floor(values)))
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"column {name!r}",
            "hold whole numbers >= 0",
            values[row],
            f"{where}, row {row}",
            "mend the file",
        )
    return values.astype(np.int64)


def _within(values: Ints, members: Ints) -> Bools:
    """Which values are among the sorted ``known``."""
    place = np.minimum(np.searchsorted(members, values), len(members) - 1)
    inside: Bools = members[place] == values
    return inside
