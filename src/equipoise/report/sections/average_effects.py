"""Section 2: what works on average?"""

from __future__ import annotations

from equipoise.report.findings import Average, Interval
from equipoise.report.formatting import MISSING, Unit, apart, listed, number, plural, real
from equipoise.report.parts import Block, Figure, Plot, Section, Table
from equipoise.report.plots import forest
from equipoise.report.sections.over_time import lasting
from equipoise.report.sections.sensitivity import unmeasured
from equipoise.report.sentences import FAMILY, surely_apart
from equipoise.report.view import View

LIFT = Unit(100.0, "%", "%", "% of the mean under control")


def averages(view: View) -> Section:
    """2. What works on average?"""
    rows = view.findings["averages"]
    title = "What works on average?"
    if not rows:
        return Section("average", "Average effects", title, "No average effects were computed.", [])
    reading = (
        f"Each mark is the change against {view.control} per head, with its {view.interval}; a"
        " hollow mark's interval holds zero, so that effect may be nil."
    ) + (_together(rows) + _relative(rows))
    panels = [
        _average_panel(view, metric, [r for r in rows if r["metric"] == metric])
        for metric in view.metrics
    ]
    twin = Table(
        "Average effects",
        [
            *("metric", "arm", "mean under control", "effect", view.interval),
            *((f"relative to control, {view.interval}",) if _have_lifts(rows) else ()),
            "p-value",
            *(("p-value among all", "effect, shrunk") if _are_several(rows) else ()),
        ],
        [_average_row(view, row, rows) for row in rows],
        (0, 1),
    )
    told = surely_apart(view.findings)
    clear = sum(apart(row["effect"]) for row in rows) if told is None else len(told)
    heading = f"{clear} of {plural(len(rows), 'average effect')} can be told apart from zero"
    figure = Figure(heading, reading, [p for p in panels if p], twin)
    blocks: list[Block] = [figure, *lasting(view), *unmeasured(view), *_power(view)]
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


def _are_several(rows: list[Average]) -> bool:
    return len(rows) > 1 and all("adjusted" in row and "shrunk" in row for row in rows)


def _together(rows: list[Average]) -> str:
    """How it is counted where there are several."""
    if not _are_several(rows):
        return ""
    return (
        " Those that can be told apart from zero are counted by p-values among all (Holm), which"
        f" claim an effect that is nil in {FAMILY:.0%} of experiments at most; of many arms the"
        " largest effect looks larger than it is, and shrunk ones make up for that."
    )


def _have_lifts(rows: list[Average]) -> bool:
    return any("lift" in row for row in rows)


def _relative(rows: list[Average]) -> str:
    """How effects relative to control are to be read, and which metrics have none."""
    if not any("lift" in row or "no_lift" in row for row in rows):
        return ""
    why: dict[str, list[str]] = {}
    for row in rows:
        if "no_lift" in row and row["metric"] not in why.setdefault(row["no_lift"], []):
            why[row["no_lift"]].append(row["metric"])
    parts = [f" No share is told of {listed(names)}: {reason}." for reason, names in why.items()]
    told = (
        " The table also has each effect as a share of control's mean, with Fieller's interval,"
        " which counts that the mean is an estimate too."
    )
    return (told if _have_lifts(rows) else "") + "".join(parts)


def _lift_text(row: Average) -> str:
    """``+12.3% (+4.1 to +20.9)``, or a dash."""
    return LIFT.effect(row["lift"]) + f" ({LIFT.span(row['lift'])})" if "lift" in row else MISSING


def _average_row(view: View, row: Average, rows: list[Average]) -> list[str]:
    unit = view.units[row["metric"]]
    level, effect = unit.of_level(row["control"]), unit.effect(row["effect"])
    cells = [row["metric"], row["candidate"], level, effect, unit.span(row["effect"])]
    cells += [_lift_text(row)] if _have_lifts(rows) else []
    cells.append(_p_text(row["p_value"]))
    if _are_several(rows):
        cells += [_p_text(row["adjusted"]), unit.effect(row["shrunk"])]
    return cells


def _shown(row: Average, several: bool) -> Interval:
    return row["shrunk"] if several else row["effect"]


def _p_text(value: float) -> str:
    p = real(value)
    return "< 0.001" if p < 0.001 else number(p, 3)


def _of_control(row: Average, shown: Interval) -> str:
    """What is shown of an effect, relative to control where an interval tells it from nothing."""
    if "lift" not in row or not apart(row["lift"]):
        return ""
    drawn = real(shown[0]) / real(row["effect"][0])
    return f", {LIFT.effect([drawn * real(end) for end in row['lift']])} of control's mean"


def _best_arms(view: View, rows: list[Average]) -> str:
    """The best arm on each metric, in a sentence; of several, as they are shrunk."""
    several = _are_several(rows)
    best_on: dict[str, list[str]] = {}
    for metric in view.metrics:
        mine = [row for row in rows if row["metric"] == metric]
        sign = -1.0 if metric in view.lower else 1.0
        if mine:
            best = max(mine, key=lambda row: sign * real(_shown(row, several)[0]))
            shown = _shown(best, several)
            surely = best["adjusted"] <= FAMILY if several else apart(best["effect"])
            doubt = "" if surely else ", which may be chance"
            best_on.setdefault(best["candidate"], []).append(
                f"{metric} ({view.units[metric].effect(shown)}{_of_control(best, shown)}{doubt})"
            )
    parts = [f"{name} does best on {listed(metrics)}" for name, metrics in best_on.items()]
    return f"If everybody had to get the same: {'; '.join(parts)}."
