"""What a run gives back is its findings, and shows itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, PlanError
from equipoise.pipeline.job import RunFindings
from equipoise.pipeline.jobs import read_findings, run
from equipoise.pipeline.targeting import values_of


def test_findings_are_plain_json_and_more(ran):
    findings = read_findings(ran.out)
    assert json.loads(json.dumps(findings)) == findings
    frame = findings.to_pandas()
    assert list(frame.columns) == ["policy", "metric", "value", "low", "high"]
    chosen = frame[frame["policy"] == "chosen"].set_index("metric")
    first = findings["rivals"][0]
    for metric, interval in {**first["values"], "cost": first["spend"]}.items():
        assert chosen.loc[metric, ["value", "low", "high"]].tolist() == interval
    assert len(frame) == len(findings["rivals"]) * len(chosen)
    assert len(findings.plot()) > 5
    assert findings["headline"][0].split()[0] in findings._repr_html_()


def test_findings_of_nothing_have_an_empty_frame():
    empty = RunFindings({"headline": ["1 < 2"]}, {})
    assert len(empty.to_polars()) == 0
    assert empty._repr_html_() == "<p>1 &lt; 2</p>"


def test_a_metric_that_is_called_cost_stays_beside_the_money():
    rival = {"policy": "chosen", "values": {"cost": [1.0, 0.0, 2.0]}, "spend": [5.0, 4.0, 6.0]}
    findings: Any = {"rivals": [rival]}
    values = values_of(findings)
    assert values == {"chosen": {"cost": [1.0, 0.0, 2.0], "cost_": [5.0, 4.0, 6.0]}}


@pytest.fixture(scope="module")
def unwritten(ran, tmp_path_factory):
    """The run of `ran` again, from the path of its plan and without a folder."""
    with pytest.MonkeyPatch.context() as patch:
        empty = tmp_path_factory.mktemp("empty")
        patch.chdir(empty)
        findings = run(ran.world.folder / "plan.toml", command="equipoise run plan.toml")
        assert not list(empty.iterdir())
    return findings


def test_without_a_folder_the_result_is_the_same_and_holds_all(ran, unwritten):
    written = read_findings(ran.out)
    assert json.dumps(unwritten.findings) == json.dumps(written.findings)
    assert unwritten.headline == written["headline"]
    assert unwritten.verdict == written["verdict"] in ("do it", "do not", "not known")
    assert unwritten.report() == (ran.out / "report.html").read_text(encoding="utf-8")
    assert set(unwritten.tables) == {"effects", "assignments"}
    for name, table in unwritten.tables.items():
        assert table.equals(written.tables[name])
    assert Effects.from_table(unwritten.tables["effects"]).metrics[:2] == ("conversion", "visits")
    strangers = ran.world.log.table.slice(0, 20)
    shipped = unwritten.policy.assign(strangers)
    assert shipped.equals(written.policy.assign(strangers))
    assert shipped.num_rows == 20


def test_what_is_no_plan_ends_in_an_error(tmp_path):
    with pytest.raises(PlanError, match="a plan must be a Plan, the path of its file, or its"):
        run(3)
    with pytest.raises(PlanError, match="a plan must be a file that can be read"):
        run(tmp_path / "none.toml")
    with pytest.raises(PlanError, match="key 'lgo' must be known"):
        run({"lgo": {}})


def test_findings_alone_have_no_policy():
    alone = RunFindings({"headline": []}, {})
    assert alone.verdict == ""
    for ask in (lambda: alone.policy, lambda: alone.tables, alone.report):
        with pytest.raises(InputError, match="be beside its findings; got findings alone"):
            ask()
