"""The report: numbers and words by hand, drawings that plotly accepts, and the whole page in a real
browser.
"""

from __future__ import annotations

import copy
import csv
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures.chromium import AUDIT, Chromium
from fixtures.example_findings import (
    EXAMPLES,
    arms_findings,
    bare_findings,
    dose_findings,
    strata_findings,
)
from markupsafe import escape

from equipoise.report import render_report, report_environment, report_libraries
from equipoise.report.formatting import decimals, listed, number, plural, seconds, share, unit_of
from equipoise.report.headline import QUESTIONS, headline
from equipoise.report.page import SECTIONS, sections
from equipoise.report.parts import Bullets, Checklist, Figure, Plot, Table, Words
from equipoise.report.plots import marks_of, plain
from equipoise.report.sections.average_effects import averages
from equipoise.report.sections.budget import buys
from equipoise.report.sections.experiment import sound, verdict
from equipoise.report.sections.policy import policy, value
from equipoise.report.sections.ranking_quality import ranks
from equipoise.report.sections.response import responds
from equipoise.report.sections.strata import anyway
from equipoise.report.sections.summary import cards
from equipoise.report.sentences import risks
from equipoise.report.view import View, gets_in_words, weights_in_words

CONTRAST = """[...document.querySelectorAll('SELECTOR')].map(node => {
  const light = text => { const [r, g, b] = text.match(/[0-9.]+/g).map(Number).map(c => {
    c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const back = light(getComputedStyle(document.querySelector('.answers')).backgroundColor);
  const ink = light(getComputedStyle(node).color);
  return (Math.max(ink, back) + .05) / (Math.min(ink, back) + .05);
})"""
NASTY = "<script>window.hacked = 1</script>"
NASTIER = "</script><img src=x onerror='window.hacked = 1'>{{ 7 * 7 }}<b>bold</b> &amp; %{x}"


def renamed(findings: Any, old: str, new: str) -> Any:
    """Findings with one name replaced everywhere."""
    return json.loads(json.dumps(findings).replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1]))


def hostile_findings() -> Any:
    """Findings whose names and sentences try to be HTML."""
    findings = renamed(renamed(arms_findings(), "Mens E-Mail", NASTY), "recency", NASTIER)
    findings["title"] = findings["answers"][0]["sentences"][0] = findings["risks"][0] = NASTIER
    findings["made"]["plan"] = NASTY
    return findings


# ---- by hand


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (64_000, "64,000"),
        (0.042, "0.042"),
        (0.5, "0.5"),
        (-2.25, "\u22122.25"),
        (1234.5678, "1,235"),
        (0.0, "0"),
        (None, "\u2013"),
        (float("nan"), "\u2013"),
    ],
)
def test_numbers_for_people(x, said):
    assert number(x) == said


def test_the_interval_decides_the_decimals():
    assert [decimals(s) for s in (0.0031, 0.31, 3.1, 31.0, 0.0)] == [4, 2, 1, 0, 2]
    visit = unit_of({"name": "visit", "kind": "binary", "unit": ""})
    assert visit.effect([0.0766, 0.0707, 0.0825]) == "+7.66\u00a0pp"
    assert visit.span([0.0766, 0.0707, 0.0825]) == "+7.07 to +8.25"
    assert visit.of_level([0.1062, 0.10, 0.11]) == "10.62%"
    spend = unit_of({"name": "spend", "kind": "amount", "unit": "USD"})
    assert spend.effect([-1234.5, -1400, -1100]) == "\u22121,234\u00a0USD"
    assert spend.span([1.0, None, None]) == "\u2013"
    # no sign on what rounds to nothing
    assert spend.effect([-0.00001, -0.1, 0.1]) == "0.00\u00a0USD"


def test_words():
    assert [share(x) for x in (0.5, 0.0312, 0.0, 1.0, 0.0004, 0.996)] == [
        "50%",
        "3.1%",
        "0%",
        "100%",
        "<0.1%",
        "99.6%",
    ]
    assert [listed(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "none",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert [plural(1, "arm"), plural(2000, "arm")] == ["1 arm", "2,000 arms"]
    assert [seconds(8.21), seconds(200)] == ["8.2 s", "3 min 20 s"]
    assert (
        gets_in_words({"none": 0.5, "a": 0.3, "b": 0.2, "c": 0.0})
        == "50% get none, 30% a and 20% b"
    )
    assert (
        weights_in_words({"visit": 1.0, "spend": 0.0, "got": 0.5}).replace("\u00a0", " ")
        == "1 \u00d7 visit + 0.5 \u00d7 got"
    )


def test_levels_take_a_ramp_and_arms_take_symbols():
    arms = marks_of(["a", "b", "c"])
    assert (
        len({symbol for _, symbol in arms.values()})
        == len({colour for colour, _ in arms.values()})
        == 3
    )
    levels = marks_of(["1 USD", "2 USD", "3 USD"])
    assert {symbol for _, symbol in levels.values()} == {"circle"}
    assert levels["1 USD"][0] == "#414487"
    assert levels["3 USD"][0] == "#7AD151"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"fail": 1, "warn": 2, "note": 0, "ok": 3}, "Not as it stands: 1 check of 6 failed"),
        ({"fail": 0, "warn": 2, "note": 0, "ok": 3}, "Yes, with 2 warnings"),
        ({"fail": 0, "warn": 0, "note": 1, "ok": 3}, "Yes: 4 checks, none failed or warned"),
        ({"fail": 0, "warn": 0, "note": 0, "ok": 0}, "No checks were run"),
    ],
)
def test_verdict_on_the_experiment(counts, said):
    assert verdict(counts).startswith(said)


def test_the_best_arm_of_a_metric_where_lower_is_better():
    findings = arms_findings()
    assert "Mens E-Mail does best on visit (+7.66" in averages(View(findings)).answer
    findings["metrics"][0]["better"] = "lower"
    assert "Womens E-Mail does best on visit (+4.52" in averages(View(findings)).answer


def test_a_metric_where_lower_is_better_is_bought_down():
    findings = dose_findings()
    assert "one more got costs 4.73" in buys(View(findings)).answer  # 1 / 0.211
    findings["metrics"][0]["better"], findings["policy"]["weights"] = "lower", {"got": -1.0}
    assert "one fewer got costs 4.73" in buys(View(findings)).answer
    price = next(plot for plot in drawings(findings) if plot.name == "what one more USD buys")
    assert max(price.spec["data"][-1]["y"]) < 0


@pytest.mark.parametrize(
    ("smd", "z", "said"),
    [
        (0.02, 1.0, "were alike"),
        (0.2, 1.5, "as alike before treatment as chance"),
        (0.2, 6.0, "1 feature of 1 differ between arms"),
    ],
)
def test_balance_is_judged_against_chance(smd, z, said):
    findings = arms_findings()
    findings["experiment"]["balance"] = [
        {"feature": "age", "candidate": "Mens E-Mail", "smd": smd, "z": z}
    ]
    figure = next(block for block in sound(View(findings)).blocks if isinstance(block, Figure))
    assert said in figure.title
    assert figure.plots[0].spec["data"][0]["x"] == [smd]


def test_a_trade_off_within_the_intervals_is_none():
    findings = arms_findings()
    findings["policy"]["weights"] = {"visit": 1.0, "spend": 0.1}

    def title() -> str:
        return next(
            b.title
            for b in buys(View(findings)).blocks
            if isinstance(b, Figure) and b.title.startswith(("From", "Betw"))
        )

    assert title().startswith("From end to end, +0.3\u00a0USD of spend costs 1.2\u00a0pp of visit")
    for point in findings["tradeoff"]:
        for name, (gain, _, _) in point["values"].items():
            point["values"][name] = [gain, gain - 1.0, gain + 1.0]
    assert "there is little to trade" in title()


def test_the_heading_names_the_largest_gap_between_groups():
    findings = arms_findings()
    group: Any = {"column": "sex", "spend": 0.1, "values": {}}
    shares = [("f", 500, 0.2), ("m", 500, 0.5), ("x", 10, 0.9)]
    findings["policy"]["groups"] = [
        {  # type: ignore[typeddict-item]
            **group,
            "group": g,
            "rows": n,
            "shares": {"No E-Mail": 0.1, "Mens E-Mail": a, "Womens E-Mail": 0.9 - a},
        }
        for g, n, a in shares
    ]
    titles = [b.title for b in policy(View(findings)).blocks if isinstance(b, Figure)]
    assert titles[0] == "Largest gap between groups: 50% of sex: m get Mens E-Mail, 20% of sex: f"


def test_how_the_budget_is_carried_is_said_in_one_sentence():
    findings = arms_findings()
    sentences = [
        b.text.replace("\u00a0", " ") for b in policy(View(findings)).blocks if isinstance(b, Words)
    ]
    assert sentences == [
        "At prices set without them, offers cost 0.0421 USD per head; for a large new population, "
        "the 95% interval of their cost is 0.0382 to 0.0460 per head."
    ]
    findings["policy"].pop("carried")  # type: ignore[misc]  # a run of an earlier version
    assert not [b for b in policy(View(findings)).blocks if isinstance(b, Words)]


def test_what_the_shipped_rule_is_worth_stands_in_one_sentence():
    findings = arms_findings()
    (said,) = [
        b.text.replace("\u00a0", " ") for b in value(View(findings)).blocks if isinstance(b, Words)
    ]
    assert "By the 21,334 people whose outcomes had no part in it, the shipped rule gains" in said
    assert "of new people, treats 42% and costs 0.042 USD" in said
    findings["policy"].pop("shipped")  # type: ignore[misc]  # a run of an earlier version
    assert not [b for b in value(View(findings)).blocks if isinstance(b, Words)]


def test_whom_the_policy_beats_and_at_what_cost():
    answer = value(View(arms_findings())).answer.replace("\u00a0", " ")
    assert "beats \u201cnobody\u201d and \u201crandom at equal cost\u201d" in answer
    assert (
        "is not told apart from \u201ceverybody: Womens E-Mail\u201d (which costs 0.1 USD per"
        " head)" in answer
    )
    assert (
        "falls short of \u201ceverybody: Mens E-Mail\u201d (which costs 0.1 USD per head)" in answer
    )


@pytest.mark.parametrize(
    ("slope", "said"),
    [
        ([0.9, 0.7, 1.1], "agree with what is observed"),
        ([0.5, 0.3, 0.7], "differ too much between people"),
        ([2.0, 1.5, 2.5], "differ too little between people"),
        ([0.5, -0.3, 1.3], "may tell nobody from another"),
        ([-0.5, -0.7, -0.3], "point the wrong way"),
        ([None, None, None], "do not vary"),
    ],
)
def test_the_calibration_in_words(slope, said):
    findings = arms_findings()
    findings["calibration"] = [{**findings["calibration"][0], "slope": slope}]
    tables = [b for b in responds(View(findings)).blocks if isinstance(b, Table)]
    assert tables[0].rows[0][-1] == said


def test_cards_by_hand():
    gained, spent, treated, certificate = cards(View(arms_findings()))
    assert (gained.value, gained.unit) == ("+3.91", "pp")
    assert gained.notes[:2] == ["95% interval +3.29 to +4.53", "+39 for every 1,000 people"]
    assert (spent.value, spent.unit) == ("0.042", "USD")
    assert treated.value == "42%"
    assert certificate.label == "No policy is better by more than"
    assert certificate.value == "0.00032%"  # 3.1e-6, rounded up


def test_what_is_more_than_a_page_can_carry_goes_to_the_table():
    findings = arms_findings()
    names = [f"arm {i}" for i in range(9)]
    row = findings["rankings"][0]
    findings["candidates"] = names
    findings["rankings"] = [{**row, "candidate": name} for name in names]
    figure = next(block for block in ranks(View(findings)).blocks if isinstance(block, Figure))
    assert len(figure.plots) == 6
    assert "other 3" in figure.note
    assert {cells[1] for cells in figure.twin.rows} == set(names)


def test_the_worst_check_comes_first_and_keeps_its_evidence():
    findings = arms_findings()
    findings["experiment"]["checks"].append(
        {
            "name": "sample ratio",
            "status": "fail",
            "summary": "!",
            "rows": [{"arm": "a", "rows": 3}],
        }
    )
    checklist = sound(View(findings)).blocks[1]
    assert checklist.checks[0].status == "fail"
    assert checklist.checks[0].evidence.rows == [["a", "3"]]


def test_the_strata_in_words_by_hand():
    findings = strata_findings()
    section = anyway(View(findings))
    assert section.answer.startswith(
        "In this experiment 21.4% of people buy only with the offer, 20.6% would have"
    )
    assert "22,000 rows of other arms are left out" in section.answer
    assert "would do it when offered" in section.answer
    figures = [block for block in section.blocks if isinstance(block, Figure)]
    assert (
        figures[0].title
        == "21.4% of people buy only with the offer; 20.6% would have bought anyway and take it too"
    )
    assert figures[1].title == "Offers to the best 40% of people bring +0.105\u00a0USD per head"
    sentences = next(block for block in section.blocks if isinstance(block, Bullets)).items
    # 42,000 people, 20.6 % always-buyers, 0.4 x 0.7 of them offered, 0.4 USD each
    assert (
        "about 2,423 (2,173 to 2,673) people who would have bought anyway take the offer;"
        " 969\u00a0USD is paid" in sentences[0]
    )
    checks = next(block for block in section.blocks if isinstance(block, Checklist)).checks
    assert [check.status for check in checks] == ["warn", "note", "ok", "ok", "ok", "ok"]
    assert checks[0].name == "A6: no harm"
    assert checks[0].evidence.rows[0][-1] == "\u22124.10"


def test_the_strata_stand_in_the_report_only_where_they_were_asked_for():
    assert [s.id for s in sections(View(strata_findings()))][-2:] == ["strata", "made"]
    assert "strata" not in [s.id for s in sections(View(arms_findings()))]


# ---- the drawings


def drawings(findings: Any) -> list[Plot]:
    view = View(findings)
    return [
        plot
        for section in sections(view)
        for block in section.blocks
        if isinstance(block, Figure)
        for plot in block.plots
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_plotly_knows_every_key_of_every_drawing(name):
    import plotly.graph_objects as go

    for plot in drawings(EXAMPLES[name]()):
        # raises on an unknown key or a wrong value
        go.Figure(data=plot.spec["data"], layout=plot.spec["layout"])


def test_of_many_arms_it_is_told_how_many_surely_differ():
    findings = dose_findings()
    rows = findings["averages"]
    several = averages(View(findings))
    assert f"{len(rows)} of {len(rows)} average effects" in several.blocks[0].title
    for row in rows[1:]:
        row["adjusted"] = 0.2
    several, said = averages(View(findings)), " ".join(headline(findings))
    assert f"1 of {len(rows)} average effects" in several.blocks[0].title
    assert several.blocks[0].twin.columns[-2:] == ["p-value among all", "effect, shrunk"]
    assert f"On average 1 of {len(rows)} arms ({rows[0]['candidate']}) surely differs" in said
    assert "which may be chance" in several.answer  # the best as shrunk is not the one told
    for row in rows:
        del row["adjusted"]  # as written by 0.2.0
    assert " arms " not in " ".join(headline(findings))
    assert averages(View(findings)).blocks[0].twin.columns[-1] == "p-value"


def test_overlap_is_drawn_where_propensities_differ():
    findings = dose_findings()
    arms = findings["experiment"]["overlap"]["arms"]
    figure = next(block for block in sound(View(findings)).blocks if isinstance(block, Figure))
    assert figure.title == (
        "Learnt propensities: for 5.0% of the people the arm 0 USD was all but impossible"
    )
    assert len(arms) == 7 == len(figure.twin.rows) == len(figure.plots) + 1
    plot = figure.plots[1]
    assert plot.name == "0.5 USD"
    assert plot.spec["data"][1]["y"][1] == arms[1]["got"][0]
    assert plot.spec["data"][3]["y"][1] == -arms[1]["others"][0]  # mirrored
    assert plot.spec["layout"]["shapes"][1]["x1"] == 0.01  # where it was clipped
    arms[0]["clipped"], arms[2]["effective"] = 0.0, 0.1 * arms[2]["rows"]
    figure = next(block for block in sound(View(findings)).blocks if isinstance(block, Figure))
    assert figure.title.endswith("but weights leave 1 USD only 61 of its 610 rows")
    words = [
        block.text for block in sound(View(arms_findings())).blocks if isinstance(block, Words)
    ]
    assert any("the same chance of each arm" in text for text in words)
    del findings["experiment"]["overlap"]  # as written before 0.3
    assert not any("propensities" in getattr(b, "title", "") for b in sound(View(findings)).blocks)


def test_an_effect_that_fades_is_told_in_words_and_drawn():
    findings = arms_findings()
    section = averages(View(findings))
    figure = section.blocks[1]
    assert figure.title == ("1 of 6 average effects surely changes over time: Mens E-Mail on visit")
    words = (
        "The effect of Mens E-Mail on “visit” fades: +14.6 percentage points in the first week,"
        " +4.4 percentage points in the last (p = 0.003)."
    )
    assert figure.note == words
    assert words in risks(findings)
    plot = next(p for p in figure.plots if p.name == "Mens E-Mail on visit")
    line, marks = plot.spec["data"][0], plot.spec["data"][-1]
    assert line["y"] == pytest.approx([7.66, 7.66])  # the average of all times
    assert marks["x"] == list(range(1, 9))
    assert marks["y"][0] == pytest.approx(14.554)
    gap = next(p for p in figure.plots if p.name == "Womens E-Mail on visit")
    assert 4 not in gap.spec["data"][-1]["x"]  # a week of few rows
    row = findings["over_time"]["rows"][0]
    row["line"] = [0.08, 0.02, 0.14]
    assert "“visit” grows:" in " ".join(risks(findings))
    row["line"] = [0.08, -0.02, 0.18]
    assert "“visit” changes:" in " ".join(risks(findings))
    row["line"] = [-0.2, -0.3, -0.1]
    row["effects"][-1] = [-0.03, -0.04, -0.02]
    assert "“visit” turns:" in " ".join(risks(findings))
    row["adjusted"] = 0.2
    assert averages(View(findings)).blocks[1].title.startswith("No average effect of 6 surely")
    del findings["over_time"]  # no time in the log
    assert sum(isinstance(block, Figure) for block in averages(View(findings)).blocks) == 1


def test_what_an_unmeasured_cause_could_do_is_told_in_words_and_drawn():
    findings = dose_findings()
    figure = averages(View(findings)).blocks[1]
    words = (
        "An unmeasured cause as strong as “age” would leave the policy's gain on “got” between"
        " +21 and +61 percentage points; it takes one 2.3 times as strong to undo it."
    )
    assert figure.title == words
    assert words in risks(findings)
    (plot,) = figure.plots
    assert [trace["x"] for trace in plot.spec["data"][:2]] == [[pytest.approx(41.2)]] * 2
    assert plot.spec["data"][1]["error_x"]["array"] == pytest.approx([20.0])
    assert len(plot.spec["data"]) == 2 * 4  # two rows of the policy and of three arms
    assert figure.note == "The other 3 are in the table below."
    assert len(figure.twin.rows) == 2 * 7
    assert figure.twin.rows[1][-1] == "\u2013"  # distance moves one side only
    rows = findings["sensitivity"]["rows"]
    rows[-1]["likened"][0]["times"] = 0.64
    assert "would undo the policy's gain on “got”: one 0.64 times as" in " ".join(risks(findings))
    rows[-1]["likened"] = rows[-1]["likened"][1:]
    assert "No known feature moves both treatment and “got”" in " ".join(risks(findings))
    rows[-1]["effect"] = [0.01, -0.1, 0.12]
    assert "unmeasured" not in " ".join(risks(findings))  # there is no claim to undo
    assert "the effect of 0.5 USD on “got”" in averages(View(findings)).blocks[1].title
    lot = averages(View(arms_findings())).blocks
    assert any("by lot" in block.text for block in lot if isinstance(block, Words))


def test_effects_are_told_relative_to_control_where_that_can_be():
    findings = arms_findings()
    findings["averages"][0]["lift"] = [0.123, 0.041, 0.209]
    del findings["averages"][1]["lift"]
    findings["averages"][1]["no_lift"] = "the mean under control is not surely above 0"
    section = averages(View(findings))
    table, reading = section.blocks[0].twin, section.blocks[0].reading
    column = table.columns.index("relative to control, 95% interval")
    assert [row[column] for row in table.rows[:2]] == ["+12.3% (+4.1 to +20.9)", "\u2013"]
    assert "No share is told of visit: the mean under control is not surely above 0." in reading
    assert "+12.3% of control's mean" in section.answer
    for row in findings["averages"]:
        row.pop("lift", None)
        row.pop("no_lift", None)  # as written by 0.2.0
    old = averages(View(findings)).blocks[0]
    assert "share" not in old.reading
    assert len(old.twin.columns) == 6


def test_effects_stand_where_they_belong():
    findings = arms_findings()
    findings["averages"][0]["effect"] = [0.10, 0.09, 0.14]
    plot = next(p for p in drawings(findings) if p.name == "visit")
    mens = plot.spec["data"][0]
    assert mens["x"] == pytest.approx([10.0])
    assert mens["error_x"]["array"] == pytest.approx([4.0])
    assert mens["error_x"]["arrayminus"] == pytest.approx([1.0])
    assert plot.spec["layout"]["xaxis"]["title"]["text"] == "percentage points, better \u2192"


def test_an_interval_that_holds_zero_is_hollow():
    findings = arms_findings()
    findings["averages"][0]["effect"] = [0.01, -0.01, 0.03]
    visit = next(p for p in drawings(findings) if p.name == "visit")
    assert [trace["marker"]["color"].startswith("var") for trace in visit.spec["data"]] == [
        True,
        False,
    ]


def test_shares_of_a_bar_add_up():
    plot = next(p for p in drawings(arms_findings()) if p.spec["layout"].get("barmode") == "stack")
    total = [sum(trace["x"][row] for trace in plot.spec["data"]) for row in range(6)]
    assert total == pytest.approx([100.0] * 6)


def test_text_of_users_is_plain_in_drawings():
    assert plain("a <b> & c") == "a &lt;b&gt; &amp; c"
    assert plain("x" * 50) == "x" * 29 + "\u2026"


# ---- the page as text


@pytest.mark.parametrize("name", EXAMPLES)
def test_same_findings_same_page_and_findings_stay_as_they_were(name):
    findings = EXAMPLES[name]()
    before = copy.deepcopy(findings)
    assert render_report(findings) == render_report(json.loads(json.dumps(findings)))
    assert findings == before


def test_prose_is_in_the_page():
    findings = arms_findings()
    page = render_report(findings)
    sections = [make(View(findings)) for make in SECTIONS]
    for sentence in [
        *(text for answer in findings["answers"] for text in answer["sentences"]),
        *findings["risks"],
        *(s.title for s in sections),
        *(s.answer for s in sections),
    ]:
        assert re.sub("`(.*?)`", r"<code>\1</code>", str(escape(sentence))) in page
    assert [
        sum(isinstance(b, kind) for s in sections for b in s.blocks) for kind in (Table, Bullets)
    ] == [6, 0]


def test_every_missing_part_is_said_to_be_missing():
    page = render_report(bare_findings())
    for sentence in (
        "no features to compare",
        "No average effects were computed",
        "The ranking was not evaluated",
        "Fewer than two budgets were tried",
        "no trade-off between metrics",
        "No protected column was named",
        "No demand was put on the policy",
        "was not compared with others",
        "Nothing was recorded about the run",
    ):
        assert sentence in page


def test_offers_stand_in_for_money_where_nothing_has_a_cost():
    page = render_report({**arms_findings(), "currency": ""})
    assert "offers per head" in page
    assert "0.042 <small>offers" in page


def test_what_has_a_cost_is_never_counted_in_offers():
    page = render_report({**arms_findings(), "currency": "units of cost"})
    assert "cost per head, units of cost" in page
    assert "per unit of cost" in page
    assert "offers per head" not in page


def test_the_cost_of_each_offer_is_said_by_name():
    findings = dose_findings()
    amount = [0.25 * i for i, _ in enumerate(findings["candidates"], 1)]
    paid = {"amount": amount, "column": None, "metric": "claimed", "probability": True}
    for cost, text in [
        (paid, f"{findings['candidates'][0]} 0.25, "),
        (paid, "; paid when claimed"),
        ({**paid, "metric": None}, "; always paid"),
        ({**paid, "probability": False}, "as observed in the column claimed"),
    ]:
        findings["made"] = {"cost": cost}
        assert text in render_report(findings)


def test_a_page_needs_no_plotly(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    assert "Plotly" not in render_report(bare_findings())


def test_the_old_name_of_what_pages_are_made_with_warns():
    with pytest.warns(FutureWarning, match="called report.report_environment"):
        environment, _ = report_libraries()
    assert environment is report_environment()


def test_importing_the_report_loads_neither_plotly_nor_jinja():
    code = (
        "import sys, equipoise.report; print([m for m in ('plotly', 'jinja2') if m in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == "[]"


# ---- the page in a real browser


def test_without_chromium_the_tests_say_how_to_get_it(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(RuntimeError, match="apt-get install -y chromium"):
        Chromium()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


def opened(
    chromium: Chromium, folder: Path, page: str, width: int, dark: bool = False
) -> list[str]:
    """All that is wrong with a page at a width: what the audit finds, console errors, and requests
    that leave the file.
    """
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    chromium.open(file, width, dark=dark)
    return [*chromium.ask(AUDIT), *chromium.complaints, *chromium.outside]


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [
        ("arms", 1280, False),
        ("arms", 400, False),
        ("dose", 400, False),
        ("bare", 400, True),
        ("strata", 1280, False),
        ("strata", 400, True),
    ],
)
def test_the_page_is_drawn_and_readable(chromium, tmp_path, name, width, dark):
    assert opened(chromium, tmp_path, render_report(EXAMPLES[name]()), width, dark) == []


def test_the_page_follows_its_window(chromium, tmp_path):
    """Drawn and readable at first, and at another width without being opened again."""
    assert opened(chromium, tmp_path, render_report(dose_findings()), 1280, dark=True) == []
    chromium.resize(400)
    chromium.wait(
        "[...document.querySelectorAll('.plot')].every(box =>"
        " box.querySelector('svg').width.baseVal.value <= box.clientWidth)"
    )
    assert chromium.ask(AUDIT) == []


def test_five_questions_are_answered_above_the_fold(chromium, tmp_path):
    """What, how much, for whom, how sure, what next: on the first screen, after the verdict, wide
    and narrow, light and dark.
    """
    for make in (arms_findings, dose_findings):
        assert opened(chromium, tmp_path, render_report(make()), 1280) == []
        for width, dark in ((1280, False), (420, False), (420, True), (1280, True)):
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            chromium.call("Emulation.setEmulatedMedia", features=[scheme])
            chromium.resize(width)
            told = chromium.ask(
                "[...document.querySelectorAll('.answers > div')].map(part =>"
                " [part.querySelector('dt').textContent,"
                " part.querySelector('dd').textContent.length,"
                " part.getBoundingClientRect().bottom])"
            )
            assert [question for question, _, _ in told] == ["Verdict", *QUESTIONS]
            assert all(length > 4 and bottom < 900 for _, length, bottom in told)
            contrast = chromium.ask(CONTRAST.replace("SELECTOR", ".answers .verdict, .answers dt"))
            assert min(contrast) > 4.5


def test_a_table_is_saved_as_csv(chromium, tmp_path):
    """Numbers as programs read them; text that a spreadsheet would run stands as text."""
    findings = renamed(arms_findings(), "Mens E-Mail", '=1+1, "x"')
    assert opened(chromium, tmp_path, render_report(findings), 1280) == []
    chromium.call(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved")
    )
    chromium.ask(
        "[...document.querySelectorAll('.scroll')].find(box => box.querySelector('caption')"
        ".textContent.includes('each arm has')).nextSibling.click()"
    )
    until = time.monotonic() + 20
    while not (files := list((tmp_path / "saved").glob("*.csv"))):
        assert time.monotonic() < until, "no file came"
        time.sleep(0.05)
    rows = list(csv.reader(files[0].read_text(encoding="utf-8-sig").splitlines()))
    assert len({len(row) for row in rows}) == 1
    cells = {cell for row in rows for cell in row}
    assert not any("\u2212" in cell or "\u00a0" in cell for cell in cells)
    assert """'=1+1, "x\"""" in cells


def test_the_page_prints(chromium, tmp_path):
    """As a PDF of a few pages, with every drawing and the answers in it."""
    assert opened(chromium, tmp_path, render_report(arms_findings()), 1280, dark=True) == []
    chromium.pdf(tmp_path / "report.pdf")
    data = (tmp_path / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", data))
    assert 4 <= pages <= 20
    assert len(data) < 1_000_000
    assert not re.search(rb"/Subtype\s*/Image", data)  # all is text and vectors
    assert chromium.complaints == []


def test_names_that_look_like_html_are_text(chromium, tmp_path):
    assert opened(chromium, tmp_path, render_report(hostile_findings()), 1280) == []
    assert chromium.ask("window.hacked") is None
    assert (
        chromium.ask("document.querySelectorAll('img, main b b, main td b, .plot b').length") == 0
    )
    assert chromium.ask("document.querySelector('h1').textContent") == NASTIER
    answer = chromium.ask(
        "[...document.querySelectorAll('.plot svg text')].map(text => text.textContent).join(' ')"
    )
    assert "<script>window" in answer


def test_a_script_that_is_not_ours_cannot_run(chromium, tmp_path):
    intruder = "<img src='data:,' onerror='window.hacked = 1'><script>window.hacked = 1</script>"
    wrong = opened(
        chromium,
        tmp_path,
        render_report(bare_findings()).replace("</main>", f"{intruder}</main>"),
        1280,
    )
    assert "Content Security Policy" in "".join(wrong)
    assert chromium.ask("window.hacked") is None


def test_the_audit_sees_what_is_wrong(chromium, tmp_path):
    page = re.sub(r"<meta http-equiv.*?>", "", render_report(bare_findings()))
    broken = page.replace("</main>", "<p style='width: 3000px; font-size: 9px'>tiny</p></main>")
    broken = broken.replace(
        "</body>",
        "<script>console.error('said'); undefinedFunction();</script><img"
        " src='http://127.0.0.1:9/x.png'></body>",
    )
    wrong = "\n".join(opened(chromium, tmp_path, broken, 400))
    for sign in (
        "px wide in a window of 400",
        "smaller than 11 px: tiny",
        "said",
        "undefinedFunction is not defined",
        "http://127.0.0.1:9/x.png",
    ):
        assert sign in wrong
