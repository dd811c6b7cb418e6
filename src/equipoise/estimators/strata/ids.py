"""Strata of rows of ids: each column of X holds ids (a user, an item), learnt by a net with an
embedding an id.

Every fold's net knows the ids of the rows it learnt from; any other id is met by the mean of the
known ones, in prediction and in the held-out part.  The signals are doubly robust around the
held-out strata.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.strata import STRATA, cells_of, dr_signals
from equipoise.estimators.strata.base import OutOfFold
from equipoise.estimators.strata.cells import folds_of, offer_propensity
from equipoise.estimators.strata.sample import StrataSample
from equipoise.neural import require_torch
from equipoise.neural.id_scores import IdScores, codes_of, softmax

Learn = Callable[[Any], Any]  # ClaimRows -> StrataModel


def learn_by_fold(
    data: StrataSample, folds: int, seed: int, learn: Learn
) -> tuple[list[dict[str, Any]], OutOfFold]:
    """One net a fold, and what they say of the rows they did not see.   What is learnt is plain
    arrays.

    Rows come with weights 1 / P(own arm) where a propensity was given; a net may use them.
    """
    require_torch()
    from equipoise.neural.strata import ClaimRows  # torch, and only where something is trained

    if data.rows.weight is not None:
        raise InputError(
            "sample_weight",
            "be None for id networks",
            "weights",
            fix="use a tabular estimator: cf-dr, cf-mle",
        )
    X = checked_ids(data.rows.X, data.rows.features)
    fold = folds_of(data, folds, seed)
    g = offer_propensity(data, fold)
    weight = None if data.rows.propensity is None else 1 / np.where(data.offered == 1, g, 1 - g)
    models, strata = [], np.empty((len(data), len(STRATA)))
    for f in range(folds):
        rows = np.flatnonzero(fold != f)
        ids = [np.unique(X[rows, j]) for j in range(X.shape[1])]
        sizes = tuple(len(values) for values in ids)
        part = None if weight is None else weight[rows]
        claim_rows = ClaimRows(
            codes(X[rows], ids), sizes, data.offered[rows], data.claimed[rows], data.y[rows], part
        )
        models.append({"known": ids, **learn(claim_rows).scores.arrays()})
        out = np.flatnonzero(fold == f)
        strata[out] = strata_of(models[-1], X[out])
    psi = dr_signals(data.claims(g), *cells_of(strata))
    return models, OutOfFold(psi, psi, strata, g)


def mean_strata(models: list[dict[str, Any]], X: Floats, features: tuple[str, ...]) -> Floats:
    """The strata of new rows, (n, 5): the mean over the folds' nets."""
    values = checked_ids(X, features)
    mean: Floats = np.mean([strata_of(model, values) for model in models], axis=0)
    return mean


def strata_of(model: dict[str, Any], X: Ints) -> Floats:
    """The strata of rows of ids, (n, 5), by one learnt net."""
    return softmax(IdScores.from_arrays(model)(codes(X, model["known"])))


def codes(X: Ints, ids: list[Ints]) -> Ints:
    """Codes of ids, (n, p), column by column."""
    return np.column_stack([codes_of(X[:, j], values) for j, values in enumerate(ids)])


def checked_ids(X: Floats, features: tuple[str, ...]) -> Ints:
    """X as whole numbers; anything else is no id."""
    bad = ~(np.isfinite(X) & (np.floor(X) == X))
    if bad.any():
        row, j = (int(place) for place in np.argwhere(bad)[0])
        fix = "give columns of ids (a user, an item), or use a tabular estimator: cf-dr, cf-mle"
        raise InputError(
            f"X column {features[j]!r}",
            "hold ids, which are whole numbers",
            f"{X[row, j]:g}",
            f"row {row}",
            fix,
        )
    return X.astype(np.int64)
