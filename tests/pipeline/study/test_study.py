"""The name of the money where a plan names none."""

from __future__ import annotations

import pyarrow as pa
import pytest

from equipoise.core.log import Log, Outcome, Roles
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.study import with_currency
from equipoise.treatments import Arms, Dose

ARMS, EUROS, BARE = Arms([0, 1]), Dose(0, 3, unit="EUR"), Dose(0, 3)
IN_USD, WORTHY = Outcome("y", unit="USD"), Outcome("y", worth=2.0)


@pytest.mark.parametrize(
    ("cost", "said", "space", "currency", "outcome"),
    [
        (None, "", ARMS, "", Outcome("y")),
        (0.05, "", ARMS, "units of cost", Outcome("y")),
        ({"1": 0.05}, "EUR", ARMS, "EUR", IN_USD),
        ("dose", "", EUROS, "EUR", IN_USD),
        ("dose", "", BARE, "units of cost", Outcome("y")),
        (1.0, "", EUROS, "units of cost", Outcome("y")),
        (1.0, "", ARMS, "USD", IN_USD),
        (None, "", ARMS, "", IN_USD),
        (None, "", ARMS, "units of money", WORTHY),
    ],
)
def test_money_has_a_name_where_offers_have_a_cost(cost, said, space, currency, outcome):
    policy = {} if cost is None else {"cost": cost}
    given = [0, *space.candidates().tolist()] * 2
    table = pa.table({"t": given, "y": [float(i) for i in range(len(given))]})
    log = Log(table, Roles("t", (outcome,), ()), space)
    plan = make_plan(
        {"log": {"dataset": "thornton"}, "policy": policy, "report": {"currency": said}}
    )
    assert with_currency(plan, log).report.currency == currency
    assert plan.report.currency == said
