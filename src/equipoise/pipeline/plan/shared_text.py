"""What of a plan goes into a snapshot and a report: its text without the places of one machine.  A
path that starts at a root or a home is given by its last name alone.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

PATH = re.compile(
    r"""(?<![\w:/\\.~-])(?:~[\w.-]*|[A-Za-z]:)?(?:[/\\]+[^\s/\\"'#,;)\]]+){2,}[/\\]*"""
)


def without_places(text: str) -> str:
    """A text whose absolute paths are their last names.

    Parameters
    ----------
    text : str
        A plan, or a command.

    Returns
    -------
    str
        A plan stays one.

    Examples
    --------
    >>> without_places('path = "/home/ann/trial/log.csv"  # see ~/notes/trial.md')
    'path = "log.csv"  # see trial.md'
    >>> without_places("equipoise run /home/ann/plan.toml"), without_places("1 and/or 2")
    ('equipoise run plan.toml', '1 and/or 2')
    """
    try:
        values = set(_texts(tomllib.loads(text)))
    except (ValueError, RecursionError):
        values = set()
    for value in sorted(values, key=len, reverse=True):
        name = PureWindowsPath(value).name if "\\" in value else PurePosixPath(value).name
        if _is_absolute(value):
            text = text.replace(json.dumps(value, ensure_ascii=False)[1:-1], name).replace(
                value, name
            )
    return PATH.sub(lambda match: re.split(r"[/\\]+", match[0].rstrip("/\\"))[-1], text)


def _is_absolute(value: str) -> bool:
    return (
        value.startswith(("/", "~"))
        or PureWindowsPath(value).is_absolute()
        or value.startswith("\\\\")
    ) and len(value) > 1


def _texts(value: Any) -> Iterator[str]:
    """Every text in a tree of TOML."""
    if isinstance(value, str):
        yield value
    for item in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _texts(item)
