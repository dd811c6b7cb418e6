"""A table of figures over seeds, each beside what was measured on the reference world.

    (seed, small) -> scores by name -> means with Student intervals -> cells

A family is one or more tables of the same runs.  A run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.progress import Progress, silent
from equipoise.core.registry import Registry
from equipoise.reproduce.checkpoint import each_world, write_text
from equipoise.reproduce.incentives import FAMILIES
from equipoise.reproduce.simulated import Scores, interval

NOTE = (
    "Ours: mean over seeds, 95 % Student interval in brackets; beside it, where it has a figure,"
    " the reference world."
)


@dataclass(frozen=True)
class Table:
    """How scores are laid out.

    columns : heading -> name of a score, with {} for the row.   rows : row -> what the reference
    world gave in each column, as text; "" where it has no figure.   not_built : row -> why.   keys
    : row -> what its scores call it, where that is not the row.
    """

    title: str
    columns: Mapping[str, str]
    rows: Mapping[str, Sequence[str]]
    not_built: Mapping[str, str]
    notes: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """Tables of the same runs.

    section : where the methods tell of it.   one : (seed, small) -> scores; small: a fraction of
    the size, to see the form.   tables : laid out for whole runs.
    """

    name: str
    section: str
    one: Callable[[int, bool], Scores]
    tables: tuple[Table, ...]


def build(
    names: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    small: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Build families of tables and write results.json and results.md.

    Parameters
    ----------
    names : sequence of str
        Of `FAMILIES`; none for all.
    seeds : sequence of int
        Of the runs.
    out : Path
        The folder; a stopped run goes on there.
    small : bool, default False
        A fraction of the size, to see the form.
    progress : callable, default silent
        Told what is done.

    Returns
    -------
    dict
        What, whether it is small, seeds, and the tables: each row's cells with mean, low, high and
        reference.
    """
    registry = Registry("tables of incentives", FAMILIES)
    tables = []
    families: list[Family] = [registry.load(name) for name in names or FAMILIES]
    for family in families:

        def say(what: str, done: int, total: int, family: Family = family) -> None:
            progress(f"{family.name}: seeds", done, total)

        shared = family.name, small
        runs = each_world(seeds, {"small": small}, family_scores, shared, out / family.name, say)
        tables += [_filled(family, table, runs) for table in family.tables]
    results = {"what": "incentives", "small": small, "seeds": list(seeds), "tables": tables}
    write_text(out / "results.json", json.dumps(results, indent=1) + "\n")
    write_text(out / "results.md", as_markdown(results))
    return results


def family_scores(seed: int, name: str, small: bool) -> Scores:
    """The scores of a family."""
    family: Family = Registry("tables of incentives", FAMILIES).load(name)
    return family.one(seed, small)


def _filled(family: Family, table: Table, runs: Sequence[Scores]) -> dict[str, Any]:
    rows = []
    for row, references in table.rows.items():
        cells = []
        for (heading, name), reference in zip(table.columns.items(), references, strict=True):
            score = name.format(table.keys.get(row, row))
            value: list[float | None] = [None, None, None]
            if all(score in run for run in runs):
                value = interval(np.array([run[score] for run in runs]))
            cells.append({"column": heading, "value": value, "reference": reference})
        rows.append({"row": row, "cells": cells})
    return {
        "family": family.name,
        "section": family.section,
        "title": table.title,
        "rows": rows,
        "not_built": dict(table.not_built),
        "notes": list(table.notes),
    }


def as_markdown(results: dict[str, Any]) -> str:
    """Every table: in each column ours, then the reference world's."""
    seeds = len(results["seeds"])
    lines = [f"# Incentives: {seeds} seeds" + (", small" if results["small"] else ""), "", NOTE, ""]
    for table in results["tables"]:
        lines += [f"## {table['section']} {table['title']}", ""]
        told = [any(row["cells"][j]["reference"] for row in table["rows"]) for j in _places(table)]
        head = ["row"]
        for j in _places(table):
            head += [table["rows"][0]["cells"][j]["column"]]
            head += ["on the reference world"] * told[j]
        lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for row in table["rows"]:
            words = [row["row"]]
            for j, cell in enumerate(row["cells"]):
                words += [_text(cell["value"])] + [cell["reference"]] * told[j]
            lines.append(f"| {' | '.join(words)} |")
        lines.append("")
        lines += [f"- Not built: {row}: {why}." for row, why in table["not_built"].items()]
        lines += [f"- {note}" for note in table["notes"]]
        lines.append("")
    return "\n".join(lines)


def _places(table: dict[str, Any]) -> range:
    return range(len(table["rows"][0]["cells"]))


def _text(value: Sequence[float | None]) -> str:
    mean, low, high = value
    if mean is None:
        return ""
    return f"{mean:.3g}" if low is None else f"{mean:.3g} [{low:.3g}, {high:.3g}]"
