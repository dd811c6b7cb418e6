"""A registry: names to plug-ins, one line each, imported only when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from equipoise.core.errors import InputError
from equipoise.core.suggest import among


class Registry:
    """Names mapped to ``"package.module:Object"`` and loaded on first use.

    Parameters
    ----------
    what : str
        What the entries are, in the singular, for error messages: ``"estimator"``.
    entries : dict of str to str
        The import path of each name.

    Examples
    --------
    >>> Registry("codec", {"json": "json:dumps"}).load("json")({"a": 1})
    '{"a": 1}'
    """

    def __init__(self, what: str, entries: dict[str, str]) -> None:
        self.what, self._entries = what, dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries

    def load(self, name: str) -> Any:
        """Import the object registered under a name.

        Parameters
        ----------
        name : str
            The name.

        Returns
        -------
        object
            What it names.

        Raises
        ------
        InputError
            Where the name is unknown; it suggests the nearest.
        """
        if name not in self:
            fix = among(str(name), self._entries)
            raise InputError(self.what, "be a registered name", repr(name), fix=fix)
        module, _, attribute = self._entries[name].partition(":")
        return getattr(import_module(module), attribute)

    def find(self, thing: type) -> str | None:
        """Find the name that a class is registered under.

        Parameters
        ----------
        thing : type
            The class.

        Returns
        -------
        str or None
            Its name, or None.
        """
        path = f"{thing.__module__}:{thing.__qualname__}"
        return next((name for name, entry in self._entries.items() if entry == path), None)
