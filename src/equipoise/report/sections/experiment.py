"""Section 1: is the experiment sound?"""

from __future__ import annotations

from typing import Any

from equipoise.report.findings import Check
from equipoise.report.formatting import number, plural, real
from equipoise.report.parts import Block, Checked, Checklist, Figure, Section, Table, Words
from equipoise.report.plots import dots
from equipoise.report.sections.overlap import overlapping
from equipoise.report.view import View

# a standardised difference below this is usually called balanced (Austin 2009, doi
# 10.1002/sim.3697)
FINE_SMD = 0.1
CHANCE = 3.0  # standard errors that chance does not explain
MOST_FEATURES = 15
STATUSES = ("fail", "warn", "note", "ok")  # the worst first
EVIDENCE_ROWS = 30  # rows of a check's table that a page can carry


def sound(view: View) -> Section:
    """1. Is the experiment sound?"""
    experiment = view.findings["experiment"]
    blocks: list[Block] = [_arms_table(view)] if experiment["arms"] else []
    if experiment["checks"]:
        blocks.append(checklist(experiment["checks"]))
    blocks += [*overlapping(view), _balance(view)]
    rows = (
        f"{plural(experiment['rows'], 'row')}, {plural(experiment['features'], 'feature')};"
        f" {experiment['space']}."
    )
    return Section(
        "sound",
        "Experiment",
        "Is the experiment sound?",
        f"{verdict(counts_of(experiment['checks']))} {rows}",
        blocks,
    )


def counts_of(checks: list[Check]) -> dict[str, int]:
    """How many checks have each status."""
    return {status: sum(c["status"] == status for c in checks) for status in STATUSES}


def checklist(checks: list[Check]) -> Checklist:
    """The checks with their evidence, the worst first."""
    order = sorted(checks, key=lambda c: STATUSES.index(_status(c)))
    return Checklist([Checked(_status(c), c["name"], c["summary"], _evidence(c)) for c in order])


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
    return check["status"] if check["status"] in STATUSES else "note"


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
    text = f"the largest difference is {number(size[worst], 2)} ({worst})"
    if size[worst] <= FINE_SMD:
        return f"The arms were alike before treatment: {text}"
    odd = {
        row["feature"]
        for row in rows
        if _size(row["smd"]) > FINE_SMD and _size(row.get("z", CHANCE + 1)) > CHANCE
    }
    if not odd:
        return f"The arms were as alike before treatment as chance makes them: {text}"
    return (
        f"{plural(len(odd), 'feature')} of {len(size)} differ between arms by more than chance:"
        f" {text}"
    )
