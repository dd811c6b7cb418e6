"""Names that are imported on first use (PEP 562), so that importing a folder costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from equipoise.core.doors import door


def lazy(
    package: str, names: dict[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package whose public ``names`` map to the modules
    that hold them.

    Examples
    --------
    >>> get, names = lazy("codecs", {"dumps": "json"})
    >>> get("dumps")([1]), names()
    ('[1]', ['dumps'])
    """

    opened: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if name not in opened:
            opened[name] = door(getattr(import_module(names[name]), name), package, name)
        return opened[name]

    return get, lambda: sorted(names)
