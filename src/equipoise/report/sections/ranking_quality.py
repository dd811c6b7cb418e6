"""Section 4: how well are people ranked?"""

from __future__ import annotations

from equipoise.report.findings import Ranking
from equipoise.report.formatting import plural, real, share
from equipoise.report.parts import Figure, Key, Plot, Section, Table
from equipoise.report.plots import MUTED, add_line, curve
from equipoise.report.view import LEFT_OUT, View

TENTHS = 10  # points of a curve in its table


def ranks(view: View) -> Section:
    """4. How well are people ranked?"""
    rows = view.findings["rankings"]
    title, nav = "How well do the predicted effects rank people?", "Ranking quality"
    if not rows:
        return Section("rank", nav, title, "The ranking was not evaluated.", [])
    better = sum(real(row["qini"][1]) > 0 for row in rows)
    answer = (
        "Treating the people with the largest predicted effect first beats random order for"
        f" {better} of {plural(len(rows), 'pair')} of arm and metric: there the Qini's interval"
        " lies above zero."
        if better
        else (
            "No order of people can be told apart from a random one: every Qini's interval reaches"
            " zero."
        )
    )
    panels, left = view.panels(rows)
    reading = (
        "The line is the gain per head (all people counted) when the given share is treated in"
        f" order of predicted effect, with its {view.interval}; the dotted line treats the same"
        " share at random: the area between them is the Qini."
    )
    keys = [
        *view.keys(dict.fromkeys(row["candidate"] for row in panels)),
        Key("dots", MUTED, "random order"),
        Key("band", MUTED, view.interval),
    ]
    figure = Figure(
        "Is it worth treating the people with the largest predicted effect first?",
        reading,
        [_qini_panel(view, row) for row in panels],
        _qini_points(view, rows),
        keys,
        LEFT_OUT.format(left) if left else "",
    )
    return Section("rank", nav, title, answer, [figure, _qini_table(view, rows)])


def _qini_panel(view: View, row: Ranking) -> Plot:
    unit = view.units[row["metric"]]
    x = [100 * s for s in row["share"]]
    y, low, high, chance = (
        [unit.scaled(v) for v in row[key]] for key in ("gain", "gain_low", "gain_high", "random")
    )
    hover = [f"{share(s)} treated: {unit.effect([g, lo, hi])}" for s, g, lo, hi in _points(row)]
    name = f"{row['candidate']} \u2192 {row['metric']}"
    label = f"{name}: Qini {unit.effect(row['qini'])}, interval {unit.span(row['qini'])}"
    gained = "fall" if row["metric"] in view.lower else "gain"
    axes = ("share treated, %", f"{gained} per head, {unit.axis}")
    plot = curve(x, y, (low, high), view.mark(row["candidate"]), axes, hover, name, label)
    add_line(plot, x, chance)
    return plot


def _points(row: Ranking) -> list[tuple[float, float, float, float]]:
    return list(zip(row["share"], row["gain"], row["gain_low"], row["gain_high"], strict=True))


def _qini_points(view: View, rows: list[Ranking]) -> Table:
    """The curves at each tenth."""
    cells = []
    for row in rows:
        unit, points = view.units[row["metric"]], _points(row)
        step = max((len(points) - 1) // TENTHS, 1)
        cells += [
            [
                row["metric"],
                row["candidate"],
                share(s),
                unit.effect([g, lo, hi]),
                unit.span([g, lo, hi]),
            ]
            for s, g, lo, hi in points[::step]
        ]
    return Table(
        "Gain per head by share treated",
        ["metric", "arm", "share treated", "gain per head", view.interval],
        cells,
        (0, 1),
    )


def _qini_table(view: View, rows: list[Ranking]) -> Table:
    def row_of(row: Ranking) -> list[str]:
        unit = view.units[row["metric"]]
        qini, autoc = row["qini"], row["autoc"]
        cells = [unit.effect(qini), unit.span(qini), unit.effect(autoc), unit.span(autoc)]
        return [row["metric"], row["candidate"], *cells]

    columns = ["metric", "arm", "Qini", view.interval, "AUTOC", view.interval]
    return Table(
        "Area between the curve and random order (Qini), and its top-heavy sister (AUTOC)",
        columns,
        [row_of(r) for r in rows],
        (0, 1),
    )
