"""Sections 1 to 4, the evidence: is the experiment sound, what works on average, who responds, how
well people are ranked.
"""

from __future__ import annotations

from typing import Any

from equipoise.report.findings import Average, Check, Decile, Ranking
from equipoise.report.formatting import apart, listed, number, plural, real, share
from equipoise.report.parts import (
    Block,
    Checked,
    Checklist,
    Figure,
    Key,
    Plot,
    Section,
    Table,
    Words,
)
from equipoise.report.plots import MUTED, Mark, add_line, add_points, curve, dots, forest, lollipops
from equipoise.report.view import View

# a standardised difference below this is usually called balanced (Austin 2009, doi
# 10.1002/sim.3697)
FINE_SMD = 0.1
CHANCE = 3.0  # standard errors that chance does not explain
MOST_FEATURES = 15
TENTHS = 10
EVIDENCE_ROWS = 30  # rows of a check's table that a page can carry
LEFT_OUT = "The other {} are in the table below."


def sound(view: View) -> Section:
    """1. Is the experiment sound?"""
    experiment = view.findings["experiment"]
    counts = {
        status: sum(c["status"] == status for c in experiment["checks"])
        for status in ("fail", "warn", "note", "ok")
    }
    blocks: list[Block] = [_arms_table(view)] if experiment["arms"] else []
    checks = sorted(
        experiment["checks"], key=lambda c: ("fail", "warn", "note", "ok").index(_status(c))
    )
    if checks:
        blocks.append(
            Checklist([Checked(_status(c), c["name"], c["summary"], _evidence(c)) for c in checks])
        )
    blocks.append(_balance(view))
    rows = (
        f"{plural(experiment['rows'], 'row')}, {plural(experiment['features'], 'feature')};"
        f" {experiment['space']}."
    )
    return Section(
        "sound", "Experiment", "Is the experiment sound?", f"{verdict(counts)} {rows}", blocks
    )


def verdict(counts: dict[str, int]) -> str:
    """The checks in one sentence."""
    total = sum(counts.values())
    if not total:
        return "No checks were run."
    if counts["fail"]:
        return (
            f"Not as it stands: {plural(counts['fail'], 'check')} of {total} failed. Read these"
            " before any number below."
        )
    if counts["warn"]:
        return f"Yes, with {plural(counts['warn'], 'warning')}: no check of {total} failed."
    return f"Yes: {plural(total, 'check')}, none failed or warned."


def _status(check: Check) -> str:
    return check["status"] if check["status"] in ("fail", "warn", "note", "ok") else "note"


def _evidence(check: Check) -> Table | None:
    rows = check["rows"][:EVIDENCE_ROWS]
    if not rows:
        return None
    columns = list(dict.fromkeys(key for row in rows for key in row))
    words = tuple(
        i for i, key in enumerate(columns) if any(isinstance(row.get(key), str) for row in rows)
    )
    more = (
        f", first {EVIDENCE_ROWS} of {len(check['rows'])}"
        if len(check["rows"]) > EVIDENCE_ROWS
        else ""
    )
    cells = [[_cell(row.get(key)) for key in columns] for row in rows]
    return Table(f"{check['name']}{more}", columns, cells, words)


def _cell(x: Any) -> str:
    return (
        x if isinstance(x, str) else number(x) if not isinstance(x, bool) else "yes" if x else "no"
    )


def _arms_table(view: View) -> Table:
    arms = view.findings["experiment"]["arms"]
    designed = any(arm["expected"] is not None for arm in arms)
    columns = ["arm", "rows", "share", *(["designed share"] if designed else [])]
    rows = [
        [
            arm["name"],
            f"{arm['rows']:,}",
            _share2(arm["share"]),
            *([_share2(arm["expected"])] if designed else []),
        ]
        for arm in arms
    ]
    return Table("How many people each arm has", columns, rows)


def _share2(x: float | None) -> str:
    return number(100 * real(x), 2) + "%" if x is not None else "\u2013"


def _balance(view: View) -> Block:
    rows = view.findings["experiment"]["balance"]
    if not rows:
        return Words(
            "Balance is not shown: the log has no features to compare the arms on.", quiet=True
        )
    size: dict[str, float] = {}
    for row in rows:
        size[row["feature"]] = max(size.get(row["feature"], 0.0), _size(row["smd"]))
    order = sorted(size, key=lambda name: -size[name])
    shown = order[:MOST_FEATURES]
    smd = {(row["feature"], row["candidate"]): row["smd"] for row in rows}
    series = [
        (name, view.mark(name), [smd.get((f, name)) for f in shown]) for name in view.candidates
    ]
    title = _balance_title(rows, size, order[0])
    reading = (
        "Each mark is the difference of one feature's mean between an arm and control, in standard"
        f" deviations (SMD); marks inside the lane of \u00b1{FINE_SMD} are balanced by the usual"
        " rule; in small arms chance alone goes beyond it."
    )
    plot = dots(
        shown, series, "difference, standard deviations", FINE_SMD, f"Balance by feature: {title}"
    )
    cells = [
        [f, *(number(smd.get((f, name)), 3, plus=True) for name in view.candidates)] for f in order
    ]
    twin = Table(
        "Standardised mean difference of each feature from control",
        ["feature", *view.candidates],
        cells,
    )
    note = (
        f"The {len(shown)} features that differ most, of {len(order)}; all are in the table."
        if len(order) > len(shown)
        else ""
    )
    return Figure(title, reading, [plot], twin, view.keys(), note)


def _size(x: float | None) -> float:
    return 0.0 if x is None or x != x else abs(x)


def _balance_title(rows: list[dict[str, Any]], size: dict[str, float], worst: str) -> str:
    """Whether the arms were alike: a large difference counts where chance does not explain it."""
    said = f"the largest difference is {number(size[worst], 2)} ({worst})"
    if size[worst] <= FINE_SMD:
        return f"The arms were alike before treatment: {said}"
    odd = {
        row["feature"]
        for row in rows
        if _size(row["smd"]) > FINE_SMD and _size(row.get("z", CHANCE + 1)) > CHANCE
    }
    if not odd:
        return f"The arms were as alike before treatment as chance makes them: {said}"
    return (
        f"{plural(len(odd), 'feature')} of {len(size)} differ between arms by more than chance:"
        f" {said}"
    )


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
    return Section("average", "Average effects", title, _best_arms(view, rows), [figure])


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
    said: dict[str, list[str]] = {}
    for metric in view.metrics:
        mine = [row for row in rows if row["metric"] == metric]
        sign = -1.0 if metric in view.lower else 1.0
        if mine:
            best = max(mine, key=lambda row: sign * real(row["effect"][0]))
            doubt = "" if apart(best["effect"]) else ", which may be chance"
            said.setdefault(best["candidate"], []).append(
                f"{metric} ({view.units[metric].effect(best['effect'])}{doubt})"
            )
    parts = [f"{name} does best on {listed(metrics)}" for name, metrics in said.items()]
    return f"If everybody had to get the same: {'; '.join(parts)}."


def responds(view: View) -> Section:
    """3. Who responds?"""
    rows = view.findings["deciles"]
    blocks: list[Block] = []
    answer = "Predicted effects were not compared with observed ones."
    if rows:
        inside = sum(_holds(row) for row in rows)
        where = f"inside the observed {view.interval} in {inside} of {plural(len(rows), 'group')}"
        answer = f"{_top_and_bottom(view, rows)} Predictions lie {where}."
        blocks.append(_decile_figure(view, rows))
    blocks.append(_drivers(view))
    return Section("who", "Who responds", "Who responds?", answer, blocks)


def _holds(row: Decile) -> bool:
    return real(row["observed"][1]) <= real(row["predicted"]) <= real(row["observed"][2])


def _series(rows: list[Decile]) -> list[dict[str, Any]]:
    """The deciles of each (metric, candidate), in order."""
    found: dict[tuple[str, str], list[Decile]] = {}
    for row in rows:
        found.setdefault((row["metric"], row["candidate"]), []).append(row)
    return [
        {"metric": m, "candidate": c, "rows": sorted(rs, key=lambda r: r["decile"])}
        for (m, c), rs in found.items()
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


def _decile_row(view: View, row: Decile) -> list[str]:
    unit, seen = view.units[row["metric"]], row["observed"]
    predicted = unit.effect([row["predicted"], seen[1], seen[2]])
    return [
        row["metric"],
        row["candidate"],
        str(row["decile"]),
        f"{row['rows']:,}",
        predicted,
        unit.effect(seen),
        unit.span(seen),
    ]


def _decile_panel(view: View, panel: dict[str, Any]) -> Plot:
    unit, rows = view.units[panel["metric"]], panel["rows"]
    mark: Mark = view.mark(panel["candidate"])
    x = [row["decile"] for row in rows]
    seen = [row["observed"] for row in rows]
    said = [
        f"tenth {row['decile']}: observed {view.gain(panel['metric'], i)}"
        for row, i in zip(rows, seen, strict=True)
    ]
    name = f"{panel['candidate']} \u2192 {panel['metric']}"
    label = f"{name}: " + "; ".join(said)
    plot = curve(
        x, [None] * len(x), None, mark, ("tenth (1 = best predicted)", unit.axis), said, name, label
    )
    add_line(plot, x, [unit.scaled(row["predicted"]) for row in rows])
    add_points(plot, x, seen, unit, mark, said, 9)
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
        shown = sorted(features, key=lambda f: -total[f])[: MOST_FEATURES // 2 + 1]
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
    cells = [
        [row["metric"], row["candidate"], row["feature"], share(row["importance"])] for row in rows
    ]
    twin = Table(
        "Drivers of the predicted effect", ["metric", "arm", "feature", "share"], cells, (0, 1, 2)
    )
    several = len(plots) > 1
    title = listed(
        f"{name} (for {listed(metrics)})" if several else name for name, metrics in leaders.items()
    )
    return Figure(
        f"What the predicted effect depends on most: {title}", reading, plots, twin, view.keys()
    )


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
    said = [f"{share(s)} treated: {unit.effect([g, lo, hi])}" for s, g, lo, hi in _points(row)]
    name = f"{row['candidate']} \u2192 {row['metric']}"
    label = f"{name}: Qini {unit.effect(row['qini'])}, interval {unit.span(row['qini'])}"
    gained = "fall" if row["metric"] in view.lower else "gain"
    axes = ("share treated, %", f"{gained} per head, {unit.axis}")
    plot = curve(x, y, (low, high), view.mark(row["candidate"]), axes, said, name, label)
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
