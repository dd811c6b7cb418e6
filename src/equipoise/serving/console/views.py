"""The console's structs as parts of the report: cards, tables and drawings, with words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from equipoise.report.formatting import MISSING, Unit, money, number, share, unit_of
from equipoise.report.parts import Card, Explorer, Figure, Key, Table
from equipoise.report.plots import CONTROL, LINE, add_line, curve, marks_of, stacks
from equipoise.report.sections.explore import explorer_block
from equipoise.serving.console.data import (
    Change,
    Live,
    LiveDecision,
    Minute,
    Money,
    UnitView,
    Version,
    Watched,
)
from equipoise.serving.explorer.states import ExplorerState
from equipoise.serving.reasons import REASONS
from equipoise.serving.snapshots.state import SHOWN

LINES, FEW = 15, 5  # live decisions that are shown; minutes that are "now"
DECISION = ["at", "unit", "got", "why", "probability", "score"]


def clock(at: float) -> str:
    """The time of a day, UTC.

    >>> clock(3661.5)
    '01:01:01'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def moment(at: float) -> str:
    """A day and time, UTC.

    >>> moment(0.0)
    '1970-01-01 00:00'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def cards(live: Live, budget: Money | None, watched: Watched | None) -> list[Card]:
    """The big numbers of the overview."""
    last = live.minutes[-FEW:]
    made, hour = (sum(_total(m.cells) for m in part) for part in (last, live.minutes))
    treated = hour - sum(m.cells.get(_control(live), 0) for m in live.minutes)
    slow = max((m.slow for m in last), default=0.0)
    notes = [f"{number(hour)} in the last hour"]
    notes += [f"the slowest took {number(1000 * slow, 1)} ms"] if made else []
    rows = [
        Card("Decisions a minute", number(made / max(len(last), 1)), "", notes),
        Card("Get an offer", share(treated / hour) if hour else MISSING, "", ["in the last hour"]),
    ]
    if budget is not None:
        unit = money(budget.currency)
        used = share(budget.spent / budget.total) if budget.total else MISSING
        spent = [f"of {unit.of_level([budget.total, None, None])}: {used}"]
        spent.append(f"{unit.of_level([budget.reserved, None, None])} reserved")
        rows.append(Card("Spent", number(budget.spent), budget.currency, spent))
    if watched is not None:
        count = len(watched.alarms)
        rows.append(Card("Alarms", str(count), "", [_first(watched)]))
    return rows


def _first(watched: Watched) -> str:
    return watched.alarms[0].text if watched.alarms else "nothing drifts"


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _control(live: Live) -> str:
    return live.cells[0] if live.cells else ""


def mix_figure(live: Live) -> Figure:
    """Who got what: in the last minutes and in the last hour."""
    cells = live.cells or ["nothing yet"]
    parts = {f"last {FEW} minutes": live.minutes[-FEW:], "last hour": live.minutes}
    marks = marks_of(cells[1:])
    colours = [CONTROL, *(marks[name][0] for name in cells[1:])]
    rows = [[sum(m.cells.get(name, 0) for m in part) for name in cells] for part in parts.values()]
    shares = [[n / max(sum(row), 1) for n in row] for row in rows]
    series = [(n, colours[i], [row[i] for row in shares]) for i, n in enumerate(cells)]
    label = "Who got what: " + "; ".join(
        f"{when}: " + ", ".join(f"{n} {share(x)}" for n, x in zip(cells, row, strict=True))
        for when, row in zip(parts, shares, strict=True)
    )
    plot = stacks(list(parts), series, label, "share of decisions, %")
    keys = [Key("bar", colour, name) for name, colour in zip(cells, colours, strict=True)]
    table = Table(
        "Decisions",
        ["when", *cells],
        [[w, *map(number, r)] for w, r in zip(parts, rows, strict=True)],
    )
    return Figure("Who gets what", "Each bar is all decisions of that time.", [plot], table, keys)


def money_figure(live: Live, budget: Money) -> Figure:
    """Spend against the budget, over the minutes that are kept."""
    unit = money(budget.currency)
    spent = [budget.spent]
    for minute in reversed(live.minutes[1:]):
        spent.append(max(spent[-1] - minute.spent, 0.0))
    spent.reverse()
    ago = [(minute.at - live.minutes[-1].at) / 60 for minute in live.minutes]
    hover = [
        f"<b>{clock(m.at)[:5]}</b><br>{unit.of_level([s, None, None])}"
        for m, s in zip(live.minutes, spent, strict=True)
    ]
    label = f"{unit.of_level([budget.spent, None, None])} spent of {number(budget.total)}"
    axes = ("minutes ago", f"spent, {unit.axis}")
    plot = curve(ago, spent, None, LINE, axes, hover, "", label)
    keys = [Key("line", LINE[0], "spent")]
    if budget.seconds:
        even = [budget.total * _part(minute.at, budget) for minute in live.minutes]
        add_line(plot, ago, even)
        keys.append(Key("dots", "#8a9099", "an even pace"))
    rows = [
        [name, unit.of_level([getattr(budget, name), None, None])]
        for name in ("total", "spent", "reserved", "leased", "left")
    ]
    table = Table("The budget of this period", ["money", "amount"], rows)
    reading = "What was paid so far in this period, beside the same money spent evenly over it."
    return Figure("Spend against budget", reading, [plot], table, keys)


def _part(at: float, budget: Money) -> float:
    return min(max((at + 60 - budget.start) / budget.seconds, 0.0), 1.0)


def decision_rows(decisions: Sequence[LiveDecision]) -> list[list[str]]:
    """The last decisions as rows."""
    return [
        [
            clock(one.at),
            one.unit,
            one.candidate,
            one.text,
            number(one.probability, 3),
            MISSING if one.score is None else number(one.score),
        ]
        for one in decisions[:LINES]
    ]


def decisions_table(live: Live) -> Table:
    """The last decisions."""
    rows = decision_rows(live.decisions) or [["none yet", "", "", "", "", ""]]
    return Table("The last decisions", DECISION, rows, (0, 1, 2, 3))


def reasons_table(minutes: Sequence[Minute]) -> Table:
    """Why, in the last hour."""
    counts = {name: sum(m.reasons.get(name, 0) for m in minutes) for name in REASONS}
    total = max(sum(counts.values()), 1)
    there = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    rows = [[REASONS[n].text, number(counts[n]), share(counts[n] / total)] for n in there]
    rows = rows or [["no decision yet", "0", MISSING]]
    return Table("Why, in the last hour", ["reason", "decisions", "share"], rows)


def watched_table(watched: Watched) -> Table:
    """What is compared with what was at first, or with what was set; alarms come first."""
    rows = [
        [row.column, row.monitor, row.span, number(row.value), number(row.expected)]
        + [_chance(row.p), number(row.n), "alarm" if row.alarm else "calm"]
        for row in sorted(watched.rows, key=lambda row: (not row.alarm, row.p))
    ]
    columns = ["what", "monitor", "over", "value", "without a change", "p-value", "of", "state"]
    rows = rows or [["nothing was compared yet", *[""] * 7]]
    return Table("What is watched", columns, rows, (0, 1, 2, 7))


def _chance(p: float) -> str:
    return "<0.0001" if p < 1e-4 else number(p)


def versions_table(versions: Sequence[Version]) -> Table:
    """The snapshots that are there."""
    rows = [
        [v.snapshot[:SHOWN], v.channel or MISSING, moment(v.made), number(v.units), v.version]
        for v in versions
    ]
    columns = ["snapshot", "channel", "made, UTC", "known units", "by version"]
    return Table("Snapshots", columns, rows or [["none"] + [""] * 4], (0, 1, 4))


def changes_table(changes: Sequence[Change]) -> Table:
    """Who changed what."""
    rows = [
        [moment(c.at), c.action, c.channel or MISSING, c.snapshot[:SHOWN] or MISSING]
        + [c.previous[:SHOWN] or MISSING, c.by or MISSING]
        for c in changes
    ]
    columns = ["at, UTC", "what", "channel", "snapshot", "before", "by"]
    return Table("Audit", columns, rows or [["nothing yet"] + [""] * 5], (0, 1, 2, 3, 4, 5))


def history_table(view: UnitView) -> Table:
    """A unit's history."""
    rows = [[f"{moment(x.at)}:{clock(x.at)[6:]}", x.what, x.details, x.id] for x in view.lines]
    columns = ["at, UTC", "what", "details", "decision"]
    return Table(f"History of {view.unit}", columns, rows, (0, 1, 2, 3))


def explorer_of(state: ExplorerState) -> Explorer:
    """The explorer of a snapshot, answered by the service."""
    about, terms = state.units.about, state.terms
    currency = str(about.get("currency", ""))
    units: dict[str, Unit] = {metric["name"]: unit_of(metric) for metric in about["metrics"]}
    cost = money(currency)
    for name in terms["scored"]:
        units.setdefault(name, cost)
    reading = (
        "Move a slider, or tick a demand: the service finds the prices anew, and everybody gets the"
        " best candidate at these prices. The ring is what that brings per head, its band the"
        f" {100 * float(about['level']):g}% interval; the star is the plan."
    )
    note = (
        "On the units of the experiment that the snapshot was made of, by effects that no unit's"
        " own outcome had a part in, judged by doubly robust scores. Nothing changes for anybody"
        " until a plan with these settings is run and published."
    )
    findings: Any = terms
    marks = marks_of(terms["candidates"])
    return explorer_block(findings, units, cost, marks, reading, note, offline=False)
