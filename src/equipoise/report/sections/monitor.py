"""The page of a monitor: what alarms, effects by day, the mix of strategies, missing features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.report.page import render_page
from equipoise.report.parts import Block, Card, Figure, Key, Plot, Section, Table, Words
from equipoise.report.plots import CHOSEN, LINE, MUTED, OKABE_ITO, add_line, curve

PANELS, LINES = 12, 6  # effects that are drawn, strategies of the mix
WIDE = 1.96  # standard errors of a day's band
TERMS = (
    "An effect is a strategy's mean less the base's, the same day; its band: 1.96 standard errors."
    " CUSUM: what has piled up of the days' deviations from all days before; an alarm at 1."
)


def monitor_page(findings: dict[str, Any]) -> str:
    """The page of what `pipeline.monitor` found.

    Parameters
    ----------
    findings : dict
        Plain JSON of it.

    Returns
    -------
    str
        One HTML file.

    Examples
    --------
    >>> html = monitor_page(findings)  # doctest: +SKIP
    """
    alarms, days = findings["alarms"], findings["days"]
    quiet = f"All is quiet on {days[-1]}: no effect, mix or missing share has changed."
    head = {
        "title": findings["title"],
        "headline": [alarm["sentence"] for alarm in alarms[:4]] or [quiet],
        "level": 0.95,
        "made": {"version": findings["version"]},
    }
    streams = len(findings["effects"])
    cards = [
        Card("Alarms", str(len(alarms)), "", [_kinds(alarms)]),
        Card("Days", str(len(days)), "", [f"{days[0]} to {days[-1]}"]),
        Card("Rows", f"{findings['rows'][-1]:,}", "", [f"on {days[-1]}"]),
        Card("Effects", str(streams), "", ["strategies by metrics, each watched by a CUSUM"]),
    ]
    sections = [_effects(findings), _mix(findings)]
    if findings["churn"]:
        sections.append(_churn(findings))
    if findings["missing"]:
        sections.append(_missing(findings))
    return render_page(head, cards, sections, "What ran, watched", TERMS)


def _kinds(alarms: list[dict[str, Any]]) -> str:
    kinds = [alarm["what"] for alarm in alarms]
    counts = [f"{kinds.count(kind)} of {kind}" for kind in dict.fromkeys(kinds)]
    return ", ".join(counts) or "all is quiet"


def _effects(findings: dict[str, Any]) -> Section:
    """Effects by day, those nearest to an alarm first."""
    rows = sorted(findings["effects"], key=lambda row: -_height(row))
    changed = [row for row in rows if row["alarm"] is not None]
    answer = "No effect has changed."
    if changed:
        names = ", ".join(f"{row['strategy']} on {row['metric']}" for row in changed[:3])
        answer = f"{len(changed)} of {len(rows)} effects changed: {names}."
    plots = [_effect(row, findings["days"]) for row in rows[:PANELS]]
    cells = [
        [
            f"{row['strategy']} on {row['metric']}",
            _number(row["mean"], row),
            f"{_height(row):.2f}",
            row["since"] or "",
            _number(row["before"], row),
            _number(row["after"], row),
        ]
        for row in rows
    ]
    heads = ["effect", "all days", "CUSUM / its limit", "since", "before", "after"]
    twin = Table("Effects of all days, and of those before and after a change", heads, cells)
    reading = (
        "Days from left to right; where an effect changed, a line stands at the first such day."
    )
    keys = [Key("line", LINE[0], "effect"), Key("line", CHOSEN[0], "effect that changed")]
    blocks: list[Block] = [Figure("Effects by day", reading, plots, twin, keys)] if plots else []
    more = len(rows) - len(plots)
    if more > 0:
        blocks.append(Words(f"{more} quieter effects stand in the table alone.", quiet=True))
    return Section("effects", "Effects", "Does each strategy still work?", answer, blocks)


def _height(row: dict[str, Any]) -> float:
    """How near its limit a CUSUM came: where it alarmed, at that day or later."""
    height: float = max((value or 0.0 for value in row["cusum"]), default=0.0) / row["threshold"]
    return height


def _number(value: Sequence[float] | None, row: dict[str, Any]) -> str:
    if value is None:
        return "-"
    scale = row["scale"]
    return f"{scale * value[0]:.3g} ± {scale * value[1]:.2g}{row['unit']}"


def _effect(row: dict[str, Any], days: list[str]) -> Plot:
    """One stream with its band; days without an effect are left out."""
    known = [k for k, value in enumerate(row["effect"]) if value is not None]
    scale = row["scale"]
    x = [days[k] for k in known]
    y = [scale * row["effect"][k] for k in known]
    half = [scale * WIDE * row["std_error"][k] for k in known]
    band = (
        [value - h for value, h in zip(y, half, strict=True)],
        [value + h for value, h in zip(y, half, strict=True)],
    )
    mark = LINE if row["alarm"] is None else CHOSEN
    name = f"{row['strategy']} on {row['metric']}"
    hover = [f"{day}: {value:.3g}{row['unit']}" for day, value in zip(x, y, strict=True)]
    axes = ("", f"effect,{row['unit']}" if row["unit"] else "effect")
    label = f"{name}: {_number(row['mean'], row)} over all days"
    plot = curve(x, y, band, mark, axes, hover, name, label)
    if row["since"] is not None:
        low, high = min([*band[0], 0.0]), max([*band[1], 0.0])
        add_line(plot, [row["since"], row["since"]], [low, high])
    return plot


def _mix(findings: dict[str, Any]) -> Section:
    """Shares of strategies by day."""
    mix, days = findings["mix"], findings["days"]
    last = mix["shares"][-1]
    order = sorted(range(len(last)), key=lambda s: -last[s])
    moved = any(alarm["what"] == "mix" for alarm in findings["alarms"])
    answer = f"On {days[-1]} {'it is another than before' if moved else 'it is as before'}."
    shares = [[100 * day[s] for day in mix["shares"]] for s in order[:LINES]]
    names = [mix["strategies"][s] for s in order[:LINES]]
    hover = [f"{day}: {value:.3g} %" for day, value in zip(days, shares[0], strict=True)]
    colours = OKABE_ITO[: len(names)]
    label = "; ".join(f"{n} {s[-1]:.3g} %" for n, s in zip(names, shares, strict=True))
    plot = curve(days, shares[0], None, (colours[0], "circle"), ("", "share, %"), hover, "", label)
    for colour, values in zip(colours[1:], shares[1:], strict=True):
        add_line(plot, days, values, "solid", colour)
    keys = [Key("line", c, n) for c, n in zip(colours, names, strict=True)]
    before = mix["shares"][-2] if len(days) > 1 else last
    cells = [
        [mix["strategies"][s], f"{100 * before[s]:.3g} %", f"{100 * last[s]:.3g} %"] for s in order
    ]
    twin = Table("Shares of strategies", ["strategy", "the day before", days[-1]], cells)
    psi, point = mix["psi"][-1], mix["point"][-1]
    note = (
        "" if psi is None else f"PSI {psi:.2g} against the days before; its point is {point:.2g}."
    )
    figure = Figure(
        "Shares by day", "A line a strategy, the largest first.", [plot], twin, keys, note
    )
    return Section("mix", "Mix", "Who gets what, as before?", answer, [figure])


def _churn(findings: dict[str, Any]) -> Section:
    """The share of each class that changes its strategy, by day."""
    days, limits = findings["days"], findings["settings"]["churn"]
    rows = findings["churn"]
    above = [alarm["stream"] for alarm in findings["alarms"] if alarm["what"] == "churn"]
    answer = f"Above their limit: {', '.join(above)}." if above else "No class changes too much."
    if not limits:
        answer = "No limit is set: [monitor] churn would set it."
    plots, cells = [], []
    for row in rows:
        known = [k for k, value in enumerate(row["changed"]) if value is not None]
        x, y = [days[k] for k in known], [100 * row["changed"][k] for k in known]
        hover = [f"{day}: {value:.3g} %" for day, value in zip(x, y, strict=True)]
        mark = CHOSEN if row["class"] in above else LINE
        label = f"{row['class']}: {y[-1]:.3g} % on {x[-1]}" if y else row["class"]
        plot = curve(x, y, None, mark, ("", "changed, %"), hover, row["class"], label)
        if x and row["class"] in limits:
            level = 100 * limits[row["class"]]
            add_line(plot, [x[0], x[-1]], [level, level], "dot", MUTED)
        plots.append(plot)
        changed, moved = row["changed"][-1], row["moved"][-1]
        cells.append(
            [
                row["class"],
                f"{row['units'][-1]:,}",
                "-" if changed is None else f"{100 * changed:.3g} %",
                "-" if moved is None else f"{moved:.3g}",
            ]
        )
    heads = ["class", "units of the day before", "changed", "money moved, a unit"]
    twin = Table(f"Changes on {days[-1]}", heads, cells)
    keys = [Key("dots", MUTED, "limit")] if limits else []
    figure = Figure(
        "Changed by day", "The share of units with another strategy.", plots, twin, keys
    )
    return Section("churn", "Changes", "How often does whose strategy change?", answer, [figure])


def _missing(findings: dict[str, Any]) -> Section:
    """Missing shares of features."""
    days = findings["days"]
    alarms = {alarm["stream"] for alarm in findings["alarms"] if alarm["what"] == "missing"}
    rows = sorted(findings["missing"], key=lambda row: row["feature"] not in alarms)
    answer = "No feature is missing more often, or less, than expected."
    if alarms:
        answer = f"Missing otherwise than expected: {', '.join(sorted(alarms))}."
    cells = [
        [
            row["feature"],
            "-" if row["expected"] is None else f"{100 * row['expected']:.3g} %",
            f"{100 * row['shares'][-1]:.3g} %",
        ]
        for row in rows
    ]
    table = Table("Missing shares", ["feature", "expected", days[-1]], cells)
    blocks: list[Block] = []
    drawn = [row for row in rows if row["feature"] in alarms][:LINES]
    if drawn:
        plots = []
        for row in drawn:
            y = [100 * value for value in row["shares"]]
            hover = [f"{day}: {value:.3g} %" for day, value in zip(days, y, strict=True)]
            label = f"{row['feature']}: {y[-1]:.3g} % on {days[-1]}"
            plot = curve(days, y, None, CHOSEN, ("", "missing, %"), hover, row["feature"], label)
            level = 100 * row["expected"]
            add_line(plot, [days[0], days[-1]], [level, level], "dot", MUTED)
            plots.append(plot)
        keys = [Key("dots", MUTED, "expected")]
        blocks.append(Figure("Missing by day", "Dotted: expected.", plots, table, keys))
    else:
        blocks.append(table)
    return Section("missing", "Missing", "Are the features there?", answer, blocks)
