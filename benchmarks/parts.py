"""Benchmarks of several parts: one part can be measured again, and the recorded figures of the
others stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, full, record, versions

Figures = list[dict[str, Any]]


def recorded(name: str) -> dict[str, dict[str, Any]]:
    """What is recorded of each part of a benchmark: its form, its figures."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return {}
    result = json.loads(path.read_text(encoding="utf-8"))
    named = {one["name"]: one for one in result["figures"]}
    return {
        part: {"form": of["form"], "figures": [named[name] for name in of["figures"]]}
        for part, of in result["parts"].items()
    }


def record_files(name: str, about: str, packages: Sequence[str], wanted: Sequence[str]) -> None:
    """`record_parts` of a benchmark whose parts stand in files NAME_*.py beside this one, each with
    a function ``figures(form)``.
    """
    files = sorted(Path(__file__).parent.glob(f"{name}_*.py"))
    modules = {
        file.stem.removeprefix(f"{name}_"): import_module(f"benchmarks.{file.stem}")
        for file in files
    }
    record_parts(
        name,
        {part: module.figures for part, module in modules.items()},
        wanted,
        protocols=[about, *(str(module.__doc__) for module in modules.values())],
        versions=versions(*packages),
        seeds=[0],
    )


def record_parts(
    name: str,
    parts: Mapping[str, Callable[[str], Figures]],
    wanted: Sequence[str],
    *,
    protocols: Sequence[str],
    versions: dict[str, str],
    seeds: Sequence[int],
) -> None:
    """Measure some parts, or every one, each from a form (quick or full), and record them beside
    the others.
    """
    unknown = [part for part in wanted if part not in parts]
    if unknown:
        raise SystemExit(f"no part {unknown[0]!r}: one of {', '.join(parts)}")
    form, every = "full" if full() else "quick", recorded(name)
    for part in wanted or parts:
        every[part] = {"form": form, "figures": parts[part](form)}
        for one in every[part]["figures"]:
            print(f"{one['name']:32} {one['value']:12.5g}  {one['low']} {one['high']}", flush=True)
        _write(
            name, {part: every[part] for part in parts if part in every}, protocols, versions, seeds
        )


def _write(
    name: str,
    every: dict[str, dict[str, Any]],
    protocols: Sequence[str],
    versions: dict[str, str],
    seeds: Sequence[int],
) -> None:
    """Record what is known so far: a part that fails later costs no figure."""
    forms = ", ".join(f"{part} {of['form']}" for part, of in every.items())
    record(
        name,
        "\n".join([*protocols, f"Forms: {forms}"]),
        versions,
        seeds,
        [one for of in every.values() for one in of["figures"]],
        parts={
            part: {"form": of["form"], "figures": [one["name"] for one in of["figures"]]}
            for part, of in every.items()
        },
    )
