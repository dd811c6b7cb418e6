"""A log that cannot be taken into memory is refused before it is read, and told what to do."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from equipoise.core.errors import DataError
from equipoise.data.files import row_count
from equipoise.data.stores import PARQUET, Stored

VALUE = 8  # bytes of a value, about
FIX = (
    "run it by a plan, which learns on a sample and is judged by all rows in bounded memory"
    " (`equipoise run`, [run] learn_rows); or read fewer columns or files"
)


def memory() -> int | None:
    """The bytes of memory that the machine has; None where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def refuse_too_large(
    files: Sequence[Stored], columns: Collection[str], most: int | None = None
) -> None:
    """Refuse Parquet files whose values do not fit in memory.

    Parameters
    ----------
    files : sequence of Stored
        The files; others than Parquet on this machine are not looked at.
    columns : collection of str
        The columns that are read.
    most : int or None, default None
        Bytes; None: of this machine.

    Raises
    ------
    DataError
        With the rows, and what to do.

    Examples
    --------
    >>> refuse_too_large([], ["spend"])
    """
    limit = memory() if most is None else most
    if limit is None:
        return
    near = [file for file in files if not file.far and file.ending in PARQUET]
    rows = sum(row_count(file) or 0 for file in near)
    size = rows * len(columns) * VALUE
    if size > limit:
        must = f"fit in memory, {limit / 2**30:.0f} GiB"
        got = f"{rows:,} rows of {len(columns)} columns, {size / 2**30:.0f} GiB"
        raise DataError("a log that is read as a whole", must, got, str(files[0]), FIX)
