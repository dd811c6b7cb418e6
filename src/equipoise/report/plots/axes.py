"""What every drawing is laid on: axes, a vertical line, whiskers and marks."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from equipoise.report.formatting import Unit, has_interval
from equipoise.report.plots.marks import FAINT, FONT, MUTED, PAPER, Mark, Spec, plain

ROW, HEAD, PANEL, PLANE = 34, 66, 240, 330  # heights, pixels


def axis_of(title: str = "", **more: Any) -> Spec:
    """An axis with its title."""
    text = {"text": html.escape(title, quote=False), "standoff": 8, "font": {"size": FONT}}
    return {
        "title": text,
        "automargin": True,
        "zeroline": False,
        "gridcolor": FAINT,
        "linecolor": FAINT,
        **more,
    }


def names_axis(names: Sequence[str]) -> Spec:
    """A vertical axis with one name per row, the first on top."""
    ticks = {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": [plain(name) for name in names],
    }
    return {
        **ticks,
        "range": [len(names) - 0.5, -0.6],
        "automargin": True,
        "zeroline": False,
        "ticks": "",
        "gridcolor": FAINT,
    }


def drawing(
    data: list[Spec],
    x: Spec,
    y: Spec,
    height: int,
    shapes: Sequence[Spec] = (),
    names: Sequence[str] = (),
) -> Spec:
    """A drawing's data and layout; with names, one row per name."""
    layout: Spec = {
        "height": height,
        "xaxis": x,
        "yaxis": y,
        "shapes": list(shapes),
        "showlegend": False,
    }
    spec: Spec = {"data": data, "layout": layout}
    if names:
        layout["yaxis"] = {**names_axis(names), **y}
        spec["names"] = list(names)  # the page cuts them to what its width can carry
    return spec


def markers(
    x: Sequence[Any], y: Sequence[Any], mark: Mark, size: float, hover: Sequence[str], **more: Any
) -> Spec:
    """Marks without a line; ``hover`` says each in words."""
    colour, symbol = mark
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(x),
        "y": list(y),
        "marker": {
            "color": colour,
            "symbol": symbol,
            "size": size,
            "line": {"color": PAPER, "width": 1},
        },
        "hovertext": list(hover),
        "hoverinfo": "text",
        **more,
    }


def line_at(x: float, dash: str = "solid", colour: str = MUTED) -> Spec:
    """A vertical line across a drawing.

    Parameters
    ----------
    x : float
        Where it stands, in the unit of the axis.
    dash : str, default "solid"
        Plotly's dash style.
    colour : str, default "var(--muted)"
        Hex, or a colour of the style sheet.

    Returns
    -------
    dict
        One of plotly's shapes.

    Examples
    --------
    >>> line_at(0.5)["x0"]
    0.5
    """
    line = {"color": colour, "width": 1, "dash": dash}
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": line,
        "layer": "below",
    }


def whiskers(
    intervals: Sequence[Sequence[Any]], unit: Unit, colours: Sequence[str] | str, width: float = 1.6
) -> Spec:
    """Asymmetric error bars; an unknown end draws nothing."""
    ends = [
        (unit.scaled(i[0]), unit.scaled(i[1]), unit.scaled(i[2]))
        if has_interval(i)
        else (None, None, None)
        for i in intervals
    ]
    up = [
        high - value if value is not None and high is not None else 0.0 for value, _, high in ends
    ]
    down = [value - low if value is not None and low is not None else 0.0 for value, low, _ in ends]
    colour = colours if isinstance(colours, str) else colours[0]
    return {
        "type": "data",
        "symmetric": False,
        "array": up,
        "arrayminus": down,
        "color": colour,
        "thickness": width,
        "width": 0,
    }
