"""Bars: means with each series' own mark, and shares that add up to 100 %."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.report.formatting import real, share
from equipoise.report.parts import Plot
from equipoise.report.plots.axes import HEAD, ROW, axis_of, drawing, markers
from equipoise.report.plots.marks import FONT, PAPER, Mark, Spec, ink_on, plain

ROOM_FOR_TEXT = 0.09  # a segment of a stacked bar narrower than this has no text of its own


def lollipops(
    names: Sequence[str], series: Sequence[tuple[str, Mark, Sequence[Any]]], axis: str, name: str
) -> Plot:
    """Grey bars of the mean over series, with each series' own mark.

    Parameters
    ----------
    names : sequence of str
        One row each, the first on top.
    series : sequence of (str, Mark, sequence of float)
        Name, mark and values in 0..1 of each series, one value per row; None or NaN is left out.
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
    >>> plot = lollipops(["age", "spend"], [("mens", ("#0072B2", "circle"), [0.2, 0.6])], "", "all")
    >>> plot.label
    'all: age 20%; spend 60%'
    """
    columns = [[real(x) for x in values] for _, _, values in series]
    numbers = [[x for x in row if x == x] for row in zip(*columns, strict=True)]
    means = [sum(row) / len(row) if row else None for row in numbers]
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
    for (who, mark, _), xs in zip(series, columns, strict=True):
        hover = [
            f"<b>{plain(n, 60)}</b><br>{plain(who)} {share(x)}"
            for n, x in zip(names, xs, strict=True)
        ]
        data.append(markers([x if x == x else None for x in xs], rows, mark, 9, hover))
    height = HEAD + 28 * max(len(names), 2)
    x = axis_of(axis, tickformat=".0%", rangemode="tozero", nticks=5, ticks="")
    summary = "; ".join(f"{n} {share(m)}" for n, m in zip(names, means, strict=True))
    return Plot(
        drawing(data, x, {"showgrid": False}, height, (), names), f"{name}: {summary}", height, name
    )


def stacks(
    names: Sequence[str],
    series: Sequence[tuple[str, str, Sequence[float]]],
    label: str,
    axis: str = "share of people, %",
    name: str = "",
) -> Plot:
    """Bars that add up to 100 %.

    Parameters
    ----------
    names : sequence of str
        One bar each, the first on top.
    series : sequence of (str, str, sequence of float)
        What, colour and shares in 0..1 of each segment, one share per bar.
    label : str
        The drawing in words.
    axis : str, default "share of people, %"
        Title of the axis.
    name : str, default ""
        What heads the panel.

    Returns
    -------
    Plot
        The drawing.

    Examples
    --------
    >>> parts = [("none", "#8a9099", [0.4]), ("mens", "#0072B2", [0.6])]
    >>> [bar["x"] for bar in stacks(["all"], parts, "who gets what").spec["data"]]
    [[40.0], [60.0]]
    """
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
                "textfont": {"color": ink_on(colour), "size": FONT},
                "constraintext": "none",
                "hovertext": [
                    f"<b>{plain(n, 60)}</b><br>{plain(what)} {share(s)}"
                    for n, s in zip(names, shares, strict=True)
                ],
                "hoverinfo": "text",
            }
        )
    height = HEAD + ROW * max(len(names), 2)
    spec = drawing(
        data,
        axis_of(axis, range=[0, 100], ticks=""),
        {"showgrid": False},
        height,
        (),
        names,
    )
    spec["layout"]["barmode"] = "stack"
    return Plot(spec, label, height, name, wide=True)
