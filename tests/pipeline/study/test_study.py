"""The name of the money where a plan names none."""

from __future__ import annotations

import pytest

from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.study import with_currency
from equipoise.treatments import Arms, Dose

ARMS, EUROS, BARE = Arms(["none", "mail"]), Dose(0, 3, unit="EUR"), Dose(0, 3)


@pytest.mark.parametrize(
    ("cost", "said", "space", "currency"),
    [
        (None, "", ARMS, ""),
        (0.05, "", ARMS, "units of cost"),
        ({"mail": 0.05}, "USD", ARMS, "USD"),
        ("dose", "", EUROS, "EUR"),
        ("dose", "", BARE, "units of cost"),
        (1.0, "", EUROS, "units of cost"),
    ],
)
def test_money_has_a_name_where_offers_have_a_cost(cost, said, space, currency):
    policy = {} if cost is None else {"cost": cost}
    plan = make_plan(
        {"log": {"dataset": "thornton"}, "policy": policy, "report": {"currency": said}}
    )
    assert with_currency(plan, space).report.currency == currency
    assert plan.report.currency == said
