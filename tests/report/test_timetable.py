"""The section of schedules over the day: what a reader is told, by hand."""

from __future__ import annotations

import pytest
from fixtures.example_findings import arms_findings
from fixtures.report_pages import packet_findings

from equipoise.report.page import sections
from equipoise.report.parts import Figure
from equipoise.report.sections.timetable import clock, over_the_day
from equipoise.report.view import View


def test_what_is_sent_when():
    findings = packet_findings()
    view = View(findings)
    section = over_the_day(view, findings["timetable"])
    assert section.answer == (
        "3 schedules of 1 to 3 packets a day, together 0.025 to 1 yuan a person; all are compared"
        f" with {view.control}."
    )
    (figure,) = section.blocks
    assert isinstance(figure, Figure)
    assert figure.twin.rows[1][1:7] == ["1", "3", "08:00", "14:30", "0.3", "0.4"]
    (plot,) = figure.plots
    assert f"{findings['candidates'][1]}: 08:00 0.025 yuan" in plot.label
    first, second, third = plot.spec["data"]
    assert second["x"] == [8.0, 11.25, 14.5]
    assert (first["y"], second["y"], third["y"]) == ([0, 0], [1, 1, 1], [2])
    sizes = second["marker"]["size"]
    assert (sizes[0] / sizes[1]) ** 2 == pytest.approx(0.4 / 0.3)  # areas are amounts
    assert "11:15: 0.3 yuan" in second["hovertext"][1]
    assert plot.spec["layout"]["xaxis"]["ticktext"] == ["08:00", "12:00", "16:00", "20:00", "24:00"]


def test_it_stands_after_the_first_section_where_there_are_schedules():
    assert [s.id for s in sections(View(packet_findings()))][1] == "timetable"
    assert "timetable" not in [s.id for s in sections(View(arms_findings()))]


def test_hours_as_on_a_clock():
    assert [clock(h) for h in (8, 8.5, 23.999, 9.9999)] == ["08:00", "08:30", "24:00", "10:00"]
