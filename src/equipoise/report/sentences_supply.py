"""The headline and the risks of the job, in words."""

from __future__ import annotations

from equipoise.report.findings import Interval
from equipoise.report.findings_supply import SupplyFindings
from equipoise.report.formatting import GLUE, Unit, listed, number, share, unit_of


def units_of(findings: SupplyFindings) -> dict[str, Unit]:
    """The unit of each metric; shares of a whole are told like any other number."""
    return {metric["name"]: unit_of(metric) for metric in findings["metrics"]}


def gains_in_words(findings: SupplyFindings, gains: dict[str, Interval]) -> str:
    """``minutes by +9.7 (+8.1 to +10.8) and skips by ...``, of the metrics that are weighed."""
    units = units_of(findings)
    names = [name for name, weight in findings["weights"].items() if weight]
    return listed(
        f"{name} by {units[name].effect(gains[name])} ({units[name].span(gains[name])})"
        for name in names
    )


def headline_of(findings: SupplyFindings) -> list[str]:
    """What a manager reads first."""
    C = len(findings["clusters"])
    who = (
        "each user"
        if findings["individual"]
        else f"{C} clusters of users"
        if C > 1
        else "all users"
    )
    sentences = [
        f"Mixes for {who}, shown instead of today's, would change"
        f" {gains_in_words(findings, findings['whole'][findings['way']])} per user."
    ]
    sentences.append(
        f"Of that, {gains_in_words(findings, findings['against'][findings['today']])} is more than"
        " showing everybody today's mean mix."
    )
    vouched = [
        (step["part"], step["values"]) for step in findings["steps"] if step["values"] is not None
    ]
    if vouched:
        part, values = vouched[-1]
        change = gains_in_words(findings, values or {})
        sentences.append(
            f"The log itself vouches for {share(part)} of the way, by factors on each user's own"
            f" mix: {change}."
        )
    return sentences


def risks_of(findings: SupplyFindings) -> list[str]:
    """What could be wrong."""
    sentences = [
        "Nothing unrecorded may drive both what users were shown and what they did; an A/B test of"
        " one step would tell."
    ]
    edges, every = (
        sum(len(cluster["edge"]) for cluster in findings["clusters"]),
        len(findings["clusters"]) * len(findings["categories"]),
    )
    if edges:
        sentences.append(
            f"{edges} of {every} recommended shares stand at the edge of what was seen or allowed:"
            " what lies beyond is unknown."
        )
    refused = [share(step["part"]) for step in findings["steps"] if step["values"] is None]
    if refused:
        sentences.append(
            f"Too few rows resemble a move of {listed(refused)} of the way to say its value without"
            " the form of the curves."
        )
    torn = [
        f"{check['name']}: {check['summary']}"
        for check in findings["checks"]
        if check["status"] == "warn"
    ]
    return sentences + torn


def weights_in_words(findings: SupplyFindings) -> str:
    """``1 x minutes - 50 x skips``."""
    terms = [
        f"{number(weight)}{GLUE}\u00d7{GLUE}{name}"
        for name, weight in findings["weights"].items()
        if weight
    ]
    return " + ".join(terms)
