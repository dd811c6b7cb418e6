"""The rule that a person can read: honest, within the demands, and told beside the policy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.errors import PlanError
from equipoise.core.log import Log
from equipoise.data import make_coupon_world
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.honest import honest_policy

DEMANDS = {
    "cost": 2.0,
    "paid": "always",
    "budget": 0.5,
    "caps": [{"candidate": "coupon-2", "share": 0.1}],
}


@pytest.fixture(scope="module")
def world():
    return make_coupon_world(3000, metrics=("conversion", "visits"), seed=3)


@pytest.fixture(scope="module", params=["tree", "scorecard"])
def policy(request, world):
    log, truth = world
    return honest_policy(log, truth.effects(), **DEMANDS, rules=request.param)


def test_it_keeps_the_demands_on_all_rows_and_in_every_fold(world, policy):
    log, rules = world[0], policy.rules
    for rows in (
        np.arange(len(log)),
        *(np.flatnonzero(log_folds(log, 3, 0) == f) for f in range(3)),
    ):
        for choice in (rules.held, *([rules.choice] if len(rows) == len(log) else [])):
            assert 2.0 * (choice[rows] >= 0).mean() <= 0.5 + 1e-9
            assert (choice[rows] == 1).mean() <= 0.1 + 1e-9
    assert (rules.choice >= 0).any()
    assert all(row["used"] <= row["bound"] + 1e-9 for row in rules.demands)
    assert (rules.rule.assign(log.features) == rules.choice).all()


def test_a_fold_s_rule_never_saw_its_outcomes(world, policy):
    log, truth = world
    first = np.flatnonzero(log_folds(log, 3, 0) == 0)
    outcome = log.numbers("conversion").astype(np.int64).copy()
    outcome[first] = 1 - outcome[first]
    place = log.table.column_names.index("conversion")
    table = log.table.set_column(place, "conversion", pa.array(outcome))
    other = Log(table, log.roles, log.space)
    kind = "tree" if hasattr(policy.rules.rule, "root_") else "scorecard"
    again = honest_policy(other, truth.effects(), **DEMANDS, rules=kind)
    assert (again.rules.held[first] == policy.rules.held[first]).all()
    assert (again.rules.held != policy.rules.held).any(), "the other folds did see them"


def test_what_it_loses_is_the_policy_s_gain_less_its_own(policy):
    rules = policy.rules
    for name, lost in rules.lost.items():
        assert lost[0] == pytest.approx(policy.values[name][0] - rules.values[name][0])
        assert lost[1] < lost[0] < lost[2]
    assert "the policy's lead over the rule in conversion" in str(policy)
    assert rules.to_json()["text"] == str(rules).splitlines()
    assert rules.to_json()["lost"].keys() == rules.lost.keys()


def test_closed_arms_stay_closed():
    log, truth = make_coupon_world(2000, metrics=("conversion",), seed=1)
    open_to = np.ones((2000, 3), bool)
    open_to[:900, 2] = False
    keep = ~((log.cells == 2) & ~open_to[:, 2])
    rows = np.flatnonzero(keep)
    propensity = open_to / open_to.sum(axis=1, keepdims=True)
    names = [f"p{a}" for a in range(3)]
    table = log.table
    for name, column in zip(names, propensity.T, strict=True):
        table = table.append_column(name, pa.array(column))
    roles = replace(log.roles, design=None, propensity=tuple(names))
    part = Log(table.take(pa.array(rows)), roles, log.space)
    policy = honest_policy(part, truth.effects().take(rows), offers=0.5, rules="tree")
    assert not (policy.rules.choice[~open_to[rows, 2]] == 1).any()
    assert not (policy.rules.held[~open_to[rows, 2]] == 1).any()


def test_money_makes_gains_net_of_cost():
    log, truth = make_coupon_world(3000, metrics=("conversion",), seed=2)
    outcome = replace(log.roles.outcomes[0], worth=4.0)
    log = Log(log.table, replace(log.roles, outcomes=(outcome,)), log.space)
    policy = honest_policy(log, truth.effects(), cost=50.0, paid="always", rules="tree")
    assert (policy.rules.choice == -1).all(), "no offer of 50 pays where a sale brings 4"
    assert "net" in policy.rules.lost


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("bush", 'must be "tree" or "scorecard"'),
        ({"kind": "tree", "depth": 4}, "depth"),
        ({"kind": "tree", "dept": 2}, "dept"),
    ],
)
def test_wrong_keys_are_told(rules, said):
    with pytest.raises(PlanError, match=said):
        make_plan({"log": {"dataset": "-"}, "policy": {"rules": rules}})


def test_the_short_form_and_what_goes_with_no_past():
    plan = make_plan({"log": {"dataset": "-"}, "policy": {"rules": "scorecard"}})
    assert plan.policy.rules.kind == "scorecard"
    keep = {"path": "last.parquet", "bonus": 0.1}
    with pytest.raises(PlanError, match="rules or keep"):
        make_plan({"log": {"dataset": "-"}, "policy": {"rules": "tree", "keep": keep}})
