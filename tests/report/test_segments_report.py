"""The section of segments: its sentence, its table and its drawing, by hand."""

from __future__ import annotations

from fixtures.variation_findings import NASTY, segments_findings

from equipoise.report.page import render_report, sections
from equipoise.report.parts import Figure
from equipoise.report.sections.segments import answer, differs
from equipoise.report.view import View


def test_the_sentence_names_the_segments_and_how_many_were_asked():
    findings = segments_findings()
    view = View(findings)
    arm = findings["candidates"][0]
    said = answer(view, findings["segments"])
    assert said.startswith(f"{arm}'s effect on visit differs by channel (p = 0.004 among 2): web:")
    assert "web: +4.5\u00a0pp" in said
    assert "post" not in said
    none = answer(view, segments_findings(0.2)["segments"])
    assert none == (
        "No effect differs surely between the segments of channel (2 questions, p-values by Holm)."
    )


def test_the_page_has_a_forest_and_a_table_of_all():
    findings = segments_findings()
    section = differs(View(findings), findings["segments"])
    figure = section.blocks[0]
    assert isinstance(figure, Figure)
    assert len(figure.twin.rows) == len(findings["segments"]["segments"])
    assert len(figure.plots) == len(findings["candidates"])
    assert figure.plots[0].name.endswith("by channel")
    assert sum(shape["line"]["dash"] == "dot" for shape in figure.plots[0].spec["layout"]["shapes"])
    titles = [part.id for part in sections(View(findings))]
    assert titles.index("segments") == titles.index("who") + 1
    page = render_report(findings)
    assert NASTY not in page
    assert "whose outcomes had no part in the choice" in page
