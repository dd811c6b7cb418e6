"""Every public callable has a numpydoc docstring that says what its signature says."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import typing
import warnings
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import pytest
from numpydoc.docscrape import NumpyDocString

NOTHING = {None, "None", type(None), typing.NoReturn, "NoReturn", inspect.Signature.empty}
LISTS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def listing_packages() -> Iterator[Any]:
    """`equipoise` and every folder below it that lists its public names."""
    import equipoise

    yield equipoise
    for info in pkgutil.walk_packages(equipoise.__path__, "equipoise."):
        package = importlib.import_module(info.name) if info.ispkg else None
        if hasattr(package, "__all__"):
            yield package


def public_callables() -> dict[str, Callable[..., Any]]:
    """Functions, classes and their own public methods, by the name of where they are written."""
    callables: dict[str, Callable[..., Any]] = {}
    for package in listing_packages():
        for name in package.__all__:
            item = getattr(package, name)
            if not (inspect.isclass(item) or inspect.isfunction(item)):
                continue
            if not item.__module__.startswith("equipoise"):
                continue
            key = f"{item.__module__}.{item.__qualname__}"
            callables[key] = item
            if inspect.isclass(item):
                callables.update(
                    (f"{key}.{method}", getattr(item, method))
                    for method, value in vars(item).items()
                    if not method.startswith("_")
                    and inspect.isfunction(getattr(value, "__func__", value))
                )
    return dict(sorted(callables.items()))


def signature_of(item: Callable[..., Any]) -> inspect.Signature | None:
    """The signature that a docstring must repeat; None where a class has none of its own."""
    if inspect.isclass(item):
        foreign = typing.is_typeddict(item) or issubclass(item, Enum)
        protocol = getattr(item, "_is_protocol", False)
        init = inspect.getattr_static(item, "__init__")
        if foreign or protocol or not getattr(init, "__module__", "").startswith("equipoise"):
            dataclass = hasattr(item, "__dataclass_fields__") or hasattr(item, "_fields")
            return inspect.signature(item) if dataclass and not protocol else None
    return inspect.signature(item)


def argument_names(signature: inspect.Signature) -> list[str]:
    """The arguments of a signature as numpydoc writes them."""
    stars = {LISTS[0]: "*", LISTS[1]: "**"}
    names = [stars.get(p.kind, "") + p.name for p in signature.parameters.values()]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def documented(doc: NumpyDocString, section: str) -> list[tuple[str, str, str]]:
    """(name, type, meaning) of each argument of a section."""
    return [
        (name.strip().replace("\\", ""), part.type, " ".join(part.desc).strip())
        for part in doc[section]
        for name in part.name.split(",")
    ]


def false_defaults(
    item: Callable[..., Any], signature: inspect.Signature, kinds: dict[str, str]
) -> list[str]:
    """The arguments whose documented default is not that of the signature.  Text may name a
    constant or a function of the module.
    """
    home = inspect.unwrap(item).__module__  # where its names are, whichever package exports it
    module, missing = vars(importlib.import_module(home)), []
    for name, parameter in signature.parameters.items():
        given = re.search(r"default (.+)$", kinds.get(name, ""))
        real = parameter.default
        if real is inspect.Parameter.empty or name not in kinds:
            if given:
                missing.append(f"{name} has no default; the text says {given[1]}")
        elif given is None:
            if "optional" not in kinds[name]:
                missing.append(f"the default of {name} is not said: {real!r}")
        elif repr(real) != "<factory>" and not same_default(given[1].strip("`"), real, module):
            missing.append(f"the default of {name} is {real!r}; the text says {given[1]}")
    return missing


def same_default(text: str, real: Any, names: dict[str, Any]) -> bool:
    """Whether a text says a default: a literal, or a name of the module."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = names.get(text, text)
    return type(value) is type(real) and value == real or text.lower() == repr(real)


def parsed(item: Callable[..., Any]) -> NumpyDocString:
    """The docstring, its own or inherited; a section unknown to numpydoc is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return NumpyDocString(inspect.getdoc(item) or "")


def faults(item: Callable[..., Any]) -> list[str]:
    """What a docstring lacks."""
    if not inspect.getdoc(item):
        return ["no docstring"]
    try:
        doc = parsed(item)
    except Exception as error:
        return [f"numpydoc cannot read it: {error}"]
    signature, missing = signature_of(item), []
    if signature is not None:
        arguments = documented(doc, "Parameters")
        if inspect.isclass(item) and not arguments:
            arguments = documented(doc, "Attributes")
        names, wanted = [name for name, _, _ in arguments], argument_names(signature)
        if names != wanted:
            missing.append(f"Parameters must be {wanted}; got {names}")
        missing += false_defaults(item, signature, {name: kind for name, kind, _ in arguments})
        missing += [f"{name} has no type" for name, kind, _ in arguments if not kind]
        missing += [f"{name} has no meaning" for name, _, meaning in arguments if not meaning]
        returns = not inspect.isclass(item) and signature.return_annotation not in NOTHING
        if returns and not (doc["Returns"] or doc["Yields"]):
            missing.append("no Returns")
    if re.search(r"^-{4,} ", inspect.getdoc(item) or "", re.M):
        missing.append("text on the line below a heading")
    method = not inspect.isclass(item) and "." in item.__qualname__
    if not method and not doc["Examples"]:
        missing.append("no Examples")
    return missing


def test_docstrings_say_what_signatures_say():
    bad = {name: faults(item) for name, item in public_callables().items()}
    assert not [f"{name}: {'; '.join(why)}" for name, why in bad.items() if why]


def whole(x: int, *rest: float, y: str = "a") -> int:
    """Sum.

    Parameters
    ----------
    x : int
        One.
    *rest : float
        Others.
    y : str, default "a"
        A name.

    Returns
    -------
    int
        The sum.

    Examples
    --------
    >>> 1 + 1
    2
    """
    return x


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("x : int\n    One.\n", "", "Parameters must be"),
        ("y : str", "z : str", "Parameters must be"),
        ("x : int", "x", "x has no type"),
        ("x : int\n", "x : int, default 1\n", "x has no default"),
        ('y : str, default "a"', "y : str", "the default of y is not said"),
        ('y : str, default "a"', 'y : str, default "b"', "the default of y is 'a'; the text says"),
        ("\n    One.", "", "x has no meaning"),
        ("Returns\n-------\nint\n    The sum.\n", "", "no Returns"),
        ("Examples\n--------\n", "", "no Examples"),
        ("Examples\n--------\n", "Examples\n-------- ", "text on the line below a heading"),
        ("Examples\n--------\n", "Samples\n-------\n", "numpydoc cannot read it"),
    ],
)
def test_a_fault_is_seen(monkeypatch, old, new, fault):
    assert faults(whole) == []
    text = inspect.getdoc(whole) or ""
    assert old in text
    monkeypatch.setattr(whole, "__doc__", text.replace(old, new))
    assert fault in "; ".join(faults(whole))
