"""The section of how the effect varies: curves, levels and pairs by hand."""

from __future__ import annotations

from fixtures.chromium import AUDIT, Chromium
from fixtures.variation_findings import NASTY, segments_findings, variation_findings

from equipoise.report.page import render_report, sections
from equipoise.report.parts import Figure, Table, Words
from equipoise.report.sections.variation import OF_MODEL, varies
from equipoise.report.view import View


def test_curves_have_ticks_and_levels_have_marks():
    findings = variation_findings()
    section = varies(View(findings), findings["variation"])
    figure = section.blocks[0]
    assert isinstance(figure, Figure)
    plots = {plot.name: plot for plot in figure.plots}
    arm = findings["candidates"][0]
    line = plots[f"{arm} by age"].spec
    assert len(line["layout"]["shapes"]) == 1 + 10
    assert line["data"][-1]["y"][-1] == 100 * findings["variation"]["curves"][0]["effect"][-1]
    assert len(figure.twin.rows) == len(findings["candidates"]) * 12
    assert len(plots[f"{arm} by channel"].spec["data"]) >= 2
    assert section.blocks[-1] == Words(OF_MODEL, quiet=True)


def test_a_sure_pair_is_drawn_with_the_number_along_the_axis():
    findings = variation_findings()
    section = varies(View(findings), findings["variation"])
    assert "channel and age surely move the effect together" in section.answer
    table, _, figure = section.blocks[1:4]
    assert isinstance(table, Table)
    assert [row[-1] for row in table.rows] == ["0.001", "\u2013"]
    assert table.rows[0][2:5] == ["\u00b11.2\u00a0pp", "0.40 \u00b1 0.05", "0.90 (0.60 to 1.20)"]
    assert isinstance(figure, Figure)
    (plot,) = figure.plots
    lines = {tuple(line["y"]): line["x"] for line in plot.spec["data"]}
    assert lines[(1.0, 2.0, 5.0)] == [20.0, 40.0, 60.0]
    assert [key.meaning for key in figure.keys] == ["channel web", "channel phone"]


def test_a_pair_that_may_be_chance_is_not_drawn():
    findings = variation_findings(0.3)
    section = varies(View(findings), findings["variation"])
    assert "No two features surely move the effect together." in section.answer
    assert [type(block) for block in section.blocks] == [Figure, Table, Words, Words]


def test_the_page_says_that_it_is_of_the_model():
    findings = variation_findings()
    page = render_report(findings)
    assert OF_MODEL in page
    assert NASTY not in page
    ids = [part.id for part in sections(View(findings))]
    assert ids.index("varies") == ids.index("who") + 1


def test_both_sections_are_in_order_in_a_browser(tmp_path):
    findings = variation_findings()
    findings["segments"] = segments_findings()["segments"]
    blank = [None] * 3  # an arm of which no segment is told has no panel
    for row in findings["segments"]["segments"]:
        if row["candidate"] == findings["candidates"][1]:
            row["effect"] = row["shrunk"] = blank
    page = tmp_path / "report.html"
    page.write_text(render_report(findings), encoding="utf-8")
    with Chromium() as browser:
        for width, dark in ((1280, False), (420, True)):
            browser.open(page, width, dark=dark)
            assert [*browser.ask(AUDIT), *browser.complaints, *browser.outside] == []
