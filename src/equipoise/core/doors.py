"""The doors of the package: what a user calls, where an argument of a wrong kind ends in our
grammar.

A door costs nothing while all goes well.  Where a call fails with an error that is not ours, its
arguments are held against the annotations and the documented shapes: the first that cannot be
right is named, with what it must be by the docstring and what it is.  Where all could be right, the
error is a fault of ours and stays as it is.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from equipoise.core.errors import EquipoiseError, InputError

WRONG = (TypeError, ValueError, AttributeError, IndexError, KeyError)
DOCUMENTED = re.compile(r"^(\w+(?:, \w+)*) : (.+?)(?:, default .*|, optional.*)?$", re.M)
TEXTS = re.compile(r"\b(str|text|labels?|names?|ids?|any|object)\b")
SHAPE = re.compile(r"\(([^()]*)\)")
ARRAYS = ("ArrayLike", "NDArray", "Floats", "Ints", "Bools")
_DOORS: dict[Any, Any] = {}  # of functions, one each, whichever package exports them
_EXPLAINED: set[Any] = set()  # these doors
ONE_NUMBER: dict[Any, type] = {float: Real, int: Integral}


def door(thing: Any, package: str, name: str) -> Any:
    """What a package exports under a name: functions and classes whose calls explain themselves.

    Parameters
    ----------
    thing : object
        A function, a class, or anything else, which stays as it is.
    package, name : str
        Where users find it.

    Returns
    -------
    object
        A function that does the same; a class itself, with such a constructor.
    """
    if inspect.isclass(thing):
        own = thing.__dict__.get("__init__")
        ours = thing.__module__.startswith("equipoise.") and not issubclass(thing, BaseException)
        if ours and inspect.isfunction(own) and own not in _EXPLAINED:
            setattr(thing, "__init__", _explained(own, thing.__doc__ or "", name))  # noqa: B010
        return thing
    if not inspect.isfunction(thing) or not thing.__module__.startswith("equipoise."):
        return thing
    if thing in _EXPLAINED:
        return thing
    if thing not in _DOORS:
        _DOORS[thing] = _explained(thing, thing.__doc__ or "", name)
        _DOORS[thing].__module__ = package  # where it is found again, by pickle too
    return _DOORS[thing]


def _explained(function: Callable[..., Any], doc: str, name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except WRONG as error:
            if not isinstance(error, EquipoiseError):
                _explain(error, function, doc, name, args, kwargs)
            raise

    _EXPLAINED.add(call)
    return call


def _explain(
    error: Exception,
    function: Callable[..., Any],
    doc: str,
    name: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> None:
    """Raise in our grammar where an argument cannot be right."""
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except TypeError:
        return  # an argument too many or too few, which Python says well
    plain = inspect.cleandoc(doc)  # Python 3.13 leaves the indentation out, those before do not
    told = {key: kind for names, kind in DOCUMENTED.findall(plain) for key in names.split(", ")}
    for key, value in given.items():
        hint = function.__annotations__.get(key)
        if hint is None or _fits(value, _resolved(hint, function), told.get(key, "")):
            continue
        must = f"be {told.get(key) or str(hint)}"
        raise InputError(f"{key} of {name}", must, _kind(value)) from error


def _kind(value: Any) -> str:
    """What a value is, in few words."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of {value.dtype}, shape {value.shape}"
    if value is None or isinstance(value, int | float | str):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    return f"a {type(value).__name__}"


def _resolved(hint: Any, function: Callable[..., Any]) -> Any:
    """An annotation as a type; names that only a type checker imports are looked up by name."""
    if not isinstance(hint, str):
        return hint
    if any(array in hint for array in ARRAYS):
        return hint
    space = dict(getattr(inspect.unwrap(function), "__globals__", {}))
    alone = types.SimpleNamespace(__annotations__={"it": hint})
    try:
        return typing.get_type_hints(alone, space, _Names())["it"]
    except (NameError, TypeError, AttributeError):
        return Any


class _Names(dict[str, Any]):
    """Names that a module imports for type checkers alone."""

    def __missing__(self, name: str) -> Any:
        for module in [m for key, m in sys.modules.items() if key.startswith("equipoise.")]:
            found = vars(module).get(name)
            if inspect.isclass(found):
                return found
        raise KeyError(name)


def _fits(value: Any, hint: Any, told: str) -> bool:
    """Whether a value can be what an annotation asks for."""
    if hint is Any and told:
        return _fits_words(value, told)
    if isinstance(hint, str):  # of arrays
        return (value is None and "None" in hint) or _fits_array(value, hint, told)
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part, told) for part in parts)
    if hint in (None, type(None)):
        return value is None
    if origin is typing.Literal:
        return value in parts if isinstance(value, collections.abc.Hashable) else False
    if hint in ONE_NUMBER:
        return isinstance(value, ONE_NUMBER[hint]) and not isinstance(value, bool)
    kind = Mapping if typing.is_typeddict(hint) else origin or hint
    if kind is collections.abc.Callable:
        return callable(value)
    if inspect.isclass(kind) and issubclass(kind, os.PathLike):
        return isinstance(value, str | os.PathLike)
    if not inspect.isclass(kind) or getattr(kind, "_is_protocol", False):
        return True
    if not isinstance(value, kind):
        return False
    if isinstance(value, list | tuple) and len(parts) in (1, 2):
        return all(_fits(item, parts[0], "") for item in value)
    return True


def _fits_words(value: Any, told: str) -> bool:
    """Whether a value can be what only the docstring describes."""
    if value is None:
        return "None" in told
    if told.startswith("array"):
        return _fits_array(value, "Any", told)
    if told.startswith("estimator"):
        return hasattr(value, "get_params")
    if "iterable" in told or told.startswith("sequence"):
        other = isinstance(value, int) and "int" in told
        return other or isinstance(value, collections.abc.Iterable)
    return True


def _fits_array(value: Any, hint: str, told: str) -> bool:
    """Whether a value can be an array as it is documented: numbers, and of so many dimensions."""
    import numpy as np  # only where a call has failed: a door is light

    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return False
    words = TEXTS.search(told) is not None
    if array.dtype.kind not in "biufcmM" and not words:
        return False
    shapes = [shape for shape in SHAPE.findall(told) if shape.strip()]
    if "float or" in told or "int or" in told or "number or" in told:
        shapes.append("")
    ndims = {len([part for part in shape.split(",") if part.strip()]) for shape in shapes}
    if ndims:
        return array.ndim in ndims
    return array.ndim > 0 or "float" in hint
