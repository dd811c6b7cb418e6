"""A tree as an outline: a line for each question and leaf, further in the deeper it stands."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from equipoise.report.parts import Plot
from equipoise.report.plots.axes import drawing, markers
from equipoise.report.plots.marks import FAINT, FONT, INK, MUTED, Mark, Spec, plain

LINE_HEIGHT, MARGIN = 30, 16  # pixels
STEP, WIDTH = 0.07, 1.0  # of a level, and of the drawing
LONGEST = 46  # letters of a line


def outline(lines: Sequence[tuple[int, str, Mark | None]], label: str) -> Plot:
    """Lines of a tree, joined to those above.

    Parameters
    ----------
    lines : sequence of (int, str, Mark or None)
        The depth of each, what it says, and the mark of a leaf.
    label : str
        The drawing in words.

    Returns
    -------
    Plot
        The drawing.

    Examples
    --------
    >>> lines = [(0, "age < 30", None), (1, "yes: mail", ("#0072B2", "circle"))]
    >>> len(outline(lines, "a tree").spec["layout"]["shapes"])
    2
    """
    shapes: list[Spec] = []
    above: dict[int, int] = {}
    for y, (depth, _, _) in enumerate(lines):
        if depth:
            x = STEP * (depth - 1)
            shapes.append(_stroke(x, x, above[depth - 1], y))
            shapes.append(_stroke(x, x + STEP * 0.7, y, y))
        above[depth] = y
    data = [_said(depth, y, text) for y, (depth, text, _) in enumerate(lines)]
    for y, (depth, text, mark) in enumerate(lines):
        data.append(
            markers([STEP * depth], [y], mark or (MUTED, "diamond-open"), 11, [html.escape(text)])
        )
    none: dict[str, Any] = {"visible": False, "fixedrange": True}
    x_axis = {**none, "range": [-0.03, WIDTH]}
    y_axis = {**none, "range": [len(lines) - 0.5, -0.5]}
    height = LINE_HEIGHT * len(lines) + MARGIN
    return Plot(drawing(data, x_axis, y_axis, height, shapes), label, height, wide=True)


def _said(depth: int, y: int, text: str) -> Spec:
    return {
        "type": "scatter",
        "mode": "text",
        "x": [STEP * depth + 0.03],
        "y": [y],
        "text": [plain(text, LONGEST)],
        "textposition": "middle right",
        "textfont": {"size": FONT + 1, "color": INK},
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


def _stroke(x0: float, x1: float, y0: float, y1: float) -> Spec:
    """A straight line below the marks."""
    line = {"color": FAINT, "width": 2}
    ends = {"x0": x0, "x1": x1, "y0": y0, "y1": y1}
    return {"type": "line", "layer": "below", "line": line, **ends}
