"""How strong an unmeasured cause would have to be to undo what the log says, where treatment was
not given by lot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.effects import Effects
from equipoise.core.estimates import around
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.evaluation import (
    EvaluationData,
    FeatureStrength,
    HiddenBias,
    feature_strengths,
    hidden_bias,
)
from equipoise.pipeline.findings.diagnostics import log_evidence
from equipoise.pipeline.study.propensity import Design
from equipoise.report.findings import Interval, Likened, Sensitivity, Undone

ROWS = 20_000  # fix how strong a feature is to a percent
SHOWN = 5  # features an effect is held against
BY_LOT = (
    "Who got what was decided by lot or by probabilities that the log knows, so no unmeasured cause"
    " of both treatment and outcome can stand behind an effect; nothing is shown."
)
AS_IF_BY_LOT = (
    "The log does not say how treatment was given. Arms do not follow the features, so it is taken"
    " for given by lot; whether something unmeasured moved both treatment and outcome cannot be"
    " seen."
)


def sensitivity(
    log: Log,
    effects: Effects,
    design: Design,
    policy: Floats,
    gains: Mapping[str, Interval],
    level: float,
) -> Sensitivity:
    """Of each average effect, and of the policy's gain, what a cause as strong as each of the
    strongest features would leave of it, and how strong one must be to undo it.

    policy: (n, K);  gains: of the policy, by metric, with the intervals that the headline has.
    """
    if design.learnt is None or log.roles.action_propensity is not None:
        known = log.roles.design or log.roles.propensity or log.roles.action_propensity
        return {"why": BY_LOT if known else AS_IF_BY_LOT, "rows": []}
    rows = log_evidence(log, effects, design.propensity)
    encoding = FeatureMap().fit(log.features)
    X, _ = matrix(encoding.table(log.features))
    names = encoding.sources()
    sample = np.zeros(len(log), np.bool_)
    sample[log.order[:ROWS]] = True
    found: list[Undone] = []
    for a, candidate in enumerate(effects.candidates):
        part, open_to = rows.judged(a)
        every = np.full(len(part), a)
        strengths = _strengths(every, part, X[open_to], names, sample[open_to])
        found += _undone(candidate, log.metrics, hidden_bias(every, part, level=level), strengths)
    if (policy[:, 0] < 1).any():
        hidden = with_intervals(hidden_bias(policy, rows, level=level), log.metrics, gains, level)
        found += _undone("", log.metrics, hidden, _strengths(policy, rows, X, names, sample))
    return {"why": "", "rows": found}


def with_intervals(
    hidden: HiddenBias, metrics: tuple[str, ...], gains: Mapping[str, Interval], level: float
) -> HiddenBias:
    """The same around the values and errors of a policy that the headline has."""
    value, low, high = np.array([gains[name] for name in metrics]).T
    reach = around(np.zeros(1), np.ones(1), hidden.effect.df, level=level).high
    return replace(
        hidden, effect=around(value, (high - low) / 2 / reach, hidden.effect.df, level=level)
    )


def _strengths(
    policy: Any, rows: EvaluationData, X: Floats, names: list[str], sample: Any
) -> list[FeatureStrength]:
    """Of each feature, on a sample of the rows."""
    return feature_strengths(policy[sample], rows.take(sample), X[sample], names)


def _undone(
    candidate: str,
    metrics: tuple[str, ...],
    hidden: HiddenBias,
    strengths: list[FeatureStrength],
) -> list[Undone]:
    rows: list[Undone] = []
    for j, metric in enumerate(metrics):
        order = sorted(strengths, key=lambda s: -float(s.both[j]))[:SHOWN]
        likened: list[Likened] = []
        for one in order:
            low, high = hidden.bounds(one.outcome, one.treatment)
            times = float(hidden.times(one.outcome, one.treatment)[j])
            likened.append(
                {
                    "feature": one.feature,
                    "outcome": float(one.outcome[j]),
                    "treatment": one.treatment,
                    "left": [hidden.effect[j].value, float(low[j]), float(high[j])],
                    "times": times if math.isfinite(times) else None,
                }
            )
        rows.append(
            {
                "metric": metric,
                "candidate": candidate,
                "effect": hidden.effect[j].interval,
                "robustness": float(hidden.robustness[j]),
                "likened": likened,
            }
        )
    return rows
