"""How a result shows itself in a notebook: as a frame of pandas or polars, as a small HTML table,
and drawn as the report draws it.

The drawings live two floors up; the package hands their function down with `set_plotter`, so that
what is drawn needs to know nothing of plotly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from equipoise.core.errors import MissingExtra

if TYPE_CHECKING:
    import pyarrow as pa

Plotter = Callable[[Any], Any]
T = TypeVar("T")
MOST_LINES, MOST_ROWS = 10, 40  # of a repr; of a table
FEW, LINE = 12, 160  # values, and letters, that stand as they are
_plotters: dict[str, Plotter] = {}


def set_plotter(plotter: Plotter) -> None:
    """Say what draws a result."""
    _plotters["plot"] = plotter


class Displayed:
    """A result that a notebook can show: a subclass writes ``_frame``."""

    def _frame(self) -> pa.Table:
        """What it says, as one table."""
        raise NotImplementedError

    def to_pandas(self) -> Any:
        """What it says, as a pandas frame; pandas must be installed.

        Returns
        -------
        pandas.DataFrame
            A row per figure.
        """
        return frame_library("pandas").DataFrame(self._frame().to_pydict())

    def to_polars(self) -> Any:
        """What it says, as a polars frame; polars must be installed.

        Returns
        -------
        polars.DataFrame
            A row per figure.
        """
        return frame_library("polars").from_arrow(self._frame())

    def plot(self) -> Any:
        """Draw it as the report would; plotly must be installed.

        Returns
        -------
        plotly.graph_objects.Figure or list of them
            See `equipoise.report.plot`.
        """
        return _plotters["plot"](self)


def shown(cls: type[T]) -> type[T]:
    """A decorator of results that show themselves in a few lines, also as HTML.

    The fields of a dataclass are shown, of another class those that its ``_shown_names`` gives; of
    a `Displayed` one HTML has the first rows of its frame.  What a class writes itself stays.

    >>> from dataclasses import dataclass
    >>> @shown
    ... @dataclass
    ... class Draw:
    ...     name: str
    ...     values: list[float]
    >>> Draw("a < b", [0.5] * 1000)
    Draw(name='a < b', values=<1,000 values>)
    >>> Draw("a < b", [0.5])._repr_html_()
    "<table><caption>Draw</caption><tr>...<td>&#x27;a &lt; b&#x27;</td>...</table>"
    """
    own = vars(cls).get("__repr__")
    if own is None or hasattr(own, "__wrapped__"):  # as dataclasses make it
        cls.__repr__ = _repr  # type: ignore[method-assign]
    if "_repr_html_" not in vars(cls):
        cls._repr_html_ = _html  # type: ignore[attr-defined]
    return cls


def _fields(thing: Any) -> list[tuple[str, str]]:
    """What is shown of a result, name by name."""
    names = getattr(thing, "_shown_names", None)
    if names is None:
        names = [field.name for field in fields(thing) if field.repr]
    return [(name, short(getattr(thing, name))) for name in names]


def _repr(self: Any) -> str:
    texts = ", ".join(f"{name}={text}" for name, text in _fields(self))
    return f"{type(self).__name__}({texts})"


def _html(self: Any) -> str:
    if not isinstance(self, Displayed):
        return html_table(type(self).__name__, _fields(self))
    frame = self._frame()
    rows = frame.slice(0, MOST_ROWS).to_pylist()
    cells = [[_cell(value) for value in row.values()] for row in rows]
    caption = f"{type(self).__name__} of {frame.num_rows:,} rows"
    return html_table(caption, cells, frame.column_names)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else short(value)


def short(value: Any) -> str:
    """A value in one line: an array by its shape, what is long by its length.

    >>> import numpy as np
    >>> short(np.zeros((1000, 3))), short({"a": 1}), short("x" * 500)
    ('<float64 array of shape (1000, 3)>', "{'a': 1}", "'xxx...xxx'")
    """
    if hasattr(value, "dtype") and hasattr(value, "shape"):  # numpy's, which help does not load
        plain = " ".join(repr(value).split())
        many = value.size > FEW or len(plain) > LINE
        return f"<{value.dtype} array of shape {value.shape}>" if many else plain
    if hasattr(value, "num_rows") and hasattr(value, "num_columns"):
        return f"<table of {value.num_rows:,} rows, {value.num_columns} columns>"
    if isinstance(value, str):
        return repr(
            value if len(value) <= LINE else f"{value[: LINE // 2]}...{value[-LINE // 2 :]}"
        )
    if isinstance(value, list | tuple | dict | set | frozenset) and len(value) > FEW:
        return f"<{len(value):,} values>"
    plain = " ".join(repr(value).split())
    return plain if len(plain) <= LINE else f"<{type(value).__name__}>"


def first_lines(lines: Sequence[str], more: str = "more lines") -> str:
    """Lines for a repr, at most `MOST_LINES`.

    >>> first_lines(["a"] * 12).splitlines()[-1]
    '  ... 3 more lines'
    """
    if len(lines) <= MOST_LINES:
        return "\n".join(lines)
    kept = MOST_LINES - 1
    return "\n".join([*lines[:kept], f"  ... {len(lines) - kept:,} {more}"])


def frame_library(name: str) -> Any:
    """A library of frames by name; an error that says what to install where it is absent."""
    try:
        return import_module(name)
    except ImportError as error:
        what, must = name, "be installed to give its frames"
        raise MissingExtra(what, must, "no such module", fix=f"pip install {name}") from error


def html_table(caption: str, rows: Sequence[Sequence[str]], heads: Sequence[str] = ()) -> str:
    """A small table as HTML; every text is escaped and the first column heads its row.

    >>> html_table("1 < 2", [("gain", "0.5")])
    "<table><caption>1 &lt; 2</caption><tr><th ...>gain</th><td>0.5</td></tr></table>"
    """
    more = len(rows) - MOST_ROWS
    if more > 0:
        rows = [*rows[:MOST_ROWS], (f"... {more:,} more rows",)]
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr><th style='text-align:left'>{escape(first)}</th>"
        + "".join(f"<td>{escape(text)}</td>" for text in rest)
        + "</tr>"
        for first, *rest in rows
    )
    first = f"<tr>{head}</tr>" if head else ""
    return f"<table><caption>{escape(caption)}</caption>{first}{body}</table>"
