"""Lengths of time as people write them in plans and settings: "90s", "15m", "6h", "28d", "4w"."""

from __future__ import annotations

import re

from equipoise.core.errors import InputError

UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
UNITS |= {"d": 24 * UNITS["h"], "w": 7 * 24 * UNITS["h"]}
FORMS = "write it as 90s, 15m, 6h, 28d or 4w"


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
    written = text if isinstance(text, str) else ""
    parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*", written)
    if parts is None:
        raise InputError(what, "be a number and a unit of time", repr(text), fix=FORMS)
    return round(float(parts[1]) * UNITS[parts[2]])


def seconds(text: str, what: str = "a length of time") -> float:
    """A length of time that is not nothing, in seconds.

    Parameters
    ----------
    text : str
        A number > 0 and one of ms, s, m, h, d, w.
    what : str, default "a length of time"
        Its name in an error.

    Returns
    -------
    float
        Above 0.

    Raises
    ------
    InputError
        Where it is something else.

    Examples
    --------
    >>> seconds("15m"), seconds("0.5h")
    (900.0, 1800.0)
    """
    length = nanoseconds(text, what)
    if length == 0:
        raise InputError(what, "be a number > 0 and a unit of time", repr(text), fix=FORMS)
    return length / UNITS["s"]
