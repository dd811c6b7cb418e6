"""Effects by segment: those that the plan names, on all rows; by default those of the features that
drive the predicted effects most.

Features that drive are found from the predictions of the model that ships, which never saw the rows
of its fold, and the effects are measured on these rows alone: whoever picks the features by the
outcomes that then judge them finds differences where there are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.audit_groups import audit_groups
from equipoise.core.log import Log
from equipoise.evaluation import EvaluationData, SegmentEffects, segment_effects
from equipoise.pipeline.findings.drivers import drivers
from equipoise.pipeline.study.cross_fit import SHIPPED
from equipoise.pipeline.study.study import Study
from equipoise.report.findings import Driver
from equipoise.report.findings_segments import SegmentFindings, SegmentRow, SegmentTest

LEADERS = 3  # features, by default
LEAST_SHARE = 0.05  # of the explained variation, below which a feature leads nobody
MOST_ARMS = 6  # candidates; of more, those that the policy gives most


def segment_findings(
    study: Study, policy: Floats, evidence: EvaluationData, lead: Sequence[Driver]
) -> Mapping[str, SegmentFindings]:
    """The key "segments" of the findings; nothing where the plan wants none, or no feature divides
    the rows.   policy: (n, K); evidence: of all rows; lead: `held_drivers`.
    """
    named = study.plan.report.segments
    log, rows = study.log, np.ones(len(study.log), np.bool_)
    if named is None:
        rows = study.fold == SHIPPED
        features = leaders(lead, study.task.weights, LEADERS)
    else:
        features = list(named)
    divided = segments_of(log, features, rows)
    if not divided:
        return {}
    arms = most_given(policy[rows])
    codes = {name: code for name, (code, _) in divided.items()}
    effects = segment_effects(evidence.take(rows), codes, level=study.plan.report.level).of(
        arms.tolist()
    )
    words = [labels for _, labels in divided.values()]
    told = [words[f][int(label)] for f, label in zip(effects.feature, effects.labels, strict=True)]
    names = [study.effects.candidates[a] for a in arms]
    tests, table = _rows(
        replace(effects, labels=tuple(told)), log.metrics, names, study.plan.report.level
    )
    return {
        "segments": {
            "named": named is not None,
            "rows": int(rows.sum()),
            "features": list(divided),
            "tests": tests,
            "segments": table,
        }
    }


def held_drivers(study: Study) -> list[Driver]:
    """Drivers of what the model that ships predicts for the rows that it never saw: no outcome of
    these rows chooses them.
    """
    rows = np.flatnonzero(study.fold == SHIPPED)
    log = study.log.take(rows)
    return drivers(log, study.effects.take(rows), log.metrics, study.plan.run.seed)


def leaders(rows: Sequence[Driver], weights: Mapping[str, float], most: int) -> list[str]:
    """The features that drive the effects on the metrics that count most, the first first.

    >>> part = {"metric": "spend", "candidate": "mail"}
    >>> rows = [{**part, "feature": f, "importance": p} for f, p in (("age", 0.9), ("zip", 0.02))]
    >>> leaders(rows, {"spend": 1.0}, 3)
    ['age']
    """
    counted = [row for row in rows if weights.get(row["metric"])] or list(rows)
    effects = len({(row["metric"], row["candidate"]) for row in counted})
    total: dict[str, float] = {}
    for row in counted:
        total[row["feature"]] = total.get(row["feature"], 0.0) + row["importance"] / effects
    ranked = sorted(total, key=lambda name: -total[name])
    return [name for name in ranked[:most] if total[name] >= LEAST_SHARE]


def segments_of(
    log: Log, features: Sequence[str], rows: Bools
) -> dict[str, tuple[Ints, list[str]]]:
    """The segment of each of some rows and the segments' names, by feature; features that do not
    divide these rows are left out.
    """
    divided = {}
    for name in features:
        codes, labels = audit_groups(log, name)
        if len(np.unique(codes[rows])) > 1:
            divided[name] = codes[rows], labels
    return divided


def most_given(policy: Floats) -> Ints:
    """The candidates that are asked for, in their order.   policy: (n, K)."""
    share = policy.mean(axis=0)[1:]
    return np.sort(np.argsort(-share, kind="stable")[:MOST_ARMS])


def _rows(
    effects: SegmentEffects, metrics: Sequence[str], names: Sequence[str], level: float
) -> tuple[list[SegmentTest], list[SegmentRow]]:
    shrunk, adjusted, whole = (
        effects.shrunk(level),
        effects.adjusted,
        effects.adjusted_heterogeneity,
    )
    tests: list[SegmentTest] = []
    table: list[SegmentRow] = []
    for j, metric in enumerate(metrics):
        for a, candidate in enumerate(names):
            tests += [
                {
                    "feature": feature,
                    "metric": metric,
                    "candidate": candidate,
                    "p_value": float(effects.heterogeneity[f, a, j]),
                    "adjusted": float(whole[f, a, j]),
                }
                for f, feature in enumerate(effects.features)
            ]
            table += [
                {
                    "feature": effects.features[effects.feature[s]],
                    "segment": label,
                    "rows": int(effects.rows[s]),
                    "metric": metric,
                    "candidate": candidate,
                    "effect": effects.effect[s, a, j].interval,
                    "shrunk": shrunk[s, a, j].interval,
                    "less_others": effects.difference[s, a, j].interval,
                    "p_value": float(effects.difference.p_value[s, a, j]),
                    "adjusted": float(adjusted[s, a, j]),
                }
                for s, label in enumerate(effects.labels)
            ]
    return tests, table
