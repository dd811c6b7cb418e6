"""Money on the page: the verdict and its words, where the next offer stops paying, and a cost that
is never called by a metric's name.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from fixtures.example_findings import EXAMPLES, arms_findings

from equipoise.report import render_report
from equipoise.report.headline import answers, headline
from equipoise.report.parts import Figure
from equipoise.report.sections.budget import buys
from equipoise.report.sections.policy import value
from equipoise.report.sections.summary import cards
from equipoise.report.sentences import risks
from equipoise.report.verdict import verdict_of
from equipoise.report.view import View

CONTAINERS = ("values", "against_chosen", "weights")


def with_money(net: list[float], treated: float = 0.42, **more: Any) -> Any:
    """The example of arms with an objective in money: net worth beside every metric."""
    findings: Any = copy.deepcopy(arms_findings())

    def add(part: Any) -> None:
        if isinstance(part, dict):
            for key in ("values", "against_chosen"):
                if part.get(key):
                    part[key]["net"] = list(net)
            for inner in part.values():
                add(inner)
        elif isinstance(part, list):
            for inner in part:
                add(inner)

    add(findings)
    findings["rivals"][0]["treated"] = treated
    stops = findings["budget"][3]["budget"]
    findings["money"] = {
        "metric": "net",
        "currency": "USD",
        "objective": "10 x conversion - cost",
        "costs": True,
        "stops": stops,
        "held": 0,
        "folds": 3,
        "models": None,
    } | more
    findings["people"] = 1000
    findings["verdict"], findings["answers"] = verdict_of(findings), answers(findings)
    return findings


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (
            [0.05, 0.02, 0.08],
            "Do it: net of cost the policy gains 0.050 USD per head (95% interval +0.020 to"
            " +0.080), 50 USD in all for 1,000 people (+20 to +80).",
        ),
        (
            [-2.0, -3.0, -1.0],
            "Do not: net of cost the policy loses 2.0 USD per head (95% interval -3.0 to -1.0),"
            " 2,000 USD in all for 1,000 people (-3,000 to -1,000).",
        ),
        (
            [0.05, -0.02, 0.12],
            "Not known: net of cost the policy may gain or lose: +0.050 USD per head (95% interval"
            " -0.020 to +0.120), +50 USD in all for 1,000 people (-20 to +120).",
        ),
    ],
)
def test_the_headline_opens_with_the_verdict(net, said):
    findings = with_money(net)
    assert headline(findings)[0] == said
    words = said.partition(":")[0]
    assert cards(View(findings))[0].label == "Net of cost per head"
    assert findings["verdict"] == words.lower()
    if words != "Do it":
        assert not any("gains" in sentence for sentence in headline(findings)[:1])


def test_nobody_gets_an_offer_and_why():
    none = with_money([0.0, 0.0, 0.0], treated=0.0)
    first = "Do not: no offer is expected to bring what it costs, so nobody gets one."
    assert headline(none)[0] == first
    held = with_money([0.0] * 3, treated=0.0, held=3, models=[-0.01, -0.02, 0.0])
    assert headline(held)[0] == (
        "Do not: the offers that models expect to pay do not, on people they never saw: net of cost"
        " -0.010 USD per head (95% interval -0.020 to 0.000), so nobody gets one."
    )
    some = with_money([0.05, 0.02, 0.08], held=1)
    assert any(text.startswith("In 1 of 3 folds the offers are held back") for text in risks(some))


def test_where_the_next_offer_stops_paying_is_told_drawn_and_in_the_table():
    section = buys(View(with_money([0.05, 0.02, 0.08])))
    assert section.answer.replace("\u00a0", " ").startswith(
        "The next offer stops paying at a cost of"
    )
    figure = next(block for block in section.blocks if isinstance(block, Figure))
    assert figure.twin.columns[-1] == "the next offer"
    last = [row[-1] for row in figure.twin.rows]
    assert last == ["pays"] * 3 + ["stops paying here"] + ["does not pay"] * (len(last) - 4)
    assert any(key.meaning == "where the next offer stops paying" for key in figure.keys)
    for plot in (figure.plots[0], figure.plots[-1]):
        lines = [shape["line"].get("dash") for shape in plot.spec["layout"]["shapes"]]
        assert "dash" in lines
    assert figure.plots[0].name == "net"
    assert figure.title.startswith("Offers pay up to a cost of")
    nothing = buys(View(with_money([0.0] * 3, stops=0.0)))
    assert nothing.answer.startswith("No offer pays")
    plain = buys(View(arms_findings()))
    assert "stops paying" not in str(plain)


def test_a_loss_is_never_called_a_gain():
    for net, word in (([-2.0, -3.5, -0.5], "is uncertain"), ([-2.0, -5.0, 1.0], "may be nil")):
        findings = with_money(net)
        section = value(View(findings))
        figure = next(block for block in section.blocks if isinstance(block, Figure))
        assert figure.title.startswith("The chosen policy brings")
        assert "the shipped rule brings" in str(section)
        told = risks(findings)
        assert any(f"The loss on “net” {word}" in text for text in told)
        assert not any("gain on “net”" in text for text in [*told, *headline(findings)])
    gaining = value(View(with_money([0.05, 0.02, 0.08])))
    assert "The chosen policy gains" in str(gaining)


def test_policies_are_compared_by_the_net_worth_first():
    section = value(View(with_money([0.05, 0.02, 0.08])))
    assert section.answer.startswith("On net, the chosen policy")
    figure = next(block for block in section.blocks if isinstance(block, Figure))
    assert [plot.name for plot in figure.plots][0] == "net"
    assert any("“net”" in text for text in headline(with_money([0.05, 0.02, 0.08])))


def renamed(part: Any, name: str = "spend", new: str = "basket") -> Any:
    """Findings in which one metric has another name; costs stay what they are."""
    if isinstance(part, list):
        return [renamed(inner, name, new) for inner in part]
    if not isinstance(part, dict):
        return part
    result: dict[str, Any] = {}
    for key, inner in part.items():
        if key in CONTAINERS:
            result[key] = {new if own == name else own: x for own, x in inner.items()}
        elif key in ("metric", "name") and inner == name:
            result[key] = new
        else:
            result[key] = renamed(inner, name, new)
    return result


@pytest.mark.parametrize("make", [*EXAMPLES.values(), lambda: with_money([0.05, 0.02, 0.08])])
def test_no_cost_is_called_spend(make):
    """A page whose metrics are called otherwise has the word nowhere."""
    findings = renamed(make())
    demands = findings["policy"]["demands"]
    findings["policy"]["demands"] = [d for d in demands if "spend" not in d["name"]]
    findings["experiment"]["checks"], findings["made"] = [], {"version": "0"}
    if findings["rivals"]:
        findings["answers"], findings["risks"] = answers(findings), risks(findings)
    page = re.sub(
        r"<script>.*?</script>|<style>.*?</style>", "", render_report(findings), flags=re.S
    )
    assert "cost" in page
    words = re.findall(r"\b(?:over)?spen[dt]\w*", page, flags=re.I)
    assert not words, words


def test_a_metric_called_cost_keeps_its_name():
    findings = renamed(arms_findings(), "spend", "cost")
    assert View(findings).cost_name == "cost of the policy"
    assert "cost of the policy per head" in str(value(View(findings)))
