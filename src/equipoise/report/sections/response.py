"""Section 3: who responds, and what drives it?"""

from __future__ import annotations

from typing import Any

from equipoise.report.findings import Decile, Driver
from equipoise.report.formatting import Unit, has_interval, listed, plural, real, share
from equipoise.report.parts import Block, Figure, Key, Plot, Section, Table, Words
from equipoise.report.plots import MUTED, Mark, add_line, add_points, curve, lollipops
from equipoise.report.view import LEFT_OUT, View

TENTHS = 10
MOST_FEATURES = 8  # of a metric that are drawn


def responds(view: View) -> Section:
    """3. Who responds?"""
    rows = view.findings["deciles"]
    blocks: list[Block] = []
    answer = "Predicted effects were not compared with observed ones."
    if rows:
        inside = sum(_holds(row) for row in rows)
        where = f"inside the observed {view.interval} in {inside} of {plural(len(rows), 'group')}"
        answer = f"{_top_and_bottom(view, rows)} Predictions lie {where}."
        blocks += [_decile_figure(view, rows), *_calibration(view)]
    blocks.append(_drivers(view))
    return Section("who", "Who responds", "Who responds?", answer, blocks)


def _holds(row: Decile) -> bool:
    return real(row["observed"][1]) <= real(row["predicted"]) <= real(row["observed"][2])


def _series(rows: list[Decile]) -> list[dict[str, Any]]:
    """The deciles of each (metric, candidate), in order."""
    series: dict[tuple[str, str], list[Decile]] = {}
    for row in rows:
        series.setdefault((row["metric"], row["candidate"]), []).append(row)
    return [
        {"metric": m, "candidate": c, "rows": sorted(rs, key=lambda r: r["decile"])}
        for (m, c), rs in series.items()
    ]


def _top_and_bottom(view: View, rows: list[Decile]) -> str:
    first = view.panels(_series(rows))[0]
    shares = view.findings["policy"]["shares"]
    main = max(
        (p for p in first if p["metric"] == first[0]["metric"]),
        key=lambda p: shares.get(p["candidate"], 0.0),
    )
    unit, top, bottom = view.units[main["metric"]], main["rows"][0], main["rows"][-1]
    return (
        f"Among the tenth of people predicted to gain most from {main['candidate']}, its effect on"
        f" {main['metric']} was {unit.effect(top['observed'])}; among the tenth predicted to gain"
        f" least, {unit.effect(bottom['observed'])}."
    )


def _decile_figure(view: View, rows: list[Decile]) -> Figure:
    panels, left = view.panels(_series(rows))
    plots = [_decile_panel(view, panel) for panel in panels]
    reading = (
        "People are sorted by predicted effect into tenths, the best first; each mark is the"
        f" effect observed in a tenth with its {view.interval}, the dotted line what was predicted"
        " for it: good predictions fall together with the marks."
    )
    columns = ["metric", "arm", "tenth", "people", "predicted", "observed", view.interval]
    twin = Table(
        "Predicted and observed effect by tenth",
        columns,
        [_decile_row(view, row) for row in rows],
        (0, 1),
    )
    keys = [
        *view.keys(dict.fromkeys(panel["candidate"] for panel in panels)),
        Key("dots", MUTED, "predicted"),
    ]
    title = (
        "Does the effect really fall from the tenth predicted to gain most to the tenth predicted"
        " to gain least?"
    )
    return Figure(title, reading, plots, twin, keys, LEFT_OUT.format(left) if left else "")


def _calibration(view: View) -> list[Block]:
    """Whether effects rise as much as their predictions."""
    rows = view.findings.get("calibration", [])
    if not rows:
        return []
    unit = Unit(1.0, "", "", "")
    cells = [
        [
            row["metric"],
            row["candidate"],
            unit.bare(row["slope"], plus=False),
            unit.span(row["slope"], plus=False),
            _calibrated(row["slope"]),
        ]
        for row in rows
    ]
    caption = (
        "Calibration: by how much the effect rises where its prediction rises by 1; 1 is right, 0"
        " tells nobody from another"
    )
    columns = ["metric", "arm", "slope", view.interval, "predictions"]
    return [Table(caption, columns, cells, (0, 1, 4))]


def _calibrated(slope: list[float]) -> str:
    low, high = real(slope[1]), real(slope[2])
    if not has_interval(slope):
        return "do not vary"
    if low <= 0 <= high:
        return "may tell nobody from another"
    if low <= 1 <= high:
        return "agree with what is observed"
    if high < 0:
        return "point the wrong way"
    return "differ too much between people" if high < 1 else "differ too little between people"


def _decile_row(view: View, row: Decile) -> list[str]:
    unit, interval = view.units[row["metric"]], row["observed"]
    predicted = unit.effect([row["predicted"], interval[1], interval[2]])
    return [
        row["metric"],
        row["candidate"],
        str(row["decile"]),
        f"{row['rows']:,}",
        predicted,
        unit.effect(interval),
        unit.span(interval),
    ]


def _decile_panel(view: View, panel: dict[str, Any]) -> Plot:
    unit, rows = view.units[panel["metric"]], panel["rows"]
    mark: Mark = view.mark(panel["candidate"])
    x = [row["decile"] for row in rows]
    intervals = [row["observed"] for row in rows]
    hover = [
        f"tenth {row['decile']}: observed {view.gain(panel['metric'], i)}"
        for row, i in zip(rows, intervals, strict=True)
    ]
    name = f"{panel['candidate']} \u2192 {panel['metric']}"
    label = f"{name}: " + "; ".join(hover)
    plot = curve(
        x,
        [None] * len(x),
        None,
        mark,
        ("tenth (1 = best predicted)", unit.axis),
        hover,
        name,
        label,
    )
    add_line(plot, x, [unit.scaled(row["predicted"]) for row in rows])
    add_points(plot, x, intervals, unit, mark, hover, 9)
    plot.spec["layout"]["xaxis"].update(
        {"tickmode": "linear", "dtick": 1 if len(x) <= TENTHS else 2, "range": [0.4, max(x) + 0.6]}
    )
    return plot


def _drivers(view: View) -> Block:
    rows = view.findings["drivers"]
    if not rows:
        return Words("What drives the differences between people was not computed.", quiet=True)
    plots: list[Plot] = []
    leaders: dict[str, list[str]] = {}
    for metric in view.metrics:
        mine = [row for row in rows if row["metric"] == metric]
        weight = {(row["feature"], row["candidate"]): row["importance"] for row in mine}
        features = list(dict.fromkeys(row["feature"] for row in mine))
        total = {f: sum(real(v) for (name, _), v in weight.items() if name == f) for f in features}
        shown = sorted(features, key=lambda f: -total[f])[:MOST_FEATURES]
        present = [
            name for name in view.candidates if any(row["candidate"] == name for row in mine)
        ]
        series = [
            (name, view.mark(name), [weight.get((f, name)) for f in shown]) for name in present
        ]
        if shown and series:
            plots.append(lollipops(shown, series, "share of the explained variation", metric))
            leaders.setdefault(shown[0], []).append(metric)
    reading = (
        "How much each feature moves the predicted effect: the bar is the mean over arms, the marks"
        " are the arms; it says what the model uses, not what causes the response."
    )
    names = ["metric", "arm", "feature", "share"]
    cells = [
        [row["metric"], row["candidate"], row["feature"], share(row["importance"])] for row in rows
    ]
    if any("moves" in row for row in rows):
        names += ["moves the effect by", "as it grows, the effect"]
        cells = [[*cell, *_move(view, row)] for cell, row in zip(cells, rows, strict=True)]
        reading += (
            " The table says how far a feature moves a person's predicted effect on average (exact"
            " Shapley values of the trees, on people whom they never saw), and which way."
        )
    twin = Table("Drivers of the predicted effect", names, cells, (0, 1, 2, 5))
    several = len(plots) > 1
    title = listed(
        f"{name} (for {listed(metrics)})" if several else name for name, metrics in leaders.items()
    )
    return Figure(
        f"What the predicted effect depends on most: {title}", reading, plots, twin, view.keys()
    )


def _move(view: View, row: Driver) -> list[str]:
    """How far a feature moves the effect, and which way."""
    if "moves" not in row:
        return ["", ""]
    size = view.units[row["metric"]].effect([row["moves"], None, None])
    return [size.replace("+", "\u00b1"), row.get("direction", "")]
