"""How a result shows itself in a notebook: as a frame of pandas or polars, as a small HTML table,
and drawn as the report draws it.

The drawings live two floors up; the package hands their function down with `set_plotter`, so that
what is drawn needs to know nothing of plotly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from equipoise.core.errors import MissingExtra

if TYPE_CHECKING:
    import pyarrow as pa

Plotter = Callable[[Any], Any]
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
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr><th style='text-align:left'>{escape(first)}</th>"
        + "".join(f"<td>{escape(text)}</td>" for text in rest)
        + "</tr>"
        for first, *rest in rows
    )
    first = f"<tr>{head}</tr>" if head else ""
    return f"<table><caption>{escape(caption)}</caption>{first}{body}</table>"
