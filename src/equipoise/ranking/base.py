"""Ranker: the base of all ensembles of base scores.  It checks at the door, and leaves the learning
to the subclass.

A subclass stores its arguments in ``__init__`` (``objective_weight``, ``scores`` and
``random_state`` among them) and writes two methods:

    _learn(rows, held)         learn from checked `RankingRows`; what is learnt ends in ``_``
    _fused(scores, profile)    one score a row, (n,), higher ranks first

What is learnt is plain: numbers, text, arrays, lists and dicts of these, so that it can be saved
without code.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.folds import check_seed
from equipoise.learners.sample_order import sample_order
from equipoise.ranking.criterion import mean_auc
from equipoise.ranking.profile import ProfileColumns
from equipoise.ranking.rows import (
    RankingRows,
    check_objective_weight,
    check_scores,
    check_two_classes,
    ranking_rows,
)

ROUTED = ("profile", "groups", "label_mask", "sample_weight")
EVAL_SET = ("X", "y", *ROUTED)


class Ranker(BaseEstimator):  # type: ignore[misc]
    """Base of the ensembles: base scores of a row to one score to rank by.

    Examples
    --------
    >>> class Mean(Ranker):
    ...     def __init__(self, objective_weight=None, scores="number", random_state=0):
    ...         self.objective_weight, self.scores = objective_weight, scores
    ...         self.random_state = random_state
    ...
    ...     def _learn(self, rows, held):
    ...         pass
    ...
    ...     def _fused(self, scores, profile):
    ...         return scores.mean(axis=1)
    >>> Mean().fit([[1.0, 2.0], [3.0, 5.0]], [0, 1]).predict([[1.0, 4.0]])
    array([2.5])
    """

    __metadata_request__fit = {name: True for name in ROUTED}
    __metadata_request__predict = {"profile": True}
    __metadata_request__score = {name: True for name in ROUTED}

    kind: ClassVar[str] = "ensemble"
    objective_weight: Any
    scores: str
    random_state: int
    objectives_: tuple[str, ...]
    weight_: Floats
    profile_: dict[str, Any]

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        profile: Any = None,
        groups: Any = None,
        label_mask: Any = None,
        sample_weight: Any = None,
        eval_set: Mapping[str, Any] | None = None,
    ) -> Self:
        """Learn to rank rows by their base scores.

        Parameters
        ----------
        X : frame or array, (n, S)
            Base scores, one column each, out of sample: their models saw none of these rows.
        y : frame or array, (n,) or (n, M)
            Labels 0 and 1, a column for each objective; anything where ``label_mask`` hides them.
        profile : frame or array, (n, P), default None
            Of the viewer: numbers, text, categories.
        groups : array-like, (n,), default None
            Requests, or users, within which rows are ranked; None ranks all rows against each
            other.
        label_mask : array of bool, (n, M) or (n,), default None
            Where labels were observed, e.g. a purchase only after a click.
        sample_weight : array, (n,), default None
            Weights > 0.
        eval_set : mapping, default None
            Later rows that choose what is kept: ``{"X": ..., "y": ...}``, and of the other
            arguments those that fit got.  None lets a learner hold out rows of its own.

        Returns
        -------
        Ranker
            Itself.

        Raises
        ------
        InputError
            Naming the argument, the column and the row of a value that is not allowed.
        """
        check_seed(self.random_state, "random_state")
        scores, names = check_scores(X, self.scores)
        if len(scores) and (scores == scores[0]).all():
            fix = "give base scores that tell rows apart"
            raise InputError(
                "X", "have a score that varies", "the same scores in all rows", fix=fix
            )
        columns = ProfileColumns()
        viewers = columns.learn(profile, len(scores))
        rows = ranking_rows(scores, viewers, y, groups, label_mask, sample_weight)
        check_two_classes(rows)
        self.feature_names_in_ = np.asarray(names, dtype=object)
        self.n_features_in_ = len(names)
        self.objectives_, self.profile_ = rows.objectives, columns.to_json()
        self.weight_ = check_objective_weight(self.objective_weight, rows.objectives)
        held = None if eval_set is None else self._rows_of(eval_set, groups is not None)
        self._learn(rows.take(_order(rows)), held)
        return self

    def predict(self, X: Any, *, profile: Any = None) -> Floats:
        """One score for each row; higher ranks first.

        Parameters
        ----------
        X : frame or array, (n, S)
            The base scores of fit, columns of a frame in any order.
        profile : frame or array, (n, P) or (1, P), default None
            The columns of fit; one row stands for all, the viewer of a request.

        Returns
        -------
        array, (n,)
            Scores without a unit: only their order within a request says anything.
        """
        check_is_fitted(self, "weight_")
        scores = self._scores_of(X)
        viewers = ProfileColumns.from_json(self.profile_).read(profile, len(scores))
        return self._fused(scores, viewers) if len(scores) else np.empty(0)

    def score(
        self,
        X: Any,
        y: Any,
        *,
        profile: Any = None,
        groups: Any = None,
        label_mask: Any = None,
        sample_weight: Any = None,
    ) -> float:
        """The mean over objectives, by their weights, of their AUC; with groups, of their GAUC.

        Parameters
        ----------
        X : frame or array, (n, S)
            Base scores of rows that fit did not see.
        y : frame or array, (n,) or (n, M)
            Labels 0 and 1.
        profile : frame or array, (n, P) or (1, P), default None
            The columns of fit.
        groups : array-like, (n,), default None
            Requests, or users, within which rows are ranked.
        label_mask : array of bool, (n, M) or (n,), default None
            Where labels were observed.
        sample_weight : array, (n,), default None
            Weights > 0.

        Returns
        -------
        float
            In [0, 1]; an objective of one class alone does not count; NaN where none counts.
        """
        check_is_fitted(self, "weight_")
        given = (profile, groups, label_mask, sample_weight)
        rows = self._rows_of(
            {"X": X, "y": y, **dict(zip(ROUTED, given, strict=True))}, groups is not None
        )
        return mean_auc(self._fused(rows.scores, rows.profile), rows, self.weight_)

    @abstractmethod
    def _learn(self, rows: RankingRows, held: RankingRows | None) -> None:
        """Learn from checked rows, in an order of their own; held: those of ``eval_set``."""

    @abstractmethod
    def _fused(self, scores: Floats, profile: Floats) -> Floats:
        """The score to rank by, (n,).   scores: (n, S); profile: (n, P)."""

    def _scores_of(self, X: Any) -> Floats:
        """Scores of later rows, (n, S), in the order of fit."""
        values, names = check_scores(X, self.scores)
        fitted = tuple(self.feature_names_in_)
        if values.shape[1] != len(fitted):
            raise InputError("X", f"have the {len(fitted)} scores of fit", values.shape[1])
        if names == fitted or all(name == f"x{j}" for j, name in enumerate(names)):
            return values
        strange = sorted(set(names) - set(fitted))
        if strange:
            fix = f"fit saw {', '.join(map(str, fitted[:8]))}"
            raise InputError("X", "have the scores of fit", f"unknown {strange[:5]}", fix=fix)
        order: NDArray[Any] = np.array([names.index(name) for name in fitted])
        return np.ascontiguousarray(values[:, order])

    def _rows_of(self, given: Mapping[str, Any], grouped: bool) -> RankingRows:
        """Later rows with labels, checked against those of fit."""
        strange = sorted(set(given) - set(EVAL_SET))
        if strange or not {"X", "y"} <= set(given):
            fix = f"its keys are among {', '.join(EVAL_SET)}"
            raise InputError("eval_set", "have X and y", sorted(given), fix=fix)
        scores = self._scores_of(given["X"])
        viewers = ProfileColumns.from_json(self.profile_).read(given.get("profile"), len(scores))
        if grouped and given.get("groups") is None:
            raise InputError("groups", "be given for eval_set as for fit", None)
        rest = (given.get(name) for name in ("groups", "label_mask", "sample_weight"))
        rows = ranking_rows(scores, viewers, given["y"], *rest)
        if len(rows.objectives) != len(self.objectives_):
            must = f"have the {len(self.objectives_)} objectives of fit"
            raise InputError("y", must, len(rows.objectives))
        if set(rows.objectives) == set(self.objectives_) and rows.objectives != self.objectives_:
            fix = f"in the order of fit: {', '.join(self.objectives_)}"
            raise InputError("y", "have its columns as in fit", list(rows.objectives), fix=fix)
        return rows


def _order(rows: RankingRows) -> NDArray[np.int64]:
    """The rows in an order that does not depend on how they came."""
    features = np.hstack([rows.scores, rows.profile])
    ties = [] if rows.observed is None else list(rows.observed.T.astype(np.float64))
    return sample_order(features, rows.labels, rows.groups, ties)
