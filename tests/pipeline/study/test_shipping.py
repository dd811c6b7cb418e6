"""When units keep what they have: from the plan into the snapshot, and plans that cannot be."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from equipoise.artifacts.policy import read_scorer
from equipoise.cli.app import app
from equipoise.core.errors import PlanError
from equipoise.data import read_log
from equipoise.data.simulators.coupon import make_coupon_world
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.shipping import staying_of, unit_id

PLAN = """
[log]
path = "log.parquet"
treatment = "arm"
outcomes = { conversion = "binary" }
design = "shares"
id = "user"

[space]
kind = "arms"
labels = ["none", "coupon-1", "coupon-2"]

[estimator]
name = "t-learner"
params = { outcome_model = { n_estimators = 5 } }

[policy]
most_missing = 0.5

[cadence]
column = "town"
days = { north = 1, south = 7 }
average_days = 3
keep = 0.01

[run]
folds = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("cadence")
    log, _ = make_coupon_world(400, metrics=("conversion",))
    table = log.table
    names = ["north" if i % 2 else "south" for i in range(400)]
    pq.write_table(table.append_column("town", [names]), place / "log.parquet")
    (place / "plan.toml").write_text(PLAN)
    return place


def invoke(*words):
    outcome = CliRunner().invoke(app, [str(word) for word in words])
    return outcome.exit_code, outcome.output


def test_from_plan_to_days_that_keep(folder):
    code, said = invoke("run", folder / "plan.toml", "--out", folder / "run")
    assert code == 0, said
    scorer = read_scorer(folder / "run" / "policy")
    assert scorer.staying.days == {"north": 1, "south": 7}
    assert (scorer.staying.average_days, scorer.staying.gaps) == (3, 0.5)
    assert (scorer.policy.keep, scorer.id) == (0.01, "user")
    for day in ("2026-11-01", "2026-11-02"):
        words = ["--journal", folder / "days", "--day", day, "--out", folder / "out.parquet"]
        code, said = invoke(
            "score", folder / "run" / "policy", folder / "log.parquet", *words, "--json"
        )
        assert code == 0, said
    reasons = json.loads(said)["reasons"]
    assert "new" not in reasons
    assert 120 < reasons["kept"] < 200  # six in seven of the 200 of the south
    code, said = invoke("replay", folder / "days", "2026-11-02")
    assert (code, "every bit the same" in said) == (0, True)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"column": "twon"}, "did you mean 'town'"),
        ({"days": {"north": 1, "suoth": 7}}, "did you mean 'south'"),
        ({"days": {"north": 1}}, "a class of 'town' 'south' must be one of north"),
        ({"days": {"north": 0, "south": 1}}, "cadence.days"),
        ({"average_days": 0}, "average_days"),
        ({"keep": -0.5}, "keep"),
        ({"most": 3}, "most"),
        ({"days": {}, "keep": 0.5}, r"\[cadence\] keep must come with days"),
    ],
)
def test_plans_that_cannot_be(folder, change, match):
    from equipoise.pipeline.plan.log import open_log
    from equipoise.pipeline.plan.read import read_plan

    plan = read_plan(folder / "plan.toml")
    table = {"column": "town", "days": {"north": 1, "south": 7}} | change

    def staying():
        cadence = make_plan({"log": {"dataset": "-"}, "cadence": table}).cadence
        return staying_of(plan.policy, cadence, open_log(plan))

    with pytest.raises(PlanError, match=match):
        staying()


def test_units_without_a_name_are_refused():
    log, _ = make_coupon_world(50, metrics=("conversion",))
    assert unit_id(log) == "user"
    nameless = read_log(log.table, treatment="arm", outcomes="conversion", space=log.space)
    plan = make_plan({"log": {"dataset": "-"}, "cadence": {"column": "age", "average_days": 3}})
    with pytest.raises(PlanError, match="must have units that days know again"):
        staying_of(plan.policy, plan.cadence, nameless)
