"""Demands of a plan as constraints: per head, the right way round, and names checked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.artifacts.costs import make_costs
from equipoise.core.errors import PlanError
from equipoise.core.log import Outcome
from equipoise.data import read_log
from equipoise.pipeline.plan.constraints import (
    check_labels,
    constraints_of,
    groups_of,
    weights_of,
)
from equipoise.pipeline.plan.read import make_plan
from equipoise.treatments import Dose

N = 8
LOG = read_log(
    pa.table(
        {
            "t": [0, 1] * 4,
            "sales": np.arange(N) * 1.0,
            "churn": [0, 1, 1, 0] * 2,
            "x": range(N),
            "town": list("aabbbbbb"),
        }
    ),
    treatment="t",
    outcomes=[Outcome("sales", "amount", unit="USD"), Outcome("churn", "binary", better="lower")],
    features=["x"],
    protected=["town"],
)


def plan(**policy):
    return make_plan({"log": {"dataset": "-"}, "policy": policy}).policy


def demands(log=LOG, **policy) -> list:
    policy_plan = plan(**policy)
    groups = groups_of(policy_plan, log)
    check_labels(policy_plan, groups)
    return [
        demand
        for constraint in constraints_of(policy_plan, log, groups, "USD")
        for demand in constraint.rows(groups)
    ]


def test_a_metric_counts_in_the_direction_that_is_better():
    assert weights_of(plan(weights={"sales": 2.0, "churn": 3.0}), LOG) == {
        "sales": 2.0,
        "churn": -3.0,
    }
    assert weights_of(plan(), LOG) == {"sales": 1.0, "churn": 0.0}


def test_totals_are_per_head_of_the_units_they_count():
    budget, offers, cap, group = demands(
        cost=1.0,
        budget={"total": 4},
        offers={"total": 2},
        caps=[{"candidate": "1", "share": 0.2}],
        group_budgets=[{"column": "town", "group": "a", "total": 1}],
    )
    assert [d.bound for d in (budget, offers, cap, group)] == [0.5, 0.25, 0.2, 0.5]
    assert all(d.per_head for d in (budget, offers, cap, group))
    assert cap.candidate == "1"
    assert (group.column, group.factors, group.other) == ("town", (("a", 1.0),), 0.0)


def test_a_floor_is_at_least_and_at_most_where_lower_is_better():
    sales, churn = demands(
        floors=[{"metric": "sales", "per_head": 0.3}, {"metric": "churn", "per_head": 0.1}]
    )
    assert (sales.sign, sales.bound, sales.metric) == (-1.0, -0.3, "sales")
    assert (churn.sign, churn.bound, churn.metric, churn.name) == (
        1.0,
        0.1,
        "churn",
        "ceiling of churn",
    )


def test_parity_is_two_rows_a_group():
    rows = demands(parity=[{"column": "town", "within": 0.1}])
    assert [row.bound for row in rows] == [0.1] * 4


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({"weights": {"sale": 1.0}}, "did you mean 'sales'"),
        ({"floors": [{"metric": "chrn"}]}, "did you mean 'churn'"),
        ({"caps": [{"candidate": "2", "share": 0.1}]}, "be one of 1"),
        ({"parity": [{"column": "twon"}]}, "did you mean 'town'"),
        (
            {"cost": 1.0, "group_budgets": [{"column": "town", "group": "c", "total": 1}]},
            "be one of a, b",
        ),
    ],
)
def test_names_that_nobody_knows(policy, text):
    with pytest.raises(PlanError, match=text):
        (weights_of(plan(**policy), LOG), demands(**policy))


def test_caps_and_costs_by_the_names_of_version_0_1_0():
    space = Dose(0, 2e6, levels=[1234567, 2e6], unit="VND")
    rows = {"t": [0.0, 1234567.0, 2e6] * 2, "y": np.arange(6) * 1.0, "x": range(6)}
    log = read_log(
        pa.table(rows), treatment="t", outcomes={"y": "amount"}, features=["x"], space=space
    )
    costs = {"1.23457e+06 VND": 1.0, "2000000 VND": 2.0}
    policy = plan(cost=costs, caps=[{"candidate": "1.23457e+06 VND", "share": 0.2}])
    assert constraints_of(policy, log, {})[0].rows({})[0].candidate == "1234567 VND"
    assert make_costs(policy.cost, None, space, log).amount == (1.0, 2.0)
    with pytest.raises(PlanError, match="'3 VND' must be one of 1234567 VND, 2000000 VND"):
        constraints_of(plan(caps=[{"candidate": "3 VND", "share": 0.2}]), log, {})


def log_of_labels(labels):
    n = len(labels)
    table = {"t": [0, 1] * (n // 2), "y": np.arange(n) * 1.0, "town": labels}
    return read_log(table, treatment="t", outcomes="y", features=[], protected=["town"])


def test_a_missing_label_is_a_group_of_its_own():
    """A text that reads missing is another; in its quotes the plan can name it."""
    log = log_of_labels(["a", None, "missing", None])
    named = [{"column": "town", "group": "missing", "total": 4}]
    assert groups_of(plan(cost=1, group_budgets=named), log)["town"].tolist() == [
        "a",
        "missing",
        '"missing"',
        "missing",
    ]
    assert [d.bound for d in demands(log, cost=1, group_budgets=named)] == [2.0]
    quoted = [{"column": "town", "group": '"missing"', "total": 4}]
    assert [d.bound for d in demands(log, cost=1, group_budgets=quoted)] == [4.0]
    assert len(demands(log, parity=[{"column": "town", "within": 0.1}])) == 6
    with pytest.raises(PlanError, match="did you mean '\"missing\"'"):
        demands(log_of_labels(["a", "a", "missing", "missing"]), cost=1, group_budgets=named)


def test_parity_of_a_column_that_nearly_names_its_row_is_refused():
    log = log_of_labels([f"PERSON{i}" for i in range(40)])
    with pytest.raises(PlanError, match="parity of 'town' must be of a column whose labels rows"):
        groups_of(plan(parity=[{"column": "town", "within": 0.1}]), log)
