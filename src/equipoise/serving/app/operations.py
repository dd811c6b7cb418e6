"""What operators set, in a table that only grows; units are in it by their hash."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from equipoise.core.errors import DataError
from equipoise.serving.errors import LogUnavailable

PATIENCE = 10.0  # seconds
TABLE = "create table if not exists operations (at real, by text, what text, about text) strict"


class Operation(msgspec.Struct, kw_only=True):
    """One of them.

    Attributes
    ----------
    at : float
        When, in seconds since 1970.
    by : str
        The first digits of the hash of the token that was used.
    what : str
        Such as "kill".
    about : dict
        How it was set.
    """

    at: float
    by: str
    what: str
    about: dict[str, Any]


class Operations:
    """The table.

    Parameters
    ----------
    path : Path
        Its file.

    Examples
    --------
    >>> import tempfile
    >>> operations = Operations(Path(tempfile.mkdtemp()) / "operations.sqlite")
    >>> operations.add(Operation(at=0.0, by="ann", what="kill", about={"on": True}))
    >>> [one.what for one in operations.last(10)]
    ['kill']
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, operation: Operation) -> None:
        """Write one."""
        about = msgspec.json.encode(operation.about).decode()
        row = (operation.at, operation.by, operation.what, about)
        self._do("insert into operations values (?, ?, ?, ?)", row)

    def last(self, count: int) -> list[Operation]:
        """The newest first."""
        rows = self._do("select * from operations order by rowid desc limit ?", (count,))
        return [
            Operation(at=at, by=by, what=what, about=msgspec.json.decode(about))
            for at, by, what, about in rows
        ]

    def _do(self, words: str, values: tuple[Any, ...]) -> list[Any]:
        try:
            with closing(sqlite3.connect(self.path, PATIENCE)) as table, table:
                table.execute(TABLE)
                return table.execute(words, values).fetchall()
        except sqlite3.Error as error:
            what, got, fix = "the table of operations", str(error), "free space on its disk"
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise LogUnavailable(what, "be writable", got, self.path.name, fix) from error
            fix = "move it away: a new one is begun"
            raise DataError(what, "be usable", got, self.path.name, fix) from error
