"""The user's own line, which a warning points to, however deep in the package it arises."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = str(Path(__file__).parents[1])


def user_level() -> int:
    """The ``stacklevel`` of a warning that is to name the first line outside this package.

    Returns
    -------
    int
        For `warnings.warn`, called where this function is.

    Examples
    --------
    >>> user_level()  # where a user calls it
    1
    """
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None:
        name = frame.f_code.co_filename
        internal = "importlib" in name and "_bootstrap" in name  # warnings count no such frame
        if not internal and not name.startswith(PACKAGE):
            break
        frame, level = frame.f_back, level + (not internal)
    return level
