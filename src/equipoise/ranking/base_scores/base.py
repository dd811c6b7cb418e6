"""ScoreModel: the base of what predicts each objective's probability from features.

An ensemble learns from scores of rows that their models did not see: fit these on the earlier days
of a log, ask them on the later ones, and keep what they say (`ScoreModel.scores`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from equipoise.core.arrays import Bools, Floats
from equipoise.core.errors import InputError
from equipoise.core.features import FittedColumns
from equipoise.core.folds import check_seed, fold_ids
from equipoise.core.labelled_rows import HIDDEN, POSITIVE, codes_of, labelled_rows
from equipoise.learners.sample_order import sample_order

HELD = 5  # one group, or row, in so many decides when to stop
BLOCK = 8_192  # rows that are asked at once


class ScoreModel(FittedColumns, BaseEstimator):  # type: ignore[misc]
    """Base of the models of base scores: a subclass writes ``_learn`` and ``_probabilities``."""

    random_state: int

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        label_mask: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Learn the probability of every objective.

        Parameters
        ----------
        X : frame, array or sparse matrix, (n, d)
            Features of what was shown to whom: numbers, text, categories.
        y : frame or array, (n,) or (n, M)
            Labels 0 and 1, a column for each objective; anything where ``label_mask`` hides them.
        groups : array-like, (n,), default None
            Users: none is among both the rows that train and those that stop.
        label_mask : array of bool, (n, M) or (n,), default None
            Where labels were observed.
        sample_weight : array, (n,), default None
            Weights > 0.

        Returns
        -------
        ScoreModel
            Itself.

        Raises
        ------
        InputError
            Naming what is not allowed, and where; an objective of one class among them.
        """
        check_seed(self.random_state, "random_state")
        values, _ = self._fit_columns(X)
        rows = labelled_rows(y, label_mask, sample_weight)
        if len(rows) != len(values):
            raise InputError("y", f"have one row for each of X's {len(values)}", len(rows))
        if rows.one_class:
            fix = "leave the objective out, or give more rows"
            raise InputError(
                "y", "have labels 0 and 1 of each objective", rows.one_class[0], fix=fix
            )
        labels, observed = (rows.state == POSITIVE).astype(np.float64), rows.state != HIDDEN
        codes = None if groups is None else codes_of(groups, len(values), "groups")[0]
        order = sample_order(values, rows.state.astype(np.float64), codes)
        self.objectives_ = rows.objectives
        held = _held(len(values), None if codes is None else codes[order], self.random_state)
        parts = values[order], labels[order], observed[order], rows.weight[order]
        self._learn(*parts, held)
        return self

    def predict(self, X: Any) -> Floats:
        """The probability of every objective.

        Parameters
        ----------
        X : frame or array, (n, d)
            The columns of fit; rows that fit did not see.

        Returns
        -------
        array, (n, M)
            In (0, 1).
        """
        check_is_fitted(self, "objectives_")
        values = self._as_fitted(X)
        out = np.empty((len(values), len(self.objectives_)))
        for low in range(0, len(values), BLOCK):
            out[low : low + BLOCK] = self._probabilities(values[low : low + BLOCK])
        return out

    def scores(self, X: Any) -> pa.Table:
        """The same as a table with a column ``p_<objective>`` each, to be kept beside the log.

        Parameters
        ----------
        X : frame or array, (n, d)
            The columns of fit; rows that fit did not see.

        Returns
        -------
        pyarrow.Table
            n rows.
        """
        values = self.predict(X)
        return pa.table({f"p_{name}": values[:, j] for j, name in enumerate(self.objectives_)})

    @abstractmethod
    def _learn(
        self, X: Floats, labels: Floats, observed: Bools, weight: Floats, held: Bools
    ) -> None:
        """Learn from rows (n, d') in an order of their own; ``held`` of them decide when to
        stop.
        """

    @abstractmethod
    def _probabilities(self, X: Floats) -> Floats:
        """(n, M).   X: (n, d')."""


def _held(n: int, groups: Any, seed: int) -> Bools:
    """The rows that decide when to stop; none of few."""
    units = n if groups is None else int(groups.max()) + 1
    if units < 4 * HELD:
        return np.zeros(n, bool)
    held: Bools = fold_ids(n, HELD, seed, groups=groups) == 0
    return held
