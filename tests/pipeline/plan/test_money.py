"""When the objective is net of cost: one rule, by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from equipoise.core.errors import LogError, PlanError
from equipoise.data import read_log
from equipoise.pipeline.plan.constraints import weights_of
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.money import Objective, cost_checks, currency_of, objective_of
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.plan.schema import PolicyPlan

ROWS = {"t": [0, 1] * 6, "sold": [0, 1, 1] * 4, "spend": range(12), "ill": [0, 0, 1] * 4}


def log(**metrics):
    outcomes = {name: dict(spec) for name, spec in metrics.items()}
    table = pa.table({k: list(v) for k, v in ROWS.items()})
    return read_log(table, treatment="t", outcomes=outcomes)


SOLD, WORTHY = {"kind": "binary"}, {"kind": "binary", "worth": 10}
SPEND, ILL = {"kind": "amount", "unit": "EUR"}, {"kind": "binary", "better": "lower", "worth": 4}


@pytest.mark.parametrize(
    ("metrics", "policy", "currency", "words", "is_money"),
    [
        ({"sold": WORTHY}, {"cost": 0.15}, "EUR", "10 x sold - cost", True),
        ({"sold": WORTHY}, {}, "EUR", "10 x sold", True),
        ({"sold": SOLD}, {"cost": 0.15}, "EUR", "1 x sold", False),
        ({"sold": SOLD, "spend": SPEND}, {"cost": 0.15}, "EUR", "1 x sold", False),
        ({"spend": SPEND}, {"cost": 0.15}, "EUR", "1 x spend - cost", True),
        ({"spend": SPEND}, {"cost": 0.15}, "USD", "1 x spend", False),
        ({"sold": SOLD, "ill": ILL}, {"cost": 1.0}, "", "- 4 x ill - cost", True),
        (
            {"sold": WORTHY, "spend": SPEND},
            {"cost": 0.1, "weights": {"sold": 0.5, "spend": 0.3}},
            "EUR",
            "5 x sold + 0.3 x spend - cost",
            True,
        ),
    ],
)
def test_the_objective_in_words(metrics, policy, currency, words, is_money):
    objective = objective_of(PolicyPlan(**policy), log(**metrics), currency)
    assert (objective.in_words(), objective.is_money) == (words, is_money)
    assert objective.cost_weight == float(is_money and "cost" in policy)
    assert weights_of(PolicyPlan(**policy), log(**metrics)) == objective.weights


def test_the_money_of_metrics_is_that_of_costs_where_none_is_said():
    policy = PolicyPlan(cost=0.2)
    assert currency_of(policy, log(spend=SPEND)) == "EUR"
    assert objective_of(policy, log(spend=SPEND)).in_words() == "1 x spend - cost"
    assert currency_of(policy, log(sold=WORTHY)) == "units of money"


def test_money_of_two_kinds_is_refused():
    policy = PolicyPlan(cost=0.2, weights={"sold": 1.0, "spend": 1.0})
    with pytest.raises(PlanError, match=r"'spend' must be in USD.*say its worth: what one EUR"):
        objective_of(policy, log(sold=WORTHY, spend=SPEND), "USD")
    changed = log(sold=WORTHY, spend={**SPEND, "worth": 1.1})
    assert objective_of(policy, changed, "USD").in_words() == "10 x sold + 1.1 x spend - cost"


def test_a_cost_that_nothing_weighs_is_told():
    said = [
        cost_checks(policy, objective_of(policy, log(sold=SOLD), "EUR"))
        for policy in (
            PolicyPlan(),
            PolicyPlan(cost=0.1, budget={"per_head": 1.0}),
            PolicyPlan(cost=0.1),
        )
    ]
    assert said[:2] == [[], []]
    assert said[2][0]["status"] == "warn"
    assert "Say what one “sold” is worth" in said[2][0]["summary"]
    money = cost_checks(PolicyPlan(cost=0.1), Objective({"sold": 10.0}, "EUR", True, 1.0))
    assert money[0]["summary"] == "The objective is in EUR, net of cost: 10 x sold - cost."


@pytest.mark.parametrize("worth", [0, -1.0, float("inf"), "10", True])
def test_a_worth_is_a_number_above_0(worth):
    with pytest.raises(LogError, match=r"worth of 'sold' must be a finite number > 0"):
        log(sold={"kind": "binary", "worth": worth})


def test_a_plan_says_the_worth_of_a_metric_and_of_a_dataset(tmp_path):
    (tmp_path / "log.csv").write_text("t,sold,x\n" + "0,0,1\n1,1,2\n" * 4)
    tables = {
        "log": {
            "path": "log.csv",
            "treatment": "t",
            "outcomes": {"sold": {"kind": "binary", "worth": 10}},
        },
        "policy": {"cost": 0, "sending": 0.15},
        "report": {"currency": "EUR", "population": 5000},
    }
    plan = make_plan(tables, base=tmp_path)
    assert open_log(plan).roles.outcomes[0].worth == 10
    for key, text in (("worht", "did you mean 'worth'"), ("worth", "greater than 0|> 0")):
        tables["log"]["outcomes"] = {"sold": {key: -1}}
        with pytest.raises(PlanError, match=text):
            make_plan(tables)
    tables["log"]["outcomes"] = ["sold"]
    for bad in ({"sending": 0.1}, {"cost": 1.0, "sending": "fee"}, {"cost": 1, "sending": -1}):
        with pytest.raises(PlanError, match="sending"):
            make_plan({**tables, "policy": bad})
