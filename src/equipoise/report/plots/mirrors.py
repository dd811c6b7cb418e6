"""Two distributions on one axis, one above the line and the other below it."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.report.parts import Plot
from equipoise.report.plots.axes import PANEL, axis_of, drawing, line_at
from equipoise.report.plots.marks import MUTED, Spec, faded

ROOM = 1.12  # of the tallest step, above and below


def mirror(
    edges: Sequence[float],
    above: Sequence[float],
    below: Sequence[float],
    colour: str,
    axes: tuple[str, str],
    lane: float | None,
    name: str,
    label: str,
) -> Plot:
    """Shares by bins, as steps: those above in a colour, those below in grey.

    Parameters
    ----------
    edges : sequence of float
        Of the b bins, b + 1.
    above, below : sequence of float
        Shares in the bins, b each.
    colour : str
        Hex, of what stands above.
    axes : (str, str)
        Titles of the axes.
    lane : float or None
        A lane from 0 to here is shaded.
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
    >>> plot = mirror([0, 0.5, 1], [0.2, 0.8], [0.9, 0.1], "#0072B2", ("p", ""), None, "mens", "")
    >>> plot.spec["data"][1]["y"]
    [0, 0.2, 0.2, 0.8, 0.8, 0]
    """
    x = [edge for edge in edges for _ in range(2)]
    data = _steps(x, above, colour) + _steps(x, [-share for share in below], "#8a9099")
    shapes: list[Spec] = [_zero()]
    if lane is not None:
        area = {"type": "rect", "x0": 0, "x1": lane, "y0": 0, "y1": 1, "yref": "paper"}
        shade = {"fillcolor": "var(--lane)", "line": {"width": 0}, "layer": "below"}
        shapes += [{**area, **shade}, line_at(lane, "dash")]
    most = ROOM * max([*above, *below, 1e-6])
    x_axis = axis_of(axes[0], range=[0, edges[-1]], nticks=6, ticks="", tickformat=".0%")
    if edges[-1] < 0.1:
        x_axis["tickformat"] = ".1%"
    y_axis = axis_of(axes[1], range=[-most, most], showticklabels=False, showgrid=False, ticks="")
    return Plot(drawing(data, x_axis, y_axis, PANEL, shapes), label, PANEL, name)


def _steps(x: Sequence[float], shares: Sequence[float], colour: str) -> list[Spec]:
    """The area between 0 and steps.   x: each edge twice."""
    base: Spec = {"type": "scatter", "mode": "lines", "x": list(x), "hoverinfo": "skip"}
    y = [0, *(share for share in shares for _ in range(2)), 0]
    return [
        {**base, "y": [0] * len(x), "line": {"width": 0, "color": colour}},
        {
            **base,
            "y": y,
            "line": {"width": 1.6, "color": colour},
            "fill": "tonexty",
            "fillcolor": faded(colour, 0.3),
        },
    ]


def _zero() -> Spec:
    line = {"color": MUTED, "width": 1}
    return {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": 0, "y1": 0, "line": line}
