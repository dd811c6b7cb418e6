"""The page of the loop of red packets: what it ships beside the best seed, and what was played."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from equipoise.report.formatting import Unit
from equipoise.report.page import render_page
from equipoise.report.parts import Bullets, Card, Figure, Key, Section, Table
from equipoise.report.plots import CHOSEN, OKABE_ITO, OTHER, RIVAL, Mark, forest

POINTS = Unit(100.0, "", " pp", "less the best seed, percentage points")
MARKS: dict[str, Mark] = {"shipped": CHOSEN, "oracle": (OKABE_ITO[2], "diamond")}


def packets_report(results: dict[str, Any]) -> str:
    """The page of what `reproduce.packet_loop.play` found."""
    worlds = len(results["settings"]["worlds"])
    gaps = {name.removesuffix(" less best seed"): gap for name, gap in results["gaps"].items()}
    low = gaps["shipped"][1]
    told = "is worth more than" if low > 0 else "is not told apart from"
    head = {
        "title": f"The loop of an incentive team in {worlds} worlds",
        "headline": [
            f"What the loop ships {told} the best seed for all: {_span(gaps['shipped'])}."
        ],
        "level": 0.95,
        "made": {"version": metadata.version("equipoise")},
    }
    cards = [
        Card(name.capitalize(), f"{100 * value[0]:+.2f}", "pp", ["worth over the base"])
        for name, value in results["worth"].items()
    ]
    names = list(gaps)
    marks = [MARKS.get(name, OTHER) for name in names]
    plot = forest(names, [gaps[name] for name in names], marks, POINTS, POINTS.axis, "gaps")
    rows = [
        [name, _span(value), _span(gaps[name]) if name in gaps else ""]
        for name, value in results["worth"].items()
    ]
    heads = ["way", "worth over the base", "less the best seed"]
    twin = Table("Worth, by exact expectations of settled users", heads, rows)
    keys = [Key(CHOSEN[1], CHOSEN[0], "what the loop ships"), Key(RIVAL[1], RIVAL[0], "its parts")]
    reading = "Right of zero is more than the best seed, as the truth has it, for all users."
    figure = Figure("Beside the best seed", reading, [plot], twin, keys)
    share = 100 * results["replaced"]
    answer = f"The policy replaced the incumbent in {share:.0f} % of the worlds."
    first = Section("worth", "Worth", "What does the loop bring?", answer, [figure])
    return render_page(head, cards, [first, _protocol(results)])


def _span(value: list[float]) -> str:
    mean, low, high = (100 * x for x in value)
    return f"{mean:+.2f} pp ({low:+.2f} to {high:+.2f})"


def _protocol(results: dict[str, Any]) -> Section:
    s = results["settings"]
    items = [
        f"Worlds of the seeds {s['worlds'][0]} to {s['worlds'][-1]}; none was left out.",
        (
            f"Month 1: {s['seeds']} seeds drawn evenly over the space and the base, {s['users']:,}"
            f" users who keep what they draw; the last {s['late']} days count."
        ),
        (
            f"Month 2: the best {s['kept']} seeds and {s['new']} new schedules of a search, new"
            " users; month 3: the policy against the best schedule for all."
        ),
        f"Minds move by {s['carry']} a day; a yuan counts {100 * s['price']:g} pp of return.",
    ]
    return Section("played", "Protocol", "What was played?", "", [Bullets("Protocol", items)])
