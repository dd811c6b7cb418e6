"""One order of the rows of a log that does not depend on how its file has them.

Rows follow their group, then their id, shorter labels first and labels of one length by letters, so
that 9 comes before 10 whether ids are numbers or text; where there is no id, a hash of features and
treatment, then the outcomes, which sort alike in another unit, then a hash of all columns, so that
rows in a tie are the same, and with neither id nor group a shuffle by a fixed key, so that every
other row is a sample.  Folds, and fits that depend on the order of rows, start from it: rows
in another order give the same effects and the same choices.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.arrays import Ints

if TYPE_CHECKING:
    from equipoise.core.log import Log


def row_order(log: Log) -> Ints:
    """The rows of a log in an order of their own.

    Parameters
    ----------
    log : Log
        The experiment log.

    Returns
    -------
    array of int, (n,)
        Row numbers.

    Examples
    --------
    >>> from equipoise.core.log import Log, Outcome, Roles
    >>> from equipoise.treatments import Arms
    >>> table = pa.table({"arm": [0, 1, 0, 1], "y": [1.0, 2.0, 3.0, 4.0], "user": [9, 10, 1, 2]})
    >>> row_order(Log(table, Roles("arm", (Outcome("y"),), (), id="user"), Arms())).tolist()
    [2, 3, 0, 1]
    """
    groups = [] if log.groups is None else [log.groups]
    if log.roles.id is not None:
        return np.lexsort([_rank(log.table[log.roles.id]), *groups]).astype(np.int64)
    role = log.roles.treatment
    causes = row_hashes(
        log.table, {*log.roles.features, *([role] if isinstance(role, str) else role)}
    )
    order = np.lexsort([causes, *groups])
    if (causes[order[1:]] == causes[order[:-1]]).any():
        whole = row_hashes(log.table, log.table.column_names)
        order = np.lexsort([whole, *log.y.T[::-1], causes, *groups])
    if not groups:
        order = order[np.random.default_rng(0).permutation(len(order))]
    return order.astype(np.int64)


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


def row_hashes(table: pa.Table, names: Collection[str]) -> Ints:
    """A 64-bit hash of each row's columns, whatever their order; two different rows share one with
    probability 2^-64.

    Parameters
    ----------
    table : pyarrow.Table
        The rows.
    names : collection of str
        The columns.

    Returns
    -------
    array of int, (n,)
        Hashes.
    """
    hashes = np.zeros(table.num_rows, np.uint64)
    for name in sorted(names):
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
