"""Notebooks in percent form: Python files whose cells begin with ``# %%`` (code) or
``# %% [markdown]``, as Jupyter (by jupytext), VS Code and PyCharm open them.

The tests run them; the site shows them with what they print and what a cell's last line is.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK, WORDS = "# %%", "[markdown]"


@dataclass(frozen=True)
class Cell:
    """A cell: its text, and whether it is words or code."""

    text: str
    words: bool
    line: int


def cells_of(path: Path) -> list[Cell]:
    """The cells of a notebook, in order."""
    cells: list[Cell] = []
    lines: list[str] = []
    words, start = False, 0
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), MARK], 1):
        if not line.startswith(MARK):
            lines.append(line)
            continue
        if any(lines):
            kept = [line.removeprefix("#").removeprefix(" ") for line in lines] if words else lines
            cells.append(Cell("\n".join(kept).strip("\n"), words, start))
        lines, words, start = [], WORDS in line, number
    return cells


def run(path: Path) -> Iterator[tuple[Cell, str, Any]]:
    """Every cell with what it printed and the value of its last line, if that is an expression."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells_of(path):
        if cell.words:
            yield cell, "", None
            continue
        tree = ast.parse("\n" * cell.line + cell.text, str(path))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        value = None
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(tree, str(path), "exec"), names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
        yield cell, printed.getvalue(), value


def as_markdown(path: Path) -> str:
    """The notebook as a page: words, code, and what came of it."""
    parts = []
    for cell, printed, value in run(path):
        parts.append(cell.text if cell.words else f"```python\n{cell.text}\n```")
        if printed:
            parts.append(f"```text\n{printed.rstrip()}\n```")
        if value is not None:
            parts.append(_shown(value))
    return "\n\n".join(parts) + "\n"


def _shown(value: Any) -> str:
    """A value as Jupyter would show it."""
    html = getattr(value, "_repr_html_", None)
    if html is None:
        return f"```text\n{value!r}\n```"
    return f'<div class="shown">\n{html()}\n</div>'
