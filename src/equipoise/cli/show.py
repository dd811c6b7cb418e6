"""What verbs print: tables for people, JSON for machines, progress on stderr of a terminal only."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from equipoise.core.progress import Progress


def as_json(thing: Any) -> None:
    """Print JSON on stdout; NaN becomes null."""
    from equipoise.report.findings import plain

    typer.echo(json.dumps(plain(thing), indent=1, ensure_ascii=False, allow_nan=False))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str = "") -> None:
    """Print rows as a table as wide as the terminal, or as the text needs where there is none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # as it is: brackets of a label are no markup

    grid = Table(
        title=Text(title) if title else None,
        title_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    for name in columns:
        numeric = all(
            isinstance(row.get(name), int | float) or row.get(name) is None for row in rows
        )
        grid.add_column(Text(name), justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        grid.add_row(*(Text(_cell(row.get(name))) for name in columns))
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(grid)


def interval(value: Sequence[float], unit: str = "") -> str:
    """``0.123 [0.098, 0.148] USD``: as many digits as the interval supports."""
    from equipoise.report.formatting import GLUE, MINUS, Unit

    shown = Unit(1.0, "", "", "")
    low, _, high = shown.span(value, plus=False).partition(" to ")
    text = f"{shown.bare(value, plus=False)} [{low}, {high}] {unit}" if high else f"{value[0]:.4g}"
    return text.replace(GLUE, " ").replace(MINUS, "-").rstrip()


@contextmanager
def progress(quiet: bool = False) -> Iterator[Progress]:
    """A progress callback: a bar on a terminal's stderr, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda what, step, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    tasks: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def report(what: str, step: int, total: int) -> None:
            name = what.partition(" | ")[0]  # behind it: what changes, as memory does
            if name not in tasks:
                tasks[name] = bar.add_task(what, total=total)
            bar.update(tasks[name], description=what, completed=step, total=total)

        yield report


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (
        f"{value:,.4g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
