"""The drawings, as plotly's plain {"data", "layout"}: so much of it as ``drawing.js`` serves.

marks -> colours, symbols, text;  axes -> what a drawing is laid on;  intervals, bars, curves,
mirrors, outline, plane -> the drawings.
"""

from equipoise.report.plots.axes import line_at
from equipoise.report.plots.bars import lollipops, stacks
from equipoise.report.plots.curves import add_line, add_points, curve, name_points
from equipoise.report.plots.intervals import dots, dumbbells, forest, levels
from equipoise.report.plots.marks import (
    CHOSEN,
    CONTROL,
    LINE,
    MUTED,
    OKABE_ITO,
    OTHER,
    RIVAL,
    SYMBOLS,
    Mark,
    Spec,
    faded,
    marks_of,
    plain,
    short,
)
from equipoise.report.plots.mirrors import mirror
from equipoise.report.plots.outline import outline
from equipoise.report.plots.plane import plane
from equipoise.report.plots.timelines import timelines

__all__ = [
    "CHOSEN",
    "CONTROL",
    "LINE",
    "MUTED",
    "OKABE_ITO",
    "OTHER",
    "RIVAL",
    "SYMBOLS",
    "Mark",
    "Spec",
    "add_line",
    "add_points",
    "curve",
    "dots",
    "dumbbells",
    "faded",
    "forest",
    "levels",
    "line_at",
    "lollipops",
    "marks_of",
    "mirror",
    "name_points",
    "outline",
    "plain",
    "plane",
    "short",
    "stacks",
    "timelines",
]
