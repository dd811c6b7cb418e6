"""Do effects last?  Average effects by period, in the section on averages."""

from __future__ import annotations

from equipoise.report.findings import Findings, OverTime, PeriodEffects
from equipoise.report.formatting import MISSING, listed, number, plural, real
from equipoise.report.parts import Block, Figure, Plot, Table
from equipoise.report.plots import add_line, add_points, curve, plain
from equipoise.report.sentences import changed_over_time, over_time_words
from equipoise.report.view import LEFT_OUT, View


def lasting(view: View) -> list[Block]:
    """The picture of effects over time; nothing where the log has no time."""
    facts = view.findings.get("over_time")
    if facts is None or not facts["rows"]:
        return []
    panels, left = view.panels(facts["rows"])
    told = changed_over_time(view.findings)
    many = plural(len(facts["rows"]), "average effect")
    title = (
        f"No average effect of {len(facts['rows'])} surely changes over time"
        if not told
        else f"{len(told)} of {many} surely {'changes' if len(told) == 1 else 'change'} over time: "
        + listed([f"{row['candidate']} on {row['metric']}" for row in told])
    )
    reading = (
        f"Each mark is the average effect among the people of one {facts['length']}, from"
        f" {facts['starts'][0]} on, with its {view.interval}; the dotted line is the average of all"
        " times. An effect of novelty falls towards zero. That an effect changes is told by its"
        " p-value among all (Holm), not by marks that differ."
    )
    said = " ".join(over_time_words(view.findings, row) for row in told)
    note = " ".join(part for part in (said, LEFT_OUT.format(left) if left else "") if part)
    plots = [_panel(view, facts, row) for row in panels]
    return [Figure(title, reading, plots, _twin(view, facts), view.keys(), note)]


def _panel(view: View, facts: OverTime, row: PeriodEffects) -> Plot:
    unit, mark = view.units[row["metric"]], view.mark(row["candidate"])
    at = [p for p, interval in enumerate(row["effects"]) if interval is not None]
    intervals = [interval for interval in row["effects"] if interval is not None]
    hover = [
        f"<b>{plain(row['candidate'], 60)}</b><br>{facts['starts'][p]}: {unit.effect(interval)}"
        f" ({unit.span(interval)}), {row['rows'][p]:,} rows"
        for p, interval in zip(at, intervals, strict=True)
    ]
    x = [p + 1 for p in at]
    name = f"{row['candidate']} on {row['metric']}"
    label = f"{name}, by {facts['length']}: " + "; ".join(
        f"{facts['starts'][p]} {unit.effect(interval)}"
        for p, interval in zip(at, intervals, strict=True)
    )
    y = [unit.scaled(interval[0]) for interval in intervals]
    axes = (_axis(facts), f"effect, {unit.axis}")
    plot = curve(x, y, None, mark, axes, [""] * len(x), name, label)
    plot.spec["data"][0]["line"]["width"] = 1.2
    plot.spec["data"][0]["hoverinfo"] = "skip"
    whole = _whole(view.findings, row)
    if whole is not None:
        add_line(plot, [x[0], x[-1]], [unit.scaled(whole)] * 2)
    add_points(plot, x, intervals, unit, mark, hover, 8)
    return plot


def _axis(facts: OverTime) -> str:
    length = facts["length"]
    return length if length.isalpha() else f"period of {length}"


def _whole(findings: Findings, row: PeriodEffects) -> float | None:
    """The average effect of all times."""
    for average in findings["averages"]:
        if (average["metric"], average["candidate"]) == (row["metric"], row["candidate"]):
            return average["effect"][0]
    return None


def _twin(view: View, facts: OverTime) -> Table:
    columns = ["metric", "arm", "change by a line", view.interval, "p-value among all"]
    cells = []
    for row in facts["rows"]:
        unit = view.units[row["metric"]]
        p = real(row["adjusted"])
        cells.append(
            [
                row["metric"],
                row["candidate"],
                unit.effect(row["line"]),
                unit.span(row["line"]),
                "< 0.001" if p < 0.001 else number(p, 3),
                *(MISSING if each is None else unit.effect(each) for each in row["effects"]),
            ]
        )
    caption = f"Average effects by {facts['length']}, and what a straight line changes from the"
    return Table(f"{caption} first to the last", [*columns, *facts["starts"]], cells, (0, 1))
