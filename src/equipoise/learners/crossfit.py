"""Cross-fitting, written once: a nuisance is data, and no row is predicted by a model that saw it.

    Chernozhukov et al. (2018), Double/debiased machine learning, Econometrics Journal 21.

A `Nuisance` says from which rows a regression learns, and what.  `cross_fit` learns it once per
fold, on the rows of the other folds, and predicts the fold's rows, also those that it never learns
from: so the level of an arm is there for every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.learners.base_learners import Fitted, learn, learn_folds, predict_all
from equipoise.learners.tables import Folds, Rows, Table


@dataclass(frozen=True)
class Nuisance:
    """One regression: the rows it may learn from, (n,) or None for all, and its targets, (n, m)."""

    rows: Bools | None
    target: Floats


@dataclass(frozen=True)
class CrossFit:
    """What was learnt.

    Attributes
    ----------
    predictions : (n, nuisances, m), of every row by models that did not see it.
    models : (folds, nuisances, m) nested lists of the learnt models.
    """

    predictions: Floats
    models: list[list[list[Fitted]]]


def cross_fit(
    model: Any,
    table: Table,
    nuisances: Sequence[Nuisance],
    fold: Ints,
    weight: Floats | None = None,
    seed: int = 0,
) -> CrossFit:
    """Learn every nuisance and target across folds.   fold, weight: (n,); all nuisances have the
    same number m of targets.
    """
    n, m = nuisances[0].target.shape
    folds = int(fold.max()) + 1
    learnt = [  # (nuisances, m, folds)
        _without_each_fold(model, table, nuisance, fold, folds, weight, seed)
        for nuisance in nuisances
    ]
    models = [[[of[f] for of in targets] for targets in learnt] for f in range(folds)]
    predictions = np.empty((n, len(nuisances), m))
    for f, of_fold in enumerate(table.without_each(fold)):
        rows = np.flatnonzero(fold == f)
        flat = [one for targets in models[f] for one in targets]
        each = predict_all(flat, of_fold.X, rows)
        predictions[rows] = each.T.reshape(len(rows), len(nuisances), m)
    return CrossFit(predictions, models)


def _without_each_fold(
    model: Any,
    table: Table,
    nuisance: Nuisance,
    fold: Ints,
    folds: int,
    weight: Floats | None,
    seed: int,
) -> list[list[Fitted]]:
    """Learn each target of a nuisance without each fold in turn, (m, folds)."""
    rows = Rows(table, None if nuisance.rows is None else np.flatnonzero(nuisance.rows))
    parts = Folds(rows, rows.of(fold), folds, table.without_each(fold))
    for inside in parts.inside:
        _present(inside)
    w = None if weight is None else rows.of(weight)
    columns = np.ascontiguousarray(rows.of(nuisance.target).T)
    return [learn_folds(model, parts, column, w, seed) for column in columns]


def learn_targets(
    model: Any,
    table: Table,
    nuisance: Nuisance,
    fold: Ints | None = None,
    weight: Floats | None = None,
    seed: int = 0,
) -> list[Fitted]:
    """Learn each target of a nuisance, m models, from its rows.   fold: (n,) of early stopping."""
    rows = Rows(table, None if nuisance.rows is None else np.flatnonzero(nuisance.rows))
    _present(rows)
    return learn_each(
        model,
        rows,
        rows.of(nuisance.target),
        None if weight is None else rows.of(weight),
        seed,
        None if fold is None else rows.of(fold),
    )


def _present(rows: Rows) -> None:
    """Refuse rows that are none."""
    if rows.index is not None and len(rows.index) == 0:
        raise InputError(
            "the training rows of a fold",
            "hold every arm",
            "an arm with none",
            fix="use fewer folds or more groups",
        )


def learn_each(
    models: Any,
    rows: Rows,
    target: Floats,
    weight: Floats | None = None,
    seed: int = 0,
    fold: Ints | None = None,
) -> list[Fitted]:
    """Learn each column of ``target`` from the same rows: m models.   models : one for all columns,
    or a list of m; target: (rows, m); weight: (rows,); fold: (rows,) of early stopping.
    """
    columns = np.ascontiguousarray(target.T)
    each = models if isinstance(models, list) else [models] * len(columns)
    return [
        learn(model, rows, column, weight, seed, fold)
        for model, column in zip(each, columns, strict=True)
    ]


def cell_nuisances(y: Floats, cell: Ints, cells: int) -> list[Nuisance]:
    """The level under each cell: K nuisances that learn from the cell's own rows.   y: (n, m)."""
    return [Nuisance(cell == a, y) for a in range(cells)]
