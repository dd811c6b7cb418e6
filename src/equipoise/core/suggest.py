"""What to say where a name is unknown: the nearest of the names there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

NO_ALIASES: Mapping[str, str] = MappingProxyType({})


def nearest(
    name: str,
    names: Iterable[str],
    cutoff: float = 0.6,
    aliases: Mapping[str, str] = NO_ALIASES,
) -> str:
    """``"did you mean 'visit'?"`` for the nearest of ``names``, or ``""`` where none is near.

    Parameters
    ----------
    name : str
        The unknown name.
    names : iterable of str
        The names there are.
    cutoff : float, default 0.6
        The least similarity of a suggestion, in [0, 1].
    aliases : mapping of str to str, default empty
        Old names and what they are called now; the question names the new one.

    Returns
    -------
    str
        The question, or nothing.

    Examples
    --------
    >>> nearest("vist", ["visit", "spend"])
    "did you mean 'visit'?"
    >>> nearest("age", ["visit", "spend"])
    ''
    >>> nearest("fold", ["cv"], aliases={"folds": "cv"})
    "did you mean 'cv'?"
    """
    near = difflib.get_close_matches(name, [*names, *aliases], n=1, cutoff=cutoff)
    return f"did you mean {aliases.get(near[0], near[0])!r}?" if near else ""


def among(name: str, names: Iterable[str], what: str = "known") -> str:
    """`nearest`, then all the names: ``"did you mean 'visit'? known: visit, spend"``.

    Parameters
    ----------
    name : str
        The unknown name.
    names : iterable of str
        The names there are.
    what : str, default "known"
        What the names are.

    Returns
    -------
    str
        What to say.

    Examples
    --------
    >>> among("age", ["visit", "spend"], "columns")
    'columns: visit, spend'
    """
    choices = list(names)
    return f"{nearest(name, choices)} {what}: {', '.join(choices)}".lstrip()
