"""Worth net of cost: by hand, with and without a budget, bit for bit alone, and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from equipoise.allocation import budget, budgeted_policy, decide, decision_of, replay, scores
from equipoise.artifacts.rebudget import rebudget_units
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy

SALES = np.array([0.02, 0.01, 0.10, 0.0, -0.05])
COST = np.full((5, 1), 0.15)
ASKED = {"weights": {"sales": 10.0}, "cost": COST, "cost_weight": 1.0}


def units(values):
    values = np.asarray(values, np.float64)
    return Effects(values[:, None, None], np.zeros((len(values), 1)), ("promo",), ("sales",))


def test_nobody_gets_what_does_not_pay():
    """10 x .02 - .15 and 10 x .1 - .15 pay; 10 x .01 - .15 does not."""
    policy, allocation = budgeted_policy(units(SALES), constraints=[], **ASKED)
    assert allocation.choice.tolist() == [0, -1, 0, -1, -1]
    assert allocation.value == pytest.approx(0.05 + 0.85)
    assert scores(policy, units(SALES), cost=COST)[:, 0] == pytest.approx(10 * SALES - 0.15)
    gross, _ = budgeted_policy(units(SALES), constraints=[], weights={"sales": 10.0}, cost=COST)
    assert decide(gross, units(SALES), cost=COST).choice.tolist() == [0, 0, 0, -1, -1]


def test_a_budget_takes_the_best_net_worth_and_its_price_is_beside_the_cost():
    policy, allocation = budgeted_policy(
        units(SALES), constraints=[budget(0.2)], **ASKED, method="highs"
    )
    assert allocation.choice.tolist() == [-1, -1, 0, -1, -1]
    assert policy.cost_weight == 1
    loose, _ = budgeted_policy(units(SALES), constraints=[budget(9.0)], **ASKED)
    assert loose.prices == (0.0,)


def test_a_batch_a_row_a_record_and_json_say_the_same():
    policy, _ = budgeted_policy(units(SALES), constraints=[budget(0.2)], **ASKED)
    back = Policy.from_json(json.loads(json.dumps(policy.to_json())))
    assert back == policy
    decisions = decide(back, units(SALES), cost=COST)
    for i, value in enumerate(SALES):
        alone = decide(back, units([value]), cost=COST[:1])
        assert alone.score[0] == decisions.score[i]
        record = decision_of(back, decisions, i)
        assert replay(record, back, units([value])) == record


def test_units_of_a_file_are_priced_net_too():
    policy, _ = budgeted_policy(units(SALES), constraints=[budget(0.2, per_head=True)], **ASKED)
    others = units([0.011, 0.014, 0.0149, 0.016, 0.012])
    choice, _ = rebudget_units(policy, others, COST, {})
    assert choice.tolist() == [-1, -1, -1, 0, -1]


def test_a_worth_net_of_cost_needs_the_cost():
    with pytest.raises(InputError, match=r"cost must be known.*give cost="):
        budgeted_policy(units(SALES), weights={"sales": 1.0}, constraints=[], cost_weight=1.0)
    policy = Policy(("promo",), "none", ("sales",), (1.0,), cost_weight=1.0)
    with pytest.raises(InputError, match=r"cost must be known"):
        decide(policy, units(SALES))
    with pytest.raises(InputError, match="cost_weight"):
        Policy(("promo",), "none", ("sales",), (1.0,), cost_weight=-1.0)
