"""What a run gives back is its findings, and shows itself."""

from __future__ import annotations

import json
from typing import Any

from equipoise.pipeline.job import RunFindings
from equipoise.pipeline.jobs import read_findings
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
