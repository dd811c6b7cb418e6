"""One row per name: effects with whiskers, marks in a lane, and marks that move."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from equipoise.core.deprecation import renamed_arguments
from equipoise.report.formatting import Unit, apart, has_interval, number, real, share
from equipoise.report.parts import Plot
from equipoise.report.plots.axes import HEAD, ROW, axis_of, drawing, line_at, markers, whiskers
from equipoise.report.plots.marks import CHOSEN, FONT, INK, MUTED, PAPER, RIVAL, Mark, Spec, plain


def forest(
    names: Sequence[str],
    intervals: Sequence[Sequence[Any]],
    marks: Sequence[Mark],
    unit: Unit,
    axis: str,
    name: str,
) -> Plot:
    """One row per name: its value with whiskers against zero, hollow where the interval holds zero.

    Name and value stand above the whiskers, so that long names need no margin.

    Parameters
    ----------
    names : sequence of str
        One row each, the first on top.
    intervals : sequence of [value, low, high]
        In the metric's unit.
    marks : sequence of Mark
        Colour and symbol of each row.
    unit : Unit
        How values are scaled and written.
    axis : str
        Title of the axis.
    name : str
        What heads the panel.

    Returns
    -------
    Plot
        The drawing, with a label in words.

    Examples
    --------
    >>> mark = ("#0072B2", "circle")
    >>> unit = Unit(1.0, "", "", "")
    >>> plot = forest(["mens"], [[2.0, 1.0, 3.0]], [mark], unit, "per head", "spend")
    >>> plot.spec["data"][0]["marker"]["color"]
    '#0072B2'
    """
    said = [(unit.effect(i), unit.span(i)) for i in intervals]
    full = [apart(i) for i in intervals]
    return _rows(names, intervals, marks, unit, said, full, line_at(0), axis, name)


def levels(
    names: Sequence[str],
    intervals: Sequence[Sequence[Any]],
    marks: Sequence[Mark],
    unit: Unit,
    axis: str,
    name: str,
    against: float,
) -> Plot:
    """One row per name: its level with whiskers, against the level of one of them.

    Parameters
    ----------
    names : sequence of str
        One row each, the first on top.
    intervals : sequence of [value, low, high]
        In the metric's unit.
    marks : sequence of Mark
        Colour and symbol of each row.
    unit : Unit
        How values are scaled and written.
    axis : str
        Title of the axis.
    name : str
        What heads the panel.
    against : float
        Where a dashed line stands, in the metric's unit; NaN: nowhere.

    Returns
    -------
    Plot
        The drawing, with a label in words.

    Examples
    --------
    >>> mark, unit = ("#0072B2", "circle"), Unit(1.0, "", "", "")
    >>> levels(["a"], [[0.65, 0.6, 0.7]], [mark], unit, "AUC", "watch", 0.6).label
    'watch: a 0.650, interval 0.600 to 0.700'
    """
    said = [(unit.of_level(i), unit.span(i, plus=False)) for i in intervals]
    at = unit.scaled(against)
    line = line_at(at, "dash") if at is not None else None
    return _rows(names, intervals, marks, unit, said, [True] * len(said), line, axis, name)


def _rows(
    names: Sequence[str],
    intervals: Sequence[Sequence[Any]],
    marks: Sequence[Mark],
    unit: Unit,
    said: Sequence[tuple[str, str]],
    full: Sequence[bool],
    line: Spec | None,
    axis: str,
    name: str,
) -> Plot:
    """A row per name.   said: value and span of each in words;  full: whether its mark is."""
    data, titles = [], []
    for row, (who, interval, (colour, symbol)) in enumerate(
        zip(names, intervals, marks, strict=True)
    ):
        value, span = said[row]
        text = f"{value} [{span}]" if has_interval(interval) else value
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [unit.scaled(interval[0])],
                "y": [row],
                "error_x": whiskers([interval], unit, colour, 2),
                "marker": {
                    "color": colour if full[row] else PAPER,
                    "symbol": symbol,
                    "size": 11,
                    "line": {"color": colour, "width": 2},
                },
                "cliponaxis": False,
                "hovertext": [f"<b>{plain(who, 60)}</b><br>{html.escape(text)}"],
                "hoverinfo": "text",
            }
        )
        titles.append(_row_title(row, f"{plain(who)}  <b>{html.escape(value)}</b>"))
    rows = max(len(names), 1)
    height = HEAD + (ROW + 12) * rows
    axes = axis_of(axis, nticks=6, ticks="")
    bare = {
        "range": [rows - 0.5, -0.75],
        "showticklabels": False,
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
    }
    spec = drawing(data, axes, bare, height, [line] if line else [])
    spec["layout"]["annotations"] = titles
    summary = "; ".join(
        f"{who} {value}, interval {span}" for who, (value, span) in zip(names, said, strict=True)
    )
    return Plot(spec, f"{name}: {summary}", height, name)


def _row_title(row: int, text: str) -> Spec:
    """Text above the marks of a row, at its left end."""
    return {
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": row - 0.42,
        "yanchor": "middle",
        "showarrow": False,
        "xshift": 4,
        "text": text,
        "bgcolor": PAPER,
        "font": {"size": FONT, "color": INK},
    }


def dots(
    names: Sequence[str],
    series: Sequence[tuple[str, Mark, Sequence[Any]]],
    axis: str,
    bound: float,
    label: str,
) -> Plot:
    """One row per name and one mark per series, with a lane around zero.

    Parameters
    ----------
    names : sequence of str
        One row each, the first on top.
    series : sequence of (str, Mark, sequence of float)
        Name, mark and values of each series, one value per row; None or NaN is left out.
    axis : str
        Title of the axis.
    bound : float
        The lane reaches from -bound to bound.
    label : str
        The drawing in words.

    Returns
    -------
    Plot
        The drawing.

    Examples
    --------
    >>> series = [("mens", ("#0072B2", "circle"), [0.02, -0.3])]
    >>> dots(["age", "spend"], series, "difference", 0.1, "balance").spec["data"][0]["x"]
    [0.02, -0.3]
    """
    data, reach = [], bound * 1.25
    for who, mark, values in series:
        xs = [real(x) for x in values]
        reach = max([reach, *(1.08 * abs(x) for x in xs if x == x)])
        hover = [
            f"<b>{plain(n, 60)}</b><br>{plain(who)} {number(x, 3, plus=True)}"
            for n, x in zip(names, xs, strict=True)
        ]
        places = [x if x == x else None for x in xs]
        data.append(markers(places, range(len(names)), mark, 9, hover))
    lane = {
        "type": "rect",
        "x0": -bound,
        "x1": bound,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "layer": "below",
    }
    shapes = [
        {**lane, "fillcolor": "var(--lane)", "line": {"width": 0}},
        line_at(-bound, "dash"),
        line_at(bound, "dash"),
        line_at(0),
    ]
    height = HEAD + 24 * max(len(names), 2)
    axes = axis_of(axis, range=[-reach, reach], nticks=7, ticks="", showgrid=False)
    return Plot(drawing(data, axes, {}, height, shapes, names), label, height, wide=True)


@renamed_arguments(said="hover")
def dumbbells(
    names: Sequence[str],
    before: Sequence[float],
    after: Sequence[float],
    hover: Sequence[str],
    axis: str,
    name: str,
) -> Plot:
    """One row per name: a hollow mark where it was, a full one where it goes, joined by a line.

    Parameters
    ----------
    names : sequence of str
        One row each, the first on top.
    before, after : sequence of float
        Shares in 0..1, one per row.
    hover : sequence of str
        What each row says when it is pointed at.
    axis : str
        Title of the axis.
    name : str
        What heads the panel.

    Returns
    -------
    Plot
        The drawing, with a label in words.

    Examples
    --------
    >>> dumbbells(["film", "game"], [0.2, 0.3], [0.4, 0.1], ["", ""], "share", "shown").label
    'shown: film 20% to 40%; game 30% to 10%'
    """
    rows = list(range(len(names)))
    joins: Spec = {"x": [], "y": []}
    for row, ends in zip(rows, zip(before, after, strict=True), strict=True):
        joins["x"] += [*ends, None]
        joins["y"] += [row, row, None]
    line: Spec = {
        "type": "scatter",
        "mode": "lines",
        **joins,
        "line": {"color": MUTED, "width": 2},
        "hoverinfo": "skip",
    }
    points: Spec = {
        "type": "scatter",
        "mode": "markers",
        "y": rows,
        "hovertext": list(hover),
        "hoverinfo": "text",
        "cliponaxis": False,
    }
    hollow = {"color": PAPER, "size": 9, "line": {"color": RIVAL[0], "width": 2}}
    full = {"color": CHOSEN[0], "size": 9, "line": {"color": PAPER, "width": 1}}
    data = [
        line,
        {**points, "x": list(before), "marker": hollow},
        {**points, "x": list(after), "marker": full},
    ]
    height = HEAD + 22 * max(len(names), 2)
    x = axis_of(axis, tickformat=".0%", rangemode="tozero", nticks=5, ticks="")
    summary = "; ".join(
        f"{n} {share(a)} to {share(b)}" for n, a, b in zip(names, before, after, strict=True)
    )
    return Plot(drawing(data, x, {}, height, (), names), f"{name}: {summary}", height, name)
