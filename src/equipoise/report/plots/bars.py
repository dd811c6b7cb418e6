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
    for (who, mark, _), xs in zip(series, columns, strict=True):
        hover = [
            f"<b>{plain(n, 60)}</b><br>{plain(who)} {share(x)}"
            for n, x in zip(names, xs, strict=True)
        ]
        data.append(markers([x if x == x else None for x in xs], rows, mark, 9, hover))
    height = HEAD + 28 * max(len(names), 2)
    x = axis_of(axis, tickformat=".0%", rangemode="tozero", nticks=5, ticks="")
    told = "; ".join(f"{n} {share(m)}" for n, m in zip(names, means, strict=True))
    return Plot(
        drawing(data, x, {"showgrid": False}, height, (), names), f"{name}: {told}", height, name
    )


def stacks(
    names: Sequence[str], series: Sequence[tuple[str, str, Sequence[float]]], label: str
) -> Plot:
    """Bars that add up to 100 %, one per name; ``series`` are (what, colour, shares)."""
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
        axis_of("share of people, %", range=[0, 100], ticks=""),
        {"showgrid": False},
        height,
        (),
        names,
    )
    spec["layout"]["barmode"] = "stack"
    return Plot(spec, label, height, wide=True)
