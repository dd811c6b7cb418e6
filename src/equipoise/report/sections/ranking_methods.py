"""How the methods of a job with [ranking] compare: levels, paired differences, and why one was
chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from equipoise.report.findings import Interval
from equipoise.report.findings_ranking import MEAN, Method, RankingFindings
from equipoise.report.formatting import listed, number, plural, real
from equipoise.report.parts import Block, Figure, Key, Plot, Section, Table, Words
from equipoise.report.plots import CHOSEN, OTHER, RIVAL, Mark, forest, levels
from equipoise.report.sentences_ranking import (
    UNIT,
    change_in_words,
    level_in_words,
    of_method,
    verdict_on,
)

MOST_PANELS = 6  # the mean and the first objectives; a table has all
MOST_METHODS = 8  # rows of a panel
KINDS = {"single": "one score", "formula": "formula", "net": "net"}
SHARE_OF_ROWS = "rows in groups of both classes"


def methods(findings: RankingFindings) -> Section:
    """How do the methods compare?"""
    criterion = findings["criterion"]
    blocks: list[Block] = [_choice(findings)]
    if not findings["floors"]:
        blocks.append(Words("No floor was set on an objective.", quiet=True))
    blocks += _levels(findings, criterion) + _gains(findings, criterion)
    for measure in findings["measures"]:
        if measure != criterion:
            blocks += _other(findings, measure)
    title = "How do the methods compare?"
    return Section("methods", "Methods", title, findings["reason"], blocks)


def ordered(findings: RankingFindings) -> list[Method]:
    """What ships, the fallback, then the others from the best on the validation rows."""
    first = {findings["method"]: 0, findings["fallback"]: 1}

    def place(method: Method) -> tuple[int, float]:
        value = real(method["validation"])
        return first.get(method["name"], 2), -value if math.isfinite(value) else math.inf

    return sorted(findings["methods"], key=place)


def mark_of(findings: RankingFindings, method: str) -> Mark:
    """A method's mark: a star for what ships, grey for the fallback."""
    if method == findings["method"]:
        return CHOSEN
    return RIVAL if method == findings["fallback"] else OTHER


def role_of(findings: RankingFindings, method: str) -> str:
    """``ships``, ``fallback``, both or nothing."""
    roles = [("ships", "method"), ("fallback", "fallback")]
    return ", ".join(word for word, key in roles if findings[key] == method)  # type: ignore[literal-required]


def _choice(findings: RankingFindings) -> Table:
    rows = [
        [
            method["name"],
            KINDS.get(method["kind"], method["kind"]),
            number(method["validation"], 4),
            "kept" if method["floors"] else "broken",
            role_of(findings, method["name"]),
        ]
        for method in ordered(findings)
    ]
    value = f"mean {findings['criterion'].upper()} on validation"
    columns = ["method", "kind", value, "floors", "role"]
    if not findings["floors"]:
        rows, columns = [[*row[:3], row[4]] for row in rows], [*columns[:3], columns[4]]
    return Table("The choice, on the validation rows", columns, rows, (0, 1, *range(3, 5)))


def columns_of(findings: RankingFindings) -> list[str]:
    """The mean of all objectives, where there are several, and each of them."""
    names = [one["name"] for one in findings["objectives"]]
    return [MEAN, *names] if len(names) > 1 else names


def _panels(
    findings: RankingFindings,
    table: dict[str, dict[str, Interval]],
    names: list[str],
    draw: Callable[[list[str], list[Interval], list[Mark], str], Plot],
) -> list[Plot]:
    """A panel per column in which a method has a value."""
    plots: list[Plot] = []
    for column in columns_of(findings):
        rows = [
            (name, table[name][column])
            for name in names
            if math.isfinite(real(table.get(name, {}).get(column, [None])[0]))
        ]
        if rows and len(plots) < MOST_PANELS:
            methods = [name for name, _ in rows]
            marks = [mark_of(findings, name) for name in methods]
            plots.append(draw(methods, [interval for _, interval in rows], marks, column))
    return plots


def _twin(
    findings: RankingFindings,
    table: dict[str, dict[str, Interval]],
    names: list[str],
    words: Callable[[Interval], str],
    caption: str,
) -> Table:
    columns = columns_of(findings)
    rows = [
        [name, *(words(of_method({"": table}, "", name, column)) for column in columns)]
        for name in names
    ]
    return Table(caption, ["method", *columns], rows)


def _names(findings: RankingFindings, table: dict[str, dict[str, Interval]]) -> list[str]:
    return [method["name"] for method in ordered(findings) if method["name"] in table]


def _left_out(findings: RankingFindings, names: list[str], plots: list[Plot]) -> str:
    """What only the table has."""
    columns = len(columns_of(findings)) - len(plots)
    left = [
        *([plural(len(names) - MOST_METHODS, "method")] if len(names) > MOST_METHODS else []),
        *([plural(columns, "objective")] if columns > 0 else []),
    ]
    return f"{listed(left)} more: in the table." if left else ""


def _keys(findings: RankingFindings) -> list[Key]:
    keys = [Key("star", CHOSEN[0], f"{findings['method']}, what ships")]
    if findings["method"] != findings["fallback"]:
        keys.append(Key("circle", RIVAL[0], f"{findings['fallback']}, the fallback"))
    others = {method["name"] for method in findings["methods"]}
    if others - {findings["method"], findings["fallback"]}:
        keys.append(Key("circle", OTHER[0], "other methods"))
    return keys


def _levels(findings: RankingFindings, measure: str) -> list[Block]:
    table, name = findings["measures"].get(measure, {}), measure.upper()
    names, fallback = _names(findings, table), findings["fallback"]

    def draw(rows: list[str], intervals: list[Interval], marks: list[Mark], column: str) -> Plot:
        against = real(of_method(findings["measures"], measure, fallback, column)[0])
        return levels(rows, intervals, marks, UNIT, name, column, against)

    plots = _panels(findings, table, names[:MOST_METHODS], draw)
    if not plots:
        return [Words(f"No method has a {name} on the test rows.", quiet=True)]
    twin = _twin(findings, table, names, level_in_words, f"{name} on the test rows")
    if measure == "gauc":
        coverage = [number(100 * one["coverage"], 1) + "%" for one in findings["objectives"]]
        twin.rows.append([SHARE_OF_ROWS, *[""][: len(coverage) > 1], *coverage])
    reading = (
        f"Each row is a method, with its {100 * findings['level']:g}% interval on the test rows;"
        f" right is better; the dashed line is {fallback}. Intervals may overlap where the"
        " difference is sure: the next figure has the differences."
    )
    best = max(names, key=lambda n: _value(table, n))
    title = (
        f"{best} has the highest mean {name} on the test rows, {UNIT.of_level(table[best][MEAN])}"
        if math.isfinite(_value(table, best)) and len(names) > 1
        else f"{name} on the test rows"
    )
    note = _left_out(findings, names, plots)
    return [Figure(title, reading, plots, twin, _keys(findings), note)]


def _value(table: dict[str, dict[str, Interval]], method: str) -> float:
    """A method's mean, the lowest where there is none."""
    value = real(table.get(method, {}).get(MEAN, [None])[0])
    return value if math.isfinite(value) else -math.inf


def _gains(findings: RankingFindings, measure: str) -> list[Block]:
    table, name = findings["gains"].get(measure, {}), measure.upper()
    fallback = findings["fallback"]
    names = [method for method in _names(findings, table) if method != fallback]

    def draw(rows: list[str], intervals: list[Interval], marks: list[Mark], column: str) -> Plot:
        axis = f"{name} less that of the fallback"
        return forest(rows, intervals, marks, UNIT, axis, column)

    plots = _panels(findings, table, names[:MOST_METHODS], draw)
    if not plots:
        return [Words(f"No method is compared with {fallback} by {name}.", quiet=True)]
    twin = _twin(
        findings, table, names, change_in_words, f"{name} less that of {fallback}, on the same rows"
    )
    reading = (
        f"Each row is a method less {fallback} on the same rows (paired), with its"
        f" {100 * findings['level']:g}% interval; right of zero is better, hollow marks are not"
        " told apart from it."
    )
    keys = [key for key in _keys(findings) if not key.meaning.endswith("the fallback")]
    note = _left_out(findings, names, plots)
    return [Figure(_gains_title(findings, measure), reading, plots, twin, keys, note)]


def _gains_title(findings: RankingFindings, measure: str) -> str:
    """``harmonrank beats formula on 2 of 3 objectives and loses on 1, by GAUC``."""
    method, fallback, name = findings["method"], findings["fallback"], measure.upper()
    if method == fallback:
        better = [
            n
            for n in _names(findings, findings["gains"].get(measure, {}))
            if verdict_on(of_method(findings["gains"], measure, n)) == "better"
        ]
        who = f"{listed(better)} would gain" if better else "No method is known to gain"
        return f"{who} mean {name} over {fallback}, which ships"
    results = [
        verdict_on(of_method(findings["gains"], measure, method, one["name"]))
        for one in findings["objectives"]
    ]
    won, lost = results.count("better"), results.count("worse")
    if not won and not lost:
        return f"On no objective is {method} told apart from {fallback} by {name}"
    ways = [*([f"better on {won}"] if won else []), *([f"worse on {lost}"] if lost else [])]
    of = plural(len(results), "objective")
    return f"Of {of}, {method} is {listed(ways)} than {fallback}, by {name}"


def _other(findings: RankingFindings, measure: str) -> list[Block]:
    """Another measure than the criterion: its mean and gains; a table of all."""
    table, gains = findings["measures"][measure], findings["gains"].get(measure, {})
    name, names = measure.upper(), _names(findings, table)
    rows = [
        [
            column,
            method,
            level_in_words(of_method({"": table}, "", method, column)),
            change_in_words(of_method({"": gains}, "", method, column)),
        ]
        for column in columns_of(findings)
        for method in names
    ]
    columns = ["objective", "method", name, f"less {findings['fallback']}, paired"]
    twin = Table(f"{name} on the test rows", columns, rows, (0, 1))
    shown = [n for n in names[:MOST_METHODS] if math.isfinite(_value(table, n))]
    if not shown:
        return [Words(f"No method has a mean {name} on the test rows.", quiet=True), twin]
    marks = [mark_of(findings, n) for n in shown]
    against = _value(table, findings["fallback"])
    values = [table[n][MEAN] for n in shown]
    plots = [levels(shown, values, marks, UNIT, f"mean {name}", f"mean {name}", against)]
    paired = [n for n in shown if n != findings["fallback"] and math.isfinite(_value(gains, n))]
    if paired:
        marks = [mark_of(findings, n) for n in paired]
        differences = [gains[n][MEAN] for n in paired]
        heading = "less the fallback"
        plots.append(forest(paired, differences, marks, UNIT, f"mean {name} {heading}", heading))
    reading = (
        f"Left: the mean over objectives with its {100 * findings['level']:g}% interval; right: the"
        " same less the fallback's on the same rows. The table has every objective."
    )
    return [Figure(_gains_title(findings, measure), reading, plots, twin, _keys(findings))]
