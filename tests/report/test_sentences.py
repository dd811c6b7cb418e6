"""Findings in sentences: a winner is named only where the interval excludes 0, and harm is said
first.
"""

from __future__ import annotations

import copy

import pytest

from equipoise.report.headline import answers, headline, missing_in_words
from equipoise.report.sentences import risks
from equipoise.report.verdict import verdict_of


@pytest.fixture
def findings(ran):
    return copy.deepcopy(ran.findings)


def test_the_headline_tells_the_verdict_what_and_how_sure(findings):
    policy = findings["rivals"][0]
    policy["values"]["conversion"], policy["treated"], policy["spend"] = (
        [0.05, 0.02, 0.08],
        0.25,
        [0.4, 0.3, 0.5],
    )
    first, second, *_ = headline(findings)
    assert first == (
        "Do it: it changes “conversion” by +5.0 percentage points per head against none (95%"
        " interval +2.0 to +8.0), +75 in all for 1,500 people (+30 to +120)."
    )
    assert second.startswith("The policy makes an offer to 25% of people")
    assert second.endswith(" and costs 0.4 USD per head.")
    policy["values"]["conversion"] = [0.05, -0.02, 0.12]
    assert headline(findings)[0].startswith("Not known: it changes")
    sure, following = (answer["sentences"] for answer in answers(findings)[-2:])
    assert sure[0] == "Chance alone could make that: the 95% interval holds 0."
    # half-width .07, so z = 1.4: (2.8 / 1.4)^2 times as many rows
    assert following[0].startswith("About 6,000 rows like these, 4.0 times as many, would tell")
    policy["values"]["conversion"] = [0.001, -0.1, 0.1]
    assert "no larger log of this kind would tell" in headline(findings)[-1]


def test_numbers_are_written_as_people_write_them(findings):
    """No powers of ten, thousands with commas, as many digits as the interval supports."""
    findings["metrics"] = [{**m, "kind": "amount", "unit": "USD"} for m in findings["metrics"]]
    policy = findings["rivals"][0]
    policy["values"] = dict.fromkeys(policy["values"], [2160.4, 1234.5, 3086.3])
    policy["spend"] = [12_345.6, 0.1, 2e5]
    first, second, *_ = headline(findings)
    assert "costs 12,346 USD per head" in second
    assert "by +2,160 USD per head" in first
    assert "(95% interval +1,234 to +3,086), +3,240,600 USD in all for 1,500 people" in first
    assert not any("e+" in sentence for sentence in [*headline(findings), *risks(findings)])


def test_a_policy_that_treats_nobody_claims_nothing(findings):
    findings["rivals"][0] |= {"treated": 0.0, "spend": [0.0, 0.0, 0.0]}
    first, second, third, whom, *_, last = headline(findings)
    nobody = "no offer is expected to bring anything within the demands, so nobody gets one."
    assert first == f"Do not: {nobody}"
    assert second == "The policy makes an offer to 0% of people and costs 0 USD per head."
    assert third == "Nobody is treated (“none” for everybody), so no metric changes."
    assert whom == "Nobody gets an offer."
    assert last.startswith("Leave everybody in none; ")


def test_a_winner_only_where_the_interval_excludes_0(findings):
    lot = findings["rivals"][-1]
    lot["against_chosen"]["conversion"] = [0.02, 0.01, 0.03]
    sure = " ".join(answers(findings)[3]["sentences"])
    assert "2.00 percentage points more than the same offers given at random" in sure
    lot["against_chosen"]["conversion"] = [0.02, -0.01, 0.05]
    sure = " ".join(answers(findings)[3]["sentences"])
    assert "at random at equal cost may do as well (difference: 95% interval -1.0 to +5.0)" in sure
    assert lot["policy"] in " ".join(risks(findings))
    lot["against_chosen"] = dict.fromkeys(lot["against_chosen"], [0.0, 0.0, 0.0])
    told = [*headline(findings), *risks(findings)]  # the very same offers
    assert not any("random" in sentence for sentence in told)


def test_a_demand_that_is_surely_broken_is_no_do_it(findings):
    """Neither a floor nor a budget that held-out rows refute."""
    findings["rivals"][0]["values"]["conversion"] = [0.05, 0.02, 0.08]
    findings["rivals"][0]["spend"] = [0.6, 0.5, 0.7]  # the budget is .4
    assert headline(findings)[0] == "Do not: on held-out rows the policy surely breaks the budget."
    findings["policy"]["weighing"] = 1.5  # the budget counts rows, the cost their weights
    assert headline(findings)[0].startswith("Do it")
    assert "By the weights of the rows the policy costs 0.6" in " ".join(risks(findings))
    findings["rivals"][0]["spend"] = [0.5, 0.3, 0.7]
    assert headline(findings)[0].startswith("Do it")
    row = findings["policy"]["demands"][0]
    floor = {"name": "floor of visits", "kind": "floor", "metric": "visits", "rule": "at least"}
    findings["policy"]["demands"].append({**row, **floor, "bound": 0.3})
    findings["rivals"][0]["values"]["visits"] = [0.1, 0.0, 0.2]
    assert verdict_of(findings) == "do not"
    findings["policy"]["demands"][-1] |= {"rule": "at most", "kind": "ceiling"}
    assert verdict_of(findings) == "do it"


def test_a_cost_that_nothing_weighs_is_no_do_it(findings):
    findings["rivals"][0]["values"]["conversion"] = [0.05, 0.02, 0.08]
    cost = {"name": "cost", "status": "warn", "summary": "Nothing weighs the cost.", "rows": []}
    findings["experiment"]["checks"].append(cost)
    assert verdict_of(findings) == "not known"
    assert headline(findings)[-1] == "Say what the metric is worth, or a budget, and run again."


def test_several_metrics_are_judged_by_their_weighted_sum(findings):
    findings["policy"]["weights"] = {"conversion": 2.0, "visits": -0.5}
    findings["policy"]["objective"] = [0.2, 0.1, 0.3]
    findings["rivals"][0]["values"]["conversion"] = [0.05, -0.02, 0.12]
    assert headline(findings)[0] == (
        "Do it: it changes what is to be large, 2 x conversion - 0.5 x visits, by +0.20 per head"
        " (95% interval +0.10 to +0.30)."
    )
    findings["policy"]["weights"] = {"conversion": -2.0, "visits": 0.0}  # lower is better
    findings["rivals"][0]["values"]["conversion"] = [-0.05, -0.08, -0.02]
    assert headline(findings)[0].startswith("Do it: it changes “conversion” by -5.0")


def test_the_certificate_is_in_words_and_rounded_up():
    gaps = (3.1e-6, 9.2e-6, 1e-5, 0.0301, 0.5, 1.0)
    said = ["0.00032%", "0.00093%", "0.0011%", "3.2%", "100%", "any amount"]
    assert [missing_in_words(gap) for gap in gaps] == said


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
