"""Findings in sentences: a winner is named only where the interval excludes 0, and harm is said
first.
"""

from __future__ import annotations

import copy

import pytest

from equipoise.report.sentences import headline, risks


@pytest.fixture
def found(ran):
    return copy.deepcopy(ran.findings)


def test_the_headline_tells_what_and_how_sure(found):
    chosen = found["rivals"][0]
    chosen["values"]["conversion"], chosen["treated"], chosen["spend"] = (
        [0.05, 0.02, 0.08],
        0.25,
        [0.4, 0.3, 0.5],
    )
    first, second, *_ = headline(found)
    assert first == "The policy makes an offer to 25% of people and spends 0.4 USD per head."
    assert (
        second
        == "It changes “conversion” by +5 percentage points per head against none (95% interval +2"
        " to +8)."
    )
    chosen["values"]["conversion"] = [0.05, -0.02, 0.12]
    assert "chance alone" in headline(found)[1]


def test_a_policy_that_treats_nobody_claims_nothing(found):
    found["rivals"][0] |= {"treated": 0.0, "spend": [0.0, 0.0, 0.0]}
    first, second = headline(found)
    assert first == "The policy makes an offer to 0% of people and spends 0 USD per head."
    assert second == "Nobody is treated (“none” for everybody), so no metric changes."


def test_a_winner_only_where_the_interval_excludes_0(found):
    lot = found["rivals"][-1]
    lot["against_chosen"]["conversion"] = [0.02, 0.01, 0.03]
    assert "2 percentage points more than the same offers given at random" in headline(found)[-1]
    lot["against_chosen"]["conversion"] = [0.02, -0.01, 0.05]
    assert (
        "at random at equal spend may do as well (difference: 95% interval -1 to +5)"
        in headline(found)[-1]
    )


def test_failed_checks_and_harm_come_first(found):
    found["experiment"]["checks"][0] |= {"status": "fail", "summary": "Arms are lopsided."}
    group = found["policy"]["groups"][0]
    group["values"]["conversion"] = [-0.05, -0.08, -0.02]
    first, second, *_ = risks(found)
    assert "Arms are lopsided." in first
    assert "loses on “conversion”: -5 percentage points" in second
    group["values"]["conversion"] = [-0.05, -0.12, 0.02]
    assert any("may lose on “conversion”" in text for text in risks(found))


def test_more_spend_than_planned_is_said(found):
    found["rivals"][0]["spend"] = [0.6, 0.5, 0.7]
    assert any("above the budget of 0.4" in text for text in risks(found))
    found["rivals"][0]["spend"] = [0.45, 0.35, 0.55]
    assert not any("above the budget" in text for text in risks(found))


def test_a_budget_that_new_people_may_overspend_is_said(found):
    found["policy"]["carried"] = [0.4, 0.33, 0.47]
    said = (
        "At fixed prices, one new population may spend up to 0.47 USD per head, where the budget is"
        " 0.4; "
    )
    assert any(text.startswith(said) and "--hold" in text for text in risks(found))
    for spend in ([0.4, 0.39, 0.415], None):  # within 5 % of it; without a budget
        found["policy"]["carried"] = spend
        assert not any("At fixed prices" in text for text in risks(found))


@pytest.mark.parametrize(
    ("kind", "rule", "bound", "at_risk"),
    [
        ("floor", "at least", 0.1, True),
        ("floor", "at least", 0.04, False),
        ("ceiling", "at most", 0.2, True),
        ("ceiling", "at most", 0.26, False),
    ],
)
def test_a_guardrail_that_is_not_sure_is_told(found, kind, rule, bound, at_risk):
    found["policy"]["demands"].append(
        {
            "name": "what a user called it",
            "kind": kind,
            "metric": "visits",
            "rule": rule,
            "bound": bound,
            "used": bound,
            "price": 0.0,
            "binding": False,
        }
    )
    found["rivals"][0]["values"]["visits"] = [0.15, 0.05, 0.25]
    assert any(text.startswith(f"The {kind} of “visits”") for text in risks(found)) == at_risk
