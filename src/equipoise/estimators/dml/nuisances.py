"""What learns E[Y | x] and E[phi | x] beside the ridges of the shared Gram matrix: models of the
caller, boosted trees, or for each target the one of both that loses less on held-out rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.estimators.dml import passes
from equipoise.learners.base_learners import check_model, default_outcome
from equipoise.learners.crossfit import Nuisance, cross_fit
from equipoise.learners.tables import Table

LINES = ("ridge", "lasso")  # learnt from the shared Gram matrix
NUISANCES = (*LINES, "boosted", "auto")
SURE = 2.0  # standard errors by which trees must lose less


def check_nuisances(nuisances: str) -> None:
    """Refuse what is none."""
    if nuisances not in NUISANCES:
        raise InputError("nuisances", f"be one of {', '.join(NUISANCES)}", repr(nuisances))


def no_missing(X: Floats, features: tuple[str, ...]) -> None:
    """Refuse missing values, which no ridge can take."""
    if np.isfinite(X.sum()):  # infinities were refused before, so this is quick and certain
        return
    missing = np.isnan(X)
    if missing.any():
        row, j = (int(i) for i in np.argwhere(missing)[0])
        raise InputError(
            f"feature {features[j]!r}",
            "have no missing value here",
            "NaN",
            f"row {row}",
            "fill it, or use trees",
        )


def model_of(model: Any, nuisances: str, rows: int) -> Any:
    """The model of a nuisance: the caller's, or trees, or None for lines."""
    return default_outcome(rows) if model is None and nuisances not in LINES else model


def model_residuals(
    model: Any,
    role: str,
    table: Table,
    targets: Floats,
    weight: Floats | None,
    fold: Ints,
    seed: int,
) -> Floats:
    """Targets less the prediction of models that learnt on the other folds, (n, r).   targets: (n,
    r).
    """
    check_model(model, role, table, classifier=False)
    return (
        targets
        - cross_fit(model, table, [Nuisance(None, targets)], fold, weight, seed).predictions[:, 0]
    )


def line_residuals(
    part: passes.Part, table: Table, sums: passes.Sums, learn: Callable[[passes.Sums], Floats]
) -> Floats:
    """phi and y less their ridges or lassos of the other folds, (n, p + m).

    sums: of the table's X.   learn: sums -> coefficients of each fold, (folds, p + m, 1 + d).
    """
    targets = np.hstack([part.phi, part.y])
    own, folds = learn(sums), len(sums.grams)
    for f, of_fold in enumerate(table.without_each(part.fold)):
        if of_fold is not table:
            alone = replace(part, X=of_fold.X)
            sums = passes.first_pass(lambda alone=alone: [alone], folds)  # type: ignore[misc]
            own = learn(sums)
        rows = np.flatnonzero(part.fold == f)
        z = (of_fold.X[rows] - sums.centre) / sums.scale
        targets[rows] -= sums.shift[len(sums.centre) :] + own[f][:, 0] + z @ own[f][:, 1:].T
    return targets


def lesser(ridge: Floats, trees: Floats, weight: Floats | None) -> Floats:
    """Of each column (n, r) the residuals of trees where they are surely smaller, else of ridges:
    trees stopped early lose as little as a line where there is nothing to learn.
    """
    w = np.full(len(ridge), 1 / len(ridge)) if weight is None else weight / weight.sum()
    fall = ridge**2 - trees**2
    mean = w @ fall
    error = np.sqrt(w**2 @ (fall - mean) ** 2)
    return np.where(mean > SURE * error, trees, ridge)
