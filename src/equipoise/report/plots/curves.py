"""A curve with its band, and the lines and points laid on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.report.formatting import Unit
from equipoise.report.parts import Plot
from equipoise.report.plots.axes import PANEL, axis_of, drawing, markers, whiskers
from equipoise.report.plots.marks import FONT, MUTED, Mark, Spec, faded, plain


def curve(
    x: Sequence[Any],
    y: Sequence[Any],
    band: tuple[Sequence[Any], Sequence[Any]] | None,
    mark: Mark,
    axes: tuple[str, str],
    said: Sequence[str],
    name: str,
    label: str,
) -> Plot:
    """A line with its band."""
    colour = mark[0]
    data = _shape_of_band(x, band[0], band[1], colour) if band else []
    line: Spec = {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": 2.4},
    }
    data.append({**line, "hovertext": list(said), "hoverinfo": "text"})
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
    """A thin reference line on a curve, below its other lines."""
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


def add_points(
    plot: Plot,
    xs: Sequence[Any],
    intervals: Sequence[Sequence[Any]],
    unit: Unit,
    mark: Mark,
    said: Sequence[str],
    size: int,
) -> None:
    """Marks with vertical whiskers on a curve."""
    y = [unit.scaled(i[0]) for i in intervals]
    error = whiskers(intervals, unit, mark[0])
    plot.spec["data"].append(markers(xs, y, mark, size, said, error_y=error))


def name_points(plot: Plot, names: Sequence[str], left: bool) -> None:
    """Write names beside the points added last; the page hides them where it is narrow."""
    beside = {
        "mode": "markers+text",
        "text": [plain(name) for name in names],
        "meta": "named",
        "cliponaxis": False,
    }
    font = {"size": FONT, "color": MUTED}
    plot.spec["data"][-1].update(
        beside, textposition="bottom left" if left else "bottom right", textfont=font
    )
