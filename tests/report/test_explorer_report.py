"""The explorer of the report: the page finds the prices that Python finds, by a keyboard, wide and
narrow, light and dark, without asking anybody.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.chromium import AUDIT, Chromium
from fixtures.explorer_units import bound_units, explored_findings, explorer_units

from equipoise.artifacts.explorer import ExplorerUnits
from equipoise.artifacts.explorer_terms import answer_of
from equipoise.core.errors import InfeasibleError
from equipoise.pipeline.findings.explorer import UNITS, explorer_findings
from equipoise.report import render_report

READY = "document.querySelector('.explorer').dataset.ready === 'true'"
HALF = 0.5  # of a standard error: how far the page may be off; largest seen 0.22


@pytest.fixture(scope="module")
def chromium():
    with Chromium() as browser:
        yield browser


def opened(chromium: Chromium, folder: Path, findings: Any, width=1280, dark=False) -> None:
    page = folder / "report.html"
    page.write_text(render_report(findings), encoding="utf-8")
    chromium.open(page, width, dark=dark)
    chromium.wait(READY)


def questions(units: ExplorerUnits, dials: list[Any], seed: int) -> list[Any]:
    """The plan's own settings, then some drawn at random."""
    rng, drawn = np.random.default_rng(seed), [(dict(units.weights), units.start())]
    for _ in range(7):
        weights, bounds = dict(units.weights), units.start()
        for dial in dials:
            value = float(rng.uniform(dial["low"], dial["high"]))
            if dial["kind"] == "weight":
                weights[dial["name"]] = value
            elif dial["kind"] in ("floor", "ceiling"):
                sign = 0.3 if dial["kind"] == "floor" else 1.0
                bounds[dial["name"]] = sign * value if rng.random() < 0.4 else None
            elif dial["start"] is not None or rng.random() < 0.4:
                bounds[dial["name"]] = value
        drawn.append((weights, bounds))
    return drawn


def asked(chromium: Chromium, weights: Any, bounds: Any) -> Any:
    question = json.dumps({"weights": weights, "bounds": bounds})
    return json.loads(chromium.ask(f"JSON.stringify(window.ask({question}))"))


@pytest.mark.parametrize("make", [explorer_units, bound_units])
def test_the_page_says_what_python_says(chromium, tmp_path, make):
    units = make()
    findings = explored_findings(units)
    dials = findings["explorer"]["dials"]
    opened(chromium, tmp_path, findings)
    chromium.ask(
        "window.ask = explorerDual(JSON.parse("
        "document.querySelector('.explorer > script').textContent)), 0"
    )
    explorer, answers = units.explorer(), 0
    for weights, bounds in questions(units, dials, 4):
        there = asked(chromium, weights, bounds)
        try:
            net = units.cost_weight_of(weights)
            here = answer_of(explorer.point(weights, bounds, cost_weight=net))
        except InfeasibleError:
            assert there["infeasible"]
            continue
        answers += 1
        assert there["bound"] == pytest.approx(here["bound"], rel=2e-4)
        assert there["gap"] < 0.02
        for name, (mean, error) in here["values"].items():
            assert there["values"][name][0] == pytest.approx(mean, abs=HALF * error + 1e-12)
            assert there["values"][name][1] == pytest.approx(error, rel=0.1, abs=1e-9)
        for mine, other in zip(there["demands"], here["demands"], strict=True):
            assert [mine[k] for k in ("name", "rule")] == [other[k] for k in ("name", "rule")]
            assert mine["bound"] == pytest.approx(other["bound"])
            spread = abs(other["bound"]) + abs(other["used"])
            assert mine["used"] == pytest.approx(other["used"], abs=0.02 * spread + 0.002)
        near = 0.01 * len(units)  # units
        assert there["counts"] == pytest.approx(here["counts"], abs=near)
        assert there["groups"]["town"] == [
            pytest.approx(g, abs=near) for g in here["groups"]["town"]
        ]
    assert answers >= 4


def test_a_wrong_dual_would_be_seen():
    """Prices that ignore the budget are off by far more than the page may be."""
    units = explorer_units()
    free = answer_of(units.explorer().point(units.weights, units.start() | {"budget": None}))
    own = answer_of(units.explorer().point(units.weights, units.start()))
    mean, error = own["values"]["cost"]
    assert free["values"]["cost"][0] > mean + 10 * HALF * error


@pytest.mark.parametrize(
    ("width", "dark"), [(1280, False), (1280, True), (400, True), (400, False)]
)
def test_sliders_move_by_keys_and_the_page_stays_sound(chromium, tmp_path, width, dark):
    opened(chromium, tmp_path, explored_findings(), width, dark)
    said = "document.querySelector('.explorer .chosen').textContent"
    before = chromium.ask(said)
    budget = "document.querySelector('.explorer input[data-name=budget]')"
    chromium.ask(f"{budget}.focus(), 0")
    for kind in ["keyDown", "keyUp"] * 10:
        key = {"key": "ArrowLeft", "code": "ArrowLeft", "windowsVirtualKeyCode": 37}
        chromium.call("Input.dispatchKeyEvent", type=kind, **key)
    chromium.wait(f"{said} !== {json.dumps(before)}")
    assert float(chromium.ask(f"{budget}.value")) < 0.05
    assert chromium.ask("document.querySelector('.explorer pre').textContent").startswith(
        "[policy]\nweights = { visit = 1, conversion = 2, spend = 0.01 }\nbudget = { per_head = 0.0"
    )
    chromium.ask("document.querySelector('.explorer .back').click(), 0")
    chromium.wait(f"{said} === {json.dumps(before)}")
    assert chromium.ask(AUDIT) == []
    assert (chromium.complaints, chromium.outside) == ([], [])


def test_what_cannot_be_is_said_and_taken_back(chromium, tmp_path):
    opened(chromium, tmp_path, explored_findings())
    most = (
        "[...document.querySelectorAll('.explorer .dial input')].filter((dial) =>"
        " dial.dataset.name === 'floor of visit').forEach((dial) => {"
        " dial.value = VALUE; dial.dispatchEvent(new Event('input')); })"
    )
    chromium.ask(most.replace("VALUE", "dial.max"))
    chromium.wait("document.querySelector('.explorer').classList.contains('stuck')")
    said = chromium.ask("document.querySelector('.explorer .chosen').textContent")
    assert "budget, floor of visit" in said
    chromium.ask(most.replace("VALUE", "dial.min"))
    chromium.wait("!document.querySelector('.explorer').classList.contains('stuck')")
    assert chromium.complaints == []


def test_names_are_text(chromium, tmp_path):
    nasty = "</script><b>&amp;</b>'\"{{ 7 * 7 }}"
    text = json.dumps(explored_findings())
    for old in ("visit", "Mens E-Mail", "Oslo"):
        text = text.replace(json.dumps(old)[1:-1], json.dumps(f"{nasty}{old}")[1:-1])
    opened(chromium, tmp_path, json.loads(text))
    assert chromium.complaints == []
    assert nasty in chromium.ask("document.querySelector('.explorer').textContent")


def test_a_large_log_is_a_sample_that_says_so():
    units = explorer_units(UNITS + 2000)
    found = explorer_findings(units)
    assert (found["units"], found["of"]) == (UNITS, UNITS + 2000)
    page = render_report(explored_findings(units))
    assert f"{UNITS:,} of the {UNITS + 2000:,} people, drawn at random" in page
    assert len(page.encode()) < 1_500_000


def test_without_demands_there_is_none():
    assert explorer_findings(None) is None
    assert 'id="explore"' not in render_report(
        {k: v for k, v in explored_findings().items() if k != "explorer"}
    )


def test_no_protected_label_stands_in_the_page():
    units = explorer_units()
    whole, bare = explorer_findings(units), explorer_findings(units, protected=["town"])
    assert whole is not None
    assert bare is not None
    assert "town" in whole["labels"]
    assert "town" not in bare["labels"]
    assert "town" not in json.dumps(bare)
    assert bare["arrays"]["by"]["scale"] == whole["arrays"]["by"]["scale"][1:]
