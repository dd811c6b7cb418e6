"""The section of a rule that people read: by hand, and with names that mean harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fixtures.example_findings import arms_findings

from equipoise.report.page import render_report, sections
from equipoise.report.parts import Bullets, Figure, Table
from equipoise.report.sections.rules import signed
from equipoise.report.view import View

NASTY = '<img src=x onerror="alert(1)">'


def rules_findings(kind: str = "tree") -> Any:
    """Findings of two arms with a rule."""
    findings: Any = json.loads(json.dumps(arms_findings()))
    control, arm = findings["control"], findings["candidates"][0]

    def step(depth: int, answer: str, condition: str, candidate: str | None, share: float) -> Any:
        names = ("depth", "answer", "condition", "candidate", "share")
        return dict(zip(names, (depth, answer, condition, candidate, share), strict=True))

    steps = [
        step(0, "", "recency < 3", None, 1.0),
        step(1, "yes", "", arm, 0.25),
        step(1, "no", "", control, 0.75),
    ]
    points = [
        {"feature": "recency", "where": "recency < 3", "points": 2, "share": 0.25},
        {"feature": "recency", "where": "recency >= 3", "points": 0, "share": 0.75},
    ]
    bands = [
        {"least": 0, "candidate": control, "share": 0.75},
        {"least": 2, "candidate": arm, "share": 0.25},
    ]
    chosen = findings["rivals"][0]
    words = [f"Offer {arm} to those whose recency < 3.", f"Offer {control} to everybody else."]
    card = ["recency: 2 points where recency < 3.", *words]
    demand = {"name": "budget", "used": 0.04, "rule": "at most", "bound": 0.042}
    findings["rules"] = {
        "kind": kind,
        "sentences": words if kind == "tree" else card,
        "steps": steps if kind == "tree" else [],
        "points": [] if kind == "tree" else points,
        "bands": [] if kind == "tree" else bands,
        "treated": 0.25,
        "values": chosen["values"],
        "spend": chosen["spend"],
        "lost": {name: [0.002, 0.001, 0.003] for name in chosen["values"]},
        "demands": [demand],
        "agreement": 0.9,
    }
    return findings


def told(findings: Any) -> Any:
    return signed(View(findings), findings["rules"])


def test_the_answer_says_how_much_is_lost():
    findings = rules_findings()
    answer = told(findings).answer.replace("\u00a0", " ")
    assert answer == (
        "A tree of questions would make an offer to 25% of people. It brings less than the chosen"
        " policy: the policy's lead is +0.20 pp of visit (+0.10 to +0.30) per head."
    )
    findings["rules"]["lost"]["visit"] = [0.002, -0.001, 0.005]
    assert "not told apart" in told(findings).answer
    findings["rules"]["lost"]["visit"] = [-0.002, -0.003, -0.001]
    assert "brings more than the chosen policy" in told(findings).answer
    findings["metrics"][0]["better"] = "lower"
    assert "brings less than the chosen policy" in told(findings).answer


def test_a_tree_is_drawn_and_a_scorecard_stands_in_tables():
    figure = next(b for b in told(rules_findings()).blocks if isinstance(b, Figure))
    texts = [trace["text"][0] for trace in figure.plots[0].spec["data"] if "text" in trace]
    assert texts[0] == "recency &lt; 3? \u00b7 100%"
    assert texts[2] == "no: No E-Mail \u00b7 75%"
    blocks = told(rules_findings("scorecard")).blocks
    points, bands = [b for b in blocks if isinstance(b, Table)][:2]
    assert points.rows[0] == ["recency", "recency < 3", "2", "25%"]
    assert [row[0] for row in bands.rows] == ["0 to 1", "2 or more"]
    assert len(next(b for b in blocks if isinstance(b, Bullets)).items) == 2


def test_it_stands_before_the_last_section_and_only_where_it_was_asked_for():
    assert [s.id for s in sections(View(rules_findings()))][-2:] == ["rules", "made"]
    assert "rules" not in [s.id for s in sections(View(arms_findings()))]


@pytest.mark.parametrize("kind", ["tree", "scorecard"])
def test_names_that_mean_harm_stay_text(kind):
    import plotly.graph_objects as go

    findings = rules_findings(kind)
    for row in findings["rules"]["steps"]:
        row["condition"] = row["condition"] and NASTY
    for row in findings["rules"]["points"]:
        row["where"] = NASTY
    findings["rules"]["sentences"] = [NASTY]
    assert NASTY not in render_report(findings)
    for block in told(findings).blocks:
        for plot in block.plots if isinstance(block, Figure) else []:
            go.Figure(data=plot.spec["data"], layout=plot.spec["layout"])
