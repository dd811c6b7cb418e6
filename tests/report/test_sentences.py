"""Findings in sentences: a winner is named only where the interval excludes 0, and harm is said
first.
"""

from __future__ import annotations

import copy

import pytest

from equipoise.report.sentences import headline, risks


@pytest.fixture
def findings(ran):
    return copy.deepcopy(ran.findings)


def test_the_headline_tells_what_and_how_sure(findings):
    policy = findings["rivals"][0]
    policy["values"]["conversion"], policy["treated"], policy["spend"] = (
        [0.05, 0.02, 0.08],
        0.25,
        [0.4, 0.3, 0.5],
    )
    first, second, *_ = headline(findings)
    assert first == "The policy makes an offer to 25% of people and costs 0.4 USD per head."
    assert (
        second
        == "It changes “conversion” by +5.0 percentage points per head against none (95% interval"
        " +2.0 to +8.0)."
    )
    policy["values"]["conversion"] = [0.05, -0.02, 0.12]
    assert "chance alone" in headline(findings)[1]


def test_numbers_are_written_as_people_write_them(findings):
    """No powers of ten, thousands with commas, as many digits as the interval supports."""
    findings["metrics"] = [{**m, "kind": "amount", "unit": "USD"} for m in findings["metrics"]]
    policy = findings["rivals"][0]
    policy["values"] = dict.fromkeys(policy["values"], [2160.4, 1234.5, 3086.3])
    policy["spend"] = [12_345.6, 1.0, 2e5]
    first, second, *_ = headline(findings)
    assert "costs 12,346 USD per head" in first
    assert "by +2,160 USD per head" in second
    assert "(95% interval +1,234 to +3,086)" in second
    assert not any("e+" in sentence for sentence in [*headline(findings), *risks(findings)])


def test_a_policy_that_treats_nobody_claims_nothing(findings):
    findings["rivals"][0] |= {"treated": 0.0, "spend": [0.0, 0.0, 0.0]}
    first, second = headline(findings)
    assert first == "The policy makes an offer to 0% of people and costs 0 USD per head."
    assert second == "Nobody is treated (“none” for everybody), so no metric changes."


def test_a_winner_only_where_the_interval_excludes_0(findings):
    lot = findings["rivals"][-1]
    lot["against_chosen"]["conversion"] = [0.02, 0.01, 0.03]
    assert (
        "2.00 percentage points more than the same offers given at random" in headline(findings)[-1]
    )
    lot["against_chosen"]["conversion"] = [0.02, -0.01, 0.05]
    assert (
        "at random at equal cost may do as well (difference: 95% interval -1.0 to +5.0)"
        in headline(findings)[-1]
    )


def test_failed_checks_and_harm_come_first(findings):
    findings["experiment"]["checks"][0] |= {"status": "fail", "summary": "Arms are lopsided."}
    group = findings["policy"]["groups"][0]
    group["values"]["conversion"] = [-0.05, -0.08, -0.02]
    first, second, *_ = risks(findings)
    assert "Arms are lopsided." in first
    assert "loses on “conversion”: -5.0 percentage points" in second
    group["values"]["conversion"] = [-0.05, -0.12, 0.02]
    assert any("may lose on “conversion”" in text for text in risks(findings))


def test_more_spend_than_planned_is_said(findings):
    findings["rivals"][0]["spend"] = [0.6, 0.5, 0.7]
    assert any("above the budget of 0.4" in text for text in risks(findings))
    findings["rivals"][0]["spend"] = [0.45, 0.35, 0.55]
    assert not any("above the budget" in text for text in risks(findings))


def test_a_budget_that_new_people_may_overspend_is_said(findings):
    findings["policy"]["carried"] = [0.4, 0.33, 0.47]
    sentence = (
        "At fixed prices, one new population may cost up to 0.47 USD per head, where the budget is"
        " 0.4; "
    )
    assert any(text.startswith(sentence) and "--hold" in text for text in risks(findings))
    for spend in ([0.4, 0.39, 0.415], None):  # within 5 % of it; without a budget
        findings["policy"]["carried"] = spend
        assert not any("At fixed prices" in text for text in risks(findings))


@pytest.mark.parametrize(
    ("kind", "rule", "bound", "at_risk"),
    [
        ("floor", "at least", 0.1, True),
        ("floor", "at least", 0.04, False),
        ("ceiling", "at most", 0.2, True),
        ("ceiling", "at most", 0.26, False),
    ],
)
def test_a_guardrail_that_is_not_sure_is_told(findings, kind, rule, bound, at_risk):
    findings["policy"]["demands"].append(
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
    findings["rivals"][0]["values"]["visits"] = [0.15, 0.05, 0.25]
    assert any(text.startswith(f"The {kind} of “visits”") for text in risks(findings)) == at_risk
