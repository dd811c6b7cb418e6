"""The drawings, as plotly's plain {"data", "layout"}: forest, dots, bars, curves, stacks and a
plane.

Colours of candidates are Okabe and Ito's (Color Universal Design, 2008), told apart by symbol too;
ordered levels of a dose take a ramp of rising lightness (viridis).  ``var(--name)`` is a colour of
the style sheet: the page fills it in, so that plots follow light and dark.  Text of users is
escaped here, because plotly reads a little HTML in its labels.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from equipoise.report.formatting import Unit, apart, known, number, real, share
from equipoise.report.parts import Plot

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
VIRIDIS = ("#414487", "#35608D", "#2A788E", "#21908D", "#22A884", "#43BF71", "#7AD151")
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "pentagon",
    "hexagon",
    "star",
)
CONTROL, INK, MUTED, FAINT, PAPER = (
    "var(--control)",
    "var(--ink)",
    "var(--muted)",
    "var(--faint)",
    "var(--card)",
)
ROW, HEAD, FONT, PANEL, PLANE = 34, 66, 12, 240, 330
LONGEST = 30  # letters of a label
ROOM_FOR_TEXT = 0.09  # a segment of a stacked bar narrower than this has no text of its own

Mark = tuple[str, str]  # (colour, symbol)
Spec = dict[str, Any]
CHOSEN: Mark = ("#D55E00", "star")  # the chosen policy
RIVAL: Mark = ("#8a9099", "circle")  # policies it is compared with
LINE: Mark = ("#0072B2", "circle")
OTHER: Mark = ("#56B4E9", "circle")


def marks_of(candidates: Sequence[str]) -> dict[str, Mark]:
    """Each candidate's colour and symbol; names that all start with a number are levels in order.

    Examples
    --------
    >>> marks_of(["mens", "womens"])
    {'mens': ('#0072B2', 'circle'), 'womens': ('#E69F00', 'square')}
    """
    k = len(candidates)
    levels = k > 2 and all(name[:1].isdigit() for name in candidates)
    marks = {}
    for a, name in enumerate(candidates):
        colour = (
            VIRIDIS[round(a * (len(VIRIDIS) - 1) / (k - 1))]
            if levels
            else OKABE_ITO[a % len(OKABE_ITO)]
        )
        marks[name] = (colour, "circle" if levels else SYMBOLS[a % len(SYMBOLS)])
    return marks


def plain(text: str, longest: int = LONGEST) -> str:
    """Text of a user as plotly shows it literally, cut to length."""
    one_line = " ".join(text.split())
    cut = one_line if len(one_line) <= longest else one_line[: longest - 1].rstrip() + "\u2026"
    return html.escape(cut, quote=False)


def _axis(title: str = "", **more: Any) -> Spec:
    text = {"text": html.escape(title, quote=False), "standoff": 8, "font": {"size": FONT}}
    return {
        "title": text,
        "automargin": True,
        "zeroline": False,
        "gridcolor": FAINT,
        "linecolor": FAINT,
        **more,
    }


def _names(names: Sequence[str]) -> Spec:
    """A vertical axis with one name a row, the first on top."""
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


def _spec(
    data: list[Spec],
    x: Spec,
    y: Spec,
    height: int,
    shapes: Sequence[Spec] = (),
    names: Sequence[str] = (),
) -> Spec:
    layout: Spec = {
        "height": height,
        "xaxis": x,
        "yaxis": y,
        "shapes": list(shapes),
        "showlegend": False,
    }
    spec: Spec = {"data": data, "layout": layout}
    if names:
        layout["yaxis"] = {**_names(names), **y}
        spec["names"] = list(names)  # the page cuts them to what its width can carry
    return spec


def line_at(x: float, dash: str = "solid", colour: str = MUTED) -> Spec:
    """A vertical line across the drawing."""
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


def _whiskers(
    intervals: Sequence[Sequence[Any]], unit: Unit, colours: Sequence[str] | str, width: float = 1.6
) -> Spec:
    """Asymmetric error bars; an unknown end draws nothing."""
    ends = [
        (unit.scaled(i[0]), unit.scaled(i[1]), unit.scaled(i[2]))
        if known(i)
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


def forest(
    names: Sequence[str],
    intervals: Sequence[Sequence[Any]],
    marks: Sequence[Mark],
    unit: Unit,
    axis: str,
    name: str,
) -> Plot:
    """One row a name: its value with whiskers, against the line at zero; hollow where the interval
    holds zero.

    Name and value stand above the whiskers, so that long names need no margin.
    """
    data, titles = [], []
    for row, (who, interval, (colour, symbol)) in enumerate(
        zip(names, intervals, marks, strict=True)
    ):
        said = unit.effect(interval) + (f" [{unit.span(interval)}]" if known(interval) else "")
        fill = colour if apart(interval) else PAPER
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [unit.scaled(interval[0])],
                "y": [row],
                "error_x": _whiskers([interval], unit, colour, 2),
                "marker": {
                    "color": fill,
                    "symbol": symbol,
                    "size": 11,
                    "line": {"color": colour, "width": 2},
                },
                "cliponaxis": False,
                "hovertext": [f"<b>{plain(who, 60)}</b><br>{html.escape(said)}"],
                "hoverinfo": "text",
            }
        )
        text = f"{plain(who)}  <b>{html.escape(unit.effect(interval))}</b>"
        place = {
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "y": row - 0.42,
            "yanchor": "middle",
            "showarrow": False,
            "xshift": 4,
        }
        titles.append(
            {**place, "text": text, "bgcolor": PAPER, "font": {"size": FONT, "color": INK}}
        )
    rows = max(len(names), 1)
    height = HEAD + (ROW + 12) * rows
    axes = _axis(axis, nticks=6, ticks="")
    bare = {
        "range": [rows - 0.5, -0.75],
        "showticklabels": False,
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
    }
    spec = _spec(data, axes, bare, height, [line_at(0)])
    spec["layout"]["annotations"] = titles
    told = "; ".join(
        f"{who} {unit.effect(i)}, interval {unit.span(i)}"
        for who, i in zip(names, intervals, strict=True)
    )
    return Plot(spec, f"{name}: {told}", height, name)


def dots(
    names: Sequence[str],
    series: Sequence[tuple[str, Mark, Sequence[Any]]],
    axis: str,
    bound: float,
    label: str,
) -> Plot:
    """One row a name, one mark a series, with a lane of +- bound."""
    data, reach = [], bound * 1.25
    for who, (colour, symbol), values in series:
        xs = [real(x) for x in values]
        reach = max([reach, *(1.08 * abs(x) for x in xs if x == x)])
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [x if x == x else None for x in xs],
                "y": list(range(len(names))),
                "marker": {
                    "color": colour,
                    "symbol": symbol,
                    "size": 9,
                    "line": {"color": PAPER, "width": 1},
                },
                "hovertext": [
                    f"<b>{plain(n, 60)}</b><br>{plain(who)} {number(x, 3, plus=True)}"
                    for n, x in zip(names, xs, strict=True)
                ],
                "hoverinfo": "text",
            }
        )
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
    axes = _axis(axis, range=[-reach, reach], nticks=7, ticks="", showgrid=False)
    return Plot(_spec(data, axes, {}, height, shapes, names), label, height, wide=True)


def lollipops(
    names: Sequence[str], series: Sequence[tuple[str, Mark, Sequence[Any]]], axis: str, name: str
) -> Plot:
    """Grey bars of the mean over series, with each series' own mark."""
    columns = [[real(x) for x in values] for _, _, values in series]
    seen = [[x for x in row if x == x] for row in zip(*columns, strict=True)]
    means = [sum(row) / len(row) if row else None for row in seen]
    rows = list(range(len(names)))
    bars: Spec = {
        "type": "bar",
        "orientation": "h",
        "x": means,
        "y": rows,
        "width": 0.5,
        "hoverinfo": "skip",
    }
    bars["marker"] = {"color": "var(--bar)"}
    data = [bars]
    for (who, (colour, symbol), _), xs in zip(series, columns, strict=True):
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [x if x == x else None for x in xs],
                "y": rows,
                "marker": {
                    "color": colour,
                    "symbol": symbol,
                    "size": 9,
                    "line": {"color": PAPER, "width": 1},
                },
                "hovertext": [
                    f"<b>{plain(n, 60)}</b><br>{plain(who)} {share(x)}"
                    for n, x in zip(names, xs, strict=True)
                ],
                "hoverinfo": "text",
            }
        )
    height = HEAD + 28 * max(len(names), 2)
    x = _axis(axis, tickformat=".0%", rangemode="tozero", nticks=5, ticks="")
    told = "; ".join(f"{n} {share(m)}" for n, m in zip(names, means, strict=True))
    return Plot(
        _spec(data, x, {"showgrid": False}, height, (), names), f"{name}: {told}", height, name
    )


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


def faded(colour: str, alpha: float = 0.18) -> str:
    """A hex colour made translucent."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


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
    x_axis, y_axis = _axis(axes[0], nticks=6, ticks=""), _axis(axes[1], nticks=6, ticks="")
    return Plot(_spec(data, x_axis, y_axis, PANEL, [zero]), label, PANEL, name)


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
    colour, symbol = mark
    plot.spec["data"].append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": list(xs),
            "y": [unit.scaled(i[0]) for i in intervals],
            "error_y": _whiskers(intervals, unit, colour),
            "marker": {
                "color": colour,
                "symbol": symbol,
                "size": size,
                "line": {"color": PAPER, "width": 1},
            },
            "hovertext": list(said),
            "hoverinfo": "text",
        }
    )


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


def stacks(
    names: Sequence[str], series: Sequence[tuple[str, str, Sequence[float]]], label: str
) -> Plot:
    """Bars that add up to 100 %, one a name; ``series`` are (what, colour, shares)."""
    rows = list(range(len(names)))
    data = []
    for what, colour, shares in series:
        text = [share(s) if s >= ROOM_FOR_TEXT else "" for s in shares]
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "x": [100 * s for s in shares],
                "y": rows,
                "width": 0.66,
                "marker": {"color": colour, "line": {"color": PAPER, "width": 1.5}},
                "text": text,
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"color": _ink_on(colour), "size": FONT},
                "constraintext": "none",
                "hovertext": [
                    f"<b>{plain(n, 60)}</b><br>{plain(what)} {share(s)}"
                    for n, s in zip(names, shares, strict=True)
                ],
                "hoverinfo": "text",
            }
        )
    height = HEAD + ROW * max(len(names), 2)
    spec = _spec(
        data,
        _axis("share of people, %", range=[0, 100], ticks=""),
        {"showgrid": False},
        height,
        (),
        names,
    )
    spec["layout"]["barmode"] = "stack"
    return Plot(spec, label, height, wide=True)


def _ink_on(colour: str) -> str:
    """Black or white, whichever reads better on a colour (relative luminance of WCAG 2)."""
    if not colour.startswith("#"):
        return INK
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "var(--on-dark)" if luminance < 0.18 else "var(--black)"


def plane(
    points: Sequence[Spec],
    units: tuple[Unit, Unit],
    axes: tuple[str, str],
    name: str,
    label: str,
    joined: bool,
) -> Plot:
    """Points with whiskers both ways: each is {"x": interval, "y": interval, "mark", "size",
    "said"}.
    """
    path = sorted((real(p["x"][0]), real(p["y"][0])) for p in points)
    data: list[Spec] = []
    for point in points:
        colour, symbol = point["mark"]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [units[0].scaled(point["x"][0])],
                "y": [units[1].scaled(point["y"][0])],
                "error_x": _whiskers([point["x"]], units[0], faded(colour, 0.3), 1.2),
                "error_y": _whiskers([point["y"]], units[1], faded(colour, 0.3), 1.2),
                "marker": {
                    "color": colour,
                    "symbol": symbol,
                    "size": point["size"],
                    "line": {"color": PAPER, "width": 1},
                },
                "hovertext": [point["said"]],
                "hoverinfo": "text",
            }
        )
    plot = Plot(
        _spec(data, _axis(axes[0], nticks=6, ticks=""), _axis(axes[1], nticks=6, ticks=""), PLANE),
        label,
        PLANE,
        name,
    )
    if joined:
        add_line(plot, [units[0].scaled(x) for x, _ in path], [units[1].scaled(y) for _, y in path])
    return plot


def dumbbells(
    names: Sequence[str],
    before: Sequence[float],
    after: Sequence[float],
    said: Sequence[str],
    axis: str,
    name: str,
) -> Plot:
    """One row a name: a hollow mark where it was and a full one where it goes, joined by a line."""
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
        "hovertext": list(said),
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
    x = _axis(axis, tickformat=".0%", rangemode="tozero", nticks=5, ticks="")
    told = "; ".join(
        f"{n} {share(a)} to {share(b)}" for n, a, b in zip(names, before, after, strict=True)
    )
    return Plot(_spec(data, x, {}, height, (), names), f"{name}: {told}", height, name)
