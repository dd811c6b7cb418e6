"""Who changed which channel, and when: a table that only grows, and the lock of all who publish.

The row of a change and the file of its channel are written within one transaction: whoever dies in
between leaves the channel as it was, or changed with a row that the next one copies from its file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from equipoise.core.errors import SnapshotError
from equipoise.serving.errors import ConflictError, LogUnavailable
from equipoise.serving.snapshots.channels import Channel

PATIENCE = 10.0  # seconds
TABLE = """create table if not exists changes (
    channel text not null, sequence integer not null, snapshot text not null,
    previous text not null, by text not null, at real not null, action text not null,
    replace_candidates integer not null, primary key (channel, sequence)) strict"""
COLUMNS = ", ".join(Channel._fields)


class Changes:
    """The table within one transaction.

    Parameters
    ----------
    table : sqlite3.Connection
        Within a transaction that writes.
    """

    def __init__(self, table: sqlite3.Connection) -> None:
        self._table = table

    def add(self, name: str, channel: Channel) -> None:
        """Write a change of a channel, where it is not there yet."""
        marks = ", ".join("?" * (1 + len(channel)))
        words = f"insert or ignore into changes (channel, {COLUMNS}) values ({marks})"
        self._table.execute(words, (name, *channel))

    def last(self, name: str) -> int:
        """The last sequence of a channel, 0 without any."""
        words = "select coalesce(max(sequence), 0) from changes where channel = ?"
        return int(self._table.execute(words, (name,)).fetchone()[0])

    def before(self, name: str, snapshot: str) -> str:
        """What a channel had before a snapshot was last published on it; "" where nothing."""
        words = (
            "select previous from changes where channel = ? and snapshot = ?"
            " and action != 'rollback' order by sequence desc limit 1"
        )
        row = self._table.execute(words, (name, snapshot)).fetchone()
        return "" if row is None else str(row[0])


@contextmanager
def change(path: Path) -> Iterator[Changes]:
    """Hold the lock of all who publish; what is written in the block is there when it ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path, PATIENCE, isolation_level=None)) as table:
            table.execute("pragma synchronous = full")
            table.execute("begin immediate")
            try:
                table.execute(TABLE)
                yield Changes(table)
                table.execute("commit")
            except BaseException:
                if table.in_transaction:
                    table.execute("rollback")
                raise
    except sqlite3.Error as error:
        if "locked" in str(error):
            must, fix = "be free", "try again"
            raise ConflictError("the audit", must, "another publish", str(path), fix) from error
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            fix = "free space on its disk"
            raise LogUnavailable("the audit", "be writable", str(error), str(path), fix) from error
        fix = "move it away: a new one is begun"
        raise SnapshotError("the audit", "be writable", str(error), str(path), fix) from error


def read_audit(path: Path) -> list[dict[str, Any]]:
    """Every change, the newest first.

    Parameters
    ----------
    path : path
        Of the audit.

    Returns
    -------
    list of dict
        ``channel`` and the fields of a `Channel`.

    Raises
    ------
    SnapshotError
        Where it cannot be read.
    """
    if not path.exists():
        return []
    names = ("channel", *Channel._fields)
    words = f"select channel, {COLUMNS} from changes order by at desc, sequence desc"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as table:
            rows = table.execute(words).fetchall()
    except sqlite3.Error as error:
        fix = "move it away: a new one is begun"
        raise SnapshotError("the audit", "be readable", str(error), str(path), fix) from error
    plain = [dict(zip(names, row, strict=True)) for row in rows]
    return [{**row, "replace_candidates": bool(row["replace_candidates"])} for row in plain]
