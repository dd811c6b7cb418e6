"""One order of the rows of a log that does not depend on how its file has them.

Rows follow their group, then their id, shorter labels first and labels of one length by letters, so
that 9 comes before 10 whether ids are numbers or text; then, where there is no id, a hash of what
they hold, so that rows in a tie are the same.  Folds, and fits that depend on the order of rows,
start from it: rows in another order give the same effects and the same choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.arrays import Ints

if TYPE_CHECKING:
    from equipoise.core.log import Log


def row_order(log: Log) -> Ints | None:
    """The rows of a log in an order of their own.

    Parameters
    ----------
    log : Log
        The experiment log.

    Returns
    -------
    array of int, (n,), or None
        Row numbers; None where the log has neither ids nor groups: then its own order counts.

    Examples
    --------
    >>> from equipoise.core.log import Log, Outcome, Roles
    >>> from equipoise.treatments import Arms
    >>> table = pa.table({"arm": [0, 1, 0, 1], "y": [1.0, 2.0, 3.0, 4.0], "user": [9, 10, 1, 2]})
    >>> row_order(Log(table, Roles("arm", (Outcome("y"),), (), id="user"), Arms())).tolist()
    [2, 3, 0, 1]
    """
    keys = []
    if log.roles.group is not None and log.groups is not None:
        keys.append(log.groups)
    if log.roles.id is not None:
        keys.append(_rank(log.table[log.roles.id]))
    if not keys:
        return None
    if log.roles.id is None:
        keys.append(row_hashes(log.table, sorted(log.table.column_names)))
    return np.lexsort(keys[::-1]).astype(np.int64)


def _rank(column: pa.ChunkedArray) -> Ints:
    """The place of each label, (n,), shorter labels first."""
    text = columns.text(column)
    order = pc.sort_indices(
        pa.table({"length": pc.utf8_length(text), "text": text}),
        sort_keys=[("length", "ascending"), ("text", "ascending")],
    )
    rank = np.empty(len(text), np.int64)
    rank[order.to_numpy()] = np.arange(len(text))
    return rank


def row_hashes(table: pa.Table, names: Sequence[str]) -> Ints:
    """A 64-bit hash of each row's columns; two different rows share one with probability 2^-64.

    Parameters
    ----------
    table : pyarrow.Table
        The rows.
    names : sequence of str
        The columns.

    Returns
    -------
    array of int, (n,)
        Hashes.
    """
    hashes = np.zeros(table.num_rows, np.uint64)
    for name in names:
        if columns.is_numeric(table[name]):
            # + 0.0 makes -0.0 the same as 0.0
            bits = (columns.numbers(table[name]) + 0.0).view(np.uint64)
        else:
            bits = columns.codes(table[name])[0].astype(np.uint64)
        hashes = _stir((hashes ^ bits) + np.uint64(0x9E3779B97F4A7C15))
    return hashes.view(np.int64)


def _stir(z: Any) -> Any:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
