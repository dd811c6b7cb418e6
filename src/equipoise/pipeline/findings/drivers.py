"""Drivers: which features the predicted effects hang on.

For every candidate and metric a small regression tree learns the predicted effect from the
features; the importance of a feature is its share of the variation that the tree explains (Breiman
et al. 1984, section 5.3), the levels of a text column added up. It says what the estimator used,
not what causes the effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.effects import Effects
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.learners.tables import Table
from equipoise.report.findings import Driver

ROWS = 20_000  # a sample this large fixes shares to about a percent
DEPTH, LEAF = 6, 0.01  # a small tree: leaves hold at least 1 % of the rows
BINS, LEAST = 255, 1e-3  # a split explains at least so much of the variation
SHOWN = 12  # features a candidate and metric


def drivers(log: Log, effects: Effects, metrics: tuple[str, ...], seed: int) -> list[Driver]:
    """The most important features of every predicted effect, largest first."""
    rows = np.arange(len(log))
    if len(log) > ROWS:
        rows = log.order[np.random.default_rng(seed).choice(len(log), ROWS, replace=False)]
    raw = log.features.take(rows)
    encoding = FeatureMap().fit(raw)
    X, _ = matrix(encoding.table(raw))
    features = Table(X, [f"x{j}" for j in range(X.shape[1])]).binned(BINS, 1)
    sources = encoding.sources()
    table: list[Driver] = []
    for metric in metrics:
        for candidate in effects.candidates:
            target = effects.metric(metric)[rows, effects.candidates.index(candidate)]
            table += [
                {"metric": metric, "candidate": candidate, "feature": feature, "importance": share}
                for feature, share in _importances(features, sources, target)
            ]
    return table


def _splits(node: dict[str, Any]) -> Iterator[tuple[int, float]]:
    """The feature and the gain of every split of a tree.  LightGBM's own least gain would not do: a
    feature without it at the root is never tried again, also where it matters to some rows.
    """
    if "split_feature" in node:
        yield node["split_feature"], node["split_gain"]
        yield from _splits(node["left_child"])
        yield from _splits(node["right_child"])


def _importances(
    features: lightgbm.Dataset, sources: list[str], target: Floats
) -> list[tuple[str, float]]:
    """Shares of what one tree explains, largest first.   features: binned, of the target's rows."""
    settings = {
        "objective": "l2",
        "max_depth": DEPTH,
        "num_leaves": 2**DEPTH,
        "min_data_in_leaf": max(1, int(LEAF * len(target))),
        "num_threads": 1,
        "verbosity": -1,
    }
    spread = float(np.std(target))
    features.set_label((target - target.mean()) / spread if spread > 0 else target * 0)
    features.params = settings
    tree = lightgbm.Booster(settings, features)
    tree.update()
    gain = np.zeros(len(sources))
    for feature, own in _splits(tree.dump_model()["tree_info"][0]["tree_structure"]):
        gain[feature] += own if own >= LEAST * len(target) else 0.0  # of a target of variance 1
    total: dict[str, float] = {}
    for source, share in zip(sources, gain / gain.sum() if gain.sum() > 0 else gain, strict=True):
        total[source] = total.get(source, 0.0) + float(share)
    ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
    return [(name, share) for name, share in ranked[:SHOWN] if share > 0]
