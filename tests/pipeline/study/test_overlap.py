"""Where an arm was all but impossible, the log is said not to tell; and how many rows judge a
policy.
"""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit
from typer.testing import CliRunner

import equipoise as eq
from equipoise.cli.app import app
from equipoise.pipeline.study.overlap import rows_behind


def survey(rows: int = 4_000, seed: int = 0, strength: float = 3.0) -> pa.Table:
    """Few trained among many surveyed who could hardly have been; training is worth 1 to all, and
    control falls by what makes training likely.
    """
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, rows))
    treated = rng.random(rows) < expit(strength * a - 6.0 * (strength > 1))
    y = -1.5 * a + b + treated + rng.normal(size=rows)
    return pa.table({"a": a, "b": b, "arm": treated.astype(np.int64), "y": y})


def plan_of(folder, **log) -> str:
    """A plan on a survey, as a file."""
    pq.write_table(survey(), folder / "log.parquet")
    said = "\n".join(f"{key} = {json.dumps(value)}" for key, value in log.items())
    text = f"""[log]
path = "log.parquet"
treatment = "arm"
outcomes = ["y"]
features = ["a", "b"]
{said}
[estimator]
name = "t-learner"
params = {{ outcome_model = {{ n_estimators = 30 }} }}
"""
    (folder / "plan.toml").write_text(text)
    return str(folder / "plan.toml")


def run(folder, **log):
    """The exit code and the findings of a run."""
    done = CliRunner().invoke(app, ["run", plan_of(folder, **log), "-o", str(folder / "out"), "-q"])
    findings = json.loads((folder / "out" / "metrics.json").read_text())
    return done, findings


def named(findings):
    return {check["name"]: check for check in findings["experiment"]["checks"]}


def test_a_log_that_cannot_tell_says_so_and_exits_with_3(tmp_path):
    done, findings = run(tmp_path)
    assert done.exit_code == 3
    first = "Not known: whether the policy gains cannot be told from this log."
    assert findings["headline"][0] == first
    assert "the arm 1 was all but impossible" in findings["headline"][2]
    assert '[log] overlap = "trim" or "weights"' in findings["headline"][2]
    assert not any("changes" in sentence for sentence in findings["headline"])
    assert not any("learnt propensity" in risk for risk in findings["risks"])  # said above
    page = (tmp_path / "out" / "report.html").read_text()
    assert "it cannot be told from this log" in page


@pytest.mark.parametrize("overlap", ["trim", "weights"])
def test_the_people_it_can_tell_of_get_an_answer(tmp_path, overlap):
    extra = {"trim_below": 0.05} if overlap == "trim" else {}
    done, findings = run(tmp_path, overlap=overlap, **extra)
    assert named(findings)["learnt propensity"]["status"] != "fail"
    assert done.exit_code == 0
    assert any(s.startswith("The answer is for ") for s in findings["headline"])
    assert "Means there: a " in named(findings)["population"]["summary"]
    average = findings["averages"][0]["effect"]
    assert average[1] < 1 < average[2]  # all rows: biased by what is extrapolated


def test_the_share_that_may_be_clipped_is_the_plans(tmp_path):
    _, findings = run(tmp_path, most_clipped=1.0)
    assert named(findings)["learnt propensity"]["status"] == "warn"


def test_python_says_so_too():
    log = eq.read_log(survey(), treatment="arm", outcomes=["y"], features=["a", "b"])
    with pytest.warns(eq.pipeline.DesignWarning):
        policy = eq.honest_policy(log, eq.TLearner(eq.BoostedTrees(5)))
    assert "all but impossible" in policy.untold[0]
    assert "the log cannot tell" in repr(policy)
    sound = eq.read_log(survey(800, 1, 0.0), treatment="arm", outcomes=["y"], features=["a", "b"])
    assert eq.honest_policy(sound, eq.TLearner(eq.BoostedTrees(5))).untold == []


def test_rows_behind_by_hand():
    table = pa.table({"x": np.arange(6.0), "arm": [0, 0, 1, 1, 0, 1], "y": np.arange(6.0)})
    log = eq.read_log(table, treatment="arm", outcomes=["y"], features=["x"])
    e = np.array([[0.5, 0.5], [0.9, 0.1], [0.5, 0.5], [0.8, 0.2], [0.5, 0.5], [0.5, 0.5]])
    offers = np.array([1, 1, 1, 1, 0, 0])
    policy = np.column_stack([1 - offers, offers]).astype(float)
    check = rows_behind(log, e, policy)
    offered, kept = check["rows"]
    w = np.array([2.0, 5.0])  # 1 / .5, 1 / .2
    assert offered == {"side": "offered", "rows": 2, "effective": round(w.sum() ** 2 / (w @ w), 1)}
    v = np.array([1 / 0.5, 1 / 0.9])
    assert kept == {"side": "not offered", "rows": 2, "effective": round(v.sum() ** 2 / (v @ v), 1)}
    assert check["status"] == "fail"
    even = np.full((6, 2), 0.5)
    assert rows_behind(log, even, policy)["status"] == "warn"  # few rows, but no weight rules
    nobody = np.column_stack([np.ones(6), np.zeros(6)])
    assert rows_behind(log, e, nobody)["status"] == "ok"
