"""Old names that still work for two minor versions, with a warning that says the new one."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from equipoise.core.errors import InputError
from equipoise.core.user_line import user_level

SINCE, UNTIL = "0.2", "0.4"
T = TypeVar("T", bound=Callable[..., Any])


def warn_renamed(old: str, new: str) -> None:
    """Say that a name has become another.

    Parameters
    ----------
    old, new : str
        The names, as a user types them.
    """
    text = f"{old} is called {new} since version {SINCE}; the old name goes with version {UNTIL}"
    warnings.warn(text, FutureWarning, stacklevel=user_level())


def renamed_arguments(**new: str) -> Callable[[T], T]:
    """A decorator of functions and classes whose arguments were renamed, ``old="new"``.

    A class keeps the table as ``renamed_arguments_``, for snapshots that were written with the old
    names.

    Parameters
    ----------
    **new : str
        The new name of each old one.

    Returns
    -------
    callable
        The decorator.

    Examples
    --------
    >>> @renamed_arguments(trees="n_estimators")
    ... def size(n_estimators):
    ...     return n_estimators
    >>> size(n_estimators=3)
    3
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     size(trees=4)
    4
    >>> str(caught[0].message)
    'trees= is called n_estimators= since version 0.2; the old name goes with version 0.4'
    """

    def decorate(thing: T) -> T:
        if isinstance(thing, type):
            thing.__init__ = _accepting(thing.__init__, new)  # type: ignore[misc]
            thing.renamed_arguments_ = dict(new)  # type: ignore[attr-defined]
            if hasattr(thing, "set_params"):  # of scikit-learn
                thing.set_params = _accepting(thing.set_params, new)
            return thing
        return _accepting(thing, new)  # type: ignore[return-value]

    return decorate


def today(arguments: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Arguments by their names of today, without a warning: for what an earlier version wrote."""
    return {renamed.get(name, name): value for name, value in arguments.items()}


def _accepting(call: Callable[..., Any], new: Mapping[str, str]) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        for key in list(kwargs):
            old, nested, rest = key.partition("__")  # of a part, as scikit-learn writes it
            if old not in new:
                continue
            name = f"{new[old]}{nested}{rest}"
            if name in kwargs:
                must = f"be given once: {key}= is its old name"
                raise InputError(f"{name}=", must, "both", fix=f"leave {key}= out")
            warn_renamed(f"{key}=", f"{name}=")
            kwargs[name] = kwargs.pop(key)
        return call(*args, **kwargs)

    return wrapper
