"""Paths as a person writes them."""

from __future__ import annotations

import errno
import os
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
        Where it begins with the home of a user whom this machine does not know, or is no name that
        the system can look for: too long, or with a NUL.

    Examples
    --------
    >>> expanded("jobs/old.parquet").as_posix()
    'jobs/old.parquet'
    """
    fix = "write the whole path"
    try:
        place = Path(path).expanduser()
        os.lstat(place)
    except RuntimeError as error:
        raise DataError("~ in a path", "be a home on this machine", str(path), fix=fix) from error
    except ValueError as error:
        raise DataError("a path", "be a name of the system", str(error), fix=fix) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            what, got = "a path", f"one of {len(str(path)):,} characters"
            raise DataError(what, "be no longer than the system's", got, fix=fix) from error
    return place
