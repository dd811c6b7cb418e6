"""Text that nearly names its row: e-mail addresses, names, free words.  It teaches a model nothing
that holds for others, and a model that learns it remembers persons; so it is no feature unless
somebody says so (``nearly_unique`` of the roles).

A column of 20 values or more is nearly unique where most of its levels, of more than 12, stand in
one row each, and these rows are half of those without the commonest level or more: so where more
than two in three values are different, and where there are names beside a common "none"; not where
a few towns are common and many are rare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.errors import LogError

LEAST = 20  # values; of fewer none can tell
MOST = 0.5
FEW_LEVELS = 12  # so many may be rare by chance


def is_nearly_unique(column: pa.ChunkedArray) -> bool:
    """Whether a column is text that nearly names its row; what is missing does not count.

    Parameters
    ----------
    column : pyarrow.ChunkedArray, (n,)
        Of any type.

    Returns
    -------
    bool
        False for anything but text.

    Examples
    --------
    >>> is_nearly_unique(pa.chunked_array([[f"user{i}@example.org" for i in range(20)]]))
    True
    >>> is_nearly_unique(pa.chunked_array([["Oslo", "Rome"] * 10]))
    False
    """
    if not columns.is_text(column):
        return False
    counts = np.asarray(pc.value_counts(columns.text(column).drop_null()).field("counts"))
    values, levels, single = counts.sum(), len(counts), (counts == 1).sum()
    if values < LEAST:
        return False
    others = values - counts.max()
    return bool(levels > FEW_LEVELS and single > MOST * levels and single >= MOST * others)


def refuse_nearly_unique(table: pa.Table, features: Sequence[str], allowed: Sequence[str]) -> None:
    """Refuse features that nearly name their row, but for those that somebody allowed.

    Parameters
    ----------
    table : pyarrow.Table
        The log.
    features : sequence of str
        Its columns of features.
    allowed : sequence of str
        Those that may be nearly unique text.

    Raises
    ------
    LogError
        With the first such column, and how to allow it.
    """
    for name in features:
        if name not in allowed and is_nearly_unique(table[name]):
            values = columns.text(table[name]).drop_null()
            raise LogError(
                f"feature {name!r}",
                "be text of levels that rows share",
                f"{len(values.unique()):,} levels in {len(values):,} values, as of a name or an"
                " e-mail address",
                fix=f"leave it out, or make an id or a group of it; if models shall learn it:"
                f" nearly_unique = [{name!r}] in [log] of a plan, nearly_unique= in Python",
            )
