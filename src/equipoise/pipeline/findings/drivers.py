"""Drivers: which features the predicted effects hang on.

For every candidate and metric a small regression tree learns the predicted effect from the
features; the importance of a feature is its share of the variation that the tree explains (Breiman
et al. 1984, section 5.3), the levels of a text column added up. It says what the estimator used,
not what causes the effect.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from equipoise.core.effects import Effects
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.report.findings import Driver

ROWS = 20_000  # a sample this large fixes shares to about a percent
DEPTH, LEAF = 6, 0.01  # a small tree: leaves hold at least 1 % of the rows
SHOWN = 12  # features a candidate and metric


def drivers(log: Log, effects: Effects, metrics: tuple[str, ...], seed: int) -> list[Driver]:
    """The most important features of every predicted effect, largest first."""
    rows = np.arange(len(log))
    if len(log) > ROWS:
        rows = log.order[np.random.default_rng(seed).choice(len(log), ROWS, replace=False)]
    raw = log.features.take(rows)
    encoding = FeatureMap().fit(raw)
    X, _ = matrix(encoding.table(raw))
    sources = encoding.sources()
    table: list[Driver] = []
    for metric in metrics:
        for candidate in effects.candidates:
            target = effects.metric(metric)[rows, effects.candidates.index(candidate)]
            table += [
                {"metric": metric, "candidate": candidate, "feature": feature, "importance": share}
                for feature, share in _importances(X, sources, target, seed)
            ]
    return table


def _importances(X: Any, sources: list[str], target: Any, seed: int) -> list[tuple[str, float]]:
    tree = DecisionTreeRegressor(max_depth=DEPTH, min_samples_leaf=LEAF, random_state=seed).fit(
        X, target
    )
    total: dict[str, float] = {}
    for source, share in zip(sources, tree.feature_importances_, strict=True):
        total[source] = total.get(source, 0.0) + float(share)
    ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
    return [(name, share) for name, share in ranked[:SHOWN] if share > 0]
