"""The report of the job: what it says, its plots against plotly, and the page in a real browser,
with hostile names too.
"""

from __future__ import annotations

import json

import pytest
from fixtures.chromium import AUDIT, Chromium

from equipoise.report.sections.supply import render_supply

NASTY = "<script>window.hacked = 1</script>"


@pytest.fixture(scope="module")
def chromium():
    with Chromium() as browser:
        yield browser


def complaints(chromium, folder, page, width, dark=False):
    """All that is wrong with a page at a width."""
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    chromium.open(file, width, dark=dark)
    # the report of a run has others
    own = [line for line in chromium.ask(AUDIT) if not line.endswith("sections")]
    return [*own, *chromium.complaints, *chromium.outside]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_the_page_is_drawn_and_readable(chromium, mix_run, tmp_path, width, dark):
    assert complaints(chromium, tmp_path, render_supply(mix_run[0]), width, dark) == []


def test_hostile_names_stay_text(chromium, mix_run, tmp_path):
    findings = json.loads(json.dumps(mix_run[0]).replace('"film"', json.dumps(NASTY)))
    assert complaints(chromium, tmp_path, render_supply(findings), 1280) == []
    assert chromium.ask("window.hacked === undefined")


def test_it_answers_the_questions(mix_run):
    findings, _ = mix_run
    page = render_supply(findings)
    for sentence in (
        *findings["risks"],
        "Is the log fit for the question?",
        "Who are the users?",
        "What should each cluster see?",
        "What does more of a category do?",
        "What are the mixes worth, without an A/B test?",
        "all categories up or down at once",
    ):
        assert sentence in page
    assert "What holds the mixes back?" not in page  # no limit was asked for


def test_what_the_log_cannot_vouch_for_is_said(mix_run):
    findings = json.loads(json.dumps(mix_run[0]))
    findings["steps"][-1]["values"] = None
    assert "not told: too few rows" in render_supply(findings)
