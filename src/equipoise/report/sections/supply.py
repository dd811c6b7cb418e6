"""The report of a job with [supply]: is the log fit, who the clusters are, their mixes, the curves,
the value, the limits.
"""

from __future__ import annotations

from equipoise.report.findings import Interval
from equipoise.report.findings_supply import Cluster, Curve, GroupMix, SupplyFindings
from equipoise.report.formatting import GLUE, MISSING, Unit, listed, number, share
from equipoise.report.page import render_page
from equipoise.report.parts import (
    Block,
    Bullets,
    Card,
    Checked,
    Checklist,
    Figure,
    Key,
    Plot,
    Section,
    Table,
    Words,
)
from equipoise.report.plots import CHOSEN, LINE, OTHER, RIVAL, add_points, curve, dumbbells, forest
from equipoise.report.sections.summary import how_made
from equipoise.report.sentences_supply import gains_in_words, units_of, weights_in_words

MOST = 6  # panels of a figure
WAYS = {
    "binary": "each category up or down by itself",
    "vector": "all categories up or down at once",
    "doses": "a curve per category",
    "shares": "all shares at once",
    "forest": "the MDP2 forest",
}


def render_supply(findings: SupplyFindings) -> str:
    """The report as one self-contained HTML page."""
    sections = [
        _fit(findings),
        _clusters(findings),
        _mixes(findings),
        _curves(findings),
        _value(findings),
        _limits(findings),
    ]
    sections = [section for section in sections if section.blocks]
    return render_page(findings, _cards(findings), [*sections, how_made(dict(findings["made"]))])


def _cards(findings: SupplyFindings) -> list[Card]:
    units, gains = units_of(findings), findings["whole"][findings["way"]]
    cards = []
    for name in _weighed(findings):
        unit = units[name]
        notes = [
            f"{100 * findings['level']:g}% interval {unit.span(gains[name])}",
            f"today {unit.of_level([findings['logged'][name], None, None])}",
        ]
        cards.append(
            Card(f"Change of {name} per user", unit.bare(gains[name]), unit.change.strip(), notes)
        )
    moved = sum(cluster["share"] * _moved(cluster) for cluster in findings["clusters"])
    cards.append(
        Card("Exposure that moves", share(moved), "", ["of what users are shown, on average"])
    )
    return cards


def _moved(cluster: Cluster | GroupMix) -> float:
    """How much of the exposure of a cluster, or a group, goes to another category."""
    return sum(abs(a - b) for a, b in zip(cluster["today"], cluster["mix"], strict=True)) / 2


def _weighed(findings: SupplyFindings) -> list[str]:
    return [name for name, weight in findings["weights"].items() if weight]


def _fit(findings: SupplyFindings) -> Section:
    checks = [
        Checked(check["status"], check["name"], check["summary"], None)
        for check in findings["checks"]
    ]
    size = (
        f"{findings['rows']:,} rows, {findings['features']} features, {len(findings['categories'])}"
        " categories."
    )
    blocks: list[Block] = [Checklist(checks), Bullets("What could be wrong", findings["risks"])]
    return Section("log", "The log", "Is the log fit for the question?", size, blocks)


def _clusters(findings: SupplyFindings) -> Section:
    rows = [
        [
            cluster["name"],
            share(cluster["share"]),
            ", ".join(f"{name} {number(z, 1, plus=True)}" for name, z in cluster["typical"])
            or MISSING,
            _moves(findings, cluster),
        ]
        for cluster in findings["clusters"]
    ]
    table = Table(
        "Clusters",
        ["cluster", "users", "typical, in standard deviations", "largest moves"],
        rows,
        (0, 2, 3),
    )
    answer = (
        f"{len(rows)} clusters, told apart by features alone."
        if len(rows) > 1
        else "All users are taken as one."
    )
    return Section("clusters", "Clusters", "Who are the users?", answer, [table])


def _moves(findings: SupplyFindings, cluster: Cluster | GroupMix, most: int = 3) -> str:
    """``music 4% to 8%, film 12% to 9%``."""
    moves = zip(findings["categories"], cluster["today"], cluster["mix"], strict=True)
    order = sorted(moves, key=lambda move: -abs(move[2] - move[1]))[:most]
    return ", ".join(f"{name} {share(a)} to {share(b)}" for name, a, b in order)


def _mixes(findings: SupplyFindings) -> Section:
    plots = []
    for cluster in findings["clusters"][:MOST]:
        today, mix = cluster["today"], cluster["mix"]
        hover = [
            f"<b>{n}</b><br>{share(a)} to {share(b)}"
            for n, a, b in zip(findings["categories"], today, mix, strict=True)
        ]
        plots.append(
            dumbbells(
                findings["categories"], today, mix, hover, "share of exposure", cluster["name"]
            )
        )
    rows = [
        [
            name,
            *(f"{share(c['today'][k])} \u2192 {share(c['mix'][k])}" for c in findings["clusters"]),
        ]
        for k, name in enumerate(findings["categories"])
    ]
    keys = [Key("circle", RIVAL[0], "today"), Key("circle", CHOSEN[0], "recommended")]
    reading = (
        "Each row is a category: hollow where its share of a cluster's exposure is today, full"
        " where it should go."
    )
    twin = Table(
        "Mixes, today and recommended",
        ["category", *(c["name"] for c in findings["clusters"])],
        rows,
    )
    left = len(findings["clusters"]) - len(plots)
    note = f"{left} smaller clusters are in the table." if left > 0 else ""
    edges = [f"{c['name']}: {listed(c['edge'])}" for c in findings["clusters"] if c["edge"]]
    blocks: list[Block] = [Figure("Mixes of clusters", reading, plots, twin, keys, note)]
    if edges:
        blocks.append(Bullets("At the edge of what was seen or allowed", edges))
    blocks += _audit(findings)
    answer = f"What the mixes make as large as the limits allow: {weights_in_words(findings)}."
    return Section("mixes", "Mixes", "What should each cluster see?", answer, blocks)


def _audit(findings: SupplyFindings) -> list[Block]:
    """What the groups of protected columns would see."""
    if not findings["audit"]:
        return []
    rows = [
        [f"{g['column']}: {g['group']}", share(g["share"]), share(_moved(g)), _moves(findings, g)]
        for g in findings["audit"]
    ]
    note = (
        "Mixes never see a protected column: where groups differ, features that they do see make"
        " them differ."
    )
    columns = ["group", "users", "exposure that moves", "largest moves"]
    return [Table("Groups of protected columns", columns, rows, (0, 3)), Words(note, quiet=True)]


def _curves(findings: SupplyFindings) -> Section:
    """Of the largest cluster, the categories that move most, on the metric that is weighed
    first.
    """
    cluster = max(findings["clusters"], key=lambda c: c["share"])
    moved = {
        n: abs(b - a)
        for n, a, b in zip(findings["categories"], cluster["today"], cluster["mix"], strict=True)
    }
    units, blocks = units_of(findings), list[Block]()
    for metric in _weighed(findings):
        mine = [
            c
            for c in findings["curves"]
            if c["cluster"] == cluster["name"] and c["metric"] == metric
        ]
        mine = sorted(mine, key=lambda c: -moved[c["category"]])[:MOST]
        if mine:
            plots = [_curve(findings, one, cluster, units[metric]) for one in mine]
            rows = [_curve_row(one, units[metric]) for one in mine]
            columns = [
                "category",
                "shares seen or allowed",
                "effect at the least",
                "effect at the most",
            ]
            reading = (
                "Right: more of the category, the others making room in proportion. Up: more of the"
                " metric than today. The mark is today's share, the star the recommended one; the"
                " band is the interval of the curve."
            )
            twin = Table(f"Curves of {metric} in {cluster['name']}", columns, rows)
            keys = [Key("circle", RIVAL[0], "today"), Key("star", CHOSEN[0], "recommended")]
            blocks.append(
                Figure(f"{metric} in {cluster['name']}, the largest", reading, plots, twin, keys)
            )
    return Section(
        "curves",
        "Curves",
        "What does more of a category do?",
        "One curve a cluster, category and metric.",
        blocks,
    )


def _curve(findings: SupplyFindings, one: Curve, cluster: Cluster, unit: Unit) -> Plot:
    k = findings["categories"].index(one["category"])
    x, y = [100 * s for s in one["shares"]], [unit.scaled(e) for e in one["effect"]]
    low, high = one["low"], one["high"]
    band = (
        None
        if low is None or high is None
        else ([unit.scaled(e) for e in low], [unit.scaled(e) for e in high])
    )
    hover = [
        f"{share(s)}: {unit.effect([e, None, None])}"
        for s, e in zip(one["shares"], one["effect"], strict=True)
    ]
    plot = curve(
        x,
        y,
        band,
        LINE,
        ("share of exposure, %", unit.axis),
        hover,
        one["category"],
        f"{one['category']}: {'; '.join(hover)}",
    )
    for at, mark, word in (
        (cluster["today"][k], RIVAL, "today"),
        (cluster["mix"][k], CHOSEN, "recommended"),
    ):
        value = _between(one, at)
        add_points(
            plot, [100 * at], [[value, None, None]], unit, mark, [f"{word}: {share(at)}"], 11
        )
    return plot


def _between(one: Curve, at: float) -> float:
    """A curve at a share, straight between its points."""
    points = list(zip(one["shares"], one["effect"], strict=True))
    for (a, low), (b, high) in zip(points, points[1:], strict=False):
        if a <= at <= b:
            return low if b == a else low + (high - low) * (at - a) / (b - a)
    return points[0][1] if at < points[0][0] else points[-1][1]


def _curve_row(one: Curve, unit: Unit) -> list[str]:
    cells = []
    for end in (0, -1):
        low, high = one["low"], one["high"]
        cells.append(
            unit.effect(
                [one["effect"][end], low[end] if low else None, high[end] if high else None]
            )
        )
    return [one["category"], f"{share(one['shares'][0])} to {share(one['shares'][-1])}", *cells]


def _value(findings: SupplyFindings) -> Section:
    units, weighed, blocks = units_of(findings), _weighed(findings), list[Block]()
    for metric in weighed:
        names, intervals, marks = [], list[Interval](), []
        for way, gains in findings["whole"].items():
            names.append(WAYS.get(way, way) + (" (chosen)" if way == findings["way"] else ""))
            intervals.append(gains[metric])
            marks.append(CHOSEN if way == findings["way"] else OTHER)
        for step in findings["steps"]:
            if step["values"] is not None:
                names.append(f"{share(step['part'])} of the way, weighed")
                intervals.append(step["values"][metric])
                marks.append(LINE)
        unit = units[metric]
        plot = forest(
            names, intervals, marks, unit, f"change of {metric} per user, {unit.axis}", metric
        )
        rows = [
            [name, f"{unit.effect(i)} ({unit.span(i)})"]
            for name, i in zip(names, intervals, strict=True)
        ]
        blocks.append(
            Figure(
                f"Change of {metric} over what was done",
                READING,
                [plot],
                Table(f"Value, {metric}", ["policy", "change"], rows),
            )
        )
    rows = [
        [
            WAYS.get(way, way),
            *(f"{units[m].effect(gains[m])} ({units[m].span(gains[m])})" for m in weighed),
        ]
        for way, gains in findings["against"].items()
    ]
    blocks.append(
        Table(
            "What the chosen mixes gain over other ways, on the same rows",
            ["over", *weighed],
            rows,
        )
    )
    blocks.append(_steps(findings))
    answer = (
        "Over what was done, the mixes change"
        f" {gains_in_words(findings, findings['whole'][findings['way']])} per user."
    )
    return Section(
        "value", "Value", "What are the mixes worth, without an A/B test?", answer, blocks
    )


READING = (
    "Judged on rows that the mixes were not learnt from. For whole mixes the interval spans three"
    " judges (curves; curves with trees for nuisances; curves and trees): it holds chance and the"
    " form of the curves. Steps are weighed rows, doubly robust."
)


def _steps(findings: SupplyFindings) -> Block:
    units, rows = units_of(findings), []
    for step in findings["steps"]:
        values = step["values"]
        cells = ["not told: too few rows"] * len(_weighed(findings))
        if values is not None:
            cells = [
                f"{units[m].effect(values[m])} ({units[m].span(values[m])})"
                for m in _weighed(findings)
            ]
        rows.append([share(step["part"]), share(step["effective"]), *cells])
    return Table(
        "Steps of the way, by factors on each user's own mix",
        ["part of the way", "rows that are left", *_weighed(findings)],
        rows,
    )


def _limits(findings: SupplyFindings) -> Section:
    rows = [
        [
            d["demand"],
            number(d["used"]),
            number(d["bound"]),
            "yes" if d["binding"] else "no",
            number(d["price"]) if d["price"] else MISSING,
        ]
        for d in sorted(findings["demands"], key=lambda d: -d["price"])
    ]
    blocks: list[Block] = []
    if rows:
        columns = ["limit", "used", "bound", "binds", "price of one more unit"]
        blocks = [
            Table("Limits", columns, rows),
            Words(f"A price is in units of {weights_in_words(findings)}{GLUE}a user.", quiet=True),
        ]
    binding = [d["demand"] for d in findings["demands"] if d["binding"]]
    answer = f"Held back by {listed(binding)}." if binding else "No limit holds the mixes back."
    return Section("limits", "Limits", "What holds the mixes back?", answer, blocks)
