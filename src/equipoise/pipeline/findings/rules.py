"""The rule that a person can read, as the report shows it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from equipoise.allocation.rules.scorecard import Scorecard
from equipoise.allocation.rules.tree import Node, PolicyTree
from equipoise.core.arrays import Bools
from equipoise.core.log import Log
from equipoise.pipeline.study.rules import ReadableRule
from equipoise.report.findings_rules import BandRow, PointRow, RuleFindings, RuleStep


def rule_findings(log: Log, readable: ReadableRule | None) -> Mapping[str, RuleFindings]:
    """The key "rules" of the findings; nothing where no rule was asked for."""
    if readable is None:
        return {}
    rule, X = readable.rule, log.features
    tree = isinstance(rule, PolicyTree)
    return {
        "rules": {
            "kind": "tree" if tree else "scorecard",
            "sentences": rule.text().splitlines(),
            "steps": steps_of(rule, X) if isinstance(rule, PolicyTree) else [],
            "points": points_of(rule, X) if isinstance(rule, Scorecard) else [],
            "bands": bands_of(rule, X) if isinstance(rule, Scorecard) else [],
            "treated": float((readable.choice >= 0).mean()),
            "values": readable.values,
            "spend": readable.spend,
            "lost": readable.lost,
            "demands": list(readable.demands),
            "agreement": readable.agreement,
        }
    }


def steps_of(tree: PolicyTree, X: pa.Table) -> list[RuleStep]:
    """Every node from above, what follows yes before what follows no.   X: the log's features."""
    return _steps(tree, tree.root_, X, np.ones(X.num_rows, np.bool_), 0, "")


def _steps(
    tree: PolicyTree, node: Node, X: pa.Table, here: Bools, depth: int, answer: str
) -> list[RuleStep]:
    question = node.question
    leaf = question is None or node.yes is None or node.no is None
    first: RuleStep = {
        "depth": depth,
        "answer": answer,
        "condition": "" if question is None else question.text(),
        "candidate": tree.candidates_[node.candidate + 1] if leaf else None,
        "share": float(here.mean()),
    }
    if question is None or node.yes is None or node.no is None:
        return [first]
    yes = question.answers(X)
    return [
        first,
        *_steps(tree, node.yes, X, here & yes, depth + 1, "yes"),
        *_steps(tree, node.no, X, here & ~yes, depth + 1, "no"),
    ]


def points_of(card: Scorecard, X: pa.Table) -> list[PointRow]:
    """Every bin with its points and the share of people in it."""
    rows: list[PointRow] = []
    for feature in card.features_:
        column = feature.bins.column
        code = feature.bins.codes(X[column], unseen=-1)
        for where, bins in feature.rows():
            share = float(np.isin(code, bins).mean())
            points = feature.points[bins[0]]
            rows.append({"feature": column, "where": where, "points": points, "share": share})
    return rows


def bands_of(card: Scorecard, X: pa.Table) -> list[BandRow]:
    """What totals get, from control up."""
    given = card.assign(X)
    least = dict([(0, -1), *card.bands_])
    return [
        {
            "least": start,
            "candidate": card.candidates_[arm + 1],
            "share": float((given == arm).mean()),
        }
        for start, arm in least.items()
    ]
