"""How does the predicted effect vary?  Partial curves of the strongest drivers, and which of them
move the effect together.
"""

from __future__ import annotations

from typing import Any

from equipoise.report.findings_segments import (
    PairCurves,
    PairRow,
    PartialCurve,
    VariationFindings,
)
from equipoise.report.formatting import MISSING, Unit, has_interval, listed, number, real
from equipoise.report.parts import Block, Figure, Key, Plot, Section, Table, Words
from equipoise.report.plots import MUTED, OKABE_ITO, add_line, curve, levels
from equipoise.report.sentences import FAMILY
from equipoise.report.view import LEFT_OUT, View

OF_MODEL = (
    "A partial curve is of the model, not of the experiment: it says what the model predicts where"
    " one feature is changed and all others stay, not what happened to people who differ in it."
)
TICK = 0.035  # of the drawing's height, for each tenth of the people
MOST_PAIRS = 6  # in the table


def varies(view: View, found: VariationFindings) -> Section:
    """How does the predicted effect vary?"""
    blocks: list[Block] = [_curves(view, found["curves"])]
    if found["pairs"]:
        blocks += _pairs(view, found["pairs"])
    if found["together"] is not None:
        blocks.append(_together(view, found["together"]))
    blocks.append(Words(OF_MODEL, quiet=True))
    title = "How does the predicted effect vary?"
    return Section("varies", "How it varies", title, _answer(view, found), blocks)


def _sure(row: PairRow) -> bool:
    return real(row["adjusted"]) <= FAMILY and real(row["slope"][0]) > 0


def _answer(view: View, found: VariationFindings) -> str:
    """How far the strongest driver moves the effect, and whether two features do so together."""
    rows = [row for row in found["curves"] if row["metric"] == _main(view, found)]
    first = max(rows, key=_reach) if rows else found["curves"][0]
    unit = view.units[first["metric"]]
    low, high = min(first["effect"]), max(first["effect"])
    said = (
        f"Along {first['feature']} the predicted effect of {first['candidate']} on"
        f" {first['metric']} lies between {unit.effect([low, *_span(first)])} and"
        f" {unit.effect([high, *_span(first)])}."
    )
    pairs = list(
        dict.fromkeys(" and ".join(row["features"]) for row in found["pairs"] if _sure(row))
    )
    if pairs:
        return (
            f"{said} {listed(pairs)} surely move the effect together, beyond what each does alone."
        )
    if found["pairs"]:
        return f"{said} No two features surely move the effect together."
    return said


def _main(view: View, found: VariationFindings) -> str:
    there = {row["metric"] for row in found["curves"]}
    return next((name for name in view.metrics if name in there), found["curves"][0]["metric"])


def _reach(row: PartialCurve) -> float:
    return max(row["effect"]) - min(row["effect"])


def _span(row: PartialCurve) -> tuple[float, float]:
    """Ends by which its values are rounded."""
    return min(row["effect"]), max(row["effect"]) + 1e-12


def _curves(view: View, rows: list[PartialCurve]) -> Figure:
    panels, left = view.panels(rows)
    reading = (
        "Each panel sets one feature to its values and leaves all others as they are, for people"
        " whom the model never saw; the line is their mean predicted effect, and eight of ten"
        " people's own curves lie in the band, apart from their heights: a wide band means that"
        " the feature does other things to other people. Ticks below are tenths of the people."
    )
    columns = ["metric", "arm", "feature", "value", "predicted effect", "people's own curves"]
    cells = [line for row in rows for line in _lines(view, row)]
    twin = Table("Partial curves", columns, cells, (0, 1, 2, 3))
    plots = [_number(view, row) if not row["levels"] else _levels(view, row) for row in panels]
    keys = view.keys(dict.fromkeys(row["candidate"] for row in panels))
    names = listed(dict.fromkeys(row["feature"] for row in rows))
    note = LEFT_OUT.format(left) if left else ""
    return Figure(f"The predicted effect along {names}", reading, plots, twin, keys, note)


def _lines(view: View, row: PartialCurve) -> list[list[str]]:
    unit = view.units[row["metric"]]
    return [
        [row["metric"], row["candidate"], row["feature"], _said(value), *_two(unit, own)]
        for value, own in zip(row["values"], _intervals(row), strict=True)
    ]


def _two(unit: Unit, own: list[float]) -> tuple[str, str]:
    return unit.effect(own), unit.span(own)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else number(value)


def _intervals(row: PartialCurve) -> list[list[float]]:
    return [list(own) for own in zip(row["effect"], row["low"], row["high"], strict=True)]


def _number(view: View, row: PartialCurve) -> Plot:
    unit, name = view.units[row["metric"]], f"{row['candidate']} by {row['feature']}"
    ends = [[unit.scaled(x) for x in row[key]] for key in ("low", "high")]
    said = [
        f"{_said(value)}: {unit.effect(own)}"
        for value, own in zip(row["values"], _intervals(row), strict=True)
    ]
    plot = curve(
        row["values"],
        [unit.scaled(x) for x in row["effect"]],
        (ends[0], ends[1]),
        view.mark(row["candidate"]),
        (row["feature"], unit.axis),
        said,
        name,
        f"{name}, on {row['metric']}: {'; '.join(said)}",
    )
    low, high = row["values"][0], row["values"][-1]
    plot.spec["layout"]["shapes"] += [
        {
            "type": "line",
            "x0": at,
            "x1": at,
            "y0": 0,
            "y1": TICK,
            "yref": "paper",
            "line": {"color": MUTED, "width": 1.5},
            "layer": "below",
        }
        for at in dict.fromkeys(row["tenths"])
        if low <= at <= high
    ]
    return plot


def _levels(view: View, row: PartialCurve) -> Plot:
    marks = [view.mark(row["candidate"])] * len(row["values"])
    name, unit = f"{row['candidate']} by {row['feature']}", view.units[row["metric"]]
    names, axis = [_said(value) for value in row["values"]], view.best_is(row["metric"])
    written = Unit(unit.scale, unit.change, unit.change, unit.axis)  # an effect, but no test of 0
    return levels(names, _intervals(row), marks, written, axis, name, float("nan"))


def _pairs(view: View, rows: list[PairRow]) -> list[Block]:
    """The surest pairs, and what their figures are."""
    unit, several = Unit(1.0, "", "", ""), len({row["metric"] for row in rows}) > 1
    cells = [
        [
            " and ".join(row["features"]),
            f"{row['candidate']} \u2192 {row['metric']}" if several else row["candidate"],
            view.units[row["metric"]].effect([row["size"], None, None]).replace("+", "\u00b1"),
            f"{number(row['strength'], 2)} \u00b1 {number(row['std_error'], 2)}",
            f"{unit.bare(row['slope'], plus=False)} ({unit.span(row['slope'], plus=False)})"
            if has_interval(row["slope"])
            else MISSING,
            MISSING if real(row["p_value"]) != real(row["p_value"]) else _p(row["adjusted"]),
        ]
        for row in rows[:MOST_PAIRS]
    ]
    columns = ["features", "arm", "beyond the sum", "H", "held-out slope", "p among all"]
    caption = f"Which features move the effect together: the surest of {len(rows)}"
    reading = (
        "Beyond the sum: by how much two features move the predicted effect that is not the sum of"
        " what each does. H: the share of that in all they do, 0 none and 1 all, with its standard"
        " error over people. A model joins features by chance too, so the slope says whether people"
        " whom it never saw show the same: 1 as predicted, 0 not at all; its p-values are adjusted"
        " for being so many."
    )
    return [Table(caption, columns, cells, (0, 1)), Words(reading, quiet=True)]


def _p(p: float) -> str:
    return "< 0.001" if real(p) < 0.001 else number(p, 3)


def _together(view: View, pair: PairCurves) -> Figure:
    """One line for each value of one of them; a number, if one is, along the axis."""
    values, effects, names = pair["values"], pair["effects"], pair["features"]
    flat = pair["levels"]
    if flat[0] and not flat[1]:
        values, names = values[::-1], names[::-1]
        effects = [list(column) for column in zip(*effects, strict=True)]
        flat = flat[::-1]
    unit = view.units[pair["metric"]]
    x = list(range(1, len(values[0]) + 1)) if flat[0] else values[0]
    lines = [
        (value, OKABE_ITO[i % len(OKABE_ITO)], [unit.scaled(row[i]) for row in effects])
        for i, value in enumerate(values[1])
    ]
    told = [
        f"{names[1]} {_said(value)}: {', '.join(number(y) for y in ys)}" for value, _, ys in lines
    ]
    name = f"{pair['candidate']} on {pair['metric']}"
    first, *others = lines
    hover = [f"{names[0]} {_said(v)}, {names[1]} {_said(first[0])}" for v in values[0]]
    axes = names[0], unit.axis
    plot = curve(x, first[2], None, (first[1], "circle"), axes, hover, name, "; ".join(told))
    for _, colour, ys in others:
        add_line(plot, x, ys, "solid", colour)
    if flat[0]:
        ticks = {"tickmode": "array", "tickvals": x, "ticktext": [_said(v) for v in values[0]]}
        plot.spec["layout"]["xaxis"].update(ticks)
    keys = [Key("line", colour, f"{names[1]} {_said(value)}") for value, colour, _ in lines]
    cells = [
        [_said(v), *(unit.effect([row[i], min(row), max(row) + 1e-12]) for i in range(len(lines)))]
        for v, row in zip(values[0], effects, strict=True)
    ]
    columns = [names[0], *(f"{names[1]} {_said(value)}" for value, _, _ in lines)]
    reading = (
        "Both features are set to their values and all others stay as they are; lines that are not"
        " parallel are what the two do together."
    )
    title = f"{names[0]} and {names[1]} move the effect together"
    return Figure(title, reading, [plot], Table(title, columns, cells), keys)
