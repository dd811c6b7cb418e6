"""The sliders of a report with [ranking]: a reader moves weights of objectives and sees what the
nearest setting that was tried reaches.
"""

from __future__ import annotations

import math

from equipoise.report.findings import Interval
from equipoise.report.findings_ranking import FrontPoint, RankingFindings
from equipoise.report.formatting import has_interval, real, share
from equipoise.report.parts import Chooser, Key, Meter, Setting, Table
from equipoise.report.plots import CHOSEN, RIVAL
from equipoise.report.sections.ranking_methods import columns_of, ordered
from equipoise.report.sentences_ranking import (
    NOTHING,
    UNIT,
    level_in_words,
    of_method,
    shipped_point,
)

HERE = "var(--accent)"
MARGIN = 0.04  # of a scale beyond the intervals it holds


def chooser(findings: RankingFindings) -> Chooser:
    """Sliders of weights over the settings of the front."""
    points, names = findings["front"], objectives_of(findings)
    groups = [m["name"] for m in ordered(findings) if any(p["method"] == m["name"] for p in points)]
    groups += [n for n in dict.fromkeys(p["method"] for p in points) if n not in groups]
    scales = {column: _scale(findings, column) for column in columns_of(findings)}
    settings = [
        Setting(
            groups.index(point["method"]),
            [real(point["weights"].get(name, 0.0)) for name in names],
            _setting_in_words(findings, point),
            [_cell(value_of(point, column), *scale) for column, scale in scales.items()],
        )
        for point in points
    ]
    start = next((i for i, point in enumerate(points) if point["shipped"]), 0)
    meters = [_meter(findings, column, *scale) for column, scale in scales.items()]
    criterion = findings["criterion"].upper()
    reading = (
        "Move the sliders: of the settings of weights that a method was tried with, the nearest is"
        f" shown. Each scale is the {criterion} of an objective on the test rows, right is better;"
        f" the ring is that setting, its band the {100 * findings['level']:g}% interval."
    )
    keys = [Key("ring", HERE, "the setting you choose"), Key("band", HERE, "its interval")]
    keys += [key for key, _, _ in meters[0].signs]
    columns = [
        "method",
        *(f"weight of {n}" for n in names),
        *columns_of(findings),
        "efficient",
        "ships",
    ]
    rows = [_row(findings, point) for point in points]
    twin = Table(
        f"{criterion} of every setting on the test rows",
        columns,
        rows,
        (0, len(columns) - 2, len(columns) - 1),
    )
    return Chooser(
        _chooser_title(findings), reading, names, groups, meters, settings, start, twin, keys
    )


def _chooser_title(findings: RankingFindings) -> str:
    here = shipped_point(findings)
    if here is None:
        return "What every setting of weights would do"
    if here["efficient"]:
        return (
            "No other setting of weights is as good as what ships everywhere and better somewhere"
        )
    return "Another setting of weights is as good as what ships everywhere and better somewhere"


def _setting_in_words(findings: RankingFindings, point: FrontPoint) -> str:
    standing = "efficient" if point["efficient"] else "beaten by another setting"
    ships = "; this is what ships" if point["shipped"] else ""
    return f"{point['method']} with weights {weights_in_words(findings, point)}: {standing}{ships}."


def _signs(findings: RankingFindings) -> list[tuple[Key, str]]:
    """What stands on every scale: what ships, and the fallback."""
    every = [(Key("star", CHOSEN[0], "what ships"), findings["method"])]
    if findings["method"] != findings["fallback"]:
        every.append((Key("circle", RIVAL[0], "fallback"), findings["fallback"]))
    return every


def _scale(findings: RankingFindings, column: str) -> tuple[float, float]:
    """The ends of an objective's scale: all that is ever shown on it."""
    intervals = [value_of(point, column) for point in findings["front"]]
    intervals += [
        of_method(findings["measures"], findings["criterion"], method, column)
        for _, method in _signs(findings)
    ]
    every = [real(x) for interval in intervals for x in interval if math.isfinite(real(x))]
    if not every:
        return 0.0, 1.0
    margin = MARGIN * (max(every) - min(every)) or 0.005
    return min(every) - margin, max(every) + margin


def _place(x: float, low: float, high: float) -> float | None:
    """Where a value stands on a scale, 0..100; None where it is no number."""
    return 100 * (real(x) - low) / (high - low) if math.isfinite(real(x)) else None


def _cell(interval: Interval, low: float, high: float) -> tuple[str, str, list[float | None]]:
    ends = interval if has_interval(interval) else [interval[0], None, None]
    span = UNIT.span(interval, plus=False) if has_interval(interval) else "no interval"
    return UNIT.of_level(interval), span, [_place(real(x), low, high) for x in ends]


def _meter(findings: RankingFindings, column: str, low: float, high: float) -> Meter:
    signs = []
    for key, method in _signs(findings):
        value = of_method(findings["measures"], findings["criterion"], method, column)
        signs.append((key, UNIT.of_level(value), _place(real(value[0]), low, high)))
    return Meter(column, (UNIT.of_level([low, low, high]), UNIT.of_level([high, low, high])), signs)


def _row(findings: RankingFindings, point: FrontPoint) -> list[str]:
    names = objectives_of(findings)
    return [
        point["method"],
        *(share(point["weights"].get(name, 0.0)) for name in names),
        *(level_in_words(value_of(point, column)) for column in columns_of(findings)),
        "yes" if point["efficient"] else "",
        "yes" if point["shipped"] else "",
    ]


def objectives_of(findings: RankingFindings) -> list[str]:
    """The names of the objectives."""
    return [one["name"] for one in findings["objectives"]]


def weights_in_words(findings: RankingFindings, point: FrontPoint) -> str:
    """``watch 25%, purchase 75%``."""
    return ", ".join(
        f"{name} {share(point['weights'].get(name, 0.0))}" for name in objectives_of(findings)
    )


def value_of(point: FrontPoint, column: str) -> Interval:
    """What a setting reaches on an objective; NaN where there is none."""
    return point["values"].get(column, NOTHING)
