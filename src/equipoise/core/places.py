"""Paths as a person writes them."""

from __future__ import annotations

from pathlib import Path

from equipoise.core.errors import DataError


def expanded(path: Path | str) -> Path:
    """A path with ``~`` as the user's home.

    Parameters
    ----------
    path : path-like
        As it was written.

    Returns
    -------
    Path
        The same without ``~``.

    Raises
    ------
    DataError
        Where it begins with the home of a user whom this machine does not know.

    Examples
    --------
    >>> expanded("jobs/old.parquet").as_posix()
    'jobs/old.parquet'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        fix = "write the whole path"
        raise DataError("~ in a path", "be a home on this machine", str(path), fix=fix) from error
