"""Design: what a cross-fitted learner of finite cells starts from, checked and prepared once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Ints
from equipoise.core.errors import InputError
from equipoise.core.folds import check_folds, fold_ids
from equipoise.core.space import Space
from equipoise.estimators.base import finite_cells
from equipoise.estimators.modifiers import columns_of, effect_features
from equipoise.estimators.training_data import Sample
from equipoise.learners.base_learners import base_models
from equipoise.learners.early_stopping import FOLDS
from equipoise.learners.tables import Table


@dataclass(frozen=True)
class Design:
    """What a cross-fitted learner starts from.

    Attributes
    ----------
    table, outcome, effect : the features and the base models.   cell : (n,) in 0..cells-1.   fold :
        (n,).   modifiers : the places of the features of the effect, (q,), None for all; its table.
    """

    table: Table
    outcome: Any
    effect: Any
    cell: Ints
    cells: int
    fold: Ints
    modifiers: Ints | None
    effect_table: Table


def design(learner: Any, data: Sample) -> Design:
    """Check and prepare for a learner that has ``outcome_model``, ``effect_model``, ``cv``,
    ``modifiers``, ``random_state`` and a space with finite cells.
    """
    check_folds(learner.cv, "cv")
    table, cells = data.table(), 1 + len(learner.space_.candidates())
    outcome, effect = base_models(learner.outcome_model, learner.effect_model, table, cells)
    cell = finite_cells(learner.space_, data, least=learner.cv)
    fold = fold_ids(len(data), learner.cv, learner.random_state, strata=cell, groups=data.groups)
    _check_outside(learner.space_, cell, fold)
    places, of_effect = effect_table(learner.modifiers, table)
    return Design(table, outcome, effect, cell, cells, fold, places, of_effect)


def effect_table(
    modifiers: Sequence[str] | Sequence[int] | None, table: Table
) -> tuple[Ints | None, Table]:
    """The places of the features of the effect, (q,), None for all, and their table."""
    places = effect_features(modifiers, table.names)
    if places is None:
        return None, table
    ranks = [place for place, j in enumerate(places) if j in table.categories]
    names = [table.names[j] for j in places]
    return places, Table(columns_of(table.X, places), names, categories=ranks)


def cluster_folds(data: Sample, seed: int) -> Ints | None:
    """Folds of early stopping that tear no cluster apart, (n,), for a learner without folds of its
    own; None where rows are no clusters, or these are too few.
    """
    if data.groups is None or data.groups.max() + 1 < FOLDS:
        return None
    return fold_ids(len(data), FOLDS, seed, groups=data.groups)


def _check_outside(space: Space, cell: Ints, fold: Ints) -> None:
    """Refuse a cell that has all its rows in one fold, as one that a single group holds."""
    names = (*space.names(np.asarray([space.control])), *space.names(space.candidates()))
    for a, name in enumerate(names):
        folds = np.unique(fold[cell == a])
        if len(folds) == 1:
            raise InputError(
                f"treatment {name!r}",
                "have rows outside every fold",
                "all of them in one",
                f"fold {folds[0]}",
                "groups are never torn apart: log it in two groups or more, use more folds,"
                " merge it, or drop it from the space",
            )
