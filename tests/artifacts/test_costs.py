"""What an offer costs: by hand, and refused where it makes no sense."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.artifacts.costs import Costs, make_costs
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, PlanError
from equipoise.data import read_log
from equipoise.treatments import Arms, Dose

TABLE = {
    "t": ["none", "mail", "call"] * 3,
    "y": [0.0, 1, 2, 0, 1, 2, 0, 1, 2.5],
    "took": [0, 1, 0, 0, 0, 1, 0, 1, 1],
    "paid": [0.0, 2, 0, 0, 0, 3, 0, 2, 3],
    "fee": np.arange(9) / 10,
    "x": range(9),
}
ARMS = Arms(["none", "mail", "call"])


def log(**roles):
    return read_log(
        pa.table({k: list(v) for k, v in TABLE.items()}),
        treatment="t",
        outcomes={"y": "amount"},
        space=ARMS,
        **roles,
    )


def effects_of(baseline: float, change: list[float]) -> Effects:
    """One unit, two candidates; metric y does nothing, metric took is claimed with probability
    baseline + change.
    """
    values = np.array([[[0.0, change[0]], [0.0, change[1]]]])
    return Effects(values, np.array([[0.0, baseline]]), ("mail", "call"), ("y", "took"))


def test_expected_cost_is_amount_times_the_chance_of_a_claim():
    costs = make_costs({"mail": 2.0, "call": 3.0}, None, ARMS, log(claimed="took"))
    assert costs.expected(effects_of(0.1, [0.4, 0.2]), log().table.slice(0, 1)).round(
        12
    ).tolist() == [[1.0, 0.9]]


def test_a_chance_stays_between_0_and_1():
    costs = make_costs({"mail": 2.0, "call": 3.0}, None, ARMS, log(claimed="took"))
    assert costs.expected(effects_of(0.5, [0.9, -0.7]), log().table.slice(0, 1)).tolist() == [
        [2.0, 0.0]
    ]


def test_an_offer_that_is_always_paid_costs_its_amount():
    costs = make_costs(1.5, "always", ARMS, log(claimed="took"))
    assert costs.expected(effects_of(0.1, [0.4, 0.2]), log().table.slice(0, 1)).tolist() == [
        [1.5, 1.5]
    ]


def test_without_a_cost_every_offer_counts_one():
    assert make_costs(None, None, ARMS, log()).amount == (1.0, 1.0)


def test_an_observed_cost_is_modelled():
    costs = make_costs("paid", None, ARMS, log(cost="paid"))
    found = Effects(np.array([[[2.0], [-3.0]]]), np.array([[1.0]]), ("mail", "call"), ("paid",))
    assert costs.expected(found, log().table).tolist() == [[2.0, 0.0]]


def test_what_control_rows_pay_anyway_is_no_cost_of_an_offer():
    """Everybody pays 5; an offer adds 2: that is what a budget counts, in prices and in spend."""
    costs = make_costs("paid", None, ARMS, log(cost="paid"))
    found = Effects(np.array([[[2.0], [0.0]]]), np.array([[5.0]]), ("mail", "call"), ("paid",))
    assert costs.expected(found, log().table).tolist() == [[2.0, 0.0]]
    scores = np.array([[[5.0], [7.0], [5.0]]])  # (1, K, m)
    assert costs.spend_scores(scores, ("paid",), log().table).tolist() == [[0.0, 2.0, 0.0]]


def test_a_column_of_amounts_differs_by_unit():
    costs = make_costs("fee", None, ARMS, log())
    effects = Effects(np.zeros((9, 2, 1)), np.zeros((9, 1)), ("mail", "call"), ("y",))
    assert np.allclose(
        costs.expected(effects, log().table), np.repeat(np.arange(9)[:, None] / 10, 2, axis=1)
    )


def test_the_dose_is_its_own_cost():
    space = Dose(0, 2, levels=[0.5, 2])
    table = {"d": [0.0, 0.5, 2, 0, 0.5, 2], "y": [0.0, 1, 2, 0, 1, 1], "x": range(6)}
    dosed = read_log(
        pa.table({k: list(v) for k, v in table.items()}), treatment="d", outcomes="y", space=space
    )
    assert make_costs("dose", None, space, dosed).amount == (0.5, 2.0)


def test_spend_is_scored_like_any_outcome_and_control_costs_nothing():
    costs = Costs((2.0, 3.0), metric="took")
    scores = np.array([[[0, 0.3], [0, 0.5], [0, 1.4]]])  # (1, K, m)
    assert costs.spend_scores(scores, ("y", "took"), log().table).round(12).tolist() == [
        [0.0, 1.0, 4.2]
    ]


def test_json_and_back():
    costs = Costs((2.0, 3.0), None, "took")
    assert Costs.from_json(costs.to_json()) == costs


@pytest.mark.parametrize(
    ("cost", "roles", "text"),
    [
        ({"mail": 1.0}, {}, "cost of 'call' must be given"),
        ({"mail": 1.0, "cal": 1.0}, {}, "did you mean 'call'"),
        ("dose", {}, "space of amounts"),
        ("feee", {}, "'feee'.*columns"),
    ],
)
def test_costs_that_make_no_sense(cost, roles, text):
    with pytest.raises((PlanError, InputError), match=text):
        make_costs(cost, None, ARMS, log(**roles))


def test_what_was_paid_is_paid_whoever_claims():
    """An observed cost needs no claims: the log says what each row cost."""
    costs = make_costs("paid", None, ARMS, log(cost="paid", claimed="took"))
    assert (costs.metric, costs.probability) == ("paid", False)
    with pytest.raises(PlanError, match=r"paid.*absent where the cost is observed"):
        make_costs("paid", "claimed", ARMS, log(cost="paid", claimed="took"))


def test_sending_costs_whether_it_is_taken_or_not():
    """By hand: .15 a mail and .4 a call beside what is paid when claimed."""
    costs = make_costs(2.0, None, ARMS, log(claimed="took"), {"mail": 0.15, "call": 0.4})
    unit = effects_of(0.1, [0.4, 0.2]), log().table.slice(0, 1)
    assert costs.expected(*unit).round(12).tolist() == [[1.15, 1.0]]
    scores = np.array([[[0, 0.3], [0, 0.5], [0, 1.4]]])
    table = log().table.slice(0, 1)
    assert costs.spend_scores(scores, ("y", "took"), table).round(12).tolist() == [[0, 1.15, 3.2]]
    assert Costs.from_json(costs.to_json()) == costs
    with pytest.raises(PlanError, match=r"cost of 'call' must be given.*sending"):
        make_costs(2.0, None, ARMS, log(claimed="took"), {"mail": 0.15})


def test_effects_that_do_not_know_what_is_paid_are_refused():
    with pytest.raises(InputError, match="know the metric 'paid'.*among their metrics"):
        Costs((1.0, 1.0), metric="paid").expected(effects_of(0.1, [0.1, 0.1]), log().table)


def test_a_bad_amount_names_its_row():
    bad = {**TABLE, "fee": [0.1] * 4 + [-1.0] + [0.1] * 4}
    table = pa.table({k: list(v) for k, v in bad.items()})
    with pytest.raises(InputError, match="row 4"):
        make_costs(
            "fee", None, ARMS, read_log(table, treatment="t", outcomes={"y": "amount"}, space=ARMS)
        )


def test_paid_when_claimed_needs_claims():
    with pytest.raises(PlanError, match="claimed column"):
        make_costs(1.0, "claimed", ARMS, log())
