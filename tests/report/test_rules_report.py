"""The section of a rule that people read: by hand, and with names that mean harm."""

from __future__ import annotations

from typing import Any

import pytest
from fixtures.example_findings import arms_findings
from fixtures.report_pages import rules_findings

from equipoise.report.page import render_report, sections
from equipoise.report.parts import Bullets, Figure, Table
from equipoise.report.sections.rules import signed
from equipoise.report.view import View

NASTY = '<img src=x onerror="alert(1)">'


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
