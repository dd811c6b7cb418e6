"""A run with a rule that people read: what it writes, and what it tells of it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from fixtures.targeting import make_world
from typer.testing import CliRunner

import equipoise as eq
from equipoise.allocation import PolicyTree, Scorecard
from equipoise.cli.app import app
from equipoise.core.errors import InputError
from equipoise.data import make_coupon_world
from equipoise.pipeline import read_rules, run
from equipoise.pipeline.jobs import read_findings
from equipoise.pipeline.run_folder import check_out
from equipoise.pipeline.shipped_policies import value_policies


@pytest.fixture(scope="module", params=["tree", "scorecard"])
def ran(request, tmp_path_factory):
    extra = f'\n[policy.rules]\nkind = "{request.param}"\n'
    world = make_world(tmp_path_factory.mktemp("rules"), 1600, extra=extra)
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
    assert read_rules(world.folder / "run").predict(world.log.features) == rule.predict(
        world.log.features
    )


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


def test_it_is_judged_on_other_rows_beside_the_policy(ran):
    world, findings, _ = ran
    run_folder = world.folder / "run"
    log, _ = make_coupon_world(1_200, metrics=("conversion", "visits"), seed=9)
    policies = {"run": run_folder / "policy", "rules": run_folder / "rules.json"}
    own, rules = value_policies(world.plan, log, policies)["policies"][:2]
    rule = read_rules(run_folder)
    assert rules["treated"] == pytest.approx(np.mean(rule.assign(log.features) >= 0))
    less = own["values"]["conversion"][0] - rules["values"]["conversion"][0]
    assert rules["less_first"]["conversion"][0] == pytest.approx(less)
    table = eq.compare({"run": run_folder, "rules": policies["rules"]}, log)
    assert {"run", "rules"} <= {row.name for row in table.figures}
    with pytest.raises(InputError, match="be of rows that it was not learnt from"):
        value_policies(world.plan, world.log, policies)
    with pytest.raises(InputError, match="the first policy must have a model"):
        value_policies(world.plan, log, {"rules": policies["rules"]})


def test_the_command_line_scores_and_compares(ran):
    world = ran[0]
    folder, out = world.folder / "run", world.folder / "by_rules.parquet"
    said = CliRunner().invoke(
        app, ["score", str(folder), str(world.folder / "log.parquet"), "--rules", "-o", str(out)]
    )
    assert "1,600 units, written to" in said.output
    got = pq.read_table(out)
    assert got["chosen"].to_pylist() == read_rules(folder).predict(world.log.features)
    held = ["score", str(folder), str(world.folder / "log.parquet"), "--rules", "--hold"]
    assert "--rules must stand alone" in str(CliRunner().invoke(app, held).exception)
    new = make_coupon_world(600, metrics=("conversion", "visits"), seed=4)[0]
    (world.folder / "new").mkdir()
    pq.write_table(new.table, world.folder / "new" / "log.parquet")
    plan = (world.folder / "plan.toml").read_text()
    (world.folder / "new" / "plan.toml").write_text(plan)
    command = ["evaluate", str(folder), str(world.folder / "new" / "plan.toml")]
    done = CliRunner().invoke(app, [*command, "--against", "rules", "--json"])
    assert done.exit_code == 0, done.output
    assert [row["policy"] for row in json.loads(done.stdout)["policies"][:2]] == ["run", "rules"]
