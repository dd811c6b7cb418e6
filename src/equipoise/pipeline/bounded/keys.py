"""Which rows are the sample, and which ids occur twice: by hashes of what names a row, so that
neither the order of rows nor that of files nor the engine decides.

    unit     the group where the log has one, so that clusters stay whole; else the id; else the
             row's own content but its time, so that rows that repeat each other go together
    sample   rows whose unit's draw, of stream 8 of the run's seed, is below a share
    blocks   by the draw of stream 11, which the sample does not depend on
    ids      64-bit hashes, sorted a range at a time; what shares one is read again and compared
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from equipoise.allocation.hashing import Words, mixed, words
from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.roles import Roles

SAMPLE, BLOCK, NAME = 8, 11, 12  # streams of the run's seed
AT_ONCE = 32_000_000  # hashes that are sorted together, 256 MB


def label_words(column: pa.ChunkedArray, seed: int, stream: int) -> Words:
    """A hash of each label, (n,): whole numbers by value, in whatever type; anything else as
    text.
    """
    kind = columns.value_type(column)
    if pa.types.is_integer(kind) and column.null_count == 0:
        return words(columns.decoded(column).to_numpy(), seed, stream)
    return words(np.asarray(columns.labels(column).to_pylist(), dtype=np.str_), seed, stream)


def content_words(table: pa.Table, names: Iterable[str], seed: int, stream: int) -> Words:
    """A hash of each row's columns of numbers and text, whatever their order, (n,)."""
    hashes = words(np.zeros(table.num_rows, np.int64), seed, stream)
    for name in sorted(names):
        column = table[name]
        if columns.is_text(column):
            hashes = mixed(hashes, label_words(column, seed, stream))
        elif columns.is_numeric(column):
            bits = (columns.numbers(column) + 0.0).view(np.uint64)  # -0.0 is 0.0
            hashes = mixed(hashes, bits)
    return hashes


def unit_of(roles: Roles) -> str:
    """What the sample is drawn by, in words."""
    if roles.group is not None:
        return f"whole groups by {roles.group!r}"
    return "what the row holds" if roles.id is None else f"the id {roles.id!r}"


def content(roles: Roles, names: Sequence[str]) -> list[str]:
    """The columns that make a row what it is: all but its time and lists of open arms."""
    listed = roles.eligible if isinstance(roles.eligible, str) else None
    return [name for name in names if name not in (roles.time, listed)]


def unit_words(table: pa.Table, roles: Roles, seed: int, stream: int) -> Words:
    """A hash of each row's unit, (n,)."""
    named = roles.group or roles.id
    if named is not None:
        return label_words(table[named], seed, stream)
    return content_words(table, content(roles, table.column_names), seed, stream)


def unit_draws(table: pa.Table, roles: Roles, seed: int, stream: int) -> Floats:
    """The draw in [0, 1) of each row's unit, (n,)."""
    hashes = unit_words(table, roles, seed, stream)
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53


def name_words(table: pa.Table, roles: Roles) -> Words:
    """A hash of what must name one row: its id, else all that it holds, (n,)."""
    if roles.id is not None:
        return label_words(table[roles.id], 0, NAME)
    return content_words(table, content(roles, table.column_names), 0, NAME)


def repeated(files: Sequence[Path], rows: int, most: int = AT_ONCE) -> tuple[Words, int]:
    """The hashes that occur more than once among those of files, sorted, and how many rows are
    one too many; so many hashes at a time are sorted as fit into memory.
    """
    ranges = max(1, -(-rows // most))
    found: list[Words] = []
    extra = 0
    for r in range(ranges):
        low, high = (np.uint64(min(2**64 - 1, 2**64 * end // ranges)) for end in (r, r + 1))
        last = r + 1 == ranges
        parts = [_between(file, low, high, last) for file in files]
        own = np.sort(np.concatenate(parts))
        again = own[1:] == own[:-1]
        extra += int(again.sum())
        found.append(np.unique(own[1:][again]))
    return np.concatenate(found), extra


def _between(file: Path, low: np.uint64, high: np.uint64, last: bool) -> Words:
    """Those of a file in [low, high), or from low on where it is the last range."""
    with np.load(file, allow_pickle=False) as arrays:
        every: Words = arrays["names"]
    return every[every >= low] if last else every[(every >= low) & (every < high)]
