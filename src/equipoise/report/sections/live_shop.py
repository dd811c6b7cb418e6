"""The page of the A/B test of ensembles in live shops: lifts with intervals, the two fronts, and
what was played.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from equipoise.data.simulators.live_shop import METRICS
from equipoise.report.formatting import GLUE, Unit
from equipoise.report.page import render_page
from equipoise.report.parts import Bullets, Card, Figure, Key, Section, Table, Words
from equipoise.report.plots import CHOSEN, OKABE_ITO, OTHER, RIVAL, Mark, forest
from equipoise.report.sections.closed_loop import percent_of, span_of

LIFT = Unit(100.0, f"{GLUE}%", f"{GLUE}%", "lift over the formula, %")
OURS, BASE = "harmonrank", "formula"
MARKS: dict[str, Mark] = {OURS: CHOSEN, "old formula": RIVAL, "oracle": (OKABE_ITO[2], "diamond")}


def shop_report(results: dict[str, Any]) -> str:
    """The page of what `reproduce.live_shop.play` found."""
    rows = {row["method"]: row for row in results["rows"]}
    worlds = len(results["settings"]["worlds"])
    changes = ", ".join(f"{name} {percent_of(rows[OURS][name])}" for name in METRICS)
    head = {
        "title": f"Ensembles in {worlds} live shops",
        "headline": [f"Against the searched formula, HarmonRank changes {changes}."],
        "level": 0.95,
        "made": {"version": metadata.version("equipoise")},
    }
    cards = [
        Card(f"Lift of {name}", percent_of(rows[OURS][name]), "", [span_of(rows[OURS][name])])
        for name in (*METRICS, "mean")
    ]
    return render_page(head, cards, [_lifts(rows), _protocol(results)])


def _lifts(rows: dict[str, Any]) -> Section:
    """Every metric's lift under every ranking, drawn without the oracle's and the old formula's."""
    near = [name for name in rows if name not in (BASE, "oracle", "old formula")]
    plots = [
        forest(
            near,
            [rows[name][m] for name in near],
            [MARKS.get(name, OTHER) for name in near],
            LIFT,
            LIFT.axis,
            m,
        )
        for m in METRICS
    ]
    heads = (*METRICS, "mean")
    cells = [[name, *(span_of(row[head]) for head in heads)] for name, row in rows.items()]
    twin = Table("Lift over the searched formula, with its interval", ["ranking", *heads], cells)
    keys = [
        Key(CHOSEN[1], CHOSEN[0], "HarmonRank"),
        Key(OTHER[1], OTHER[0], "the same net by another loss"),
    ]
    told = [name for name in METRICS if rows[OURS][name][1] > 0 or rows[OURS][name][2] < 0]
    answer = (
        f"HarmonRank and the formula are told apart on {', '.join(told)}."
        if told
        else "No metric tells HarmonRank and the formula apart."
    )
    reading = (
        "Right of zero is more than the searched formula brings; whiskers are intervals over"
        " worlds, and a hollow mark is one whose interval holds zero."
    )
    figure = Figure("Lifts of the five metrics", reading, plots, twin, keys)
    return Section("lifts", "A/B test", "What does each ranking bring?", answer, [figure])


def _protocol(results: dict[str, Any]) -> Section:
    s, gain = results["settings"], results["ranking_hypervolume_gain"]
    items = [
        f"Worlds of the seeds {s['worlds'][0]} to {s['worlds'][-1]}; none was left out.",
        (
            f"{s['requests']:,} requests of a log: a week for base models, five days for ensembles,"
            f" two that decide; {s['fresh']:,} fresh requests."
        ),
        f"A formula has {s['trials']} trials, a net at most {s['epochs']} epochs.",
        "The oracle ranks by true chances, each metric worth 1 / (what the formula brings of it).",
    ]
    if gain is not None:
        items.append(
            f"Under {s['sweep']} weights of objectives HarmonRank's front dominates"
            f" {span_of(gain)} more volume than the formula's."
        )
    words = Words(
        "Lifts are changes of exact expectations on the same requests: only worlds differ.",
        quiet=True,
    )
    return Section(
        "played", "Protocol", "What was played?", "", [Bullets("Protocol", items), words]
    )
