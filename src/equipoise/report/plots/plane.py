"""Policies on a plane of two metrics."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.report.formatting import Unit, real
from equipoise.report.parts import Plot
from equipoise.report.plots.axes import PLANE, axis_of, drawing, markers, whiskers
from equipoise.report.plots.curves import add_line
from equipoise.report.plots.marks import Spec, faded


def plane(
    points: Sequence[Spec],
    units: tuple[Unit, Unit],
    axes: tuple[str, str],
    name: str,
    label: str,
    joined: bool,
) -> Plot:
    """Policies as points with whiskers both ways on a plane of two metrics.

    Parameters
    ----------
    points : sequence of dict
        Each is {"x": interval, "y": interval, "mark", "size", "said"}: intervals are [value, low,
        high], "said" is what it says when it is pointed at.
    units : (Unit, Unit)
        How the two metrics are scaled.
    axes : (str, str)
        Titles of the axes.
    name : str
        What heads the panel.
    label : str
        The drawing in words.
    joined : bool
        Whether a line joins the points, from left to right.

    Returns
    -------
    Plot
        The drawing.

    Examples
    --------
    >>> here = {"x": [1.0, 0.5, 1.5], "y": [2.0, 1.0, 3.0], "mark": ("#0072B2", "circle")}
    >>> points = [{**here, "size": 9, "said": "today"}]
    >>> unit = Unit(1.0, "", "", "")
    >>> plot = plane(points, (unit, unit), ("spend", "visits"), "", "", False)
    >>> plot.spec["data"][0]["y"]
    [2.0]
    """
    path = sorted((real(p["x"][0]), real(p["y"][0])) for p in points)
    data: list[Spec] = []
    for point in points:
        colour = point["mark"][0]
        data.append(
            markers(
                [units[0].scaled(point["x"][0])],
                [units[1].scaled(point["y"][0])],
                point["mark"],
                point["size"],
                [point["said"]],
                error_x=whiskers([point["x"]], units[0], faded(colour, 0.3), 1.2),
                error_y=whiskers([point["y"]], units[1], faded(colour, 0.3), 1.2),
            )
        )
    x_axis, y_axis = (axis_of(title, nticks=6, ticks="") for title in axes)
    plot = Plot(drawing(data, x_axis, y_axis, PLANE), label, PLANE, name)
    if joined:
        add_line(plot, [units[0].scaled(x) for x, _ in path], [units[1].scaled(y) for _, y in path])
    return plot
