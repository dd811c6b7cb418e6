"""Findings of version 0.1.0 are read, drawn and mean what they meant."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from fixtures.example_findings import EXAMPLES, strata_findings

from equipoise.pipeline.jobs import read_findings, render
from equipoise.report.findings import plain
from equipoise.report.upgrade import upgrade

OLD = Path(__file__).parent / "metrics_0_1_0.json"


def test_the_committed_findings_of_version_0_1_0_are_drawn():
    written = json.loads(OLD.read_text(encoding="utf-8"))
    assert "kind" not in written["policy"]["demands"][0], "the file is as version 0.1.0 wrote it"
    findings = read_findings(OLD)
    assert [(row["kind"], row["metric"]) for row in findings["policy"]["demands"]] == [
        ("budget", None),
        ("floor", "spend"),
    ]
    kinds = [row["kind"] for row in findings["rivals"]]
    assert kinds == ["chosen", "control", "constant", "constant", "random"]
    assert findings["strata"]["rules"][0]["kind"] == "best"
    assert "Who would have bought anyway?" in render(findings)


def test_what_is_of_today_stays_as_it_is():
    for make in EXAMPLES.values():
        assert upgrade(make()) == make()


def test_the_findings_given_are_left_as_they_are():
    written: Any = json.loads(OLD.read_text(encoding="utf-8"))
    before = copy.deepcopy(written)
    upgrade(written)
    assert written == before


@pytest.mark.parametrize(
    ("name", "kind", "metric"),
    [
        ("budget", "budget", None),
        ("budget of region = north", "group-budget", None),
        ("offers", "offers", None),
        ("cap on a", "cap", None),
        ("ceiling of skips", "ceiling", "skips"),
        ("parity of sex: f not above", "parity", None),
        ("one of your own", "row", None),
    ],
)
def test_a_name_says_the_kind(name, kind, metric):
    old = {"made": {"version": "0.1.3"}, "policy": {"demands": [{"name": name}]}}
    row = upgrade(old)["policy"]["demands"][0]
    assert (row["kind"], row["metric"]) == (kind, metric)


def test_a_run_with_supply_names_todays_mix(mix_run):
    findings = dict(mix_run[0])
    want = {key: findings.pop(key) for key in ("individual", "today")}
    findings["made"] = {**findings["made"], "version": "0.1.0"}
    assert {key: upgrade(findings)[key] for key in want} == want
    assert plain(upgrade(strata_findings())) == plain(strata_findings())
