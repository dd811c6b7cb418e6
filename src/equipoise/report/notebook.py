"""The report's own drawings as plotly figures, for a notebook: ``result.plot()``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from equipoise.core.effects import Effects
from equipoise.evaluation.curves import Curve
from equipoise.report.formatting import Unit
from equipoise.report.page import not_installed, sections
from equipoise.report.parts import Figure, Plot
from equipoise.report.plots import LINE, MUTED, add_line, curve, forest
from equipoise.report.view import View

PLAIN = Unit(1.0, "", "", "gain per head")


def plot(result: Mapping[str, Any] | Curve | Effects) -> Any:
    """Draw findings, a curve or effects as the report draws them.

    Parameters
    ----------
    result : findings of `equipoise.run`, Curve of `equipoise.evaluation`, or Effects
        What is drawn.

    Returns
    -------
    plotly.graph_objects.Figure, or a list of them
        One figure of a curve; of effects one per metric, a row per candidate: the mean over units,
        with whiskers over the middle 90 % of units; of findings every drawing of the report, in its
        order.

    Raises
    ------
    MissingExtra
        Where plotly, of the extra "report", is not installed.

    Examples
    --------
    >>> from equipoise.datasets import make_coupon_world
    >>> log, truth = make_coupon_world(200, metrics=("conversion", "visits"))
    >>> [figure.layout.title.text for figure in plot(truth.effects())]
    ['conversion: effects of units', 'visits: effects of units']
    """
    if isinstance(result, Curve):
        return as_figure(_curve(result))
    if isinstance(result, Effects):
        return [_spread(result, metric) for metric in result.metrics]
    blocks = [block for section in sections(View(result)) for block in section.blocks]  # type: ignore[arg-type]
    return [as_figure(p) for block in blocks if isinstance(block, Figure) for p in block.plots]


def plot_intervals(intervals: Mapping[str, Sequence[float]], axis: str, title: str = "") -> Any:
    """Values with their whiskers, one row each, as a plotly figure.   intervals : [value, low,
    high] by name.
    """
    names = list(intervals)
    marks = [LINE] * len(names)
    return as_figure(forest(names, list(intervals.values()), marks, PLAIN, axis, title))


def _spread(effects: Effects, metric: str) -> Any:
    """The effects of each candidate on a metric over units: the mean and the middle 90 %."""
    values = effects.metric(metric)
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    rows = np.column_stack([values.mean(axis=0), low, high]).tolist()
    intervals = dict(zip(effects.candidates, rows, strict=True))
    return plot_intervals(intervals, metric, f"{metric}: effects of units")


def as_figure(drawing: Plot) -> Any:
    """A drawing of the report as a plotly figure, in the colours of the light page."""
    try:
        from plotly.graph_objects import Figure as PlotlyFigure
    except ImportError as error:
        raise not_installed(error) from error
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
