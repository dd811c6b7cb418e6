"""Several models in one snapshot: the parts of each stand under its name."""

from __future__ import annotations

from collections.abc import Mapping


def named_parts(name: str, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The parts of a model under its name.

    >>> named_parts("forest", {"tree": b"1"})
    {'forest-tree': b'1'}
    """
    return {f"{name}-{part}": data for part, data in parts.items()}


def parts_of(name: str, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The parts that stand under a name, as the model gave them; the inverse of `named_parts`.

    >>> parts_of("forest", {"forest-tree": b"1", "plan": b"2"})
    {'tree': b'1'}
    """
    start = f"{name}-"
    return {p.removeprefix(start): data for p, data in parts.items() if p.startswith(start)}
