"""The report's own drawings as plotly figures, for a notebook.

``import equipoise.report.notebook``; then ``plot(findings)`` or ``plot(curve)``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from equipoise.evaluation.curves import Curve
from equipoise.report.formatting import Unit
from equipoise.report.page import sections
from equipoise.report.parts import Figure, Plot
from equipoise.report.plots import LINE, MUTED, add_line, curve
from equipoise.report.view import View

PLAIN = Unit(1.0, "", "", "gain per head")


def plot(thing: Mapping[str, Any] | Curve) -> Any:
    """Draw findings or a curve as the report draws them.

    Parameters
    ----------
    thing : findings of `equipoise.run`, or a Curve of `equipoise.evaluation`
        What is drawn.

    Returns
    -------
    plotly.graph_objects.Figure, or a list of them
        One figure of a curve; of findings every drawing of the report, in its order.

    Examples
    --------
    >>> figures = plot(equipoise.run(plan, "runs/mine"))  # doctest: +SKIP
    >>> figures[0].show()  # doctest: +SKIP
    """
    if isinstance(thing, Curve):
        return as_figure(_curve(thing))
    blocks = [block for section in sections(View(thing)) for block in section.blocks]  # type: ignore[arg-type]
    return [as_figure(p) for block in blocks if isinstance(block, Figure) for p in block.plots]


def as_figure(drawing: Plot) -> Any:
    """A drawing of the report as a plotly figure, in the colours of the light page."""
    from plotly.graph_objects import Figure as PlotlyFigure

    spec = _coloured({"data": drawing.spec["data"], "layout": drawing.spec["layout"]}, _colours())
    title = {"text": drawing.name, "font": {"size": 13}}
    return PlotlyFigure(spec["data"], {**spec["layout"], "title": title})


def _curve(points: Curve) -> Plot:
    share = [100 * float(part) for part in points.share]
    hover = [f"{x:.0f}% treated: {y:.4g}" for x, y in zip(share, points.value, strict=True)]
    axes = ("share treated, %", PLAIN.axis)
    band = (points.low.tolist(), points.high.tolist())
    drawing = curve(share, points.value.tolist(), band, LINE, axes, hover, "", "; ".join(hover))
    add_line(drawing, share, points.random.tolist(), colour=MUTED)
    return drawing


def _colours() -> dict[str, str]:
    """The colours of the style sheet's light page."""
    style = files("equipoise.report").joinpath("style.css").read_text(encoding="utf-8")
    colours: dict[str, str] = {}
    for name, colour in re.findall(r"(--[\w-]+):\s*(#[0-9a-fA-F]{3,8}|rgba?\([^)]*\))", style):
        colours.setdefault(f"var({name})", colour)
    return colours


def _coloured(thing: Any, colours: Mapping[str, str]) -> Any:
    """The same with every ``var(--name)`` filled in."""
    if isinstance(thing, dict):
        return {key: _coloured(part, colours) for key, part in thing.items()}
    if isinstance(thing, list):
        return [_coloured(part, colours) for part in thing]
    return colours.get(thing, thing) if isinstance(thing, str) else thing
