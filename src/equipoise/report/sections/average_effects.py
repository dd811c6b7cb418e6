"""Section 2: what works on average?"""

from __future__ import annotations

from equipoise.report.findings import Average
from equipoise.report.formatting import MISSING, apart, listed, number, plural, real
from equipoise.report.parts import Block, Figure, Plot, Section, Table
from equipoise.report.plots import forest
from equipoise.report.view import View


def averages(view: View) -> Section:
    """2. What works on average?"""
    rows = view.findings["averages"]
    title = "What works on average?"
    if not rows:
        return Section("average", "Average effects", title, "No average effects were computed.", [])
    reading = (
        f"Each mark is the change against {view.control} per head, with its {view.interval}; a"
        " hollow mark's interval holds zero, so that effect may be nil."
    )
    panels = [
        _average_panel(view, metric, [r for r in rows if r["metric"] == metric])
        for metric in view.metrics
    ]
    twin = Table(
        "Average effects",
        ["metric", "arm", "mean under control", "effect", view.interval, "p-value"],
        [_average_row(view, row) for row in rows],
        (0, 1),
    )
    clear = sum(apart(row["effect"]) for row in rows)
    heading = f"{clear} of {plural(len(rows), 'average effect')} can be told apart from zero"
    figure = Figure(heading, reading, [p for p in panels if p], twin)
    blocks: list[Block] = [figure, *_power(view)]
    return Section("average", "Average effects", title, _best_arms(view, rows), blocks)


def _power(view: View) -> list[Block]:
    """What a log of this size can tell, and the next experiment."""
    rows = view.findings.get("power", [])
    if not rows:
        return []
    cells = [
        [
            row["metric"],
            row["candidate"],
            view.units[row["metric"]].effect([row["detectable"], None, None]).lstrip("+"),
            MISSING if row["needed"] is None else number(float(f"{row['needed']:.2g}")),
        ]
        for row in rows
    ]
    people = f"{view.findings['experiment']['rows']:,}"
    columns = [
        "metric",
        "arm",
        f"least effect that {people} people tell",
        "people for the one seen",
    ]
    caption = (
        "Power: what an experiment as large tells in 8 of 10 cases, and how large a one each effect"
        " takes, if it is as large as it looks; no arm without an effect is claimed in 95 of 100"
    )
    return [Table(caption, columns, cells, (0, 1))]


def _average_panel(view: View, metric: str, rows: list[Average]) -> Plot | None:
    if not rows:
        return None
    names = [row["candidate"] for row in rows]
    unit = view.units[metric]
    axis = view.best_is(metric)
    return forest(
        names,
        [row["effect"] for row in rows],
        [view.mark(name) for name in names],
        unit,
        axis,
        metric,
    )


def _average_row(view: View, row: Average) -> list[str]:
    unit, p = view.units[row["metric"]], real(row["p_value"])
    p_text = "< 0.001" if p < 0.001 else number(p, 3)
    level, effect = unit.of_level(row["control"]), unit.effect(row["effect"])
    return [row["metric"], row["candidate"], level, effect, unit.span(row["effect"]), p_text]


def _best_arms(view: View, rows: list[Average]) -> str:
    """The best arm on each metric, in a sentence."""
    best_on: dict[str, list[str]] = {}
    for metric in view.metrics:
        mine = [row for row in rows if row["metric"] == metric]
        sign = -1.0 if metric in view.lower else 1.0
        if mine:
            best = max(mine, key=lambda row: sign * real(row["effect"][0]))
            doubt = "" if apart(best["effect"]) else ", which may be chance"
            best_on.setdefault(best["candidate"], []).append(
                f"{metric} ({view.units[metric].effect(best['effect'])}{doubt})"
            )
    parts = [f"{name} does best on {listed(metrics)}" for name, metrics in best_on.items()]
    return f"If everybody had to get the same: {'; '.join(parts)}."
