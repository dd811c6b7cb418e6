"""A curve with its band, and the lines and points laid on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.core.deprecation import renamed_arguments
from equipoise.report.formatting import Unit
from equipoise.report.parts import Plot
from equipoise.report.plots.axes import PANEL, axis_of, drawing, markers, whiskers
from equipoise.report.plots.marks import FONT, MUTED, Mark, Spec, faded, plain


@renamed_arguments(said="hover")
def curve(
    x: Sequence[Any],
    y: Sequence[Any],
    band: tuple[Sequence[Any], Sequence[Any]] | None,
    mark: Mark,
    axes: tuple[str, str],
    hover: Sequence[str],
    name: str,
    label: str,
) -> Plot:
    """A line with its band.

    Parameters
    ----------
    x, y : sequence of float
        The line's points, in the units of the axes.
    band : (sequence of float, sequence of float) or None
        The lower and the upper end at each point.
    mark : Mark
        Its colour is the line's.
    axes : (str, str)
        Titles of the axes.
    hover : sequence of str
        What each point says when it is pointed at.
    name : str
        What heads the panel.
    label : str
        The drawing in words.

    Returns
    -------
    Plot
        The drawing.

    Examples
    --------
    >>> mark, axes = ("#0072B2", "circle"), ("share", "gain")
    >>> plot = curve([0, 1], [0, 2], ([0, 1], [0, 3]), mark, axes, ["", ""], "mens", "gain")
    >>> len(plot.spec["data"])
    3
    """
    colour = mark[0]
    data = _shape_of_band(x, band[0], band[1], colour) if band else []
    line: Spec = {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": 2.4},
    }
    data.append({**line, "hovertext": list(hover), "hoverinfo": "text"})
    zero = {
        "type": "line",
        "x0": 0,
        "x1": 1,
        "xref": "paper",
        "y0": 0,
        "y1": 0,
        "line": {"color": MUTED, "width": 1},
        "layer": "below",
    }
    x_axis, y_axis = axis_of(axes[0], nticks=6, ticks=""), axis_of(axes[1], nticks=6, ticks="")
    return Plot(drawing(data, x_axis, y_axis, PANEL, [zero]), label, PANEL, name)


def _shape_of_band(
    x: Sequence[Any], low: Sequence[Any], high: Sequence[Any], colour: str
) -> list[Spec]:
    base: Spec = {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "line": {"width": 0, "color": colour},
        "hoverinfo": "skip",
    }
    return [
        {**base, "y": list(low)},
        {**base, "y": list(high), "fill": "tonexty", "fillcolor": faded(colour)},
    ]


def add_line(
    plot: Plot, x: Sequence[Any], y: Sequence[Any], dash: str = "dot", colour: str = MUTED
) -> None:
    """Lay a thin reference line on a curve, below its other lines.

    Parameters
    ----------
    plot : Plot
        The drawing, changed in place.
    x, y : sequence of float
        The line's points, in the units of the axes.
    dash : str, default "dot"
        Plotly's dash style.
    colour : str, default "var(--muted)"
        Hex, or a colour of the style sheet.

    Examples
    --------
    >>> axes, hover = ("share", "gain"), ["", ""]
    >>> plot = curve([0, 1], [0, 2], None, ("#0072B2", "circle"), axes, hover, "", "")
    >>> add_line(plot, [0, 1], [0, 1])
    >>> [line["y"] for line in plot.spec["data"]]
    [[0, 1], [0, 2]]
    """
    line = {"color": colour, "width": 1.8, "dash": dash}
    spec = {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "line": line,
        "hoverinfo": "skip",
    }
    plot.spec["data"].insert(0, spec)


@renamed_arguments(said="hover")
def add_points(
    plot: Plot,
    xs: Sequence[Any],
    intervals: Sequence[Sequence[Any]],
    unit: Unit,
    mark: Mark,
    hover: Sequence[str],
    size: int,
) -> None:
    """Lay marks with vertical whiskers on a curve.

    Parameters
    ----------
    plot : Plot
        The drawing, changed in place.
    xs : sequence of float
        Where the marks stand.
    intervals : sequence of [value, low, high]
        In the metric's unit; an unknown end draws nothing.
    unit : Unit
        How values are scaled.
    mark : Mark
        Colour and symbol.
    hover : sequence of str
        What each mark says when it is pointed at.
    size : int
        Of the marks, in pixels.

    Examples
    --------
    >>> axes, hover = ("share", "gain"), ["", ""]
    >>> plot = curve([0, 1], [0, 2], None, ("#0072B2", "circle"), axes, hover, "", "")
    >>> unit, mark = Unit(1.0, "", "", ""), ("#0072B2", "circle")
    >>> add_points(plot, [0.5], [[1.0, 0.5, 1.5]], unit, mark, ["half"], 9)
    >>> plot.spec["data"][-1]["y"]
    [1.0]
    """
    y = [unit.scaled(i[0]) for i in intervals]
    error = whiskers(intervals, unit, mark[0])
    plot.spec["data"].append(markers(xs, y, mark, size, hover, error_y=error))


def name_points(plot: Plot, names: Sequence[str], left: bool) -> None:
    """Write names beside the points added last; the page moves those that would lie on marks or
    names, or leaves them out.

    Parameters
    ----------
    plot : Plot
        The drawing, changed in place.
    names : sequence of str
        One per point.
    left : bool
        Whether they stand to the left of the points.

    Examples
    --------
    >>> axes, hover = ("share", "gain"), ["", ""]
    >>> plot = curve([0, 1], [0, 2], None, ("#0072B2", "circle"), axes, hover, "", "")
    >>> unit, mark = Unit(1.0, "", "", ""), ("#0072B2", "circle")
    >>> add_points(plot, [0.5], [[1.0, 0.5, 1.5]], unit, mark, ["half"], 9)
    >>> name_points(plot, ["today"], left=True)
    >>> plot.spec["data"][-1]["textposition"]
    'bottom left'
    """
    beside = {
        "mode": "markers+text",
        "text": [plain(name) for name in names],
        "cliponaxis": False,
    }
    font = {"size": FONT, "color": MUTED}
    plot.spec["data"][-1].update(
        beside, textposition="bottom left" if left else "bottom right", textfont=font
    )
