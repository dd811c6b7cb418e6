"""Cross-fitted effects: every row's effects come from models that never saw it.

    for each fold f:   features and estimator are fitted on the rows outside f, and say the effects
    of the rows in f

so a policy chosen with these effects and judged with the outcomes of the same rows is free of the
winner's curse.  One fit serves all metrics; "claimed" (or the observed cost) is a metric of that
fit too, since a policy's expected cost needs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import clone

from equipoise.artifacts.model import Model
from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.features import FeatureMap
from equipoise.core.folds import fold_ids
from equipoise.core.log import Log
from equipoise.core.progress import Progress, silent


def extra_metrics(log: Log) -> tuple[str, ...]:
    """The column modelled beside the outcomes because a policy's expected cost needs it: claimed,
    or else the observed cost.
    """
    name = log.roles.claimed or log.roles.cost
    return () if name is None or name in log.metrics or np.ptp(log.numbers(name)) == 0 else (name,)


def targets(log: Log) -> pa.Table:
    """The metrics of the one fit, as columns: the outcomes, then `extra_metrics`."""
    return pa.table({name: log.numbers(name) for name in (*log.metrics, *extra_metrics(log))})


def fit_model(log: Log, estimator: Any, propensity: Any = None) -> Model:
    """A clone of the estimator, fitted on all rows of a log.

    propensity : (n, K), or a model that learns it; by default what the log knows.
    """
    features = FeatureMap().fit(log.features)
    model = clone(estimator)
    if model.space is None:
        model.set_params(space=log.space)
    known = log.propensity if propensity is None else propensity
    model.fit(
        features.transform(log.features),
        targets(log),
        treatment=log.treatment,
        propensity=known,
        sample_weight=log.weight,
        groups=log.groups,
    )
    return Model(features, model)


def cross_fit(
    log: Log, estimator: Any, fold: Ints, propensity: Any = None, progress: Progress = silent
) -> Effects:
    """The effects of every row from models fitted on the other folds.   fold: (n,) in 0..F-1."""
    count = int(fold.max()) + 1
    parts, rows = [], []
    for f in range(count):
        progress("effects", f, count)
        inside = np.flatnonzero(fold == f)
        outside = np.flatnonzero(fold != f)
        known = propensity[outside] if isinstance(propensity, np.ndarray) else propensity
        model = fit_model(log.take(outside), estimator, known)
        parts.append(model.effects(log.features.take(pa.array(inside))))
        rows.append(inside)
    progress("effects", count, count)
    return _in_order(parts, np.concatenate(rows))


def log_folds(log: Log, folds: int, seed: int) -> Ints:
    """The fold of each row of a log, (n,): clusters stay whole, or every cell is spread evenly."""
    return fold_ids(len(log), folds, seed, strata=log.cells, groups=log.groups)


def cross_fit_effects(log: Log, estimator: Any, folds: int = 3, seed: int = 0) -> Effects:
    """The effects of every row of a log, each from a model that never saw the row.

    Parameters
    ----------
    log : the experiment.
    estimator : any estimator of `equipoise.estimators`; it is cloned, and takes the log's space
        where it has none.
    folds : the log is cut in so many parts.   seed : of the cut.
    """
    return cross_fit(log, estimator, log_folds(log, folds, seed))


def _in_order(parts: list[Effects], rows: Ints) -> Effects:
    """The effects of the folds put together in the order of the log."""
    place = np.argsort(rows)

    def joined(arrays: list[Floats]) -> Floats:
        return np.concatenate(arrays)[place]

    errors = [part.std_error for part in parts if part.std_error is not None]
    return Effects(
        joined([part.values for part in parts]),
        joined([part.baseline for part in parts]),
        parts[0].candidates,
        parts[0].metrics,
        joined(errors) if len(errors) == len(parts) else None,
    )
