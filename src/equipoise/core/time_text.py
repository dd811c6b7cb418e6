"""Times of day and lengths of time that are written as text, as whole numbers of their unit."""

from __future__ import annotations

import re

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?", re.ASCII)
LENGTH = re.compile(
    r"(-?)P(?=.*\d)(?:(\d{1,9})W)?(?:(\d{1,9})D)?"
    r"(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,15})(?:\.(\d{1,9}))?S)?)?",
    re.ASCII,
)
WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)
SIZES = (7 * 86_400, 86_400, 3600, 60, 1)  # seconds of a week, a day, an hour, a minute, a second


def clock_time(text: str, unit: str) -> int | None:
    """A time of day since midnight.

    Parameters
    ----------
    text : str
        "HH:MM", "HH:MM:SS" or with parts of a second.
    unit : {"s", "ms", "us", "ns"}
        What is counted.

    Returns
    -------
    int or None
        None where it is no such text, or finer than the unit.

    Examples
    --------
    >>> clock_time("08:30", "s"), clock_time("08:30:00.5", "ms"), clock_time("24:00", "s")
    (30600, 30600500, None)
    """
    parts = CLOCK.fullmatch(text)
    if parts is None:
        return None
    hours, minutes, seconds, rest = parts.groups(default="0")
    return _counted((int(hours) * 60 + int(minutes)) * 60 + int(seconds), rest, unit)


def length(text: str, unit: str) -> int | None:
    """A length of time.

    Parameters
    ----------
    text : str
        By ISO 8601, as "PT90S" or "P1DT12H", or a whole number of the unit, as files of text have.
    unit : {"s", "ms", "us", "ns"}
        What is counted.

    Returns
    -------
    int or None
        None where it is no such text, or finer than the unit.

    Examples
    --------
    >>> length("PT1M30S", "s"), length("-PT0.5S", "ms"), length("90", "s"), length("1.5h", "s")
    (90, -500, 90, None)
    """
    if WHOLE.fullmatch(text):
        return int(text)
    parts = LENGTH.fullmatch(text)
    if parts is None:
        return None
    sign, *whole, rest = parts.groups(default="0")
    seconds = sum(int(part) * size for part, size in zip(whole, SIZES, strict=True))
    count = _counted(seconds, rest, unit)
    return -count if count is not None and sign == "-" else count


def _counted(seconds: int, rest: str, unit: str) -> int | None:
    """Seconds and the digits behind their point, in a unit."""
    fine = int(rest.ljust(9, "0")) * PER_SECOND[unit]
    return None if fine % 10**9 else seconds * PER_SECOND[unit] + fine // 10**9
