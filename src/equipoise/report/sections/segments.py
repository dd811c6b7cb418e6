"""Does the effect differ between groups of people?  Effects by segment, told among many."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.report.findings_segments import SegmentFindings, SegmentRow, SegmentTest
from equipoise.report.formatting import MISSING, has_interval, listed, number, real
from equipoise.report.parts import Block, Figure, Plot, Section, Table
from equipoise.report.plots import forest, line_at
from equipoise.report.sentences import FAMILY
from equipoise.report.view import LEFT_OUT, MOST_PANELS, View

MOST_SENTENCES, MOST_SEGMENTS = 3, 4  # that are told in the answer
MOST_TESTS = 8  # that are told in a table


def differs(view: View, found: SegmentFindings) -> Section:
    """Does the effect differ between groups of people?"""
    blocks: list[Block] = [_figure(view, found), _tests(found)]
    title = "Does the effect differ between groups of people?"
    return Section("segments", "Segments", title, answer(view, found), blocks)


def answer(view: View, found: SegmentFindings) -> str:
    """Which effects differ surely, in sentences; or that none does."""
    sure = sorted(_sure(found["tests"]), key=lambda test: real(test["adjusted"]))
    asked = _count(found)
    if not sure:
        names = listed(found["features"])
        return f"No effect differs surely between the segments of {names} ({_asked(asked)})."
    said = [_difference(view, found, test, asked) for test in sure[:MOST_SENTENCES]]
    rest = len(sure) - len(said)
    more = f" So do {rest} more; see the table." if rest else ""
    return " ".join(said) + more


def _count(found: SegmentFindings) -> int:
    """How many questions have an answer."""
    return sum(real(test["p_value"]) == real(test["p_value"]) for test in found["tests"])


def _asked(count: int) -> str:
    return "1 question" if count == 1 else f"{count} questions, p-values by Holm"


def _sure(tests: Sequence[SegmentTest]) -> list[SegmentTest]:
    return [test for test in tests if real(test["adjusted"]) <= FAMILY]


def _difference(view: View, found: SegmentFindings, test: SegmentTest, asked: int) -> str:
    """``mens' effect on visit differs by channel (p = 0.004 among 24): web: +4.5 pp, ...``."""
    rows = [
        row for row in found["segments"] if _key(row) == _key(test) and has_interval(row["effect"])
    ]
    rows.sort(key=lambda row: -abs(real(row["less_others"][0])))
    unit = view.units[test["metric"]]
    parts = [f"{row['segment']}: {unit.effect(row['effect'])}" for row in rows[:MOST_SEGMENTS]]
    among = f" among {asked}" if asked > 1 else ""
    return (
        f"{test['candidate']}'s effect on {test['metric']} differs by {test['feature']}"
        f" (p {_equals(test['adjusted'])}{among}): {', '.join(parts)}."
    )


def _told(found: SegmentFindings, test: SegmentTest) -> bool:
    """Whether some segment has an interval to draw."""
    return any(_key(row) == _key(test) and has_interval(row["effect"]) for row in found["segments"])


def _key(row: SegmentRow | SegmentTest) -> tuple[str, str, str]:
    return row["feature"], row["metric"], row["candidate"]


def _equals(p: float) -> str:
    return "< 0.001" if real(p) < 0.001 else f"= {number(p, 3)}"


def _p(p: float) -> str:
    return MISSING if real(p) != real(p) else _equals(p).removeprefix("= ")


def _figure(view: View, found: SegmentFindings) -> Figure:
    main = view.findings["metrics"][0]["name"]
    weighted = [name for name in view.weighted if name in view.units] or [main]
    tests = sorted(
        (test for test in found["tests"] if test["metric"] in weighted and _told(found, test)),
        key=lambda test: (weighted.index(test["metric"]), real(test["adjusted"])),
    )
    panels = [_panel(view, found, test) for test in tests[:MOST_PANELS]]
    left = len(found["tests"]) - len(panels)
    whom = (
        f"all {found['rows']:,} people"
        if found["named"]
        else f"{found['rows']:,} people whose outcomes had no part in the choice of the features,"
        " those on which the predicted effect depends most"
    )
    reading = (
        f"Each mark is the average effect against {view.control} in a segment, measured on {whom},"
        f" with its {view.interval}; a hollow mark's interval holds zero; the dotted line is the"
        " average over everybody. Shrunk effects allow for the largest of many being lucky."
    )
    columns = ["metric", "arm", "feature", "segment", "people", "effect", view.interval]
    columns += ["effect, shrunk", "less the other segments", "p-value among all"]
    twin = Table(
        "Effects by segment", columns, [_row(view, row) for row in found["segments"]], (0, 1, 2, 3)
    )
    count = len(_sure(found["tests"]))
    heading = f"{count} of {_count(found)} effects surely differ between segments"
    note = LEFT_OUT.format(left) if left else ""
    return Figure(heading, reading, panels, twin, [], note)


def _panel(view: View, found: SegmentFindings, test: SegmentTest) -> Plot:
    rows = [
        row for row in found["segments"] if _key(row) == _key(test) and has_interval(row["effect"])
    ]
    unit, mark = view.units[test["metric"]], view.mark(test["candidate"])
    on = f" \u2192 {test['metric']}" if len(view.weighted) > 1 else ""
    name = f"{test['candidate']}{on} by {test['feature']}"
    plot = forest(
        [row["segment"] for row in rows],
        [row["effect"] for row in rows],
        [mark] * len(rows),
        unit,
        view.best_is(test["metric"]),
        name,
    )
    whole = [
        row["effect"][0]
        for row in view.findings["averages"]
        if (row["metric"], row["candidate"]) == (test["metric"], test["candidate"])
    ]
    middle = unit.scaled(whole[0]) if whole else None
    if middle is not None:
        plot.spec["layout"]["shapes"].append(line_at(middle, "dot"))
    return plot


def _row(view: View, row: SegmentRow) -> list[str]:
    unit = view.units[row["metric"]]
    return [
        row["metric"],
        row["candidate"],
        row["feature"],
        row["segment"],
        f"{row['rows']:,}",
        unit.effect(row["effect"]) if has_interval(row["effect"]) else MISSING,
        unit.span(row["effect"]),
        unit.effect(row["shrunk"]) if has_interval(row["shrunk"]) else MISSING,
        view.gain(row["metric"], row["less_others"])
        if has_interval(row["less_others"])
        else MISSING,
        _p(row["adjusted"]),
    ]


def _tests(found: SegmentFindings) -> Table:
    """The tests of features, the least p-values first."""
    ranked = sorted(found["tests"], key=lambda test: (real(test["p_value"]), test["feature"]))
    told = [test for test in ranked if real(test["p_value"]) == real(test["p_value"])]
    rows = [[*_key(test), _p(test["p_value"]), _p(test["adjusted"])] for test in told[:MOST_TESTS]]
    caption = (
        "Whether an effect is the same in all segments of a feature (Welch's test): the least of"
        f" {len(told)} p-values; those among all say so wrongly in {FAMILY:.0%} of experiments at"
        " most"
    )
    columns = ["feature", "metric", "arm", "p-value", "p-value among all"]
    return Table(caption, columns, rows, (0, 1, 2))
