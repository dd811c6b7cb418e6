"""Timelines: marks at their hours, one row a name, as large as what they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.report.parts import Plot
from equipoise.report.plots.axes import HEAD, axis_of, drawing, markers
from equipoise.report.plots.marks import Mark, Spec

SMALLEST, THIN = 3.0, 26  # of a mark and of a row, pixels


def timelines(
    names: Sequence[str],
    series: Sequence[tuple[Sequence[float], Sequence[float], Sequence[str]]],
    marks: Sequence[Mark],
    axis: dict[str, Any],
    label: str,
) -> Plot:
    """Marks along the time of day, one row for each name.

    Parameters
    ----------
    names : sequence of str
        One row each, the first on top.
    series : sequence of (times, sizes, texts)
        Of each row: where its marks stand, how large they are in pixels, and what each says.
    marks : sequence of Mark
        Colour and symbol of each row.
    axis : dict
        Settings of the axis of time: range and ticks.
    label : str
        What it shows, in words.

    Returns
    -------
    Plot
        The drawing, as wide as the page.

    Examples
    --------
    >>> row = ([8.0, 12.0], [9.0, 4.0], ["08:00: 2", "12:00: 1"])
    >>> timelines(["base"], [row], [("#0072B2", "circle")], {"range": [8, 24]}, "base").wide
    True
    """
    data: list[Spec] = []
    for place, ((times, sizes, texts), mark) in enumerate(zip(series, marks, strict=True)):
        spots = markers(times, [place] * len(times), mark, SMALLEST, texts)
        spots["marker"]["size"] = [max(size, SMALLEST) for size in sizes]
        data.append(spots)
    height = HEAD + THIN * max(len(names), 2)
    x = axis_of("time of day", **axis, ticks="")
    return Plot(drawing(data, x, {}, height, (), names), label, height, "", wide=True)
