"""Lengths of time as an operator writes them: "90s", "15m", "6h", "28d", "4w"."""

from __future__ import annotations

import re

from equipoise.core.errors import InputError

UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
UNITS |= {"d": 24 * UNITS["h"], "w": 7 * 24 * UNITS["h"]}


def nanoseconds(text: str, what: str = "a length of time") -> int:
    """A length of time in nanoseconds.

    Parameters
    ----------
    text : str
        A number and one of ms, s, m, h, d, w.
    what : str, default "a length of time"
        Its name in an error.

    Returns
    -------
    int
        At least 0.

    Raises
    ------
    InputError
        Where it is something else.

    Examples
    --------
    >>> nanoseconds("1.5h") // 10**9
    5400
    """
    parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*", text)
    if parts is None:
        fix = "write it as 90s, 15m, 6h, 28d or 4w"
        raise InputError(what, "be a number and a unit of time", repr(text), fix=fix)
    return round(float(parts[1]) * UNITS[parts[2]])
