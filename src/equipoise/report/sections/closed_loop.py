"""The page of a closed loop: the trade-off plane of the A/B test, its table, and what was
played.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from equipoise.report.formatting import GLUE, Unit
from equipoise.report.page import render_page
from equipoise.report.parts import Bullets, Card, Figure, Key, Section, Table, Words
from equipoise.report.plots import CHOSEN, OKABE_ITO, OTHER, RIVAL, Mark, add_line, plane

BEST: Mark = (OKABE_ITO[2], "diamond")
MARKS: dict[str, tuple[Mark, int]] = {  # mark and size of a policy
    "HMUM": (CHOSEN, 15),
    "oracle": (BEST, 11),
    "none": (RIVAL, 9),
    "s1": (OTHER, 9),
    "s2": (OTHER, 9),
    "s1+s2": (OTHER, 9),
}


def loop_report(results: dict[str, Any]) -> str:
    """The page of what `reproduce.closed_loop.play` found."""
    s, rows = results["settings"], {row["policy"]: row for row in results["rows"]}
    metrics = results["metrics"]
    won = ", ".join(f"{name} {percent_of(rows['HMUM'][name])}" for name in metrics)
    kind = "live shops" if s["strategies"] == "rankers" else "short-video worlds"
    title = f"HMUM in {len(s['worlds'])} {kind}, {s['stage']} stage"
    head = {
        "title": title,
        "headline": [f"Against switching nothing on, HMUM changes {won}; {_verdict(results)}"],
        "level": 0.95,
        "made": {"version": metadata.version("equipoise")},
    }
    cards = [
        Card(f"Lift of {m}", percent_of(rows["HMUM"][m]), "", ["over none, all worlds"])
        for m in metrics
    ]
    return render_page(head, cards, [_plane(rows, metrics), _protocol(results)])


def _verdict(results: dict[str, Any]) -> str:
    mean, low, high = (100 * x for x in results["hypervolume_gain"])
    side = "beyond" if low > 0 else "inside" if high < 0 else "not told apart from"
    return (
        f"its point is {side} the curve of fixed weights ({mean:+.1f}{GLUE}% of its area,"
        f" {low:+.1f} to {high:+.1f})."
    )


def _plane(rows: dict[str, Any], metrics: list[str]) -> Section:
    fixed = [row for row in rows.values() if row["kind"] == "fixed"]
    points = []
    for name, row in rows.items():
        mark, size = MARKS.get(name, (RIVAL, 6))
        hover = f"{name}: " + ", ".join(f"{m} {percent_of(row[m])}" for m in metrics)
        points.append(
            {"x": row[metrics[0]], "y": row[metrics[1]], "mark": mark, "size": size, "said": hover}
        )
    first, second = (Unit(100.0, f"{GLUE}%", f"{GLUE}%", f"lift of {name}, %") for name in metrics)
    plot = plane(
        points,
        (first, second),
        (first.axis, second.axis),
        "",
        "; ".join(p["said"] for p in points),
        joined=False,
    )
    add_line(plot, [100 * r[metrics[0]][0] for r in fixed], [100 * r[metrics[1]][0] for r in fixed])
    cells = [[name, *(span_of(row[m]) for m in metrics)] for name, row in rows.items()]
    twin = Table(
        "Lift of each policy over none, with its interval over worlds", ["policy", *metrics], cells
    )
    keys = [
        Key("star", CHOSEN[0], "HMUM: weights of each request"),
        Key("circle", OTHER[0], "one strategy for all, or both"),
        Key("dots", RIVAL[0], "fixed weights, from views alone to time alone"),
        Key("diamond", BEST[0], "an oracle"),
    ]
    reading = (
        "Each mark is a policy; right is more watch time, up is more views, whiskers are intervals"
        " over worlds. A point beyond the dotted line does what no fixed weight of the two metrics"
        " does."
    )
    answer = (
        "Each strategy alone wins one metric and loses the other; weights of the moment decide who"
        " gets which."
    )
    return Section(
        "plane",
        "Trade-off",
        "What does each policy do to both metrics?",
        answer,
        [Figure("Both metrics", reading, [plot], twin, keys)],
    )


def _protocol(results: dict[str, Any]) -> Section:
    s = results["settings"]
    items = [
        (
            f"Worlds of the seeds {s['worlds'][0]} to {s['worlds'][-1]}, drawn from the stated"
            " prior; none was left out."
        ),
        (
            f"{s['log']:,} requests of a randomised log and {s['test']:,} new ones in each; drift"
            f" {s['drift']:g}."
        ),
        (
            f"Effects by {s['estimator']} from users' features; weights of requests learnt by"
            f" {s['target']} from their context."
        ),
        (
            f"Denominators floored: {100 * max(results['floored']):.1f}{GLUE}% of requests;"
            f" both on: {span_of(results['both_on'])}."
        ),
    ]
    words = Words(
        "Lifts are changes of totals in expected outcomes, so that only worlds differ.", quiet=True
    )
    return Section(
        "played", "Protocol", "What was played?", "", [Bullets("Protocol", items), words]
    )


def percent_of(interval: list[float]) -> str:
    """The middle of an interval in percent."""
    return f"{100 * interval[0]:+.2f}{GLUE}%"


def span_of(interval: list[float]) -> str:
    """An interval in percent."""
    return f"{percent_of(interval)} ({100 * interval[1]:+.2f} to {100 * interval[2]:+.2f})"
