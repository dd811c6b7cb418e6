"""A run with a rule that people read: what it writes, and what it tells of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fixtures.targeting import make_world

from equipoise.allocation import PolicyTree, Scorecard
from equipoise.pipeline import run
from equipoise.pipeline.jobs import read_findings
from equipoise.pipeline.run_folder import check_out


@pytest.fixture(scope="module", params=["tree", "scorecard"])
def ran(request, tmp_path_factory):
    extra = f'\n[policy.rules]\nkind = "{request.param}"\n'
    world = make_world(tmp_path_factory.mktemp("rules"), 900, extra=extra)
    return world, run(world.plan, world.folder / "run"), request.param


def test_the_rule_is_a_file_that_assigns_the_log_as_it_is_told(ran):
    world, findings, kind = ran
    plain = json.loads((world.folder / "run" / "rules.json").read_text())
    rule = (PolicyTree if kind == "tree" else Scorecard).from_json(plain["rule"])
    choice = rule.assign(world.log.features)
    rules = findings["rules"]
    assert (choice >= 0).mean() == pytest.approx(rules["treated"])
    assert plain["text"] == rules["sentences"] == rule.text().splitlines()
    assert read_findings(world.folder / "run")["rules"]["kind"] == kind
    check_out(world.folder / "run")  # a later run may replace the folder


def test_shares_add_up(ran):
    rules = ran[1]["rules"]
    if rules["kind"] == "tree":
        leaves = [step for step in rules["steps"] if step["candidate"] is not None]
        assert sum(step["share"] for step in leaves) == pytest.approx(1)
        offers = [step["share"] for step in leaves if step["candidate"] != "none"]
        assert sum(offers) == pytest.approx(rules["treated"])
        return
    by_feature = {}
    for row in rules["points"]:
        by_feature[row["feature"]] = by_feature.get(row["feature"], 0) + row["share"]
    assert np.allclose(list(by_feature.values()), 1)
    assert sum(band["share"] for band in rules["bands"]) == pytest.approx(1)
    assert sum(band["share"] for band in rules["bands"][1:]) == pytest.approx(rules["treated"])


def test_the_page_shows_it(ran):
    html = (ran[0].folder / "run" / "report.html").read_text()
    assert "Which rule could a person read and sign?" in html
    assert ran[1]["rules"]["sentences"][-1] in html
