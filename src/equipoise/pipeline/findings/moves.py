"""How far each feature moves a person's predicted effect, and which way: exact Shapley values where
the effect is a sum of trees, on rows that the model never saw.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import spearmanr

from equipoise.artifacts.model import Model
from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.features import least_rows
from equipoise.core.log import Log
from equipoise.estimators.contributions import effect_contributions
from equipoise.estimators.transforms import takes_raw
from equipoise.pipeline.study.cross_fit import SHIPPED
from equipoise.pipeline.study.study import Study
from equipoise.report.findings import Driver

ROWS = 2_000  # fix a mean size to a few percent
CLEAR = 0.6  # a rank correlation from which a feature is said to push one way


def moved(rows: list[Driver], study: Study) -> list[Driver]:
    """`with_moves` of what a study ships."""
    return with_moves(rows, study.log, study.model, np.flatnonzero(study.fold == SHIPPED))


def with_moves(rows: list[Driver], log: Log, model: Model, unseen: Ints) -> list[Driver]:
    """Drivers with ``moves`` and ``direction``; as they are where effects are no sums of trees.

    unseen: rows that the model was not fitted on.
    """
    sample = log.order[np.isin(log.order, unseen)][:ROWS]
    if model.own or not len(sample) or takes_raw(model.estimator):
        return rows  # what a transformer gives is of no one column
    raw = log.features.take(pa.array(sample))
    parts = effect_contributions(model.estimator, model.features.table(raw))
    if parts is None:
        return rows
    sources = np.array(model.features.sources())
    space, metrics = model.estimator.space_, model.estimator.metrics_
    names = list(space.names(space.candidates()))

    def move(row: Driver) -> dict[str, Any]:
        if row["candidate"] not in names or row["metric"] not in metrics:
            return {}
        a, j = names.index(row["candidate"]), list(metrics).index(row["metric"])
        added = parts.values[:, a, j][:, sources == row["feature"]].sum(axis=1)
        size = float(np.abs(added - added.mean()).mean())
        return {"moves": size, "direction": direction(raw[row["feature"]], added)}

    return [{**row, **move(row)} for row in rows]  # type: ignore[typeddict-item]


def direction(column: pa.ChunkedArray, added: Floats) -> str:
    """Whether what a feature adds (n,) rises or falls with it; of text, the level that adds most.

    >>> direction(pa.chunked_array([[1.0, 2.0, 3.0, None]]), np.array([0.5, 0.6, 0.9, 0.0]))
    'rises'
    """
    if not np.ptp(added) > 0:
        return ""
    if columns.is_text(column):
        code, names = columns.codes(column)
        count = np.bincount(code, minlength=len(names))
        mean = np.bincount(code, added, len(names)) / np.maximum(count, 1)
        mean[count < least_rows(len(code))] = -np.inf
        best = int(mean.argmax())
        return f"most for {names[best]}" if np.isfinite(mean[best]) else ""
    values = columns.numbers(column)
    known = ~np.isnan(values)
    if known.sum() < 3 or not np.ptp(values[known]) > 0 or not np.ptp(added[known]) > 0:
        return ""
    rank = float(spearmanr(values[known], added[known]).statistic)
    return "rises" if rank > CLEAR else "falls" if rank < -CLEAR else "both ways"
