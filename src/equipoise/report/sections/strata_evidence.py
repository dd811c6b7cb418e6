"""What the strata rest on: assumptions and tests, calibration, violations, ranges."""

from __future__ import annotations

from typing import Any

from equipoise.core.strata import ALWAYS_BUYER, COUPON_BUYER, STRATA
from equipoise.report.findings import StrataFindings
from equipoise.report.formatting import GLUE, number, share
from equipoise.report.parts import Checked, Checklist, Figure, Key, Plot, Table
from equipoise.report.plots import LINE, MUTED, OTHER, add_line, add_points, curve
from equipoise.report.sections.strata_terms import PEOPLE, SHARE, reward_unit
from equipoise.report.view import View

ASSUME = {
    "A5": "claiming may harm (no A6)",
    "A6": "sight may matter (no A5)",
    "": "neither A5 nor A6",
}
STATUS = {"warn": 0, "note": 1, "ok": 2}


def assumptions(findings: StrataFindings) -> Checklist:
    """The assumptions, the doubtful ones first, each with its test."""
    tests = {str(test["assumption"]): test for test in findings["restrictions"]}
    checks = []
    for row in sorted(findings["assumptions"], key=lambda one: STATUS[one["status"]]):
        evidence = _bins(tests[row["name"]]) if row["name"] in tests else None
        checks.append(
            Checked(
                row["status"],
                f"{row['name']}: {row['title']}",
                f"{row['sentence']} {row['found']}",
                evidence,
            )
        )
    return Checklist(checks)


def _bins(test: dict[str, Any]) -> Table:
    parts = zip(test["rows"], test["mean"], test["std_error"], test["z"], strict=True)
    cells = [
        [str(i + 1), f"{n:,}", number(m, 4), number(e, 4), number(z, 2)]
        for i, (n, m, e, z) in enumerate(parts)
    ]
    people = PEOPLE[str(test["stratum"])]
    return Table(
        f"Share of those who {people}, in bins: none may be below 0",
        ["bin", "rows", "share", "std. error", "z"],
        cells,
    )


def calibration(findings: StrataFindings) -> Figure:
    """Whether predicted shares are the shares seen."""
    rows = {row["stratum"]: row for row in findings["calibration"]}
    plots = []
    for name in (STRATA[COUPON_BUYER], STRATA[ALWAYS_BUYER]):
        row = rows[name]
        intervals = [
            [v, v - 2 * e, v + 2 * e] for v, e in zip(row["seen"], row["std_error"], strict=True)
        ]
        hover = [
            f"said {share(a)}, seen {share(b)}"
            for a, b in zip(row["said"], row["seen"], strict=True)
        ]
        x = [100 * a for a in row["said"]]
        plot = curve(
            x,
            [None] * len(x),
            None,
            LINE,
            ("predicted share, %", "seen, %"),
            hover,
            PEOPLE[name],
            f"{PEOPLE[name]}: {'; '.join(hover)}",
        )
        add_line(plot, [min(x), max(x)], [min(x), max(x)])
        add_points(plot, x, intervals, SHARE, LINE, hover, 9)
        plots.append(plot)
    off = rows[STRATA[ALWAYS_BUYER]]["error"]
    title = (
        f"Predicted shares of people who would buy anyway are off by {number(100 * off, 1)}{GLUE}pp"
        " on average"
    )
    reading = (
        "People are sorted by the predicted chance to be of a kind; each mark is the share seen in"
        " a bin, with two standard errors: good predictions lie on the dotted line."
    )
    cells = [
        [PEOPLE[row["stratum"]], share(a), share(b), number(100 * e, 2), number(z, 2)]
        for row in findings["calibration"]
        for a, b, e, z in zip(row["said"], row["seen"], row["std_error"], row["z"], strict=True)
    ]
    twin = Table(
        "Predicted and seen shares by bin",
        ["kind", "predicted", "seen", "std. error, pp", "z"],
        cells,
    )
    return Figure(title, reading, plots, twin, [Key("dots", MUTED, "predicted = seen")])


def violations(view: View, findings: StrataFindings) -> Figure:
    """The shares as two of the assumptions give way."""
    plots = [_violation(findings, of) for of in ("harm", "direct_gain")]
    always = [row["always_buyer"] for row in findings["violations"]]
    title = (
        f"If claiming harmed some, or sight alone sold, {share(min(always))} to"
        f" {share(max(always))} of people would be buyers anyway who take the offer"
    )
    reading = (
        "From left to right more people break the assumption, up to the most that the data allow;"
        " the lines are the shares of people who buy only with the offer and of those who buy"
        " anyway and take it."
    )
    money = reward_unit(view)
    cells = [
        [
            PEOPLE[r["of"]],
            share(r["share"]),
            share(r["coupon_buyer"]),
            share(r["always_buyer"]),
            number(r["reward"]),
            number(r["cautious"]),
        ]
        for r in findings["violations"]
    ]
    rewards = [f"reward per head, {money.axis}", "a lost sale counted twice"]
    columns = ["people who", "share", PEOPLE["coupon_buyer"], PEOPLE["always_buyer"], *rewards]
    keys = [
        Key("line", LINE[0], PEOPLE["always_buyer"]),
        Key("line", OTHER[0], PEOPLE["coupon_buyer"]),
    ]
    note = (
        "Rewards are the model's own, under the best offers. As profit the reward does not move:"
        " only how it comes about does."
    )
    return Figure(
        title,
        reading,
        plots,
        Table("When an assumption gives way", columns, cells),
        keys,
        note if findings["scheme"] else "",
    )


def _violation(findings: StrataFindings, of: str) -> Plot:
    rows = [row for row in findings["violations"] if row["of"] == of]
    x = [100 * row["share"] for row in rows]
    hover = [
        f"{share(r['share'])}: {PEOPLE['always_buyer']} {share(r['always_buyer'])}" for r in rows
    ]
    axes = (f"people who {PEOPLE[of]}, %", SHARE.axis)
    plot = curve(
        x,
        [100 * r["always_buyer"] for r in rows],
        None,
        LINE,
        axes,
        hover,
        "",
        f"{PEOPLE[of]}: {'; '.join(hover)}",
    )
    add_line(plot, x, [100 * r["coupon_buyer"] for r in rows], "solid", OTHER[0])
    return plot


def ranges(findings: StrataFindings) -> Table:
    """How many there could be when less is assumed."""
    cells = [
        [
            PEOPLE[r["stratum"]],
            _assumption(r["assume"]),
            share(max(r["low"], 0.0)),
            share(max(r["high"], 0.0)),
        ]
        for r in findings["ranges"]
        if r["high"] > r["low"] + 1e-9
    ]
    columns = ["people who", "what is given up", "at least", "at most"]
    return Table(
        "How many there could be when less is assumed; a kind not listed stays as it is",
        columns,
        cells,
        (0, 1),
    )


def _assumption(name: str) -> str:
    if name in ASSUME:
        return ASSUME[name]
    return f"hidden reasons may move the odds of an offer {name.split()[-1]}-fold (A2)"
