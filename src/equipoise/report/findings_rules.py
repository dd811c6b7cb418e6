"""Findings of a rule that a person can read: a tree or a scorecard beside the policy."""

from __future__ import annotations

from typing import Any, TypedDict


class RuleStep(TypedDict):
    """One line of a tree read from above: a question, or what a leaf gets, after an answer."""

    depth: int
    answer: str  # "", "yes" or "no": to the question above
    condition: str  # what the question asks; "" of a leaf
    candidate: str | None  # what a leaf gets; None of a question
    share: float  # of all people who come here


class PointRow(TypedDict):
    """The points of one bin of a scorecard."""

    feature: str
    where: str
    points: int
    share: float


class BandRow(TypedDict):
    """What a total of points gets, from ``least`` up to the next band."""

    least: int
    candidate: str
    share: float


class RuleFindings(TypedDict):
    """A rule that a person can read, and what it loses against the policy.  Values are per head,
    of rules learnt without the outcomes that judge them; what is shown is learnt on all rows.
    """

    kind: str  # "tree" or "scorecard"
    sentences: list[str]
    steps: list[RuleStep]  # of a tree
    points: list[PointRow]  # of a scorecard
    bands: list[BandRow]
    treated: float
    values: dict[str, list[float]]
    spend: list[float]
    lost: dict[str, list[float]]  # the policy's gain less the rule's, paired
    demands: list[Any]  # of `findings.DemandRow`
    agreement: float  # share of people whom rules learnt with and without their fold treat alike
